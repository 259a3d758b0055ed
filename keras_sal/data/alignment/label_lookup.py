"""Event times of recordings, looked up in label files of people or other programs."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from keras_sal.checks import require
from keras_sal.data.alignment.event_files import SUFFIXES, read_events
from keras_sal.data.alignment.events import MAX_LISTED, Event, find_events, words_of
from keras_sal.data.recordings_table import TABLE


class NoTimesError(Exception):
    """No times can be found for a recording; the message is the reason."""


class NoLabelsError(NoTimesError):
    """There are no labels of the recording."""


class LabelLookup:
    """A function from a recording and its text to the times of the text.

    Args:
        folder: The folder of the recordings.
        rows: Rows of its table; `file` is the path of a recording in it.
        labels: A label file that names the recordings, or a folder with a file for each recording.
        options: Options of `read_events`.

    Raises:
        ValueError: If a label file can't be read, or names none of the recordings.
    """

    def __init__(
        self,
        folder: Path,
        rows: Sequence[Mapping[str, str]],
        labels: Path,
        options: Mapping[str, Any],
    ) -> None:
        self._recordings = folder
        self._options = options
        self._labels = labels if labels.is_dir() else None
        self._files = _files_by_name([row["file"] or "" for row in rows])
        self._found: set[str] = set()
        self._labels_without: dict[str, list[str]] = defaultdict(list)
        self._events = self._read_common_file(labels) if self._labels is None else {}

    def __call__(self, file: str, text: str) -> tuple[float, float]:
        """Look up when a text is said in a recording.

        Args:
            file: Path of the recording, as in its row.
            text: The word or phrase.

        Returns:
            `(onset_s, offset_s)`, in seconds from the start of the recording.

        Raises:
            NoLabelsError: If there are no labels of the recording.
            NoTimesError: If the text is not exactly once among them.
        """
        events = self._events.get(file) if self._labels is None else self._read_own_file(file)
        if not events:
            raise NoLabelsError("it has no labels")
        unnamed = len(events) == 1 and not events[0].text
        phrase = " ".join(words_of(text))
        if not phrase:
            raise NoTimesError("its text has no words")
        found = events if unnamed else find_events(events, text)
        if found:
            self._found.add(phrase)
        else:
            self._labels_without[phrase] += [event.text for event in events]
        if len(found) != 1:
            how_often = "several times" if found else "not"
            raise NoTimesError(f"its text is {how_often} among its labels")
        onset_s, offset_s = found[0][:2]
        if offset_s <= onset_s:
            raise NoTimesError("its label marks a point in time, no stretch")
        return onset_s, offset_s

    def warn_of_missing(self) -> None:
        """Warn of texts that are not found in the labels of any recording."""
        missing = {
            phrase: sorted(set(labels))
            for phrase, labels in self._labels_without.items()
            if phrase not in self._found
        }
        for phrase, labels in list(missing.items())[:MAX_LISTED]:
            shown = ", ".join(repr(label) for label in labels[:MAX_LISTED])
            more = f" and {len(labels) - MAX_LISTED} others" if len(labels) > MAX_LISTED else ""
            warnings.warn(
                f"{phrase!r} is not among the labels of any recording; there are {shown}{more}. If "
                "the labels have several layers (words and phones, turns and words), choose one: "
                "`tier` for TextGrids, `where` for tables and RTTM.",
                stacklevel=3,
            )

    def _read_common_file(self, labels: Path) -> dict[str | None, list[Event]]:
        """Read the events of all recordings from one file."""
        durations = _durations_s(self._recordings, self._files)
        events = read_events(labels, duration_s=durations, **self._options)
        by_file: dict[str | None, list[Event]] = defaultdict(list)
        for name, found in events.by_recording().items():
            by_file[self._files.get(name or labels.stem)] += found
        require(
            not events or bool(set(by_file) - {None}),
            "`labels` must name recordings of the table. Received: "
            f"{str(labels)!r} about {events[0].recording if events else ''!r}. Give a file with "
            "their names, or a folder with a file for each.",
        )
        _warn_of_unknown(labels, {event.recording for event in events} - set(self._files) - {""})
        return by_file

    def _read_own_file(self, file: str) -> list[Event]:
        """Read the events of a recording from the first usable label file of the same name."""
        events: list[Event] = []
        errors = []
        paths = [path for path in self._own_paths(file) if path.is_file()]
        duration_s = _durations_s(self._recordings, {file: file}).get(file) if paths else None
        for path in paths:
            try:
                events = read_events(path, duration_s=duration_s, **self._options)
            except ValueError as error:
                errors.append(error)
            if events:
                break
        if errors and not events:
            raise NoTimesError(f"its label file is unusable: {errors[-1]}") from errors[-1]
        own = [e for e in events if self._files.get(e.recording, file) == file]
        if events and not own:
            raise NoTimesError("its label file is about another recording")
        return own

    def _own_paths(self, file):
        name = PurePosixPath(file)
        if not name.name or self._labels is None:
            return
        places = [name] + [PurePosixPath(name.name)] * (self._files.get(name.stem) == file)
        format = self._options.get("format")
        suffixes = {
            suffix: None
            for suffix in (*SUFFIXES, ".TextGrid")
            if format in (None, SUFFIXES[suffix.lower()]) or suffix == ".txt"
        }
        for place in places:
            for suffix in suffixes:
                path = self._labels / place.with_suffix(suffix)
                if path != self._recordings / TABLE:
                    yield path


def _files_by_name(files: Sequence[str]) -> dict[str, str]:
    """Map each name that a label file may give to a recording, and that fits only one, to it."""
    files_of = defaultdict(set)
    for file in files:
        path = PurePosixPath(file)
        if not path.name:
            continue
        for name in (file, str(path.with_suffix("")), path.name, path.stem):
            files_of[name].add(file)
    return {name: next(iter(fits)) for name, fits in files_of.items() if len(fits) == 1}


def _warn_of_unknown(labels, names):
    if names:
        shown = ", ".join(sorted(names)[:MAX_LISTED])
        warnings.warn(
            f"{len(names)} names in {labels} are not those of one recording of the table, and "
            f"their events are left out: {shown}",
            stacklevel=5,
        )


def _durations_s(folder: Path, files: Mapping[str, str]) -> dict[str, float]:
    """Return the duration in seconds of each file that can be opened, by its names."""
    from keras_sal.audio import audio_info

    durations = {}
    for file in set(files.values()):
        try:
            frames, rate, _ = audio_info(folder / file)
        except (OSError, ValueError):
            continue
        durations[file] = frames / rate
    return {name: durations[file] for name, file in files.items() if file in durations}
