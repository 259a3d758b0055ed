"""Downloads against a server on this machine that is honest, forgetful or hostile."""

import hashlib
import io
import json
import stat
import tarfile
import zipfile
from dataclasses import replace

import pytest
from download_server import CONTENT

from keras_sal.data.downloads import CATALOGUE, Archive, PublicDataset, download
from keras_sal.data.downloads.transfer import fetch
from keras_sal.data.downloads.unpacking import unpack

SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


def get(server, folder, **options):
    options = {"sha256": SHA256, "pause_s": 0} | options
    return fetch(f"{server.url}/file", folder / "file", **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_downloads_and_tells_how_far_it_is(server, tmp_path):
    steps = []
    path = get(server, tmp_path, progress=lambda *step: steps.append(step))
    assert path.read_bytes() == CONTENT
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert names(tmp_path) == ["file"]


def test_what_is_there_is_not_downloaded_again(server, tmp_path):
    get(server, tmp_path)
    get(server, tmp_path)
    assert len(server.asked) == 1
    (tmp_path / "file").write_bytes(b"spoiled")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_goes_on_where_the_connection_ended(server, tmp_path):
    server.cut = [1000, 500]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", "bytes=1500-"]


def test_goes_on_in_a_later_run(server, tmp_path):
    server.cut = [1000]
    with pytest.raises(OSError, match=r"ended after 1,000 of 10,240.*1,000 bytes are kept"):
        get(server, tmp_path, attempts=1)
    assert not (tmp_path / "file").exists()
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


def test_starts_again_when_the_file_was_replaced_meanwhile(server, tmp_path):
    server.cut = [1000]
    with pytest.raises(OSError, match="could not be downloaded"):
        get(server, tmp_path, attempts=1)
    server.files["/file"], server.validator = CONTENT[::-1], '"two"'
    found = get(server, tmp_path, sha256=hashlib.sha256(CONTENT[::-1]).hexdigest())
    assert found.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("validator", [None, 'W/"weak"'])
def test_starts_again_where_the_server_can_not_tell(server, tmp_path, validator):
    server.validator, server.cut = validator, [1000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_starts_again_where_the_server_has_no_ranges(server, tmp_path):
    server.ranges, server.cut = False, [1000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


def test_starts_again_where_the_server_sends_another_part(server, tmp_path):
    server.cut, server.answer_range = [1000], 0
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", None]


def test_starts_again_where_the_part_is_longer_than_the_file(server, tmp_path):
    server.cut = [1000]
    with pytest.raises(OSError, match="could not be downloaded"):
        get(server, tmp_path, attempts=1)
    (tmp_path / "file.part").write_bytes(bytes(20_000))
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_part_of_another_address_is_not_gone_on_with(server, tmp_path):
    server.files["/other"] = CONTENT[::-1]
    server.cut = [1000]
    with pytest.raises(OSError, match="could not be downloaded"):
        fetch(f"{server.url}/other", tmp_path / "file", attempts=1)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, None]


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ({"sha256": "0" * 64}, f"SHA256 hash .* expected sha256:0000.* but got {SHA256}"),
        ({"sha256": None, "md5": "0" * 32}, f"MD5 hash .* expected md5:0000.* but got {MD5}"),
        (
            {"sha256": None, "size_bytes": 20_000},
            "must be the file that is meant.* 10,240 bytes instead of 20,000",
        ),
    ],
)
def test_a_file_that_was_tampered_with_is_removed(server, tmp_path, checks, message):
    with pytest.raises(ValueError, match=message):
        get(server, tmp_path, **checks)
    assert names(tmp_path) == []


@pytest.mark.parametrize("lengths", [True, False])
def test_a_file_that_is_too_large_is_stopped(server, tmp_path, lengths):
    server.lengths = lengths
    with pytest.raises(ValueError, match=r"must have at most 1,000 bytes"):
        get(server, tmp_path, max_bytes=1000)
    assert names(tmp_path) == []


def test_a_cut_without_a_length_is_found_by_the_checksum(server, tmp_path):
    server.lengths, server.cut = False, [1000]
    with pytest.raises(ValueError, match=r"hash of downloaded file .* does not match"):
        get(server, tmp_path)


def test_a_full_disk_is_said_at_once(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="it needs 10,240 bytes, and 100 are free"):
        get(server, tmp_path)
    assert len(server.asked) == 1


def test_errors_of_the_server(server, tmp_path):
    with pytest.raises(OSError, match="404"):
        fetch(f"{server.url}/none", tmp_path / "file", pause_s=0)
    assert len(server.asked) == 1
    server.status = 503
    with pytest.raises(OSError, match="503"):
        get(server, tmp_path, attempts=3)
    assert len(server.asked) == 1 + 3


def test_fetch_rejects(tmp_path):
    with pytest.raises(ValueError, match=r"`url` must begin with http.*url='file:///etc/passwd'"):
        fetch("file:///etc/passwd", tmp_path / "file")
    with pytest.raises(ValueError, match=r"`attempts` must be at least 1.*attempts=0"):
        fetch("http://127.0.0.1", tmp_path / "file", attempts=0)


def make_tar(path, members, mode="w:gz"):
    """Members are names with bytes, or `TarInfo`."""
    with tarfile.open(path, mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return path


def make_zip(path, members, comment=b""):
    """Members are names with bytes, or `ZipInfo` with bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
        archive.comment = comment
    return path


MAKERS = {"zip": make_zip, "tar.gz": make_tar}


@pytest.fixture(params=MAKERS)
def make(request, tmp_path):
    return lambda members: MAKERS[request.param](tmp_path / f"archive.{request.param}", members)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_unpacks(make, tmp_path):
    archive = make([("./top/a.wav", b"1"), ("top/deep/b.txt", b""), ("c..d", b"3")])
    folder = unpack(archive, tmp_path / "out", max_bytes=2)
    assert contents(folder) == {"top/a.wav": b"1", "top/deep/b.txt": b"", "c..d": b"3"}


def test_unpacks_folders_and_replaces_an_earlier_one(tmp_path):
    info = tarfile.TarInfo("empty")
    info.type, info.mode = tarfile.DIRTYPE, 0
    archive = make_tar(tmp_path / "a.tar", [info, ("run.sh", b"echo")], mode="w")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    folder = unpack(archive, tmp_path / "out", max_bytes=10)
    assert names(folder) == ["empty", "run.sh"]
    assert not (folder / "run.sh").stat().st_mode & stat.S_ISUID


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "a\\..\\evil", "C:evil", "..", "//evil"],
)
def test_names_that_lead_out_are_refused(make, tmp_path, name):
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match=r"leads out of the folder.*Nothing was unpacked"):
        unpack(make([("good", b"1"), (name, b"1")]), tmp_path / "in" / "out", max_bytes=10)
    assert names(tmp_path / "in") == []
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_of_a_tar_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    archive = make_tar(tmp_path / "a.tar.gz", [("link2", b""), info])
    with pytest.raises(ValueError, match="'link' is a link or a device"):
        unpack(archive, tmp_path / "out", max_bytes=10)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["link", "link/"])
def test_links_of_a_zip_are_refused(tmp_path, name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ValueError, match="is a link or a device"):
        unpack(make_zip(tmp_path / "a.zip", [(info, "/etc")]), tmp_path / "out", max_bytes=10)


def test_more_bytes_or_files_than_expected_are_refused(make, tmp_path):
    bomb = make([("zeros", bytes(5_000_000))])
    assert bomb.stat().st_size < 10_000
    with pytest.raises(ValueError, match="it unpacks to more than 1,000,000 bytes"):
        unpack(bomb, tmp_path / "out", max_bytes=1_000_000)
    many = make([(str(number), b"") for number in range(11)])
    with pytest.raises(ValueError, match="it has more than 10 files"):
        unpack(many, tmp_path / "out", max_bytes=10, max_files=10)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_twice_is_refused(make, tmp_path):
    with pytest.raises(ValueError, match="'a' is in it twice"):
        unpack(make([("a", b"1"), ("a", b"2")]), tmp_path / "out", max_bytes=10)


def test_a_file_as_a_folder_is_refused(make, tmp_path):
    with pytest.raises(ValueError, match=r"both a file and a folder|in it twice"):
        unpack(make([("a", b"1"), ("a/b", b"2")]), tmp_path / "out", max_bytes=10)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_damaged_archives_are_refused(make, tmp_path, damage):
    noise = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(250))
    archive = make([("a", noise)])
    whole = bytearray(archive.read_bytes())
    if damage == "cut":
        del whole[len(whole) // 2 :]
    elif damage == "flipped":
        whole[len(whole) // 2] ^= 0xFF
    else:
        whole = b"<html>not found</html>"
    archive.write_bytes(whole)
    with pytest.raises(ValueError, match=r"(?s)must be a complete .zip or .tar.*Download it again"):
        unpack(archive, tmp_path / "out", max_bytes=100_000)
    assert not (tmp_path / "out").exists()


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
