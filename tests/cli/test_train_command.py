"""`keras-sal train`, once through on tones; and what it refuses before it begins."""

import csv
import json
import re
from importlib.util import find_spec

import keras
import numpy as np
import pytest
from quick_release import quick_release
from recording_folders import burst, keep_pitch, small_corpus, write_tones

from keras_sal import StreamingDetector, cli
from keras_sal.audio import read_audio
from keras_sal.cli.console import Console
from keras_sal.data import (
    PlacedRecording,
    Recording,
    SplitRecord,
    Stream,
    find_split_record,
    load_word_recordings,
)
from keras_sal.export import bundle
from keras_sal.training import (
    SyntheticSpeech,
    TrainingOptions,
    WakeWordJob,
    calibration_sequences,
    job_recordings,
    recipe,
    release,
    train_wake_word,
    wake_word,
    wake_word_job,
)
from keras_sal.training.temperature import TEMPERATURE

soundfile = pytest.importorskip("soundfile")

QUICK = ("--steps", "240", "--crop-frames", "120", "--learning-rate", "0.02", "--hours", "0.03")
QUICK = (*QUICK, "--fa-per-hour", "20", "--utterances", "0", "--no-refine")


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Tones by speakers who are all in one split."""
    folder = tmp_path_factory.mktemp("tones") / "recordings"
    return write_tones(folder, "hey robot", speakers=12, train=24)


@pytest.fixture(scope="module")
def trained(tones, tmp_path_factory):
    output = tmp_path_factory.mktemp("train") / "out"
    arguments = ["train", str(tones), "--word", "Hey Robot", "--output", str(output), *QUICK]
    with pytest.MonkeyPatch.context() as patch, quick_release():
        keep_pitch(patch)
        assert cli.main([*arguments, "--network", "conv", "--size", "nano"]) == 0
    return output


# The recipe trains on each backend in tests/training.
@pytest.mark.any_backend
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
class TestTrain:
    def test_learns_the_word_from_unseen_speakers(self, trained):
        results = json.loads((trained / "results.json").read_text())
        assert results["word"] == "hey robot"
        names = [system["name"] for system in results["systems"]]
        assert names == ["conv nano, sa+fl", "conv nano, sa+fl, int8"]
        for system in results["systems"]:
            assert system["conditions"]["clean"]["at_budget"]["frr"] <= 0.25, system["name"]
        options = results["provenance"]["options"]
        assert (options["steps"], options["learning_rate"], options["hours"]) == (240, 0.02, 0.03)
        assert options["loss"]["variant"] == "sa+fl"

    def test_artefacts(self, trained):
        names = {path.name for path in trained.iterdir()}
        assert names == {
            *("cache", "figures", "firmware", "model.keras", "posteriors.npz"),
            *("report.html", "results.json", "splits.json"),
        }
        shipped = json.loads((trained / "results.json").read_text())["systems"][-1]
        firmware = bundle.read(trained / "firmware")
        assert firmware.threshold == shipped["threshold"]["threshold"]
        assert firmware.open().flash_bytes == shipped["flash_bytes"]

    def test_splits_of_the_recordings(self, trained, tones):
        """Dealt out, as the table has one split only; found by other commands beside the bundle."""
        record = SplitRecord.read(find_split_record(trained / "firmware"))
        dealt = load_word_recordings(tones, "hey robot")
        assert {each.split for each in dealt} == {"train", "dev", "test"}
        assert record == SplitRecord.of(dealt, tones, "hey robot")

    def test_logits_are_tempered_for_int8(self, trained):
        [kept] = (trained / "cache").glob("trained-conv-*.keras")
        before, after = (
            keras.models.load_model(path, compile=False).layers[-1].get_weights()
            for path in (kept, trained / "model.keras")
        )
        for logit, tempered in zip(before, after, strict=True):
            np.testing.assert_allclose(logit, TEMPERATURE * tempered, rtol=1e-5)

    def test_the_firmware_finds_the_word(self, trained, tones):
        detector = StreamingDetector.from_bundle(trained / "firmware")
        samples = read_audio(tones / "keywords" / "hey robot" / "train3.flac")
        said = detector.process(samples).detections
        assert [detection.class_name for detection in said] == ["hey robot"]

    def test_resume_trains_no_second_time(self, trained, tones, monkeypatch, capsys):
        def again(*_, **__):
            pytest.fail("trained again")

        monkeypatch.setattr(recipe, "train", again)
        monkeypatch.setattr(release, "write_release", lambda *_: pytest.fail("went on"))
        arguments = ["train", str(tones), "--word", "hey robot", "--output", str(trained), *QUICK]
        arguments += ["--network", "conv", "--size", "nano", "--resume"]
        with pytest.raises(pytest.fail.Exception, match="went on"):
            cli.main(arguments)
        assert "Trained before" in capsys.readouterr().out
        with pytest.raises(pytest.fail.Exception, match="trained again"):
            cli.main([*arguments, "--reach", "5"])

    def test_interruption_leaves_the_former_artefacts(self, trained, tones, monkeypatch):
        before = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}

        def interrupt(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(release.micro, "convert", interrupt)  # model.keras is saved before
        arguments = ["train", str(tones), "--word", "hey robot", "--output", str(trained), *QUICK]
        assert cli.main([*arguments, "--network", "conv", "--size", "nano", "--resume"]) == 130
        after = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
        assert after == before


@pytest.fixture(scope="module")
def run_quickly(tones, tmp_path_factory):
    """Train on few streams, kept from test to test, where others replace what takes long."""
    output = tmp_path_factory.mktemp("quick") / "out"

    def run(*, resume=False, **options):
        job = WakeWordJob("hey robot", tones, hours=0.03, **options)
        train_wake_word(output, job, resume=resume)

    return run


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("refine", [True, False])
def test_trains_on_refined_anchors(run_quickly, monkeypatch, refine):
    trained_on = []

    def train(model, loss, streams, *_, **__):
        trained_on.extend(streams)
        raise InterruptedError

    monkeypatch.setattr(recipe, "refine_anchors", lambda streams, **_: ["refined", *streams])
    monkeypatch.setattr(recipe, "train", train)
    with pytest.raises(InterruptedError):
        run_quickly(**({} if refine else {"refine": False}))
    assert (trained_on[0] == "refined") == refine


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_detector_is_trained_once_for_the_same_job(run_quickly, monkeypatch):
    jobs = []

    def train(model, loss, streams, options, **_):
        jobs.append((model.name, options.seed))
        return model

    def run(network, seed, **options):
        jobs.clear()
        options |= {"network": network, "training": TrainingOptions(seed=seed), "refine": False}
        run_quickly(**options)
        return jobs

    gru, conv = (recipe.detector(name).name for name in ("gru", "conv"))
    monkeypatch.setattr(recipe, "train", train)
    monkeypatch.setattr(release, "write_release", lambda *_: None)
    assert run("conv", 5) == [(conv, 5)]
    assert run("conv", 5, resume=True) == []
    assert run("gru", 5, resume=True) == [(gru, 5)]
    assert run("gru", 5) == [(gru, 5)]
    assert run("gru", 6, resume=True) == [(gru, 6)]


def test_calibration_takes_the_streams_with_most_events():
    """Fourteen streams with 0, 1 ... 13 events: all but the first two."""
    word = Recording("a.wav", "train", "computer", 1.0, onset_s=0.2, offset_s=0.8)
    streams = [
        Stream(
            str(n),
            (PlacedRecording(word, 1.0, class_index=0),) * n,
            60.0,
            features=np.full((7, 40), n),
        )
        for n in range(14)
    ]
    taken = calibration_sequences(streams)
    assert [int(features[0, 0]) for features in taken] == list(range(13, 1, -1))


@pytest.mark.any_backend
def test_killed_between_two_artefacts(tmp_path):
    """The rest of a complete release is put in place by the next start; half ones are removed."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "det-1.png").touch()
    (tmp_path / "results.json").write_text("new, moved before")
    complete = tmp_path / release.COMPLETE
    (complete / "figures").mkdir(parents=True)
    (complete / "figures" / "det-0.png").touch()
    (complete / "report.html").write_text("new")
    release.prepare_output(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"figures", "report.html", "results.json"}
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["det-0.png"]


def test_a_folder_for_each_word_will_do(tmp_path, monkeypatch, capsys):
    """Its speakers, known by their files' names, are dealt out; times come from the energy."""
    for text in ("hey_robot", "alexa"):
        (tmp_path / "mine" / text).mkdir(parents=True)
        for number in range(24):
            path = tmp_path / "mine" / text / f"s{number % 8}-{number}.wav"
            soundfile.write(path, burst(1.0, 0.2, 0.7, seed=number), 44_100)
    found = []

    def prepare(recordings, word, **_):
        found.extend(recordings)
        raise InterruptedError

    monkeypatch.setattr(wake_word_job, "make_streams", prepare)
    with pytest.raises(InterruptedError):
        train_wake_word(
            tmp_path / "out",
            WakeWordJob("hey robot", tmp_path / "mine", speech=SyntheticSpeech(0)),
            reporter=Console(),
        )
    homes = {(r.speaker, r.split) for r in found}
    assert len(homes) == 8
    assert {split for _, split in homes} == {"train", "dev", "test"}
    shown = " ".join(capsys.readouterr().out.split())
    assert "There is no recordings.csv: each folder is named by what is said in it" in shown
    assert "24 of 24 have no times, which are taken from their energy" in shown


def table(folder, change):
    """Rewrites the table of a folder; rows for which `change` returns None are left out."""
    path = folder / "recordings.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in (change(row) for row in rows) if row]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def without_dev(row):
    return None if (row["split"], row["text"]) == ("dev", "computer") else row


def only_the_word(row):
    return row if row["text"] == "computer" else None


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (dict, [], r"at least 10 times 'computer' in train"),
        (without_dev, [], r"must hold at least"),
        (only_the_word, ["--resplit"], r"`recordings` must hold at least 10 times"),
        (dict, ["--word", "jarvis"], "`word` must be the whole text of some recordings"),
        (dict, ["--loss", "focal", "--strength", "3"], "`strength` must be left out for a loss"),
        (dict, ["--loss", "focal", "--reach", "3"], "`reach` must be left out for a loss"),
        (dict, ["--loss", "sal", "--gamma", "1"], "`gamma` must be left out for a loss"),
        (dict, ["--recordings", "here"], "`DIR` must be given once"),
    ],
)
def test_bad_input_is_refused_before_any_work(tmp_path, capsys, change, arguments, message):
    folder, output = small_corpus(tmp_path / "recordings"), tmp_path / "out"
    table(folder, change)
    word = [] if "--word" in arguments else ["--word", "computer"]
    assert cli.main(["train", str(folder), *word, "--output", str(output), *arguments]) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Make streams" not in shown.out


@pytest.mark.skipif(not find_spec("piper"), reason="no speech engine")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--voice", "no.txt"], "`voices` must be voices of Piper"),
        (["--near", "Hey 5"], "`near` must be English words"),
        (["--near", "hey robot two"], "`near` must be English words .* not contain the word"),
        (["--kokoro", "no.txt", "no.txt"], "`kokoro` must be the files of the model"),
    ],
)
def test_bad_voices_and_phrases_are_refused_before_any_work(
    tones, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no.txt").write_text("no model")
    output = ["--output", "out", "--utterances", "100"]
    assert cli.main(["train", str(tones), "--word", "hey robot", *output, *arguments]) == 1
    shown = capsys.readouterr()
    assert re.search(message, shown.err)
    assert "Make streams" not in shown.out


def test_an_output_with_other_firmware_is_refused(tmp_path, capsys):
    folder = small_corpus(tmp_path / "recordings")
    (tmp_path / "out" / "firmware").mkdir(parents=True)
    (tmp_path / "out" / "firmware" / "main.c").write_text("mine")
    assert cli.main(["train", str(folder), "--word", "a", "--output", str(tmp_path / "out")]) == 1
    assert "Make streams" not in capsys.readouterr().out


def test_a_file_for_an_output_is_refused(tmp_path, capsys):
    folder = small_corpus(tmp_path / "recordings")
    (tmp_path / "out").write_text("mine")
    assert cli.main(["train", str(folder), "--word", "a", "--output", str(tmp_path / "out")]) == 1
    assert "`output` must be a folder" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_missing_packages_are_named_before_the_work(tmp_path, monkeypatch):
    from keras_sal import extras

    real = extras.importlib.util.find_spec
    missing = ("soxr", "tflite_micro", "jinja2")
    monkeypatch.setattr(
        extras.importlib.util, "find_spec", lambda name: None if name in missing else real(name)
    )
    all_at_once = r"`soxr`, `tflite_micro` and `jinja2` are needed .*pip install .*\[train\]"
    with pytest.raises(ImportError, match=all_at_once):
        train_wake_word(tmp_path / "out", WakeWordJob("computer", tmp_path))
    assert not (tmp_path / "out").exists()


def test_no_recordings_and_no_synthetic_speech_is_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(job_recordings, "find_recordings", lambda _: None)
    with pytest.raises(ValueError, match=r"`recordings` must name a folder where no speech is to"):
        train_wake_word(tmp_path / "out", WakeWordJob("computer", speech=SyntheticSpeech(0)))


@pytest.fixture
def jobs(monkeypatch):
    """The jobs that commands would train, which end there."""
    jobs = []

    def train(output, job, **_):
        jobs.append(job)
        raise ValueError("enough")

    monkeypatch.setattr(wake_word, "train_wake_word", train)
    return jobs


def test_folders_of_each_kind_are_one_folder_of_recordings(tmp_path, monkeypatch, jobs):
    for name in ("mine/ann-1.wav", "speech/bob-1.wav", "tv/news.wav", "fan/fan.wav"):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, np.random.default_rng(0).normal(size=8000), 16_000)
    monkeypatch.chdir(tmp_path)
    command = (
        "train --word Computer --positives mine --negatives speech tv --noise fan --output out"
    )
    assert cli.main(command.split()) == 1
    [job] = jobs
    recordings = load_word_recordings(job.recordings, "computer")
    assert {(r.path.name, r.text, r.noise) for r in recordings} == {
        ("ann-1.wav", "computer", False),
        ("bob-1.wav", "", False),
        ("news.wav", "", False),
        ("fan.wav", "", True),
    }


def test_numbers_before_and_after_the_anchor(tmp_path, monkeypatch, capsys, jobs):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").mkdir()
    command = ["train", "--word", "computer", "--gamma", "1.5", "--reach"]
    assert cli.main([*command, "4.5,9", "--label-span", "1,6", "words"]) == 1
    assert cli.main([*command, "7", "words"]) == 1
    assert [job.reach for job in jobs] == [(4.5, 9.0), 7.0]
    assert [job.label_span for job in jobs] == [(1, 6), None]
    assert [job.gamma for job in jobs] == [1.5, 1.5]
    with pytest.raises(SystemExit):
        cli.main([*command, "7", "--label-span", "3", "words"])
    assert "must be two numbers with a comma between them. Received: 3" in capsys.readouterr().err


def test_negatives_beside_a_folder_are_added_to_it(tmp_path, monkeypatch, jobs):
    monkeypatch.chdir(tmp_path)
    for name in ("words", "speech", "music"):
        (tmp_path / name).mkdir()
    assert cli.main(["train", "words", "--word", "computer", "--negatives", "speech", "music"]) == 1
    [job] = jobs
    assert (job.recordings, list(job.negatives)) == ("words", ["speech", "music"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["all", "--positives", "a", "--negatives", "b"], "`--positives` must be given instead of"),
        (["--positives", "a"], "`--negatives` must be given with `--positives`"),
        (["--noise", "a"], "`--positives` must be given with `--noise`"),
    ],
)
def test_folders_that_do_not_go_together(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "--word", "computer", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
