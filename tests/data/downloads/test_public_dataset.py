"""Data sets from their archives to a folder, and the catalogue."""

import hashlib
import json
from dataclasses import replace

import pytest
from archives import make_tar, make_zip, names

from keras_sal.data.downloads import CATALOGUE, Archive, PublicDataset, dataset, download
from keras_sal.data.downloads.unpacking import unpack

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
    assert names(folder) == ["dataset.json", "one", "two"]
    assert (tmp_path / "b.zip").exists()
    assert len(server.asked) == 3


@pytest.fixture(params=["one archive", "several"])
def each_set(request, data_set):
    """A data set unpacked to its folder, and one unpacked to folders in it."""
    if request.param == "several":
        return data_set
    return replace(data_set, archives=(replace(data_set.archives[0], subfolder=""),))


def files_of(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["recordings.csv", "dataset.json", ".hidden"])
def test_a_folder_that_it_did_not_make_stays(server, each_set, tmp_path, name):
    own = tmp_path / "made"
    own.mkdir()
    (own / name).write_text("{}")
    with pytest.raises(ValueError, match=r"must have no made that `download` didn't.*Rename it"):
        download(each_set, tmp_path, log=str)
    assert files_of(own) == {name: "{}"}
    assert not server.asked


def test_a_file_in_its_place_stays(server, data_set, tmp_path):
    (tmp_path / "made").write_text("mine")
    with pytest.raises(ValueError, match="must have no made"):
        download(data_set, tmp_path, log=str)
    assert (tmp_path / "made").read_text() == "mine"
    assert not server.asked


def test_goes_on_after_an_interruption(server, each_set, tmp_path, monkeypatch):
    """Right after an archive was unpacked, which is not downloaded again."""

    def interrupted(*args, **options):
        unpack(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "unpack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download(each_set, tmp_path, log=str)
    folder = download(each_set, tmp_path, log=str)
    assert (folder / each_set.archives[0].subfolder / "a.wav").read_bytes() == b"sound"
    assert len(server.asked) == len(each_set.archives)


def test_goes_on_beside_what_a_killed_process_left(each_set, tmp_path):
    (tmp_path / "made" / ".1-beef-01234567.one" / "half").mkdir(parents=True)
    folder = download(each_set, tmp_path, log=str)
    assert (folder / "dataset.json").exists()


def test_a_table_with_times_stays_when_the_record_changes(server, each_set, tmp_path):
    data_set = replace(each_set, name="musan")
    folder = download(data_set, tmp_path, log=str)
    assert "a.wav" in (folder / "recordings.csv").read_text()
    (folder / "recordings.csv").write_text("with times")
    asked = len(server.asked)
    said = []
    download(replace(data_set, licence="CC BY"), tmp_path, log=said.append)
    assert (folder / "recordings.csv").read_text() == "with times"
    assert "recordings.csv stays as it is; `keras-sal tabulate --replace`" in said[-1]
    assert json.loads((folder / "dataset.json").read_text())["licence"] == "CC BY"
    assert len(server.asked) == asked


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
