"""Archives that are whole, hostile or damaged: unpacked as packed, or refused without a trace."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
from collections import Counter

from messages import check_message

from keras_sal.data.downloads.unpacking import unpack

MAX_BYTES = 20_000
MOST_CHANGES = 5
NAMES = ("a.wav", "yes/1.wav", "yes/2.wav", "no/1.wav", "zwölf/ü.wav", "deep/er/x", "b c.txt")
COMPRESSIONS = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)


def attempt(random, folder):
    """Unpack an archive; whatever it holds, files appear in its folder or nowhere."""
    room = folder / "room"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    files = {
        name: random.randbytes(random.choice((0, 1, 500, 3000)))
        for name in random.sample(NAMES, random.randint(1, 4))
    }
    what = random.choice(("whole", "hostile", "damaged", "damaged", "bytes"))
    is_tar = random.random() < 0.6
    content = (_tar if is_tar else _zip)(random, files, what == "hostile")
    compression = random.choice(sorted(COMPRESSIONS)) if is_tar else ""
    if what == "damaged" and random.random() < 0.3:
        content = _damaged(random, content)  # inside of what is compressed
    content = COMPRESSIONS[compression](content)
    if what == "damaged":
        content = _damaged(random, content)
    if what == "bytes":
        content = content[: random.randint(0, 8)] + random.randbytes(random.randint(0, 200))
    path = room / "archive"
    path.write_bytes(content)
    try:
        unpack(path, room / "out", max_bytes=MAX_BYTES)
    except ValueError as error:
        check_message(error, path)
        if what == "whole":
            raise AssertionError("it must be unpacked") from error
        assert [each.name for each in room.iterdir()] == ["archive"]
        return Counter(refused=1)
    assert what != "hostile", f"{files.keys()} must be refused"
    assert sorted(each.name for each in room.iterdir()) == ["archive", "out"]
    assert not (folder / "evil").exists()
    found = [each for each in (room / "out").rglob("*") if not each.is_dir()]
    assert not any(each.is_symlink() for each in found)
    assert sum(each.stat().st_size for each in found) <= MAX_BYTES
    if what == "whole":
        names = {str(each.relative_to(room / "out")): each.read_bytes() for each in found}
        assert names == files, (names, files)
    return Counter(agreed=1)


def _zip(random, files, is_hostile):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", random.choice((0, zipfile.ZIP_DEFLATED))) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if is_hostile:
            archive.writestr("yes/1.wav/..", b"") if random.random() < 0.1 else None
            info = zipfile.ZipInfo("link")
            info.external_attr = random.choice((0o120777, 0o020777)) << 16
            bomb = zipfile.ZipInfo("bomb")
            bomb.compress_type = zipfile.ZIP_DEFLATED
            made = random.choice((info, bomb, *("../evil", "/tmp/evil", "yes/../../evil", "a:b")))
            data = bytes(10 * MAX_BYTES) if made is bomb else b"evil"
            archive.writestr(made, data)
    return content.getvalue()


def _tar(random, files, is_hostile):
    content = io.BytesIO()
    layout = random.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))
    with tarfile.open(fileobj=content, mode="w", format=layout) as archive:
        for name, data in files.items():
            _add(archive, tarfile.TarInfo(name), data)
        if is_hostile:
            kind = random.random()
            if kind < 0.4:
                link = tarfile.TarInfo("link")
                link.type, link.linkname = random.choice(LINKS), "../evil"
                archive.addfile(link)
            elif kind < 0.8:
                name = random.choice(("../evil", "/tmp/evil", "yes/../../evil", "a:b", "x" * 300))
                _add(archive, tarfile.TarInfo(name), b"evil")
            else:
                _add(archive, tarfile.TarInfo("bomb"), bytes(10 * MAX_BYTES))
    return content.getvalue()


def _add(archive, info, data):
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _damaged(random, content):
    changed = bytearray(content)
    for _ in range(random.randint(1, MOST_CHANGES)):
        if not changed:
            break
        at = random.randrange(len(changed))
        change = random.random()
        if change < 0.3:
            changed[at] ^= 1 << random.randrange(8)
        elif change < 0.6:
            changed[at] = random.choice((0, 0x7F, 0x80, 0xFF, random.randrange(256)))
        elif change < 0.7:
            del changed[at:]
        elif change < 0.8:
            changed[at:at] = changed[: random.randint(1, 600)]
        else:
            changed[at : at + 8] = random.choice((b"\xff" * 8, b"77777777", bytes(8)))
    return bytes(changed)
