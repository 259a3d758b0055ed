"""The download of the runtime of the page."""

import pytest

from keras_sal.cli import web_runtime
from keras_sal.data import downloads
from keras_sal.export.web import PACKAGES

pytestmark = pytest.mark.any_backend

pooch = pytest.importorskip("pooch", reason="needs the download extra")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache of the user."""
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    return tmp_path / "keras_sal"


def test_archives_are_fetched_to_the_cache_and_checked(cache, monkeypatch):
    fetched = {}

    def fetch(url, path, **settings):
        fetched[url] = settings["sha256"]
        return path

    monkeypatch.setattr(downloads, "fetch", fetch)
    archives = web_runtime.download()
    assert fetched == {package.url: package.sha256 for package in PACKAGES}
    assert archives == {package.name: cache / package.archive for package in PACKAGES}
    assert cache.is_dir()


def test_without_network_the_address_is_offered(monkeypatch):
    def fetch(url, path, **settings):
        raise OSError("no network.")

    monkeypatch.setattr(downloads, "fetch", fetch)
    with pytest.raises(OSError, match=r"no network. `--runtime-url` names an address"):
        web_runtime.download()
