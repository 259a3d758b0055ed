"""`keras-sal export` and `keras-sal verify`, from files and from recordings."""

import json
import re
import warnings
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from export_task import FEATURES, streams_with_events, trained, untrained
from keras import layers
from recording_folders import burst, write_tones

pytest.importorskip("tflite_micro", reason="needs the export extra")
pytest.importorskip("onnxruntime", reason="needs the export extra")
pytest.importorskip("pymicro_features", reason="needs the audio extra")

from keras_sal import audio, cli
from keras_sal.cli import export, feature_streams, program, verify
from keras_sal.cli.budget import choose_stream_budget
from keras_sal.cli.component_export import ComponentExport
from keras_sal.cli.console import Console
from keras_sal.cli.export_targets import TARGETS, verify_command
from keras_sal.cli.feature_streams import FeatureStreams
from keras_sal.cli.model_export import ModelExport
from keras_sal.cli.threshold_choice import choose_threshold
from keras_sal.data import location
from keras_sal.detection import detect
from keras_sal.export import bundle, detector_file
from keras_sal.export.esphome import component_scores
from keras_sal.export.firmware import golden
from keras_sal.export.litert import LiteModel
from keras_sal.export.onnx import OnnxModel
from keras_sal.models import gru_detector
from keras_sal.runtime import StreamingDetector

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`model.keras`, and streams with and without anchors."""
    folder = tmp_path_factory.mktemp("command")
    trained([layers.GRU(16, return_sequences=True, name="memory")]).save(folder / "model.keras")
    np.savez(folder / "calibration.npz", *streams_with_events(16, 60, seed=1)[0])
    features, labels = streams_with_events(4, 150, seed=2)
    anchors = {
        f"s{k}.anchors_s": 0.03 + 0.01 * np.flatnonzero(np.diff(label[:, 0], prepend=0) > 0)
        for k, label in enumerate(labels)
    }
    streams = {f"s{k}": stream for k, stream in enumerate(features)}
    np.savez(folder / "streams.npz", **streams, **anchors)
    return folder


@pytest.fixture
def nowhere(monkeypatch):
    """No recordings are named or lie beside the checkout."""
    for name in ("keras_sal.data", "keras_sal.data.location"):
        monkeypatch.setattr(f"{name}.find_recordings", lambda folder=None: folder)


@pytest.fixture
def unread(monkeypatch):
    """No recordings are read."""

    def read(*_):
        pytest.fail("it read recordings")

    for command in ("export", "verify"):
        monkeypatch.setattr(f"keras_sal.cli.{command}.load_recordings_of", read)


@pytest.fixture(scope="module")
def exported(folder):
    arguments = ["--calibration", folder / "calibration.npz", "--threshold", "0.6"]
    trigger = ["--smooth-frames", "2", "--refractory-s", "0.1", "--class-names", "hello"]
    assert main("export", folder / "model.keras", folder / "bundle", *arguments, *trigger) == 0
    return folder / "bundle"


def main(*arguments):
    return cli.main([str(argument) for argument in arguments])


# --- export ----------------------------------------------------------------------------------


def test_export_writes_a_bundle(exported):
    written = bundle.read(exported)
    assert written.threshold == 0.6
    assert written.scoring["smooth_frames"] == 2
    assert written.manifest["classes"] == ["hello"]
    assert written.manifest["quantization"] == "int8"
    assert written.manifest["frontend"]["kind"] == "micro"
    assert written.manifest["threshold"]["rule"] == "set by hand"


def test_verify_takes_the_trigger_of_the_bundle_and_what_options_say(exported):
    arguments = ["verify", "model.keras", str(exported)]
    own = verify._scoring([exported], program.parser().parse_args(arguments))
    assert own == bundle.read(exported).scoring
    arguments += ["--smooth-frames", "9", "--refractory-s", "5"]
    told = verify._scoring([exported], program.parser().parse_args(arguments))
    assert told == own | {"smooth_frames": 9, "refractory_s": 5.0}


@pytest.mark.slow
def test_export_writes_a_package(folder, capsys):
    arguments = ["--calibration", folder / "calibration.npz", "--threshold", "0.6"]
    package = folder / "package"
    assert main("export", folder / "model.keras", package, "--to", "zephyr", *arguments) == 0
    assert bundle.read(package).threshold == 0.6
    assert (package / "zephyr" / "module.yml").is_file()
    said = " ".join(capsys.readouterr().out.split())
    assert f"keras-sal verify {folder / 'model.keras'} {package}" in said
    arguments = ["--streams", folder / "streams.npz", "--fa-per-hour", "3600"]
    assert main("verify", folder / "model.keras", package, *arguments) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "file", "runner"),
    [("litert", "model.tflite", LiteModel), ("onnx", "model.onnx", OnnxModel)],
)
def test_export_writes_a_file(folder, target, file, runner, capsys):
    options = ["--to", target, "--frontend", "none"]
    assert main("export", folder / "model.keras", folder / file, *options) == 0
    assert runner(folder / file).inputs[0].shape == (1, FEATURES)
    said = " ".join(capsys.readouterr().out.split())
    assert f"keras-sal verify {folder / 'model.keras'} {folder / file}" in said


@pytest.mark.slow
def test_export_writes_a_page(tmp_path, capsys):
    tone_model().save(tmp_path / "tone.keras")
    page, runtime = tmp_path / "page", ["--runtime-url", "https://npm.example"]
    options = ["--to", "web", "--threshold", "0.6", "--smooth-frames", 2, *runtime]
    assert main("export", tmp_path / "tone.keras", page, *options) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Open it with: keras-sal serve {page}" in said
    assert re.search(f"{page}: [0-9,]+ bytes, float32, from sound, threshold 0.6", said)
    written = detector_file.read(page / "detector.json")
    assert written.samples_per_step == 160
    assert written.scoring["smooth_frames"] == 2
    assert "https://npm.example/@litertjs/core@" in (page / "index.html").read_text()
    assert main("export", tmp_path / "tone.keras", tmp_path, *options) == 1
    assert "`folder` must be new, empty or hold a page" in capsys.readouterr().err


def test_export_describes_a_file_with_the_front_end(tmp_path, capsys):
    soundfile = pytest.importorskip("soundfile", reason="needs the audio extra")
    tone_model().save(tmp_path / "tone.keras")
    file, options = tmp_path / "tone.tflite", ["--to", "litert", "--threshold", "0.6"]
    trigger = ["--smooth-frames", 2, "--class-names", "tone"]
    assert main("export", tmp_path / "tone.keras", file, *options, *trigger) == 0
    assert "from sound, threshold 0.6" in capsys.readouterr().out
    written = detector_file.read(file)
    assert written.samples_per_step == 160
    assert written.scoring["smooth_frames"] == 2
    assert written.scoring["frame_offset_s"] == written.scoring["frame_step_s"]
    sound = np.concatenate([burst(1.5, 0.2, 1.2, hertz=900.0), np.zeros(8_000)]).astype("float32")
    soundfile.write(tmp_path / "tone.wav", sound, 16_000, "PCM_16")
    assert main("detect", file, tmp_path / "tone.wav", "--json-lines") == 0
    [found] = map(json.loads, capsys.readouterr().out.splitlines())
    assert found["class_name"] == "tone"
    posteriors = tone_model().predict(audio.features(sound)[None], verbose=0)[0]
    [expected] = detect(posteriors, 0.6, smooth_frames=2, **audio.output_times())
    assert found["time_s"] == pytest.approx(expected.time_s, abs=0.02)
    np.savez(tmp_path / "sounds.npz", sound)
    streams = ["--streams", tmp_path / "sounds.npz"]
    assert main("verify", tmp_path / "tone.keras", file, *streams) == 0
    assert re.search(r"tone.tflite +LiteRT +float32", capsys.readouterr().out)
    file.with_suffix(".json").unlink()
    assert main("detect", file, tmp_path / "tone.wav") == 1
    assert "takes 160 samples a step" in (said := capsys.readouterr().err)
    assert "tone.json beside it, which is missing" in said
    assert main("evaluate", file, "--recordings", tmp_path, "--word", "tone") == 1
    assert "`MODEL` must take features" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("features", "options", "expected"),
    [
        (40, [], "micro"),
        (40, ["--frontend", "none"], None),
        (40, ["--to", "litert"], "micro"),
        (40, ["--to", "onnx", "--frontend", "none"], None),
        (30, [], None),
        (30, ["--to", "web"], "micro"),  # which is then refused: a page hears sound
    ],
)
def test_a_detector_of_sound_keeps_its_front_end(features, options, expected):
    """With or without recordings."""
    model = gru_detector(features=features, feature_max=1.0, size="nano")
    given = ["export", "a.keras", "out", "--threshold", "0.8", *options]
    options = program.parser().parse_args(given)
    job = ModelExport(TARGETS[options.to], options, None, model, None, None)
    assert job._frontend() == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--on-frames", 3), ("--hysteresis", 0.1), ("--refractory-s", 0.2)),
        *(("--frontend", "none"), ("--frame-step-s", 0.02), ("--frame-offset-s", 0.03)),
    ],
)
def test_export_refuses_settings_that_esphome_has_not(folder, capsys, option, value):
    arguments = ["--to", "esphome", "--threshold", "0.6", option, value]
    assert main("export", folder / "model.keras", folder / "x", *arguments) == 1
    assert f"`{option}` must be left out for `--to esphome`" in capsys.readouterr().err


@pytest.mark.parametrize(("target", "suffix"), [("litert", ".tflite"), ("onnx", ".onnx")])
def test_export_refuses_names_that_verify_would_refuse(folder, capsys, target, suffix):
    assert main("export", folder / "model.keras", folder / "phone", "--to", target) == 1
    said = capsys.readouterr().err
    assert f"`OUT` must end with {suffix} for `--to {target}`" in said
    assert f"Write 'phone{suffix}'" in said


@pytest.mark.parametrize(
    ("target", "name", "message"),
    [
        ("micro", "a;b", "`folder` must have a name without"),
        ("cmake", ".", "`folder` must be new, empty or a bundle"),
        ("zephyr", "none/x", "`folder` must be in a folder that exists"),
        ("esp-idf", "Driver", "`folder` must have a name that no component of the build tool has"),
    ],
)
def test_export_refuses_folders_before_it_converts(folder, capsys, target, name, message):
    arguments = ["--to", target, "--threshold", "0.6", "--quantization", "float32"]
    assert main("export", folder / "no.keras", folder / name, *arguments) == 1
    assert message in capsys.readouterr().err


def test_json_of_esphome_says_author_website_and_languages(tmp_path, monkeypatch):
    said = {}

    def write(converted, folder, **options):
        said.update(options)
        return SimpleNamespace(flash_bytes=1)

    monkeypatch.setattr("keras_sal.export.esphome.write", write)
    told = ["--author", "me", "--website", "https://me.org", "--language", "en", "de"]
    options = program.parser().parse_args(
        ["export", "m.keras", str(tmp_path / "out"), "--to", "esphome", *told]
    )
    job = ComponentExport(TARGETS["esphome"], options, None, None, None, None)
    assert job._write_converted(None, 0.5) == "1 bytes of flash, threshold 0.5"
    assert (said["author"], said["website"]) == ("me", "https://me.org")
    assert said["languages"] == ["en", "de"]


def test_threshold_for_esphome_is_that_of_its_scores():
    """A mean of 3.5 bytes is above the cutoff of 3, so it counts as 4."""
    given = [np.float64([[3], [4], [0], [3]]) / 256, np.float64([[9], [9]]) / 256]
    runner = SimpleNamespace(frames_per_output=1)
    streams = FeatureStreams(given, [np.zeros(0), np.array([0.01])])
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr("keras_sal.runtime.predict", lambda model, streams: streams)
        record = choose_threshold(
            *(runner, streams, 0.0),
            data="x",
            score=lambda posteriors: component_scores(posteriors, 2),
            frame_step_s=0.01,
        )
    assert record["frr"] == 0.0
    assert 4 / 256 < record["threshold"] <= 9 / 256


def test_export_refuses_a_gru_for_esphome_before_it_is_converted(folder, capsys):
    arguments = ["--to", "esphome", "--word", "hello"]
    arguments += ["--calibration", folder / "calibration.npz", "--threshold", "0.6"]
    assert main("export", folder / "model.keras", folder / "x", *arguments) == 1
    assert "ESPHome's micro_wake_word has no such operator" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"`--threshold` must be given, or `--recordings`"),
        (["--threshold", "0.5"], r"`--calibration` or `--recordings` must be given"),
        (["--to", "onnx", "--quantization", "int8"], r"`--quantization` must be one of \('floa"),
        (["--to", "micro", "--quantization", "float16"], r"for `--to micro`.*float16"),
        (
            ["--threshold", "0.5", "--calibration", "none.npz"],
            r"`--calibration` must be a file.*none",
        ),
    ],
)
def test_export_rejects(folder, arguments, message, capsys, nowhere):
    assert main("export", folder / "model.keras", folder / "never", *arguments) == 1
    assert re.search(message, capsys.readouterr().err, re.DOTALL)
    assert not (folder / "never").exists()


def test_export_rejects_what_is_no_model(folder, capsys):
    assert main("export", folder / "calibration.npz", folder / "never", "--threshold", "0.5") == 1
    assert "`MODEL` must be a .keras file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--threshold", "5", "`threshold` must be in [0, 1]"),
        ("--class-names", "a,b", "`class_names` must name each of the 1 classes"),
        ("--frame-step-s", "10", "`frame_step_s` must not be longer than 1 s"),
    ],
)
def test_export_refuses_settings_before_it_reads_recordings(
    folder, capsys, unread, option, value, message
):
    arguments = ["--recordings", folder, "--word", "hello", option, value]
    assert main("export", folder / "model.keras", folder / "never", *arguments) == 1
    assert message in capsys.readouterr().err


@pytest.fixture
def own(exported, tmp_path):
    """A bundle of features of its own, whose trigger differs from the defaults."""
    scoring = {"frame_step_s": 0.01, "frame_offset_s": 0.03, "refractory_s": 2.0}
    bundle.write(
        *(exported / "model.tflite", tmp_path / "own"), threshold=0.6, smooth_frames=3, **scoring
    )
    return tmp_path / "own"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--frame-step-s", 0.02),
        ("--frame-offset-s", 0.0),
        ("--refractory-s", 1),  # the default of the option, not that of the bundle
        ("--smooth-frames", 1),
        ("--frontend", "micro"),
        ("--quantization", "float32"),
        ("--splits", "splits.json"),
        ("--cache", "cache"),
    ],
)
def test_export_refuses_what_a_bundle_would_ignore(own, capsys, monkeypatch, option, value):
    monkeypatch.chdir(own.parent)
    (own.parent / "splits.json").write_text("{}")
    assert main("export", "own", "again", option, value) == 1
    assert f"`{option}` must be left out for a bundle" in capsys.readouterr().err
    assert not (own.parent / "again").exists()


@pytest.mark.parametrize(
    ("target", "option", "value"),
    [
        ("litert", "--state", "internal"),
        ("litert", "--author", "me"),
        ("web", "--state", "internal"),
        ("web", "--language", "de"),
        ("esp-idf", "--runtime-url", "https://npm.example"),
        ("android", "--runtime-url", "https://npm.example"),
    ],
)
def test_export_refuses_options_of_other_targets(own, capsys, target, option, value):
    """Of a bundle and of a model alike, before it is opened."""
    for model in (own, "model.keras"):
        assert main("export", model, own.parent / "again", "--to", target, option, value) == 1
        assert f"`{option}` must be left out for `--to {target}`" in capsys.readouterr().err


def test_export_refuses_calibration_of_floats(folder, capsys):
    arguments = ["--to", "litert", "--calibration", folder / "calibration.npz"]
    assert main("export", folder / "model.keras", folder / "no.tflite", *arguments) == 1
    assert "`--calibration` must be left out for float32" in capsys.readouterr().err


def test_export_of_a_bundle_may_name_its_own_settings(own):
    settings = ["--refractory-s", 2, "--smooth-frames", 3, "--frame-step-s", 0.01]
    settings += ["--frontend", "none", "--quantization", "int8", "--state", "explicit"]
    assert main("export", own, own.parent / "again", *settings) == 0
    assert bundle.read(own.parent / "again").scoring["refractory_s"] == 2


def test_a_record_of_splits_goes_with_the_model_that_it_is_of(exported, tmp_path):
    """The copy of the model in `exported` is another one than `computer`."""
    written = tmp_path / "firmware"
    assert main("export", exported, written) == 0
    (written / "splits.json").write_text("{}")
    assert main("export", exported, written, "--threshold", 0.7) == 0
    assert (written / "splits.json").is_file()
    assert main("export", "computer", written) == 0
    assert not (written / "splits.json").exists()


@pytest.mark.parametrize("name", ["firmware", "detector.tflite"])
def test_export_refuses_the_record_of_another_model(folder, exported, tmp_path, capsys, name):
    """What lies beside a record is tested in its splits."""
    record = tmp_path / "splits.json"
    record.write_text("{}")
    target = ["--to", "litert"] if name.endswith(".tflite") else []
    for model in (exported, folder / "model.keras"):
        assert main("export", model, tmp_path / name, *target) == 1
        assert "`OUT` must not lie beside the splits.json of another" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [record]


@pytest.mark.parametrize("option", [("--splits", "a.json"), ("--cache", "kept")])
def test_export_refuses_options_of_recordings_without_any(
    folder, tmp_path, capsys, monkeypatch, nowhere, option
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    arguments = ["--to", "litert", "--threshold", "0.5", *option]
    assert main("export", folder / "model.keras", "x.tflite", *arguments) == 1
    assert f"`{option[0]}` must be left out where no recordings are" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [("--fa-per-hour", 1), ("--smooth-frames", 1), ("--class-names", "a")]
)
def test_export_refuses_settings_that_no_description_would_hold(folder, capsys, option):
    arguments = ["export", folder / "model.keras", folder / "x.onnx", "--to", "onnx"]
    assert main(*arguments, *option) == 1
    said = capsys.readouterr().err
    assert f"`{option[0]}` must be left out where there is neither --threshold nor --rec" in said


def test_a_description_goes_with_the_file_that_it_is_of(tmp_path):
    """A file without a threshold takes the place of one with a threshold."""
    (tmp_path / "a.json").write_text('{"format": 1, "model": "a.tflite"}')
    options = program.parser().parse_args(["export", "a.keras", "a.tflite", "--to", "litert"])
    options.quantization = "float32"

    def convert(model, path, *_):
        path.write_bytes(b"model")
        return SimpleNamespace(path=path)

    target = replace(TARGETS["litert"], convert=convert)
    model = gru_detector(features=4, feature_max=1.0, size="nano")
    job = ModelExport(target, options, Console(), model, None, None)
    assert "It has no .json file beside it" in job.write_file(tmp_path / "a.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tflite"]


@pytest.mark.parametrize(
    ("given", "repeated"),
    [
        ([], []),
        (["--recordings", "my sounds", "--splits", "a.json", "--splits", "b.json"],) * 2,
        (["--word", "hey robot", "--threshold", "0.5"], ["--word", "hey robot"]),
        (["--word", "on", "--word", "off"], []),
    ],
)
def test_the_command_to_check_with_names_the_same_data(given, repeated):
    options = program.parser().parse_args(["export", "a.keras", "out", *given])
    command = verify_command(options)
    assert command == ["keras-sal", "verify", "a.keras", "out", *repeated]
    program.parser().parse_args(command[1:])


@pytest.mark.parametrize(("given", "said"), [(None, True), (3.0, False)])
def test_a_budget_of_one_split_says_that_others_may_differ(given, said, capsys):
    """An hour of dev supports 4 an hour; `train` may find fewer hours in test."""
    hour = FeatureStreams([np.zeros((360_000, 1))], [np.zeros(0)])
    console = Console()
    with console.saying_warnings():
        budget = choose_stream_budget(hour, "dev", Namespace(fa_per_hour=given), console)
    assert budget == (given or 4.0)
    assert ("It counts dev alone. `train` and" in capsys.readouterr().out) == said


# --- verify ----------------------------------------------------------------------------------


def test_verify_prints_a_table_and_writes_json(folder, exported, capsys):
    figures = folder / "figures.json"
    arguments = ["--streams", folder / "streams.npz", "--fa-per-hour", "3600", "--json", figures]
    assert main("verify", folder / "model.keras", exported, *arguments) == 0
    said = capsys.readouterr().out
    assert "600 frames in 4 streams" in said
    assert "TensorFlow Lite Micro" in said
    assert "FAILED" not in said
    content = json.loads(figures.read_text())
    assert {row["runtime"] for row in content["rows"]} >= {"TensorFlow Lite Micro"}
    assert content["detections"]["events"] == 8


def test_verify_fails_for_another_model(folder, exported, capsys):
    another = untrained([layers.GRU(16, return_sequences=True, reset_after=False)])
    another.save(folder / "another.keras")
    np.savez(folder / "bare.npz", *streams_with_events(2, 80, seed=3)[0])
    assert main("verify", folder / "another.keras", exported, "--streams", folder / "bare.npz") == 1
    assert (
        "FAILED bundle/model.tflite in TensorFlow Lite Micro: mean error" in capsys.readouterr().out
    )


def test_verify_needs_one_source_of_streams(folder, exported, capsys, nowhere):
    arguments = ("verify", folder / "model.keras", exported)
    assert main(*arguments, "--recordings", folder, "--streams", folder / "streams.npz") == 1
    assert "`--recordings` or `--streams` must be given, one of them" in capsys.readouterr().err
    assert main(*arguments) == 1
    assert "`--recordings` must name a folder of recordings; none lies" in capsys.readouterr().err


def test_verify_refuses_a_trigger_for_streams_without_events(folder, exported, capsys):
    np.savez(folder / "eventless.npz", *streams_with_events(2, 80, seed=3)[0])
    arguments = ["verify", folder / "model.keras", exported, "--streams", folder / "eventless.npz"]
    for option in (("--fa-per-hour", 1), ("--on-frames", 1)):
        assert main(*arguments, *option) == 1
        said = capsys.readouterr().err
        assert f"`{option[0]}` must be left out for streams without events" in said


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (["nodir"], [], "must be a file or folder that is there"),
        (["no.onnx"], [], "`FILE` must be a file or bundle; it is read. Received: 'no.onnx'"),
        (["model.keras"], ["--frame-step-s", "10"], "`frame_step_s` must not be longer"),
        (["model.keras"], ["--class-index", "1"], "(`--class-index`) must be in [0, 0]"),
        (["model.keras"], ["--json", "no/figures.json"], "`path` must name a file in a folder"),
    ],
)
def test_verify_refuses_arguments_before_it_reads_recordings(
    folder, capsys, monkeypatch, unread, files, options, message
):
    monkeypatch.chdir(folder)
    arguments = [*files, "--recordings", folder, "--word", "hello", *options]
    assert main("verify", "model.keras", *arguments) == 1
    assert message in capsys.readouterr().err


def test_verify_refuses_files_of_sound_beside_others(
    folder, exported, tmp_path, capsys, monkeypatch, unread
):
    """Before recordings are read; a file that nothing describes may take either."""
    (tmp_path / "a.json").write_text('{"format": 1}')
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).touch()
    described = SimpleNamespace(samples_per_step=160)
    monkeypatch.setattr(detector_file, "read", lambda _: described)
    assert verify._take_samples([tmp_path / "a.onnx", tmp_path / "b.onnx"])
    files = [exported, tmp_path / "a.onnx"]
    arguments = ["--recordings", folder, "--word", "hello", "--on-frames", "1"]
    assert main("verify", folder / "model.keras", *files, *arguments) == 1
    assert "a.onnx with the front-end inside, and " in capsys.readouterr().err


def test_the_working_folder_may_be_the_bundle(exported, monkeypatch):
    monkeypatch.chdir(exported)
    assert not verify._take_samples([Path()])


def test_recordings_are_found_only_where_they_are_needed(monkeypatch):
    """For a threshold of firmware, or to calibrate; not to guess what features a model takes."""
    monkeypatch.setenv(location.RECORDINGS, "found")
    given = {"calibration": "a.npz", "threshold": 0.5, "recordings": None}

    def folder(to, quantization, **changed):
        options = Namespace(to=to, quantization=quantization, **given | changed)
        found = export.recordings_folder(options)
        return found and str(found)

    assert folder("micro", "int8") is None
    assert folder("micro", "int8", threshold=None) == "found"
    assert folder("micro", "int8", calibration=None) == "found"
    assert folder("micro", "float32", calibration=None) is None
    assert folder("onnx", "float32", threshold=None, calibration=None) is None
    assert folder("litert", "int8", calibration=None, recordings="given") == "given"


# --- streams ---------------------------------------------------------------------------------


def test_features_come_with_their_anchors(folder):
    streams = feature_streams.read_feature_streams(folder / "streams.npz")
    assert [len(stream) for stream in streams.features] == [150] * 4
    assert [len(times) for times in streams.anchors_s] == [2] * 4
    assert feature_streams.read_feature_streams(folder / "calibration.npz").anchors_s is None


def test_features_reject_anchors_without_a_stream(tmp_path):
    np.savez(tmp_path / "x.npz", **{"a": np.zeros((3, 2)), "b.anchors_s": np.zeros(1)})
    with pytest.raises(ValueError, match=r"anchors without a stream=\['b'\]"):
        feature_streams.read_feature_streams(tmp_path / "x.npz")


# --- recordings ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones") / "recordings"
    return write_tones(folder, train=8, dev=10, test=6)


def tone_model(every=1):
    """A detector of 900 Hz that needs no training: the contrast of two channels.

    It answers once for `every` frames.
    """
    heard, other = (
        audio.features(burst(1.5, 0.2, 1.2, hertz=hertz))[40:60].mean(axis=0)
        for hertz in (900.0, 300.0)
    )
    contrast = heard - other
    kernel = np.zeros((FEATURES, 1), "float32")
    kernel[np.argmax(contrast)], kernel[np.argmin(contrast)] = 1, -1
    clips = keras.Input((None, FEATURES), name="features")
    contrasts = layers.Dense(1, activation="sigmoid", name="posterior")
    if every > 1:
        kernel = np.stack([kernel / every] * every)
        contrasts = layers.Conv1D(1, every, every, activation="sigmoid", name="posterior")
    model = keras.Model(clips, contrasts(clips))
    contrasts.set_weights([kernel, np.float32([-8])])
    return model


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("every", [1, 3])
def test_recordings_give_calibration_threshold_and_verification(
    every, tones, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(feature_streams, "CALIBRATION_HOURS", 0.05)
    tone_model(every).save(tmp_path / "tone.keras")
    options = ["--recordings", tones, "--cache", tmp_path / "cache", "--word", "computer"]
    trigger = ["--smooth-frames", 3, "--fa-per-hour", 1000]
    arguments = [tmp_path / "tone.keras", tmp_path / "firmware"]
    assert main("export", *arguments, *options, *trigger) == 0, capsys.readouterr().err
    written = bundle.read(tmp_path / "firmware")
    record = written.manifest["threshold"]
    assert record["budget_fa_per_hour"] == 1000
    assert record["data"] == "dev, int8 model in TensorFlow Lite Micro"
    assert record["scoring"]["smooth_frames"] == 3
    assert record["scoring"]["frame_step_s"] == pytest.approx(0.01 * every)
    assert record["scoring"]["frame_offset_s"] == pytest.approx(0.03 + 0.01 * (every - 1))
    assert record["events"] == 20  # ten, clean and with noise
    assert record["frr"] <= 0.2
    assert written.threshold == record["threshold"]
    assert written.manifest["classes"] == ["computer"]
    assert written.manifest["frontend"]["kind"] == "micro"
    assert main("verify", *arguments, *options, "--fa-per-hour", 1000) in (0, 1)
    assert "firmware" in " ".join(capsys.readouterr().out.split())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_recordings_give_the_threshold_of_a_file_from_sound(tones, tmp_path, capsys):
    tone_model().save(tmp_path / "tone.keras")
    options = ["--recordings", tones, "--cache", tmp_path / "cache", "--word", "computer"]
    arguments = [tmp_path / "tone.keras", tmp_path / "tone.onnx", "--to", "onnx"]
    assert main("export", *arguments, *options, "--fa-per-hour", 1000) == 0
    written = detector_file.read(tmp_path / "tone.onnx")
    assert written.manifest["threshold"]["data"] == "dev, float32 model in ONNX Runtime"
    assert written.threshold == written.manifest["threshold"]["threshold"]
    assert written.manifest["classes"] == ["computer"]
    assert written.samples_per_step == 160
    verified = main("verify", *arguments[:2], *options, "--fa-per-hour", 1000)
    assert verified == 0, capsys.readouterr().out


@pytest.mark.slow
def test_export_writes_an_android_project(tmp_path, capsys):
    tone_model().save(tmp_path / "tone.keras")
    folder, options = tmp_path / "beep", ["--to", "android", "--threshold", "0.6"]
    arguments = ["--smooth-frames", 2, "--class-names", "tone"]
    assert main("export", tmp_path / "tone.keras", folder, *options, *arguments) == 0
    assert "threshold 0.6" in capsys.readouterr().out
    assets = folder / "detector/src/main/assets"
    written = detector_file.read(assets / "detector.json")
    assert written.manifest["name"] == "beep"
    assert written.manifest["classes"] == ["tone"]
    detector = StreamingDetector.from_file(assets / "detector.json")
    heard = detector.process(golden.sound())
    values = json.loads((assets / "golden.json").read_text())
    np.testing.assert_array_equal(np.float32(values["posteriors"]), heard.posteriors)
    own = [(d["score"], d["class_index"]) for d in values["runs"][0]["detections"]]
    assert own == [(found.score, found.class_index) for found in heard.detections]
    assert main("export", tmp_path / "tone.keras", folder, *options) == 1
    assert "`folder` must be new or empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frontend", "none"], "`--frontend` must be micro for `--to web`; the page hands"),
        (["--runtime-url", "npm.example"], "must be an address that begins with https://"),
    ],
)
def test_export_refuses_what_no_page_has_before_it_converts(
    folder, exported, tmp_path, capsys, arguments, message
):
    for model in (folder / "model.keras", exported):
        options = ["--to", "web", "--threshold", "0.5", *arguments]
        assert main("export", model, tmp_path / "page", *options) == 1
        shown = capsys.readouterr()
        assert message in shown.err
        assert shown.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frontend", "none"], "`--frontend` must be micro for `--to android`"),
        (
            ["--quantization", "int16x8"],
            "must be one of ('float32', 'float16', 'int8') for `--to a",
        ),
        ([], "firmware, a page and an app need one. Received neither."),
    ],
)
def test_export_rejects_what_no_app_is_made_of(folder, arguments, message, capsys, nowhere):
    options = ["--to", "android", *arguments]
    assert main("export", folder / "model.keras", folder / "never", *options) == 1
    assert message in capsys.readouterr().err
    assert not (folder / "never").exists()
