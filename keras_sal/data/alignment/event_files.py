"""Reading of event files: the choice of the format, and its options."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from keras_sal.checks import require
from keras_sal.data.alignment import formats, subtitles
from keras_sal.data.alignment.events import Events
from keras_sal.data.alignment.textgrid import read_textgrid
from keras_sal.data.alignment.validation import Durations, Entry, validate_entries
from keras_sal.data.text_files import read_text
from keras_sal.typing import PathLike

FORMATS: dict[str, Callable[..., Iterable[Entry]]] = {
    "csv": formats.read_csv,
    "tsv": formats.read_csv,
    "audacity": formats.read_audacity,
    "textgrid": read_textgrid,
    "ctm": formats.read_ctm,
    "rttm": formats.read_rttm,
    "vtt": subtitles.read_vtt,
    "srt": subtitles.read_srt,
}
FORMAT_OPTIONS = {
    "columns": ("csv", "tsv"),
    "where": ("csv", "tsv", "rttm"),
    "tier": ("textgrid",),
    "channel": ("ctm", "rttm"),
}
SUFFIXES = {".txt": "audacity"} | {f".{name}": name for name in FORMATS if name != "audacity"}
UNITS = ("s", "ms")
OVERLAPS = ("skip", "keep", "merge")


def read_events(
    path: PathLike,
    *,
    format: str | None = None,
    columns: dict[str, str] | None = None,
    where: dict[str, str] | None = None,
    tier: str | None = None,
    channel: str | int | None = None,
    unit: str | None = None,
    duration_s: Durations = None,
    overlaps: str = "skip",
    encoding: str | None = None,
    strict: bool = False,
) -> Events:
    r"""Read events from a file of an annotation tool, an aligner, a recogniser or subtitles.

    | format | suffix | content |
    |---|---|---|
    | `"csv"`, `"tsv"` | `.csv`, `.tsv` | a table with named columns, see `columns` |
    | `"audacity"` | `.txt` | labels of Audacity: onset, offset and text, separated by tabs |
    | `"textgrid"` | `.TextGrid` | a tier of Praat, also from the Montreal Forced Aligner |
    | `"ctm"` | `.ctm` | recording, channel, onset, duration, word: aligners and recognisers |
    | `"rttm"` | `.rttm` | turns of speakers, or words (`LEXEME`): diarisation, VAD references |
    | `"vtt"`, `"srt"` | `.vtt`, `.srt` | subtitles; times of whole lines, or of words in WebVTT |

    Entries with wrong times are left out, and a warning counts them and names the first ones. An
    entry is left out if it has only one time, if a time is no number, not finite, negative or
    beyond the end of the recording, if it ends before it begins, if its row has too many fields (a
    comma in a text without quotes), or if it overlaps an event of the same text. A file that can't
    be read as its format, or whose times look like milliseconds, is refused.

    Args:
        path: Path of the file.
        format: One of the formats above. `None` (default) chooses it by the suffix.
        columns: For tables: a dict from `"onset_s"`, `"offset_s"`, `"text"`, `"file"` to the names
            of these columns in the file, where they differ. The columns of text and file may be
            missing. A name for `"duration_s"` instead of `"offset_s"` reads the durations of the
            events.
        where: For tables and RTTM: a dict from the names of columns to the values that the wanted
            rows have there, where a file has several layers: `{"tier": "words"}`, or `{"type":
            "LEXEME"}` for the words of an RTTM, whose columns are `"type"`, `"file"`, `"channel"`,
            `"subtype"` and `"speaker"`. `None` (default) reads all rows.
        tier: For TextGrids: the name of the tier to read. `None` (default) reads the only one, or
            the one called "words".
        channel: For CTM and RTTM: the channel to read, as it is written. `None` (default) reads
            recordings of one channel only.
        unit: `"s"` or `"ms"`, the unit of the times. `None` (default) reads seconds, and refuses a
            file whose times look like milliseconds.
        duration_s: Length of the recording in seconds, or a dict from the names of the recordings
            to their lengths, to find times beyond the end. `None` (default) if unknown.
        overlaps: What to do with events of the same recording and text that overlap: `"skip"`
            (default) all of them, as it is unclear which one is meant; `"keep"` them; or `"merge"`
            them into one (for speech against silence). Events of different texts may overlap.
        encoding: Encoding of the file. `None` (default) reads UTF-8, and UTF-16 with a byte-order
            mark; others are not guessed.
        strict: Raise an error where an entry would be left out. Defaults to `False`.

    Returns:
        `Events`: a list of `Event`, sorted by recording and time. Its attribute `skipped` lists the
        entries that were left out. Rows without any times (unknown) are no events.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an argument doesn't fit, the file can't be read as this format, no event can
            be used, or one can't and `strict`.
        ImportError: If `webvtt-py` is missing (subtitles).

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels.txt"
        >>> _ = path.write_text("0.2\t0.5\thello\n1.25\t1.75\tcomputer\n")
        >>> read_events(path)[1]
        Event(onset_s=1.25, offset_s=1.75, text='computer', recording='')
    """
    path = Path(path)
    name = _format_of(path, format)
    _one_of("unit", unit, (None, *UNITS), "times are in seconds or milliseconds")
    _one_of("overlaps", overlaps, OVERLAPS, "it says what happens to events that overlap")
    options = _options_of(name, path, columns=columns, where=where, tier=tier, channel=channel)
    entries = list(FORMATS[name](read_text(path, encoding), path, **options))
    if not entries:
        return Events()
    return validate_entries(
        entries, path=path, unit=unit, duration_s=duration_s, overlaps=overlaps, strict=strict
    )


def _format_of(path, given):
    if given is not None:
        _one_of("format", given, tuple(FORMATS), "it says how the file is read")
        return given
    suffix = path.suffix.lower()
    require(
        suffix in SUFFIXES,
        f"`path` must end in one of {', '.join(SUFFIXES)}; they tell the format. Received: "
        f"path={str(path)!r}. Name the format with `format`: {', '.join(FORMATS)}.",
    )
    return SUFFIXES[suffix]


def _options_of(name: str, path: Path, **given: Any) -> dict[str, Any]:
    """Choose the options that a format has; others must not be given."""
    for option, value in given.items():
        fits = FORMAT_OPTIONS[option]
        require(
            value is None or name in fits,
            f"`{option}` must be left out for this format; only {' and '.join(fits)} have it. "
            f"Received: {option}={value!r} for {str(path)!r}, read as {name}. Remove it, or "
            "give `format`.",
        )
    return {option: value for option, value in given.items() if name in FORMAT_OPTIONS[option]}


def _one_of(name, value, choices, why):
    require(
        value in choices,
        f"`{name}` must be one of {', '.join(map(repr, choices))}; {why}. Received: "
        f"{name}={value!r}. Choose one of them.",
    )
