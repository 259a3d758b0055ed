"""Descriptions of detector files that anybody may have written."""

import hashlib
import json

import pytest

from keras_sal import cli
from keras_sal.export import detector_file
from keras_sal.export.firmware.contents import MICRO_FRONTEND
from keras_sal.runtime import StreamingDetector

pytestmark = pytest.mark.any_backend

MODEL = b"not read by these tests"
GOOD = {
    "format": 1,
    "name": "computer",
    "model": "detector.onnx",
    "input": "samples",
    "inputs": [
        {"name": "frame", "shape": [1, 480], "dtype": "float32"},
        {"name": "state_0", "shape": [1, 320], "dtype": "float32"},
    ],
    "outputs": [
        {"name": "posterior", "shape": [1, 1], "dtype": "float32"},
        {"name": "state_0_next", "shape": [1, 320], "dtype": "float32"},
    ],
    "states": [["state_0", "state_0_next"]],
    "frame_step_s": 0.03,
    "frame_offset_s": 0.03,
    "delay_frames": 0,
    "classes": ["computer"],
    "frontend": dict(MICRO_FRONTEND),
    "trigger": {
        "threshold": 0.5,
        "smooth_frames": 3,
        "on_frames": 1,
        "hysteresis": None,
        "refractory_s": 1.0,
    },
    "threshold": None,
    "sha256": {"detector.onnx": hashlib.sha256(MODEL).hexdigest()},
}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "detector.onnx").write_bytes(MODEL)
    return tmp_path / "detector.json"


def write(path, changes=(), without=()):
    content = {name: value for name, value in GOOD.items() if name not in without}
    path.write_text(json.dumps(content | dict(changes)))
    return path


def changed(key, index, **changes):
    entries = [dict(entry) for entry in GOOD[key]]
    entries[index] |= changes
    return {key: entries}


def test_a_complete_description_is_read_by_either_name(path):
    write(path)
    for name in (path, path.with_suffix(".onnx"), str(path)):
        assert detector_file.read(name).manifest == GOOD
        assert detector_file.find(name) == path
    assert detector_file.read(path).samples_per_step == 480
    assert detector_file.read(write(path, {"input": "features"})).samples_per_step is None


@pytest.mark.parametrize("name", sorted({*GOOD} - {"format", "sha256"}))
def test_names_the_entry_that_is_missing(path, name):
    with pytest.raises(ValueError, match=f"'{name}' is missing") as refusal:
        detector_file.read(write(path, without=[name]))
    assert str(path) in str(refusal.value)
    assert "Write it again with `keras_sal.export.detector_file.write`" in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "the description of a detector file of format 1"),
        ({"name": ""}, "'name' can be used"),
        ({"model": "detector.keras"}, "a .tflite or .onnx file of the folder"),
        ({"input": "sound"}, r"one of \('samples', 'features'\)"),
        ({"frontend": None}, "samples need the front-end that is in the file"),
        (changed("inputs", 0, shape=[1, None]), "a list of tensors with a name and a shape"),
        (changed("inputs", 0, shape=[]), "a list of tensors with a name and a shape"),
        (changed("inputs", 0, name=3), "a list of tensors with a name and a shape"),
        (changed("outputs", 1, dtype="int8"), "'state_0_next' must be float32"),
        (changed("outputs", 1, shape=[1, 40]), "pairs of states of equal shape"),
        (changed("outputs", 0, shape=[1, 2]), "as many channels as there are classes"),
        ({"inputs": GOOD["inputs"][::-1]}, "must be a frame, a posterior, and pairs"),
        ({"states": []}, "must be a frame, a posterior, and pairs"),
        ({"inputs": 3}, "'inputs' can be used"),
        ({"trigger": GOOD["trigger"] | {"threshold": 1.5}}, r"`threshold` must be in \[0, 1\]"),
    ],
)
def test_rejects_entries_that_cannot_be_used(path, changes, message):
    with pytest.raises(ValueError, match=message) as refusal:
        detector_file.read(write(path, changes))
    assert str(path) in str(refusal.value)


def test_a_changed_file_is_refused(path, capsys):
    write(path).with_suffix(".onnx").write_bytes(b"another")
    with pytest.raises(ValueError, match="has another hash than in the manifest"):
        StreamingDetector.from_file(path)
    assert cli.main(["detect", str(path), "tone.wav"]) == 1
    assert "has another hash" in capsys.readouterr().err


def test_a_description_belongs_to_one_file(path):
    write(path).with_suffix(".tflite").write_bytes(MODEL)
    with pytest.raises(ValueError, match=r"beside its own description.*'detector\.onnx'"):
        detector_file.read(path.with_suffix(".tflite"))


def test_other_json_files_are_none(path):
    path.write_text('{"type": "micro", "model": "detector.tflite"}')  # that of an ESPHome component
    assert detector_file.find(path.with_suffix(".tflite")) is None
    assert detector_file.find(path.with_name("other.tflite")) is None
    path.write_text("{")
    with pytest.raises(ValueError, match=r"a readable detector\.json"):
        detector_file.find(path.with_suffix(".onnx"))
