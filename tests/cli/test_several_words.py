"""`keras-sal train` of one detector for two words, and the commands that take it, on tones."""

import json

import pytest
from quick_release import quick_release
from recording_folders import keep_pitch, small_corpus, write_tones
from unrendered import unrendered_figures

from keras_sal import StreamingDetector, cli
from keras_sal.audio import read_audio
from keras_sal.cli import systems
from keras_sal.export import bundle
from keras_sal.training import release

pytest.importorskip("soundfile")

pytestmark = pytest.mark.any_backend

WORDS = ["lights on", "lights off"]
PITCHES = {"lights on": 900.0, "lights off": 300.0, "alexa": 2700.0}
TWO_WORDS = [text for word in WORDS for text in ("--word", word)]
QUICK = ("--steps", "300", "--crop-frames", "120", "--learning-rate", "0.02", "--hours", "0.05")
QUICK = (*QUICK, "--batch-size", "16", "--fa-per-hour", "30", "--no-refine")


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones") / "recordings"
    return write_tones(folder, pitches=PITCHES, train=12, dev=10, test=4)


@pytest.fixture(scope="module")
def trained(tones, tmp_path_factory):
    output = tmp_path_factory.mktemp("train") / "out"
    with pytest.MonkeyPatch.context() as patch, quick_release():
        keep_pitch(patch)
        arguments = ["train", str(tones), *TWO_WORDS, "--output", str(output), *QUICK]
        assert cli.main([*arguments, "--network", "conv", "--size", "nano"]) == 0
    return output


def heard(firmware, tones, file="test2.flac"):
    """What a bundle's detector, in TensorFlow Lite Micro, hears in a recording of each text."""
    detector = StreamingDetector.from_bundle(firmware)
    found = {}
    for text in PITCHES:
        detector.reset()
        samples = read_audio(tones / "keywords" / text / file)
        found[text] = [detection.class_name for detection in detector.process(samples).detections]
    return found


EACH_AS_ITSELF = {"lights on": ["lights on"], "lights off": ["lights off"], "alexa": []}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
class TestTrained:
    def test_each_word_fires_as_itself_alone(self, trained, tones):
        assert heard(trained / "firmware", tones) == EACH_AS_ITSELF

    def test_each_word_has_results_as_if_it_were_the_only_one(self, trained):
        for word in WORDS:
            folder = trained / "reports" / word.replace(" ", "_")
            assert (folder / "report.html").is_file()
            results = json.loads((folder / "results.json").read_text())
            assert results["word"] == word
            assert [each["events"] for each in results["stream_sets"]] == [10, 10, 4, 4]
            assert results["provenance"]["options"]["word"] == WORDS
            for system in results["systems"]:
                at_budget = system["conditions"]["clean"]["at_budget"]
                assert at_budget["misses"] <= 1, (word, system["name"])
        assert not (trained / "report.html").exists()

    def test_the_bundle_has_a_threshold_for_each_word(self, trained):
        written = bundle.read(trained / "firmware")
        assert written.manifest["classes"] == WORDS
        for index, word in enumerate(WORDS):
            folder = trained / "reports" / word.replace(" ", "_")
            shipped = json.loads((folder / "results.json").read_text())["systems"][-1]
            assert written.threshold[index] == shipped["threshold"]["threshold"]
        text = (trained / "firmware" / "README.md").read_text()
        assert "lights on: " in text
        assert "lights off: " in text

    def test_detect_says_which_word_it_heard(self, trained, tones, capsys):
        files = [str(tones / "keywords" / word / "test3.flac") for word in WORDS]
        assert cli.main(["detect", str(trained / "firmware"), *files, "--json-lines"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(line["source"], line["class_name"]) for line in lines] == [
            *zip(files, WORDS, strict=True)
        ]

    def test_evaluate_scores_each_word_with_its_threshold(self, trained, tones, tmp_path, capsys):
        arguments = ["evaluate", str(trained / "model.keras"), "--bundle"]
        arguments += [str(trained / "firmware"), "--recordings", str(tones), *TWO_WORDS]
        arguments += ["--snr-db", "--replicates", "5", "--fa-per-hour", "30"]
        with unrendered_figures():
            assert cli.main([*arguments, "--output", str(tmp_path)]) == 0
        for word in WORDS:
            folder = word.replace(" ", "_")
            ours = json.loads((tmp_path / folder / "results.json").read_text())
            theirs = json.loads((trained / "reports" / folder / "results.json").read_text())
            assert ours["word"] == word
            figures = [
                results["systems"][-1]["conditions"]["clean"]["at_threshold"]
                for results in (ours, theirs)
            ]
            for name in ("threshold", "misses", "false_alarms", "latency_p50_s"):
                assert figures[0][name] == figures[1][name]

    def test_export_chooses_a_threshold_for_each_word(self, trained, tones, tmp_path, capsys):
        arguments = ["export", str(trained / "model.keras"), str(tmp_path / "firmware")]
        arguments += ["--recordings", str(tones), "--quantization", "float32"]
        assert cli.main([*arguments, *TWO_WORDS, "--fa-per-hour", "30"]) == 0
        assert heard(tmp_path / "firmware", tones) == EACH_AS_ITSELF
        assert cli.main([*arguments, "--word", "alexa", *TWO_WORDS]) == 1
        shown = capsys.readouterr().err
        assert "`--word` must be given for each class of the model" in shown

    def test_verify_compares_misses_of_one_word(self, trained, tones, tmp_path):
        arguments = ["verify", str(trained / "model.keras"), str(trained / "firmware")]
        arguments += ["--recordings", str(tones), "--fa-per-hour", "30", "--json"]
        path = tmp_path / "verified.json"
        cli.main([*arguments, str(path), "--word", "lights off", "--class-index", "1"])
        found = json.loads(path.read_text())["detections"]
        assert found["frr"] <= 0.25  # more than 0.9 by the posterior of the other word

    def test_compare_reads_the_report_of_a_word(self, trained, capsys):
        folder = str(trained / "reports" / "lights_off")
        assert cli.main(["compare", folder, "--replicates", "5"]) == 0
        assert "'lights off' at 30 false alarms an hour" in capsys.readouterr().out

    def test_a_bundle_is_asked_for_its_words_in_their_order(self, trained):
        firmware = trained / "firmware"
        thresholds = bundle.read(firmware).threshold
        for index, word in enumerate(WORDS):
            shipped, _ = systems.shipped_trigger(firmware, index, word)
            assert shipped["threshold"]["threshold"] == thresholds[index]
        for index in (0, 2):
            with pytest.raises(ValueError, match="must name the classes of the bundle"):
                systems.shipped_trigger(firmware, index, "lights off")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--word", "my computer"], "none is said in another"),
        (["--word", "jarvis"], "`word` must be the whole text of some recordings"),
        (["--word", "alexa", "--utterances", "9"], "no speech may be synthesised"),
        (["--word", "alexa", "--near", "alex"], "no speech may be synthesised"),
        (["--word", "alexa"], "at least 10 times 'computer' in train"),
    ],
)
def test_train_refuses(tmp_path, capsys, arguments, message):
    folder = small_corpus(tmp_path / "recordings")
    given = ["train", str(folder), "--word", "computer", *arguments, "--output"]
    assert cli.main([*given, str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Make streams" not in shown.out


def test_train_refuses_folders_of_one_word(capsys):
    given = ["train", "--word", "a", "--word", "b", "--positives", "a", "--negatives", "b"]
    assert cli.main(given) == 1
    assert "`--positives` must be left out for several words" in capsys.readouterr().err


def test_esphome_has_one_word(capsys):
    assert cli.main(["export", "a.keras", "out", "--to", "esphome", *TWO_WORDS]) == 1
    assert "`--word` must be given once for `--to esphome`" in capsys.readouterr().err


def test_artefacts_of_another_number_of_words_go(tmp_path):
    """A page of one word beside a detector of two would be that of another detector."""
    for old, new in (("report.html", "reports/on/report.html"), ("reports/on/x", "report.html")):
        for path in (tmp_path / old, tmp_path / release.COMPLETE / new):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        release.prepare_output(tmp_path)
        assert (tmp_path / new).is_file()
        assert not (tmp_path / old).exists()
