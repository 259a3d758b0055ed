"""Files of trained models: whole, damaged, and those that would fill the memory."""

import zipfile

import keras
import pytest

from keras_sal.cli.trained_model import load_trained_model

pytestmark = pytest.mark.any_backend


def test_reads_a_model(tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "a.keras")
    assert load_trained_model(tmp_path / "a.keras").count_params() == 3


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>not found</html>", bytes(1000)])
def test_refuses_what_is_no_archive(tmp_path, content):
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ValueError, match=r"must be a .keras file that Keras can read.*a\.keras"):
        load_trained_model(tmp_path / "a.keras")


def test_refuses_an_archive_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("notes.txt", "mine")
    with pytest.raises(ValueError, match=r"must be a .keras file that Keras can read.*a\.keras"):
        load_trained_model(tmp_path / "a.keras")


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_refuses_a_config_that_would_fill_the_memory(tmp_path, monkeypatch, name):
    """600 MB of spaces are 600 KB in an archive."""
    monkeypatch.setattr("keras_sal.runtime.keras_file.MOST_CONFIG_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for each in ("config.json", "metadata.json"):
            archive.writestr(each, "{}" + " " * (2000 if each == name else 0))
    with pytest.raises(ValueError, match=rf"{name} would take 2,002 bytes of memory"):
        load_trained_model(tmp_path / "a.keras")
