"""Manifests that anybody may have written: what is missing, out of range or points elsewhere."""

import hashlib
import json

import numpy as np
import pytest

from keras_sal import cli
from keras_sal.export.firmware.contents import MICRO_FRONTEND
from keras_sal.export.manifest import read_manifest
from keras_sal.runtime import StreamingDetector, open_runner

pytestmark = pytest.mark.any_backend

MODEL = b"not read by these tests"
HASH = hashlib.sha256(MODEL).hexdigest()
GOOD = {
    "format": 1,
    "model": "model.tflite",
    "classes": ["computer"],
    "frame_step_s": 0.01,
    "frame_offset_s": 0.03,
    "delay_frames": 0,
    "frontend": dict(MICRO_FRONTEND),
    "trigger": {
        "threshold": 0.5,
        "smooth_frames": 3,
        "on_frames": 1,
        "hysteresis": None,
        "refractory_s": 1.0,
    },
    "threshold": None,
    "sha256": {"model.tflite": HASH},
}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.tflite").write_bytes(MODEL)
    (folder / "model.txt").write_bytes(MODEL)
    (tmp_path / "evil.tflite").write_bytes(MODEL)
    return folder


def write(folder, changes=(), without=()):
    manifest = {name: value for name, value in GOOD.items() if name not in without}
    text = json.dumps(manifest | dict(changes))
    (folder / "manifest.json").write_text(text)
    return folder


def test_a_complete_manifest_is_read(folder):
    assert read_manifest(write(folder)) == GOOD
    assert read_manifest(write(folder, {"frontend": None}))["frontend"] is None


@pytest.mark.parametrize(
    "name", ["../evil.tflite", "..\\evil.tflite", "{folder}/evil.tflite", "..", 300 * "a"]
)
def test_rejects_files_outside_the_folder(folder, name):
    name = name.format(folder=folder.parent)
    for changes in (
        {"model": name, "sha256": {name: HASH}},
        {"sha256": {"model.tflite": HASH, name: HASH}},
    ):
        with pytest.raises(ValueError, match="`folder` must hold its files itself"):
            read_manifest(write(folder, changes))
    with pytest.raises(ValueError, match="file of the folder whose SHA-256 is given"):
        read_manifest(write(folder, {"model": name}))


@pytest.mark.parametrize("sha256", [{}, [], None, {"model.tflite": None}, {"model.tflite": "00"}])
def test_rejects_files_without_a_hash(folder, sha256):
    with pytest.raises(ValueError, match="with the SHA-256 of every file"):
        read_manifest(write(folder, {"sha256": sha256}))
    with pytest.raises(ValueError, match="with the SHA-256 of every file"):
        read_manifest(write(folder, without=["sha256"]))


@pytest.mark.parametrize("name", sorted({*GOOD} - {"format", "sha256"}))
def test_names_the_field_that_is_missing(folder, name):
    with pytest.raises(ValueError, match=f"'{name}' is missing") as refusal:
        read_manifest(write(folder, without=[name]))
    assert str(folder) in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "model.txt", "sha256": {"model.txt": HASH}}, "a .tflite file of the folder"),
        ({"model": ["model.tflite"]}, "a .tflite file of the folder"),
        ({"classes": []}, "'classes' can be used"),
        ({"classes": "computer"}, "'classes' can be used"),
        ({"classes": ["computer", 3]}, "'classes' can be used"),
        ({"classes": ["\ud800"]}, "'classes' can be used"),
        ({"classes": ["com\0puter"]}, "'classes' can be used"),
        ({"frame_step_s": 0}, "`frame_step_s` must be a positive number"),
        ({"frame_step_s": "0.01"}, "'frame_step_s' can be used"),
        ({"frame_offset_s": -1}, "`frame_offset_s` must be"),
        ({"delay_frames": -1}, "`delay_frames` must be an integer >= 0"),
        ({"delay_frames": 1.5}, "`delay_frames` must be an integer >= 0"),
        ({"frontend": {"kind": "mel"}}, "null or of the kind 'micro'"),
        ({"frontend": "micro"}, "null or of the kind 'micro'"),
        ({"frontend": GOOD["frontend"] | {"sample_rate": 8000}}, "{'sample_rate': 8000}"),
        ({"frontend": GOOD["frontend"] | {"dither": 1}}, "{'dither': 1}"),
        ({"frontend": {"kind": "micro"}}, "'feature_scale': 'nothing'"),
        ({"trigger": GOOD["trigger"] | {"threshold": 1.5}}, r"`threshold` must be in \[0, 1\]"),
        ({"trigger": GOOD["trigger"] | {"threshold": [0.5, 0.5]}}, "each of the 1 classes"),
        ({"trigger": GOOD["trigger"] | {"threshold": None}}, "'trigger' can be used"),
        ({"trigger": GOOD["trigger"] | {"on_frames": 0}}, "`on_frames` must be an integer"),
        ({"trigger": {"threshold": 0.5}}, "'smooth_frames' is missing"),
        ({"trigger": [0.5]}, "'trigger' can be used"),
        ({"threshold": 0.5}, "how the threshold was chosen"),
        ({"threshold": {"threshold": 0.6}}, "the threshold 0.5, which is not the one chosen"),
        ({"threshold": {"threshold": [[1]]}}, "'threshold' can be used"),
        ({"threshold": {}}, "'threshold' is missing"),
        ({"format": True}, "a bundle of format 1"),
        ({"format": [1]}, "a bundle of format 1"),
    ],
)
def test_rejects_fields_that_cannot_be_used(folder, changes, message):
    with pytest.raises(ValueError, match=message) as refusal:
        read_manifest(write(folder, changes))
    assert str(folder) in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "it holds list, not an object"),
        ('{"format": 1, "trigger": {"threshold": Infinity}}', "Infinity is not a finite number"),
        ('{"format": 1, "frame_step_s": NaN}', "NaN is not a finite number"),
        ("[" * 100_000, "RecursionError"),
        ("\xff", "UnicodeDecodeError"),
        ("", "JSONDecodeError"),
    ],
)
def test_rejects_what_is_no_manifest(folder, text, message):
    (folder / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"must hold a readable manifest\.json.*" + message):
        read_manifest(folder)


def test_the_bundle_in_the_folder_of_a_training_is_named(tmp_path):
    (tmp_path / "firmware").mkdir()
    with pytest.raises(ValueError, match=r"Write it with `keras_sal\.export\.bundle\.write`"):
        read_manifest(tmp_path)
    (tmp_path / "firmware" / "manifest.json").touch()
    with pytest.raises(ValueError, match=rf"Name '{tmp_path}/firmware'\."):
        read_manifest(tmp_path)


def test_every_reader_refuses(folder, capsys):
    write(folder, {"model": "../evil.tflite"})
    for read in (open_runner, StreamingDetector.from_bundle):
        with pytest.raises(ValueError, match="whose 'model' can be used"):
            read(folder)
    assert cli.main(["detect", str(folder), "tone.wav"]) == 1
    error = capsys.readouterr().err
    assert "whose 'model' can be used" in error
    assert error.count("\n") == 1


def test_any_change_of_a_manifest_is_read_or_refused(folder):
    """A `ValueError` or a manifest that a detector can use; nothing else."""
    text = (write(folder) / "manifest.json").read_text()
    rng = np.random.default_rng(0)
    tokens = ['"', "{", "}", "[", "]", "null", "-1", "1e999", "0", "true", ",", ":", "..", "\x00"]
    messages = []
    for _ in range(150):
        at, length = int(rng.integers(len(text))), int(rng.integers(0, 6))
        (folder / "manifest.json").write_text(
            text[:at] + str(rng.choice(tokens)) + text[at + length :]
        )
        try:
            manifest = read_manifest(folder)
        except ValueError as error:
            messages.append(str(error))
        else:
            assert manifest["model"] in manifest["sha256"]
    assert len(messages) > 70
    assert all(str(folder) in message for message in messages)
