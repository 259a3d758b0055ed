"""The file of a trained detector: another one for anything that the detector depends on."""

import pytest

from keras_sal.data import Recording
from keras_sal.training.kept_model import kept_path

pytestmark = pytest.mark.any_backend


@pytest.fixture
def path(tmp_path):
    recordings = [Recording(tmp_path / "a.wav", "train", "computer", 1.0)]
    return lambda *more, **options: kept_path(tmp_path, "gru", options, [*recordings, *more])


def test_recordings_of_dev_and_test_do_not_count(path):
    assert path(Recording("b.wav", "dev", "", 1.0), Recording("c.wav", "test", "", 1.0)) == path()


@pytest.mark.parametrize("text", ["", "computer"])
def test_recordings_to_train_on_count(path, text):
    assert path(Recording("b.wav", "train", text, 1.0)) != path()


def test_options_count(path):
    assert path(seed=0) != path(seed=1)
    assert path(seed=0) == path(seed=0)
