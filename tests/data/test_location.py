"""Where recordings are looked for."""

import pytest

from keras_sal.data import location

pytestmark = pytest.mark.any_backend


def test_what_is_given_goes_before_what_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv(location.RECORDINGS, str(tmp_path / "named"))
    for find in (location.find_recordings, location.require_recordings):
        assert find(tmp_path / "given") == tmp_path / "given"
        assert find() == tmp_path / "named"


def test_says_how_to_name_recordings(tmp_path, monkeypatch):
    monkeypatch.delenv(location.RECORDINGS, raising=False)
    beside = tmp_path / "shared" / "recordings"
    monkeypatch.setattr(
        location, "__file__", str(tmp_path / "checkout" / "package" / "data" / "location.py")
    )
    assert location.find_recordings() is None
    with pytest.raises(FileNotFoundError, match=r"none lies beside .* or set KERAS_SAL_RECORDINGS"):
        location.require_recordings()
    beside.mkdir(parents=True)
    (beside / "recordings.csv").touch()
    assert location.require_recordings() == beside
