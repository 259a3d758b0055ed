"""Archives with any members, to be unpacked by tests."""

import io
import tarfile
import zipfile


def make_tar(path, members, mode="w:gz"):
    """Writes an archive; members are names with bytes, or `TarInfo`."""
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
    """Writes an archive; members are names with bytes, or `ZipInfo` with bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
        archive.comment = comment
    return path


def names(folder):
    """Returns the sorted names in a folder."""
    return sorted(path.name for path in folder.iterdir())
