"""Event times from files: which format, which characters, and back to `Event`."""

import codecs
from pathlib import Path

from keras_sal.data.alignment import formats
from keras_sal.data.alignment.events import Events
from keras_sal.data.alignment.validation import checked

FORMATS = {
    "csv": formats.read_csv,
    "tsv": formats.read_csv,
    "audacity": formats.read_audacity,
    "textgrid": formats.read_textgrid,
    "ctm": formats.read_ctm,
    "rttm": formats.read_rttm,
    "vtt": formats.read_vtt,
    "srt": formats.read_srt,
}
SUFFIXES = {".txt": "audacity"} | {f".{name}": name for name in FORMATS if name != "audacity"}
UNITS = ("s", "ms")
OVERLAPS = ("skip", "keep", "merge")
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_events(
    path,
    *,
    format=None,
    columns=None,
    tier=None,
    channel=None,
    unit=None,
    duration_s=None,
    overlaps="skip",
    encoding=None,
    strict=False,
):
    r"""Read who said what when, as people and tools write it down.

    | format | suffix | what |
    |---|---|---|
    | `"csv"`, `"tsv"` | `.csv`, `.tsv` | a table with named columns, see `columns` |
    | `"audacity"` | `.txt` | Audacity's labels: onset, offset, text, between tabs |
    | `"textgrid"` | `.TextGrid` | a tier of Praat, also from the Montreal Forced Aligner |
    | `"ctm"` | `.ctm` | recording, channel, onset, duration, word: aligners and recognisers |
    | `"rttm"` | `.rttm` | who speaks when, or words (`LEXEME`): diarisation, VAD references |
    | `"vtt"`, `"srt"` | `.vtt`, `.srt` | subtitles; their times are those of whole lines |

    What can't be trusted is left out, and a warning counts and names it: times that are missing by
    half, no numbers, not finite, negative, beyond the recording, or end before they begin; a row
    with too many fields (a comma in a name without quotes); events of the same text that overlap.
    What puts the whole file in doubt is refused.

    Args:
        path: The file.
        format: One of the formats above, or `None` (default) to go by the suffix.
        columns: For tables: a dict from `"onset_s"`, `"offset_s"`, `"text"`, `"file"` to the names
            that the file gives to these columns, where they are other ones. The columns of text
            and file may be missing.
        tier: For TextGrids: the name of the tier to read. `None` (default) reads the only one, or
            the one called "words".
        channel: For CTM and RTTM: the channel to read, as it is written. `None` (default) reads
            recordings of one channel only.
        unit: `"s"` or `"ms"`: the unit of the times of a table or of labels. `None` (default)
            reads seconds, and refuses a file whose times look like milliseconds.
        duration_s: The length of the recording in seconds, or a dict from the names of the
            recordings to their lengths, to find times beyond the end. `None` (default) if unknown.
        overlaps: What to do with events of the same recording and text that overlap: `"skip"`
            (default) all of them, as it is unclear which one is meant; `"keep"` them; or `"merge"`
            them into one (for speech against silence). Events of different texts may overlap.
        encoding: The file's encoding. `None` (default) reads UTF-8, and UTF-16 with a byte-order
            mark; it does not guess others.
        strict: Refuse a file in which anything had to be left out. Default `False`.

    Returns:
        `Events`: a list of `Event`, sorted by recording and time, with what was left out in its
        `skipped`. Rows without any times (unknown) are no events.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file can't be read as this format, an argument doesn't fit, no event of
            several is usable, or one isn't and `strict`.
        ImportError: If `praatio` (TextGrid) or `pysubs2` (subtitles) is missing.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels.txt"
        >>> _ = path.write_text("0.2\t0.5\thello\n1.25\t1.75\tcomputer\n")
        >>> read_events(path)[1]
        Event(onset_s=1.25, offset_s=1.75, text='computer', recording='')
    """
    path = Path(path)
    name = _format(path, format)
    _one_of("unit", unit, (None, *UNITS), "times are in seconds or milliseconds")
    _one_of("overlaps", overlaps, OVERLAPS, "it says what becomes of them")
    read, options = FORMATS[name], {}
    for option, value, fits in (
        ("columns", columns, ("csv", "tsv")),
        ("tier", tier, ("textgrid",)),
        ("channel", channel, ("ctm", "rttm")),
    ):
        if name in fits:
            options[option] = value
        elif value is not None:
            raise ValueError(
                f"`{option}` must be left out for this format; only {' and '.join(fits)} have it. "
                f"Received: {option}={value!r} for {str(path)!r}, read as {name}. Remove it, or "
                "give `format`."
            )
    text = read_text(path, encoding)
    entries = list(read(text, path, **options))
    if not entries:
        return Events()
    return checked(
        entries, path=path, unit=unit, duration_s=duration_s, overlaps=overlaps, strict=strict
    )


def _format(path, given):
    if given is not None:
        _one_of("format", given, tuple(FORMATS), "it is how the file is read")
        return given
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"`path` must end in one of {', '.join(SUFFIXES)}; the format is told by it. "
            f"Received: path={str(path)!r}. Say which it is with `format`: {', '.join(FORMATS)}."
        )
    return SUFFIXES[suffix]


def read_text(path, encoding=None):
    """The text of a file, or an error that says what is wrong with its encoding.

    Args:
        path: The file, a `pathlib.Path`.
        encoding: Its encoding; `None` (default) reads UTF-8, and UTF-16 with a byte-order mark.

    Returns:
        A string, without byte-order mark.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it isn't text in this encoding.

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
    marked = next((name for mark, name in MARKS if data.startswith(mark)), None)
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
            f"{line}. Save it as UTF-8, or say which encoding it has, for example "
            'encoding="latin-1".'
        ) from error
    if "\0" in text:
        raise ValueError(
            f"`path` must be text; it holds characters 0. Received: {str(path)!r}. If it is UTF-16 "
            'without a byte-order mark, say encoding="utf-16-le".'
        )
    return text.removeprefix("\ufeff")


def _one_of(name, value, choices, why):
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}; {why}. Received: "
            f"{name}={value!r}. Choose one of them."
        )
