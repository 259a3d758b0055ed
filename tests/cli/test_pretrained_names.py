"""Names of pretrained detectors in the place of MODEL."""

import json
import shutil

import numpy as np
import pytest

from keras_sal import cli, extras, pretrained
from keras_sal.cli import systems
from keras_sal.cli.model_path import is_pretrained, model_path
from keras_sal.export import bundle, detector_file
from keras_sal.export.litert import LiteModel
from keras_sal.runtime import StreamingDetector

pytest.importorskip("ai_edge_litert", reason="needs the detect extra")
pytest.importorskip("pymicro_features", reason="needs the detect extra")
soundfile = pytest.importorskip("soundfile", reason="needs the detect extra")

pytestmark = pytest.mark.any_backend

WORD = pretrained.names()[0]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def noise(here):
    """A file of 2 s of loud noise, in which a threshold of 0 fires."""
    samples = 0.3 * np.random.default_rng(0).standard_normal(32_000).clip(-3, 3)
    soundfile.write(here / "noise.wav", samples, 16_000)
    return "noise.wav"


def test_a_name_stands_for_the_detector(here):
    assert model_path(WORD) == pretrained.path(WORD)
    assert is_pretrained(WORD)


def test_what_is_there_comes_first(here):
    (here / WORD).mkdir()
    assert str(model_path(WORD)) == WORD
    assert not is_pretrained(WORD)


@pytest.mark.parametrize("name", ["model.keras", "lost/model", "hal.tflite"])
def test_paths_stay_as_they_are(here, name):
    assert str(model_path(name)) == name


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect", "hal", "noise.wav"],
        ["export", "hal", "firmware"],
        ["verify", "model.keras", "hal"],
        ["evaluate", "hal"],
        ["compare", "hal", WORD],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_name_is_told_with_those_there_are(here, noise, capsys, monkeypatch, arguments):
    monkeypatch.setattr("keras_sal.cli.verify.load_trained_model", lambda path: None)
    monkeypatch.setattr("keras_sal.runtime.open_runner", lambda model: None)
    monkeypatch.setattr("keras_sal.cli.feature_streams.output_times", lambda runner, options: {})
    assert cli.main(arguments) == 1
    shown = capsys.readouterr().err
    assert "`MODEL` must be a file or folder that is there, or the name" in shown
    assert "'hal'" in shown
    assert all(repr(name) in shown for name in pretrained.names())


def test_detect_runs_it_in_litert(noise, capsys):
    assert cli.main(["detect", WORD, noise]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["detect", WORD, noise, "--threshold", "0", "--json-lines"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["class_name"] for line in lines} == {WORD}
    assert isinstance(StreamingDetector.pretrained(WORD).runner, LiteModel)


def test_detect_names_all_that_is_missing(noise, capsys, monkeypatch):
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda package: None)
    assert cli.main(["detect", WORD, "--microphone"]) == 1
    shown = capsys.readouterr().err
    assert all(name in shown for name in ("ai_edge_litert", "soxr", "sounddevice"))
    assert "[detect]" in shown


def test_evaluate_opens_it_in_the_runtime_that_is_asked_for(here):
    runner, details = systems._open(model_path(WORD), "litert")
    assert isinstance(runner, LiteModel)
    assert details["runtime"] == "LiteRT"


@pytest.mark.parametrize("target", ["litert", "web", "android"])
def test_export_needs_neither_recordings_nor_a_converter(here, noise, monkeypatch, target):
    monkeypatch.delattr("keras_sal.export.litert.to_tflite")
    output = "detector.tflite" if target == "litert" else target
    options = ["--runtime-url", "https://host/npm"] if target == "web" else []
    assert cli.main(["export", WORD, output, "--to", target, *options]) == 0
    [path] = here.rglob("*.tflite")
    description = "detector.json" if target != "android" else path.with_suffix(".json").name
    written = detector_file.read(next(here.rglob(description)))
    manifest = bundle.read(pretrained.path(WORD)).manifest
    assert written.manifest["input"] == "samples"
    assert written.manifest["classes"] == [WORD]
    assert written.threshold == manifest["trigger"]["threshold"]
    samples, _ = soundfile.read(noise, dtype="float32")
    found = StreamingDetector.from_file(written.model_path).process(samples)
    assert len(found.posteriors) == len(samples) // 480


@pytest.mark.parametrize("content", ["not JSON", "[1]", "{}", '{"a": 1}'])
def test_export_keeps_a_file_that_is_in_the_place_of_its_description(here, capsys, content):
    (here / "detector.json").write_text(content)
    assert cli.main(["export", WORD, "detector.tflite", "--to", "litert"]) == 1
    assert "but detector.json is something else. Name it otherwise" in capsys.readouterr().err
    assert [path.name for path in here.glob("detector*")] == ["detector.json"]
    assert (here / "detector.json").read_text() == content


def test_export_writes_the_sources_of_its_firmware(here):
    pytest.importorskip("tflite_micro", reason="needs the micro extra")
    assert cli.main(["export", WORD, "firmware", "--threshold", "0.75"]) == 0
    written, source = bundle.read(here / "firmware"), bundle.read(pretrained.path(WORD))
    assert written.model_path.read_bytes() == source.model_path.read_bytes()
    assert written.threshold == 0.75
    assert written.manifest["trigger"] == source.manifest["trigger"] | {"threshold": 0.75}
    assert (here / "firmware" / "detector.cc").is_file()
    again = ["export", "firmware", "component", "--to", "esp-idf"]
    assert cli.main(again) == 0
    assert bundle.read(here / "component").threshold == 0.75
    assert (here / "component" / "CMakeLists.txt").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "esphome"], r"`MODEL` must be a .keras file for `--to esphome`"),
        (["--quantization", "float32"], "`--quantization` must be left out for a bundle"),
        (["--fa-per-hour", "1"], "`--fa-per-hour` must be left out for a bundle"),
        (["--recordings", "."], "`--recordings` must be left out for a bundle"),
        (["--refractory-s", "3"], "`--refractory-s` must be left out for a bundle"),
        (["--state", "internal"], "`--state` must be left out for a bundle"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_export_rejects_what_a_bundle_can_not_change(here, capsys, options, message):
    assert cli.main(["export", WORD, "out", *options]) == 1
    assert message in capsys.readouterr().err
    assert not (here / "out").exists()


def test_export_rejects_a_bundle_that_was_changed(here, capsys):
    shutil.copytree(pretrained.path(WORD), here / "mine")
    (here / "mine" / "model.tflite").write_bytes(b"")
    assert cli.main(["export", "mine", "out"]) == 1
    assert "has another hash" in capsys.readouterr().err
