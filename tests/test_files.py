"""Files and folders that appear complete or not at all."""

import json

import numpy as np
import pytest

from keras_sal import files

pytestmark = pytest.mark.any_backend


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "model.tflite"
    files.write_atomically(path, b"first")
    with pytest.raises(TypeError):
        files.write_atomically(path, None)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", [".", "nowhere/model.tflite"])
def test_rejects_paths_that_no_file_can_have(tmp_path, path):
    with pytest.raises(ValueError, match="`path` must name a file in a folder that exists"):
        files.check_path(tmp_path / path)


def test_write_leaves_nothing_half_written(tmp_path):
    def fail(path):
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(tmp_path / "results.json", fail)
    assert not list(tmp_path.iterdir())


def test_not_a_number_is_null_in_json(tmp_path):
    files.write_json(
        tmp_path / "x.json", {"frr": float("nan"), "threshold": [np.float64("inf"), 1]}
    )
    assert json.loads((tmp_path / "x.json").read_text()) == {"frr": None, "threshold": [None, 1]}


class TestAtomicFolder:
    def test_replaces_what_stood_there(self, tmp_path):
        path = tmp_path / "bundle"
        for name in ("old.txt", "new.txt"):
            with files.atomic_folder(path) as folder:
                (folder / name).write_text(name)
        assert [file.name for file in path.iterdir()] == ["new.txt"]
        assert list(tmp_path.iterdir()) == [path]

    def test_a_file_in_its_place_stays(self, tmp_path):
        path = tmp_path / "bundle"
        path.write_text("mine")
        with pytest.raises(ValueError, match=r"a file is in its place.*bundle"):  # noqa: SIM117
            with files.atomic_folder(path):
                pass
        assert path.read_text() == "mine"
        assert list(tmp_path.iterdir()) == [path]

    def test_keeps_what_stood_there_if_interrupted(self, tmp_path):
        path = tmp_path / "bundle"
        with files.atomic_folder(path) as folder:
            (folder / "old.txt").write_text("old")

        def interrupted():
            with files.atomic_folder(path) as folder:
                (folder / "new.txt").write_text("half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert [file.name for file in path.iterdir()] == ["old.txt"]
        assert list(tmp_path.iterdir()) == [path]
