"""The whole line, once through: recordings to a verified microcontroller model."""

import functools
import json
import re
import shlex
import webbrowser
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from quick_release import quick_release
from recording_folders import keep_pitch, needs_recordings, write_tones

from keras_sal import StreamingDetector, cli, files
from keras_sal.audio import read_audio
from keras_sal.cli.console import Console
from keras_sal.data import PlacedRecording, Recording, Stream, load_recordings
from keras_sal.export import bundle
from keras_sal.runtime import runners
from keras_sal.training import DemoJob, SplitStreams, demo, make_streams, recipe, run_demo

TRAINING = recipe.TrainingOptions(steps=480, crop_frames=120, learning_rate=0.01)
HOURS = 0.05


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones") / "recordings"
    return write_tones(folder, train=8, dev=12, test=12)


@pytest.fixture(scope="module")
def finished(tones, tmp_path_factory):
    output = tmp_path_factory.mktemp("demo") / "out"
    quick = functools.partial(recipe.refine_anchors, steps=50, max_shift_s=0.03)
    job = DemoJob(recordings=tones, hours=HOURS, training=TRAINING, fa_per_hour=20.0)
    with pytest.MonkeyPatch.context() as patch, quick_release():
        patch.setattr(recipe, "refine_anchors", quick)
        keep_pitch(patch)
        summary = run_demo(output, job, reporter=Console())
    return output, summary


# Training and export are tested on each backend, each on its own.
@pytest.mark.any_backend
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
class TestDemo:
    def test_learns_the_word(self, finished):
        _, results = finished
        for system in results["systems"]:
            found = system["conditions"]["clean"]["at_budget"]
            low, high = found["intervals"]["frr"]["exact"]
            assert low <= found["frr"] <= high
            assert found["frr"] <= 0.25, system["name"]
            assert -0.5 <= found["latency_p50_s"] <= found["latency_p90_s"] <= 0.5

    def test_names_its_systems(self, finished):
        _, results = finished
        *trained, shipped = (system["name"] for system in results["systems"])
        assert trained == ["cross entropy", "SA+FL"]
        assert shipped in ("cross entropy, int8", "SA+FL, int8")

    def test_artefacts_are_those_of_the_results(self, finished, tones):
        output, results = finished
        names = {path.name for path in output.iterdir()}
        assert names >= {"cache", "firmware", "model.keras", "posteriors.npz", "report.html"}
        assert json.loads((output / "results.json").read_text()) == json.loads(
            json.dumps(files.json_ready(results))
        )
        shipped = results["systems"][-1]
        firmware = bundle.read(output / "firmware")
        assert firmware.threshold == shipped["threshold"]["threshold"]
        detector = firmware.open()
        assert detector.flash_bytes == shipped["flash_bytes"]
        assert detector.arena_bytes == shipped["arena_bytes"]
        streams = make_streams(
            load_recordings(tones), "computer", hours=HOURS, cache=output / "cache"
        )
        model = keras.models.load_model(output / "model.keras")
        stream = streams.test["clean"][0]
        [posterior] = recipe.predict(model, [stream])
        [on_chip] = runners.predict(detector, [stream.features])
        error = np.abs(posterior - on_chip[:, 0]).mean()
        assert error < 1e-2  # a toy, trained for seconds, in 8 bits

    def test_resume_trains_no_second_time(self, finished, tones, monkeypatch):
        output, _ = finished
        before = (output / "model.keras").read_bytes()
        job = DemoJob(recordings=tones, hours=HOURS, training=TRAINING, fa_per_hour=20.0)
        for name in ("train", "refine_anchors"):
            monkeypatch.setattr(recipe, name, lambda *_, **__: pytest.fail("trained again"))
        monkeypatch.setattr(demo.release, "write_release", lambda models, *_: list(models))
        assert run_demo(output, job, resume=True) == ["cross entropy", "SA+FL"]
        assert (output / "model.keras").read_bytes() == before

    def test_the_firmware_finds_the_word(self, finished, tones):
        output, _ = finished
        detector = StreamingDetector.from_bundle(output / "firmware")
        samples = read_audio(tones / "keywords" / "computer" / "test3.flac")
        [detection] = detector.process(samples).detections
        assert detection.class_name == "computer"
        assert 0.3 + 0.09 <= detection.time_s <= 0.7 + 0.09 + 0.5


@pytest.mark.parametrize(
    ("minutes", "events", "rate", "said"),
    [
        (18, 0, 11.0, "0.3 hours of negatives in test .* at most 10 .* 1 an hour takes 2.8 hours"),
        (60, 0, 4.0, "1 an hour takes 2.1 hours more of recordings without the word"),
        (600, 0, 1.0, r"10 hours of negatives in test .* 0.3 an hour \(95 %\)$"),
        (90, 1200, 4.0, "1 hours of negatives"),  # half an hour of it is that of the word
    ],
)
def test_the_default_budget_is_what_the_negatives_support(minutes, events, rate, said):
    """3.1 / 0.3 h is 10.3, 3.1 / 1 h is 3.1, 3.1 / 10 h is less than 1."""
    word = Recording(Path("a.wav"), "dev", "a", 1.0, 0.2, 0.8)
    placed = tuple(PlacedRecording(word, 2.0 * i, class_index=0) for i in range(events))
    streams = [Stream("a", placed, 60.0 * minutes)]
    splits = SplitStreams([], {"clean": streams, "10 dB": streams}, {"clean": streams})
    told = []
    reporter = SimpleNamespace(say=told.append)
    assert splits.choose_budget(None, reporter) == rate
    assert re.search(f"Budget: {rate:g} false alarms an hour. .*{said}", told[0])
    assert splits.choose_budget(0.1, reporter) == 0.1
    assert "0.1 an hour takes" in told[1]


@pytest.mark.parametrize(
    ("recordings", "options", "message"),
    [
        ("nowhere", [], "`--recordings` must be a folder"),
        (
            None,
            ["--word", "supercalifragilistic"],
            "`word` must be the whole text of some recordings",
        ),
    ],
)
def test_bad_input_is_refused_before_any_work(
    tones, tmp_path, capsys, recordings, options, message
):
    output = tmp_path / "out"
    folder = recordings or str(tones)
    assert cli.main(["demo", str(output), "--recordings", folder, *options]) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Make streams" not in shown.out
    assert not output.exists()


@pytest.mark.parametrize("name", ["firmware/main.c", "reports/2024.pdf"])
def test_an_output_with_files_of_others_is_refused_before_any_work(
    tones, tmp_path, monkeypatch, capsys, name
):
    monkeypatch.setattr(demo, "load_word_recordings", lambda *_, **__: pytest.fail("began"))
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("mine")
    assert cli.main(["demo", str(tmp_path), "--recordings", str(tones)]) == 1
    assert str((tmp_path / name).parent) in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "mine"


def test_results_say_what_was_typed(tmp_path, monkeypatch):
    asked = {}

    def run(output, job, **options):
        asked.update(options)
        raise ValueError("enough")

    monkeypatch.setattr(demo, "run_demo", run)
    arguments = ["demo", str(tmp_path / "out"), "--word", "hey robot", "--steps", "5"]
    assert cli.main(arguments) == 1
    assert shlex.split(asked["command"]) == ["keras-sal", *arguments]


def test_synthetic_speech_is_trained_on_as_it_is(tmp_path, monkeypatch):
    """Its times are exact, so that no anchor is to be refined."""
    trained = []
    rows = write_tones(tmp_path / "tones", train=12, dev=2, test=2)
    monkeypatch.setattr(demo, "find_recordings", lambda _: None)
    monkeypatch.setattr(demo, "_synthetic_recordings", lambda *_: rows)
    monkeypatch.setattr(recipe, "refine_anchors", lambda *_, **__: pytest.fail("refined"))
    monkeypatch.setattr(demo.release, "check_packages", lambda synthesis: None)

    def train(model, loss, streams, *_, **__):
        trained.append((loss.name, streams))
        return model

    monkeypatch.setattr(recipe, "train", train)
    monkeypatch.setattr(demo.release, "write_release", lambda models, *_: models)
    keep_pitch(monkeypatch)
    run_demo(tmp_path / "out", DemoJob(hours=0.02, training=TRAINING, fa_per_hour=20.0))
    (first, streams), (second, same) = trained
    assert first != second
    assert streams is same


@pytest.fixture
def pages(monkeypatch):
    """The pages that a browser is asked to open, while `demo` trains nothing."""
    system = {"name": "int8", "conditions": {}, "flash_bytes": 1, "arena_bytes": 1, "operators": []}
    results = {"word": "computer", "fa_per_hour": 9.0, "systems": [system], "warnings": []}
    results["stream_sets"] = [{"split": "test", "hours": 0.36}]
    monkeypatch.setattr(demo, "run_demo", lambda *_, **__: results)
    pages = []
    monkeypatch.setattr(webbrowser, "open", pages.append)
    return pages


def test_ends_with_what_to_do_next(tmp_path, pages, capsys):
    assert cli.main(["demo", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    budget = "at 9 false alarms an hour, the lowest budget that 22 minutes of negatives in test"
    assert budget in " ".join(shown.split())
    assert lines[-2].endswith((tmp_path / "out" / "report.html").as_uri())
    assert lines[-1].startswith("Next: ")
    assert "keras-sal train" in lines[-1]
    assert pages == []


@pytest.mark.parametrize(("options", "opened"), [([], 1), (["--no-browser"], 0)])
def test_opens_the_report_on_a_terminal(tmp_path, pages, monkeypatch, options, opened):
    monkeypatch.setattr(Console, "is_terminal", True)
    assert cli.main(["demo", str(tmp_path / "out"), *options]) == 0
    assert pages == opened * [(tmp_path / "out" / "report.html").as_uri()]


@pytest.mark.parametrize("option", ["--steps", "--hours", "--fa-per-hour"])
def test_amounts_must_be_positive(option, capsys):
    with pytest.raises(SystemExit):
        cli.main(["demo", option, "0"])
    assert "must be greater than 0. Received: 0" in capsys.readouterr().err


@needs_recordings
def test_finds_the_wake_words_of_the_recordings():
    from recording_folders import REAL

    from keras_sal.data import partition

    positives, negatives = partition(load_recordings(REAL), "computer")
    assert len(positives) == 411
    assert not any("computer" in recording.text.split() for recording in negatives)
