"""Archives that are right, damaged or hostile."""

import hashlib
import io
import stat
import tarfile
import zipfile

import pytest
from archives import make_tar, make_zip, names

from keras_sal.data.downloads import unpack

pytestmark = pytest.mark.any_backend

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


def test_unpacks_a_tar_of_the_current_folder(tmp_path):
    info = tarfile.TarInfo(".")
    info.type = tarfile.DIRTYPE
    archive = make_tar(tmp_path / "a.tar.gz", [info, ("./a.wav", b"1")])
    folder = unpack(archive, tmp_path / "out", max_bytes=1)
    assert contents(folder) == {"a.wav": b"1"}


def test_a_negative_size_is_not_credited(tmp_path):
    """A forged header can't make room for the bytes of the next file."""
    info = tarfile.TarInfo("negative")
    info.type, info.size = tarfile.DIRTYPE, -1000
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(info)
        big = tarfile.TarInfo("big")
        big.size = 500
        archive.addfile(big, io.BytesIO(bytes(500)))
    with pytest.raises(ValueError, match="it unpacks to more than 100 bytes"):
        unpack(tmp_path / "a.tar", tmp_path / "out", max_bytes=100)


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
