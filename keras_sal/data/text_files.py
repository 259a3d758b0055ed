"""Text files in the encodings that people save tables and labels in."""

import codecs
from pathlib import Path

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path, encoding: str | None = None) -> str:
    """Read a text file; other encodings than UTF-8 and UTF-16 must be named, and are not guessed.

    Args:
        path: Path of the file.
        encoding: Encoding of the file. `None` (default) reads UTF-8, and UTF-16 with a byte-order
            mark.

    Returns:
        The text, without byte-order mark.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file isn't text in this encoding.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = path.write_bytes("Zoë".encode("utf-16"))
        >>> read_text(path)
        'Zoë'
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"`path` must name a file; there is none of this name. Received: path={str(path)!r}. "
            "Check the name."
        )
    data = path.read_bytes()
    marked = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), None)
    try:
        text = data.decode(encoding or marked or "utf-8")
    except LookupError as error:
        raise ValueError(
            f"`encoding` must be the name of an encoding; Python knows none of this name. "
            f'Received: encoding={encoding!r}. Try "utf-8", "utf-16" or "latin-1".'
        ) from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(
            f"`path` must be {encoding or marked or 'UTF-8'}; other encodings look alike and are "
            f"not guessed. Received: {str(path)!r} with the byte 0x{data[error.start]:02x} in line "
            f"{line}. Save it as UTF-8, or name its encoding, for example "
            'encoding="latin-1".'
        ) from error
    if "\0" in text:
        raise ValueError(
            f"`path` must be text; it holds null characters. Received: {str(path)!r}. If it is "
            'UTF-16 without a byte-order mark, say encoding="utf-16-le".'
        )
    return text.removeprefix("\ufeff")
