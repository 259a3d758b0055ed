"""Data sets from their archives to a folder, and the catalogue."""

import hashlib
import json
from dataclasses import replace

import pytest
from archives import make_tar, make_zip, names

from keras_sal.data.downloads import CATALOGUE, Archive, PublicDataset, download

pytestmark = pytest.mark.any_backend

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def data_set(server, tmp_path):
    """Two archives, one with a checksum, one known by its revision."""
    tar = make_tar(tmp_path / "made.tar.gz", [("a.wav", b"sound")]).read_bytes()
    made = make_zip(tmp_path / "made.zip", [("b.wav", b"noise")], COMMIT.encode()).read_bytes()
    server.files |= {"/a.tar.gz": tar, "/b.zip": made}
    one = Archive(
        f"{server.url}/a.tar.gz",
        "a.tar.gz",
        "this test",
        sha256=hashlib.sha256(tar).hexdigest(),
        subfolder="one",
    )
    two = Archive(f"{server.url}/b.zip", "b.zip", "none", commit=COMMIT, subfolder="two")
    return PublicDataset(
        "made", "Sounds", "CC0", "https://example.org", "Us, 2026", (one, two), 100
    )


def test_a_data_set_with_its_licence(server, data_set, tmp_path):
    (tmp_path / "data").mkdir()
    said, steps = [], set()
    folder = download(
        data_set,
        tmp_path / "data",
        log=said.append,
        progress=lambda what, done, total: steps.add(what),
    )
    assert said[1] == "Licence: CC0; see https://example.org"
    assert "a.tar.gz: its SHA-256 is right (this test)" in said
    assert "b.zip: no checksum is published; it says that it is of the right revision" in said
    assert steps == {"a.tar.gz", "b.zip", "unpack a.tar.gz", "unpack b.zip"}
    assert (folder / "one" / "a.wav").read_bytes() == b"sound"
    assert (folder / "two" / "b.wav").read_bytes() == b"noise"
    assert names(tmp_path / "data") == ["made"]
    record = json.loads((folder / "dataset.json").read_text())
    assert record["licence"] == "CC0"
    assert record["archives"][0]["sha256"] == data_set.archives[0].sha256

    assert download(data_set, tmp_path / "data", log=said.append) == folder
    assert said[-1] == f"It is in {folder} already."
    assert len(server.asked) == 2


def test_a_data_set_goes_on_with_the_archives_that_are_missing(server, data_set, tmp_path):
    later = server.files.pop("/b.zip")
    with pytest.raises(OSError, match="404"):
        download(data_set, tmp_path, log=str, pause_s=0)
    server.files["/b.zip"] = later
    folder = download(data_set, tmp_path, log=str, keep_archives=True)
    assert names(folder) == [".a.tar.gz.done", ".b.zip.done", "dataset.json", "one", "two"]
    assert (tmp_path / "b.zip").exists()
    assert len(server.asked) == 3


def test_an_archive_of_another_revision_is_removed(data_set, tmp_path):
    wrong = replace(data_set.archives[1], commit="f" * 40)
    wrong = replace(data_set, archives=(wrong,))
    with pytest.raises(ValueError, match=r"must be an archive of revision ffff.*b'01234567"):
        download(wrong, tmp_path, log=str)
    assert not (tmp_path / "b.zip").exists()


def test_download_rejects(data_set, tmp_path):
    with pytest.raises(ValueError, match=r"`name` must be one of speech-commands.*name='imagenet'"):
        download("imagenet", tmp_path, log=str)
    with pytest.raises(ValueError, match=r"`folder` must be a folder that exists"):
        download(data_set, tmp_path / "none", log=str)
    flat = replace(data_set, archives=tuple(replace(a, subfolder="") for a in data_set.archives))
    with pytest.raises(ValueError, match=r"`name` must be a data set whose archives"):
        download(flat, tmp_path, log=str)


def test_the_catalogue_is_complete():
    wanted = {"speech-commands", "picovoice-wake-words", "musan", "demand", "esc-50"}
    assert wanted <= set(CATALOGUE)
    assert sum(name.startswith("librispeech-") for name in CATALOGUE) == 7
    for data_set in CATALOGUE.values():
        assert data_set.licence
        assert data_set.page.startswith("https://")
        for archive in data_set.archives:
            assert archive.url.startswith("https://")
            assert archive.source
            assert archive.size_bytes or archive.max_bytes
            assert len(archive.sha256 or 64 * "0") == 64
            assert len(archive.md5 or 32 * "0") == 32
            checked = archive.sha256 or archive.md5 or archive.commit
            assert checked, f"{archive.name} can't be known again"
            assert data_set.max_unpacked_bytes > (archive.size_bytes or 0)
