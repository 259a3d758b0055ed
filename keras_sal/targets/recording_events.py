"""Events of several recordings, from a table of their times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.targets.event_lists import pad_events
from keras_sal.typing import Array

REQUIRED = ("recording", "onset_s")
COLUMNS = ("recording", "label", "onset_s", "offset_s", "duration_s")
LARGEST_PLAUSIBLE_S = 86_400  # a day


@dataclass(frozen=True)
class RecordingEvents:
    """The events of several recordings, for training and for scoring.

    Args:
        recordings: Names of the recordings, in their order.
        labels: Names of the classes; label i has the class `first_class + i`.
        lists: For each recording its events, a float64 array `(events, 3)` of rows `(onset, offset,
            class)` in seconds from the start of the recording, in order of time.
        first_class: Class of the first label: 1 where 0 is the background, else 0.
    """

    recordings: tuple[str, ...]
    labels: tuple[str, ...]
    lists: tuple[Array, ...]
    first_class: int = 1

    @property
    def padded(self) -> Array:
        """All events in one array for `AnchorTargets`, `float32 (recordings, longest, 3)`."""
        return pad_events(self.lists)

    def anchors_s(self, anchor: str = "offset", label: str | None = None) -> list[Array]:
        """Return the anchors of each recording, for `keras_sal.detection`.

        Args:
            anchor: `"onset"` or `"offset"` of the events, as in `AnchorTargets`. Defaults to
                `"offset"`.
            label: A label, to return its anchors alone. Defaults to `None`: those of all.

        Returns:
            List of float64 arrays `(events,)`, in seconds, rising.

        Raises:
            ValueError: If there is no such anchor or label.
        """
        require(
            anchor in ("onset", "offset"),
            '`anchor` must be "onset" or "offset"; an event is judged by one of them. Received: '
            f"anchor={anchor!r}.",
        )
        require(
            label is None or label in self.labels,
            f"`label` must be one of {list(self.labels)} or None. Received: label={label!r}.",
        )
        column = ("onset", "offset").index(anchor)
        of_class = None if label is None else self.first_class + self.labels.index(label)
        return [
            np.sort(rows[:, column] if of_class is None else rows[rows[:, 2] == of_class, column])
            for rows in self.lists
        ]


def events_from_dataframe(
    table: Any,
    recordings: Sequence[str] | None = None,
    *,
    labels: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    background: bool = True,
) -> RecordingEvents:
    """Read events from a table with a row for each: its recording, label, onset and offset.

    The table is a DataFrame of pandas or polars, or a dict of columns; none of these packages is
    needed. Rows of other recordings, or of other labels, are left out, so that one table can hold
    all splits and what people wrote down beside the events.

    Args:
        table: The table. Its columns are `recording`, `label` (may be missing), `onset_s` and
            either `offset_s` or `duration_s`, in seconds from the start of the recording.
        recordings: Names of the recordings, in the order of your features. Give it: a recording
            without an event is in no table. Defaults to `None`: those of the table, in the order
            in which they are there first.
        labels: Names of the classes to detect, in order. Defaults to `None`: all events are of one
            class, `"event"`, whatever their label.
        columns: Names of these columns in the table, where they differ: `{"recording": "file",
            "onset_s": "start"}`. Defaults to `None`.
        background: Whether class 0 is the background, as in `AnchorTargets` of several classes
            unless `encoding="multi_hot"`. Defaults to `True`.

    Returns:
        `RecordingEvents`: `padded` for `AnchorTargets`, `anchors_s()` for `keras_sal.detection`.

    Raises:
        ValueError: If a column is missing, a time is missing or no number of seconds, an event ends
            before it begins, or no row has one of the recordings and labels.

    Example:

    >>> from keras_sal import AnchorTargets
    >>> table = {
    ...     "file": ["ann", "ann", "ben"],
    ...     "label": ["shake", "walk", "shake"],
    ...     "onset_s": [0.25, 0.5, 1.0],
    ...     "duration_s": [0.5, 2.0, 0.75],
    ... }
    >>> names = ["ann", "ben", "eve"]
    >>> events = events_from_dataframe(
    ...     table, names, labels=["shake"], columns={"recording": "file"}
    ... )
    >>> [each.tolist() for each in events.anchors_s()]
    [[0.75], [1.75], []]
    >>> AnchorTargets(frames=100, frame_step_s=0.02, anchor="offset")(events.padded).shape
    (3, 100, 2)
    """
    for name, chosen_names in (("recordings", recordings), ("labels", labels)):
        require(
            not isinstance(chosen_names, str),
            f"`{name}` must be a list of names; a text would be taken for one name a letter. "
            f"Received: {name}={chosen_names!r}. Put it into a list.",
        )
    found = _read_columns(table, columns or {})
    require(
        labels is None or "label" in found,
        "`labels` choose among the labels of events, so the table must have them. Received: "
        f"labels={labels}, a table without the column 'label'. Say with `columns` what it is "
        "called.",
    )
    named = dict.fromkeys(found["recording"]) if recordings is None else recordings
    names = tuple(map(str, named))  # as those of the table; they may be numbers
    chosen = ("event",) if labels is None else tuple(labels)
    _require_distinct(recordings=names, labels=chosen)
    first_class = int(background)
    classes = {label: first_class + index for index, label in enumerate(chosen)}
    given = [first_class] * len(found["recording"]) if labels is None else found["label"]
    absent = sorted(set(chosen) - set(given)) if labels is not None and given else []
    require(
        not absent,
        "`labels` must be labels of the table; no row has one of these. Received: "
        f"{absent}. In the table: {_few(found.get('label', ()))}.",
    )
    rows: dict[str, list[tuple[float, float, int]]] = {name: [] for name in names}
    for index, (recording, label) in enumerate(zip(found["recording"], given, strict=True)):
        of_class = label if labels is None else classes.get(label)
        if recording in rows and of_class is not None:
            times = found["onset_s"][index], found["offset_s"][index]
            _check_times(index, *times)
            rows[recording].append((*times, of_class))
    require(
        any(rows.values()) or not len(found["recording"]),
        "`recordings` and `labels` must name some that are in the table; no row has one of each. "
        f"Received: recordings {_few(names)}, labels {_few(chosen)}. In the table: recordings "
        f"{_few(found['recording'])}, labels {_few(found.get('label', ()))}.",
    )
    lists = tuple(np.array(sorted(each), "float64").reshape(-1, 3) for each in rows.values())
    return RecordingEvents(names, chosen, lists, first_class)


def _read_columns(table: Any, renamed: Mapping[str, str]) -> dict[str, list[Any]]:
    """The columns that are there, by their own names, as lists; `offset_s` is one of them."""
    require(
        hasattr(table, "columns") or isinstance(table, Mapping),
        "`table` must be a data frame, or a dict of columns. Received: a value of type "
        f"{type(table).__name__}. Read a file with pandas.read_csv first.",
    )
    present = [str(name) for name in getattr(table, "columns", table)]
    unknown = sorted(set(renamed) - set(COLUMNS))
    require(
        not unknown,
        f"`columns` must be a dict from {list(COLUMNS)} to names in the table. Received: "
        f"{unknown}.",
    )
    names = {column: renamed.get(column, column) for column in COLUMNS}
    wanted = dict.fromkeys((*REQUIRED, *renamed))
    lacking = [names[column] for column in wanted if names[column] not in present]
    has_end = {names["offset_s"], names["duration_s"]} & set(present)
    require(
        not lacking and bool(has_end),
        "`table` must have the columns recording, onset_s, and offset_s or duration_s. Received: "
        f"the columns {present}; not there: {lacking or 'offset_s, duration_s'}. Say with "
        "`columns` what they are called.",
    )
    found = {column: list(table[name]) for column, name in names.items() if name in present}
    lengths = {names[column]: len(values) for column, values in found.items()}
    require(
        len(set(lengths.values())) == 1,
        "The columns of `table` must be equally long, with a value for each event. Received: "
        f"{lengths}.",
    )
    found["recording"] = [str(name) for name in found["recording"]]
    for column in ("onset_s", "offset_s", "duration_s"):
        if column in found:
            found[column] = [_seconds(value, names[column]) for value in found[column]]
    if "offset_s" not in found:
        pairs = zip(found["onset_s"], found["duration_s"], strict=True)
        found["offset_s"] = [onset_s + duration_s for onset_s, duration_s in pairs]
    return found


def _seconds(value: Any, column: str) -> float:
    try:
        return float("nan") if value is None else float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {column!r} must hold numbers of seconds. Received: {value!r}. Convert times "
            "of day to seconds from the start of the recording."
        ) from error


def _check_times(row: int, onset_s: float, offset_s: float) -> None:
    require(
        0 <= onset_s <= offset_s < LARGEST_PLAUSIBLE_S,
        "`table` must have for each event 0 <= onset <= offset, in seconds from the start of its "
        f"recording. Received: onset {onset_s:g}, offset {offset_s:g} in row {row}. Leave out "
        "events without times; divide milliseconds by 1000; subtract the start of the recording "
        "from times of day.",
    )


def _require_distinct(**lists: Sequence[str]) -> None:
    for name, given in lists.items():
        require(
            len(set(given)) == len(given) > 0,
            f"`{name}` must hold at least one name, and none twice. Received: {list(given)[:5]}.",
        )


def _few(names: Sequence[Any]) -> list[Any]:
    """The first few different names, to show."""
    return list(dict.fromkeys(names))[:5]
