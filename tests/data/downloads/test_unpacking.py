"""Archives that are right, damaged or hostile."""

import bz2
import gzip
import hashlib
import io
import lzma
import random
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


def header(name, size, kind=tarfile.REGTYPE):
    """A header of 512 bytes that declares any size."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_long_headers_are_refused_unread(tmp_path, kind):
    """A header of 1.5 GB would be read at once; none of its bytes need to be there."""
    (tmp_path / "a.tar").write_bytes(header("long", 1_500_000_000, kind) + bytes(1024))
    with pytest.raises(ValueError, match=r"one of its headers has 1,500,000,256 bytes"):
        unpack(tmp_path / "a.tar", tmp_path / "out", max_bytes=10**10)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_zeros_after_the_files_are_refused(tmp_path, suffix):
    path = make_tar(tmp_path / "a.tar", [("a", b"1")], mode="w")
    opener = {"gz": gzip, "bz2": bz2, "xz": lzma}[suffix].open
    with opener(tmp_path / f"b.tar.{suffix}", "wb") as bomb:
        bomb.write(path.read_bytes() + bytes(3_000_000))
    with pytest.raises(ValueError, match="it unpacks to more bytes than its files have"):
        unpack(tmp_path / f"b.tar.{suffix}", tmp_path / "out", max_bytes=1000)
    assert unpack(tmp_path / f"b.tar.{suffix}", tmp_path / "out", max_bytes=3_000_000).is_dir()


def test_many_headers_of_one_file_are_refused(tmp_path):
    """They are read one within the other, as deep as there are."""
    long = header("long", 512, tarfile.GNUTYPE_LONGNAME) + bytes(512)
    (tmp_path / "a.tar").write_bytes(long * 2000 + header("a", 0) + bytes(1024))
    with pytest.raises(ValueError, match=r"must be a complete .zip or .tar|more bytes than"):
        unpack(tmp_path / "a.tar", tmp_path / "out", max_bytes=10**7)


def test_a_size_that_leads_back_is_refused(tmp_path):
    """With a negative size in its extended header a folder would come up again and again."""
    record = b"14 size=-4096\n"
    pax = header("pax", len(record), tarfile.XHDTYPE) + record.ljust(512, b"\0")
    start = header("first", 0) * 4
    (tmp_path / "a.tar").write_bytes(start + pax + header("b", 0) + bytes(1024))
    with pytest.raises(ValueError, match=r"leads back|twice|damaged|complete"):
        unpack(tmp_path / "a.tar", tmp_path / "out", max_bytes=10**6, max_files=1000)


def test_a_damaged_header_between_files_is_no_end(tmp_path):
    path = make_tar(tmp_path / "a.tar", [("a", b"1"), ("b", b"2")], mode="w")
    data = bytearray(path.read_bytes())
    data[1024 + 100] ^= 0xFF  # the header of b
    path.write_bytes(data)
    with pytest.raises(ValueError, match="one of its headers is damaged"):
        unpack(path, tmp_path / "out", max_bytes=100)


def test_names_that_are_too_long_are_refused(make, tmp_path):
    with pytest.raises(ValueError, match=r"a name in it can't be one here"):
        unpack(make([("a" * 300, b"1")]), tmp_path / "out", max_bytes=10)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zip"])
def test_any_damage_is_one_error(tmp_path, suffix):
    """Bytes changed at random (seed 0): unpacked, or refused by a line that names the file."""
    whole = tmp_path / f"a.{suffix}"
    members = [(f"folder/{n}.txt", bytes([n]) * 700) for n in range(5)]
    if suffix == "zip":
        make_zip(whole, members)
    else:
        make_tar(whole, members, mode=f"w:{suffix}")
    rng = random.Random(0)
    for _ in range(25):
        data = bytearray(whole.read_bytes())
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / "damaged").write_bytes(data[: rng.choice([None, rng.randrange(len(data))])])
        try:
            unpack(tmp_path / "damaged", tmp_path / "out", max_bytes=10_000)
        except ValueError as error:
            assert "damaged" in str(error)  # noqa: PT017, either will do


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_unpacks_every_kind_of_tar(tmp_path, mode, form):
    """With long names, other letters, and files larger than a block."""
    files = {f"{'a' * 80}/{'b' * 60}.wav": bytes(3_000_000), "c.wav": b"3"}
    if form != tarfile.USTAR_FORMAT:
        files |= {f"{'long' * 50}/Zoë.wav": b"2"}
    with tarfile.open(tmp_path / "a", mode, format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert contents(unpack(tmp_path / "a", tmp_path / "out", max_bytes=3_000_002)) == files
