"""The file of a trained detector: another one for anything that the detector depends on."""

import os

import pytest

from keras_sal.data import Recording
from keras_sal.training.kept_model import describe_material, kept_path

pytestmark = pytest.mark.any_backend


@pytest.fixture
def path(tmp_path):
    recordings = [Recording(tmp_path / "a.wav", "train", "computer", 1.0)]
    (tmp_path / "a.wav").write_bytes(b"sound")

    def path(*more, **options):
        return kept_path(tmp_path, "gru", options, describe_material([*recordings, *more]))

    return path


def test_recordings_of_dev_and_test_do_not_count(path):
    assert path(Recording("b.wav", "dev", "", 1.0), Recording("c.wav", "test", "", 1.0)) == path()


@pytest.mark.parametrize("text", ["", "computer"])
def test_recordings_to_train_on_count(path, text):
    assert path(Recording("b.wav", "train", text, 1.0)) != path()


def test_noise_counts(path):
    assert path(Recording("b.wav", "train", "", 1.0, noise=True)) != path(
        Recording("b.wav", "train", "", 1.0)
    )


@pytest.mark.parametrize("content", [b"other", b"longer sound"])
def test_another_sound_in_the_same_file_counts(path, tmp_path, content):
    before = path()
    (tmp_path / "a.wav").write_bytes(content)
    os.utime(tmp_path / "a.wav", ns=(1, 1))
    assert path() != before


def test_options_count(path):
    assert path(seed=0) != path(seed=1)
    assert path(seed=0) == path(seed=0)
