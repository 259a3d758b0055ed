"""Recordings on disk: sound files, listed in a table with what is said in them and when.

A folder of recordings holds a table `recordings.csv` with one row per sound file and the columns

| column | meaning |
|---|---|
| `file` | path of the sound file, relative to the folder |
| `split` | `train`, `dev` or `test` |
| `text` | what is said, in lower case; empty if unknown or nothing |
| `onset_s`, `offset_s` | begin and end of the text in seconds; both empty if unknown |
| `corpus`, `speaker` | collection and speaker (may be left out) |
| `duration_s` | length of the file, to detect files that were cut short (may be left out) |
| `noise` | `yes` for noise: played under the streams, and negative (may be left out) |

Files below a folder `noise/` are noise too, and so are those below `noises/`, `background/`,
`background_noise/` and `_background_noise_/`.
"""

from __future__ import annotations

import math
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keras_sal import audio
from keras_sal.audio import SAMPLE_RATE
from keras_sal.data.alignment.label_lookup import LabelLookup, NoLabelsError, NoTimesError
from keras_sal.data.recordings_table import (
    COLUMNS,
    TABLE,
    check_duration,
    check_fields,
    check_split,
    is_noise,
    parse_times,
    read_table,
)
from keras_sal.files import file_identity
from keras_sal.typing import Array, PathLike

MOST_NAMED = 5  # recordings in a warning


@dataclass(frozen=True)
class Recording:
    """A sound file and what is known about it.

    Args:
        path: Path of the sound file.
        split: `"train"`, `"dev"` or `"test"`.
        text: What is said, in lower case with single spaces; `""` if unknown or nothing.
        duration_s: Length in seconds.
        onset_s: Begin of the text in seconds from the start; `nan` (default) if unknown.
        offset_s: End of the text in seconds from the start; `nan` (default) if unknown.
        corpus: Name of the collection it comes from. Defaults to `""`.
        speaker: Name of the speaker; `""` (default) if unknown.
        noise: Whether it is noise to be played under other recordings. Defaults to `False`.
        apart: Whether `evaluation_streams` lays it into streams without the wake word, as it does
            further negatives. Defaults to `False`.
    """

    path: Path
    split: str
    text: str
    duration_s: float
    onset_s: float = math.nan
    offset_s: float = math.nan
    corpus: str = ""
    speaker: str = ""
    noise: bool = False
    apart: bool = False

    def samples(self) -> Array:
        """Read the sound.

        Returns:
            A `float32` array of shape `(samples,)` in `[-1, 1]`, mono at 16 kHz.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is unreadable; see `keras_sal.audio.read_audio`.
        """
        return audio.read_audio(self.path)


def load_recordings(
    folder: PathLike,
    *,
    layout: str | None = None,
    events: PathLike | None = None,
    convert: bool = True,
    encoding: str | None = None,
    **reading: Any,
) -> list[Recording]:
    r"""Read a folder's table and check every row against its file's header.

    Nothing is decoded yet, so this takes well under a millisecond per recording. A bad row among
    good ones is left out and named in a warning. Another warning gives the number of files that
    must be converted.

    Args:
        folder: Folder that holds `recordings.csv`; see the module's description.
        layout: Meaning of the subfolders, for a folder without a table: `"words"` (each is named
            after what is said in it, and `noise` holds noise) or another layout of
            `keras_sal.data.downloads.tabulate`, which writes a table. Defaults to `None`: there is
            a table.
        events: Event times that replace those of the table: a file for
            `keras_sal.data.alignment.read_events` that names the recordings, or a folder with a
            file for each. Defaults to `None`.
        convert: Whether any sample rate and channel count is accepted and converted on reading.
            `False` leaves out what is not 16 kHz mono. Defaults to `True`.
        encoding: Encoding of the table. `None` (default) reads UTF-8, and UTF-16 with a byte-order
            mark.
        **reading: Options of `read_events`, for `events`.

    Returns:
        A list of `Recording`, in the order of the table.

    Raises:
        FileNotFoundError: If there is no such folder, or no table in it.
        ValueError: If the table lacks columns or rows, or every row is bad.

    Example:
        >>> import pathlib, tempfile, soundfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> soundfile.write(folder / "a.wav", [0.0] * 16_000, 16_000)
        >>> _ = (folder / "recordings.csv").write_text(
        ...     "file,split,text,onset_s,offset_s\na.wav,test,computer,0.2,0.8\n"
        ... )
        >>> [recording] = load_recordings(folder)
        >>> recording.text, recording.duration_s, recording.offset_s
        ('computer', 1.0, 0.8)
    """
    folder = Path(folder)
    rows = _rows(folder, layout, encoding)
    times = None if events is None else LabelLookup(folder, rows, Path(events), reading)
    recordings: list[Recording] = []
    refused: dict[str, Exception] = {}
    seen: set[tuple[int, int]] = set()
    formats: Counter[tuple[int, int]] = Counter()
    for number, row in enumerate(rows, 2):
        try:
            recording, kind = _check_row(folder, row, seen, convert)
            recordings.append(_timed(recording, row["file"], times))
            formats[kind] += 1
        except (OSError, ValueError) as error:
            refused[row["file"] or f"row {number}"] = error
    if not recordings:
        name, first = next(iter(refused.items()))
        raise ValueError(
            f"`folder` must hold usable recordings; all {len(refused)} of them were refused. "
            f"Received: folder={str(folder)!r}. The first, {name}: {first}"
        )
    warn_of_refused(refused, len(recordings) + len(refused))
    _warn_of_formats(formats)
    _warn_of_shared_speakers(recordings)
    return recordings


def _rows(folder: Path, layout: str | None, encoding: str | None) -> list[dict[str, Any]]:
    """One dict for each file, from the table or from the names of the folders."""
    if layout is not None:
        from keras_sal.data.downloads.layouts import rows_of

        return [dict.fromkeys(COLUMNS, "") | row for row in rows_of(folder, layout)]
    _, rows, _ = read_table(folder, encoding=encoding)
    if not rows:
        raise ValueError(
            f"{TABLE} must list at least one recording; it has no rows. Received: "
            f"{str(folder / TABLE)!r}. Add a row for each sound file."
        )
    return rows


def _check_row(
    folder: Path, row: dict[str, Any], seen: set[tuple[int, int]], convert: bool
) -> tuple[Recording, tuple[int, int]]:
    """The recording of a row, and `(channels, sample_rate)` of its file."""
    check_fields(row)
    name, path = row["file"], folder / row["file"]
    if not name:
        raise ValueError(
            "`file` must name a sound file; a row is about one. Received: file=''. Remove the row."
        )
    check_split(row["split"])
    frames, sample_rate, channels = audio.audio_info(path)
    if not convert:
        audio.check_format(path, sample_rate, channels)
    _check_new(path, name, seen)
    duration_s = round(frames * SAMPLE_RATE / sample_rate) / SAMPLE_RATE
    check_duration(row.get("duration_s") or "", duration_s)
    recording = Recording(
        path,
        row["split"],
        _normalise(row["text"]),
        duration_s,
        *parse_times(row["onset_s"], row["offset_s"], duration_s),
        row.get("corpus") or "",
        row.get("speaker") or "",
        noise=is_noise(row.get("noise") or "", name),
    )
    return recording, (channels, sample_rate)


def _check_new(path: Path, name: str, seen: set[tuple[int, int]]) -> None:
    """Refuse a file that was listed before, under whatever name or link."""
    identity = file_identity(path)
    if identity in seen:
        raise ValueError(
            "`file` must name each sound file once; one in two splits would be "
            f"trained on and then tested. Received: file={name!r} again. Remove the row."
        )
    seen.add(identity)


def _timed(recording: Recording, file: str, times: LabelLookup | None) -> Recording:
    """The recording with the times of its labels; unchanged without labels."""
    if times is None or not recording.text:
        return recording
    try:
        onset_s, offset_s = times(file, recording.text)
    except NoLabelsError:
        return recording
    except NoTimesError as error:
        raise ValueError(f"{error}.") from error
    onset_s, offset_s = parse_times(str(onset_s), str(offset_s), recording.duration_s)
    return replace(recording, onset_s=onset_s, offset_s=offset_s)


def warn_of_refused(refused: Mapping[str, Exception], total: int) -> None:
    """Warn that recordings were left out.

    Args:
        refused: The error of each recording that was left out, by name.
        total: Number of all recordings.
    """
    if refused:
        named = [f"{name}: {error}" for name, error in list(refused.items())[:MOST_NAMED]]
        more = len(refused) - len(named)
        warnings.warn(
            f"{len(refused)} of {total} recordings were left out. {' | '.join(named)}"
            + (f" | and {more} more" if more else ""),
            stacklevel=3,
        )


def _warn_of_formats(formats: Counter[tuple[int, int]]) -> None:
    others = {kind: count for kind, count in formats.items() if kind != (1, SAMPLE_RATE)}
    if others:
        (channels, rate), _ = max(others.items(), key=lambda item: item[1])
        warnings.warn(
            f"{sum(others.values())} of {sum(formats.values())} recordings are not mono at "
            f"{SAMPLE_RATE} Hz (most: {channels} channel(s) at {rate} Hz) and are converted each "
            "time they are read.",
            stacklevel=3,
        )


def _warn_of_shared_speakers(recordings: Sequence[Recording]) -> None:
    splits = defaultdict(set)
    for recording in recordings:
        if recording.speaker:
            splits[recording.corpus, recording.speaker].add(recording.split)
    shared = sorted(speaker for (_, speaker), found in splits.items() if len(found) > 1)
    if shared:
        warnings.warn(
            f"{len(shared)} speakers are in more than one split, so a detector is tested on voices "
            f"it was trained on: {', '.join(shared[:MOST_NAMED])}",
            stacklevel=3,
        )


def _normalise(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text.casefold()).split())
