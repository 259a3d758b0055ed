"""Builders of DET curves, which take streams bit by bit and merge with those of other processes.

`DetCurveBuilder` scores any number of hours without holding their posteriors; `det_curve` is a
builder that is given all streams at once.

What a part must keep
---------------------

A curve ends where it has more than `max_fa_per_hour`, and no part of the data alone can tell at
which threshold that is: all false alarms may lie in one hour, in front of hundreds without any. So
a part keeps what *all* hours together are allowed, not what its own hours are.

A trigger without hysteresis detects as soon as it is allowed to. From the first frame on at which
it is surely armed, that yields the largest possible set of frames that are a refractory time apart.
Between two events this frame is one refractory time after the first of them, and what is detected
from there on are false alarms. A block of one refractory time holds at most one detection, and
maxima of blocks that are not neighbours are always far enough apart to be detections together. So
the maxima of blocks between events, the *alarm peaks*, prove half a false alarm each, at all
thresholds that they reach.

With `A` false alarms allowed in all hours, the curve ends at the latest at the alarm peak of rank
`2 A + 1`, its *floor*. The peak of that rank among the first hours, or in one of several shards, is
never higher. So a builder that keeps its `2 A + 1` highest alarm peaks, and all rows above the
lowest of them, has whatever the curve of all hours takes, and the floor itself. A sweep above a low
floor finds the same rows as one above a high floor, so the merged curve is that of all streams at
once, to the bit.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.array_files import opened_arrays, write_arrays
from keras_sal.checks import require
from keras_sal.detection.curve import DetCurve, ThresholdTable
from keras_sal.detection.false_alarm_budget import ROUNDING
from keras_sal.detection.growing_array import GrowingArray
from keras_sal.detection.scored_stream import RECORDING, ROW, ScoredStream, score_streams
from keras_sal.detection.scoring import Scoring
from keras_sal.typing import Array, ArrayLike, PathLike

FORMAT = 1
TABLES = ("hits", "false_alarms", "repeats")
RARELY = 16  # peaks are ranked again when a sixteenth of them is new


class DetCurveBuilder:
    """Builds a DET curve from streams as they come, in one process or in many.

    Use it for more hours than fit into memory, and to score shards of the data in several processes
    or on several machines. Use `det_curve` where all posteriors are at hand.

    The curve is that of `det_curve` with all streams at once, in the order of `update` and
    `merge`, to the bit. No posteriors are kept. What is kept are about
    `2 * max_fa_per_hour * total_hours` peaks of 8 bytes; a few rows of 32 bytes for each of them,
    and for each event; and 16 bytes and the name of each recording.

    For several classes make one builder for each, with its posteriors and its events.

    Args:
        max_fa_per_hour: float > 0. Operating points with more false alarms an hour are left out,
            as by `det_curve`. The lower, the faster. Defaults to 100.0.
        total_hours: float, hours of audio of all shards together, or more: what each of them
            must keep depends on it. Defaults to `inf`: unknown, so everything above `floor` is
            kept, which is slow and takes much memory.
        floor: float, thresholds at and below it are not looked at, which makes shards fast.
            `curve` checks that the curve ends above it. Defaults to `-inf`: all are looked at.
        event: str, what is detected, so that builders of different classes or detectors are not
            merged. Defaults to "".
        **scoring: fields of `Scoring`; `frame_step_s` is required.

    Attributes:
        rule: the `Scoring`.
        names: list of str, the name of the stream that each recording lies in, "" if unknown; the
            order is that of the recordings of the curve, as `bootstrap` takes their groups.
        hours: float, hours of negative audio so far.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> shards = []
    >>> for hour in range(2):
    ...     builder = DetCurveBuilder(total_hours=2.0, frame_step_s=1.0)
    ...     posterior = np.zeros(3600)
    ...     posterior[[1001, 2000 + hour, 3000]] = [0.9, 0.4, 0.6]
    ...     builder.update([posterior], [[1000.0, 2000.0]], names=[f"hour {hour}"])
    ...     shards.append(builder)
    >>> first, second = shards
    >>> first.merge(second)
    >>> curve = first.curve()
    >>> curve.events, curve.frr_at(0.0), curve.frr_at(2.0)
    (4, 0.5, 0.0)
    """

    def __init__(
        self,
        *,
        max_fa_per_hour: float = 100.0,
        total_hours: float = math.inf,
        floor: float = -math.inf,
        event: str = "",
        **scoring: Any,
    ) -> None:
        self.rule = Scoring(**scoring)
        require_bound(max_fa_per_hour)
        require(
            total_hours >= 0,
            "`total_hours` must be a number of hours, 0 or more; it is the audio of all shards. "
            f"Received: total_hours={total_hours}. Use inf if it is unknown.",
        )
        require(
            floor < 1,
            "`floor` must be below 1, as it is a posterior and the curve is above it. Received: "
            f"floor={floor}. Use -inf for all thresholds.",
        )
        self.max_fa_per_hour = float(max_fa_per_hour)
        self.total_hours = float(total_hours)
        self.floor = float(floor)
        self.event = event
        self.names: list[str] = []
        self.hours = 0.0
        self._known: set[str] = set()
        self._reached = self.floor  # at thresholds above it, everything is known
        self._peaks = GrowingArray(np.empty(0))
        self._recordings = GrowingArray(np.empty(0, RECORDING))
        self._tables = {name: GrowingArray(np.empty(0, ROW)) for name in TABLES}

    def __repr__(self) -> str:
        rows = sum(map(len, self._tables.values()))
        return (
            f"<DetCurveBuilder: {len(self._recordings)} recordings, {self.hours:.4g} negative "
            f"hours, {rows} rows above {self._reached:g}>"
        )

    def update(
        self,
        posteriors: Sequence[ArrayLike],
        anchors_s: Sequence[ArrayLike],
        *,
        event_ends_s: Sequence[ArrayLike] | None = None,
        boundaries_s: Sequence[ArrayLike] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        """Score further streams.

        Args:
            posteriors: list of arrays `(frames,)` in [0, 1], one for each stream, as for
                `det_curve`. A stream must be complete: the state of the trigger is not carried on.
            anchors_s: list of arrays `(events,)`, seconds from the start of the stream.
            event_ends_s: as for `det_curve`. Defaults to `None`.
            boundaries_s: as for `det_curve`. Defaults to `None`.
            names: list of str, the name of each stream, so that none counts twice. Defaults to
                `None`: unknown.

        Raises:
            ValueError: If the streams don't fit the anchors, a stream was scored before, or there
                are more hours than `total_hours`. Nothing is counted then.
        """
        streams = score_streams(
            posteriors,
            anchors_s,
            self.rule,
            event_ends_s=event_ends_s,
            boundaries_s=boundaries_s,
        )
        self._require_names(names, len(streams))
        self._score(streams, [""] * len(streams) if names is None else list(names))

    def merge(self, other: DetCurveBuilder) -> None:
        """Add the streams of another builder, behind those of this one.

        Args:
            other: `DetCurveBuilder` of the same settings, which stays as it is.

        Raises:
            ValueError: If the settings differ, a stream is in both, or there are more hours than
                `total_hours`. Nothing is merged then.
        """
        ours, theirs = self._settings(), other._settings()
        different = [
            f"{name}={each} and {theirs[name]}"
            for name, each in ours.items()
            if each != theirs[name]
        ]
        require(
            other is not self,
            "`other` must be another builder; streams that count twice make intervals too narrow. "
            f"Received: the builder itself, {self!r}. Merge each shard once.",
        )
        require(
            not different,
            "`other` must have the settings of this builder; else the counts of the two don't add "
            f"up to a curve. Received, of this builder and the other: {'; '.join(different)}. "
            "Score all shards with the same.",
        )
        self._require_new(other.names)
        self._add_recordings(other._recordings.values, other.names)
        before = len(self._recordings) - len(other._recordings)
        self._reached = max(self._reached, other._reached)
        self._add_peaks(other._peaks.values)
        for name, table in other._tables.items():
            self._add_rows(name, table.values, before)

    def curve(self, max_fa_per_hour: float | None = None) -> DetCurve:
        """Make the curve of all streams so far.

        Args:
            max_fa_per_hour: float > 0, a lower end of the curve than that of the builder. Defaults
                to `None`, that of the builder.

        Returns:
            `DetCurve`, what `det_curve` makes of the same streams.

        Raises:
            ValueError: If there are no streams, or the curve reaches below `floor`.
        """
        bound = self.max_fa_per_hour if max_fa_per_hour is None else float(max_fa_per_hour)
        require_bound(bound)
        require(
            bound <= self.max_fa_per_hour,
            f"`max_fa_per_hour` must be at most {self.max_fa_per_hour:g}, up to which the streams "
            f"were scored. Received: max_fa_per_hour={bound:g}. Score them again with a higher "
            "one.",
        )
        recordings = self._recordings.values
        require(
            len(recordings) > 0,
            "The builder must have scored a stream; there is no curve of none. Received: no "
            "streams. Call `update` or `merge` first.",
        )
        hours = np.ascontiguousarray(recordings["hours"])
        floor = self._floor_of(bound, float(hours.sum()))
        columns = {name: _columns(table.values, floor) for name, table in self._tables.items()}
        ends = np.unique(
            np.concatenate([bounds for name in TABLES[:2] for bounds in columns[name][1:3]])
        )
        levels = np.concatenate([[np.inf], ends[ends > floor][::-1]])
        return DetCurve(
            scoring=self.rule,
            max_fa_per_hour=bound,
            floor=floor,
            hit_table=ThresholdTable(levels, *columns["hits"]),
            false_alarm_table=ThresholdTable(levels, *columns["false_alarms"]),
            repeat_table=ThresholdTable(levels, *columns["repeats"]),
            recording_events=np.ascontiguousarray(recordings["events"]),
            recording_hours=hours,
            recording_weights=np.ones(len(recordings), "int64"),
        )

    def save(self, path: PathLike) -> None:
        """Write what was scored so far into a file, for `load`.

        Args:
            path: Path of the file, ending in `.npz`.

        Raises:
            ValueError: If the path doesn't end so, or its folder doesn't exist.
        """
        index = {
            "format": FORMAT,
            **self._settings(),
            "reached": self._reached,
            "names": self.names,
        }
        arrays = {
            "peaks": self._peaks.values,
            "recordings": self._recordings.values,
            **{name: table.values for name, table in self._tables.items()},
        }
        write_arrays(path, index, arrays)

    @classmethod
    def load(cls, path: PathLike) -> DetCurveBuilder:
        """Read a file that `save` wrote.

        Args:
            path: Path of the file.

        Returns:
            `DetCurveBuilder`, which can be updated and merged further.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no such file, or has another format.
        """
        expected = "a file written by `DetCurveBuilder.save` of this version"
        with opened_arrays(
            Path(path), FORMAT, expected=expected, remedy="Score the shard again"
        ) as (index, arrays):
            builder = cls(
                **{name: index[name] for name in ("max_fa_per_hour", "total_hours", "floor")},
                event=index["event"],
                **index["scoring"],
            )
            builder._restore(index, arrays)
        return builder

    def _settings(self) -> dict[str, Any]:
        return {
            "scoring": dataclasses.asdict(self.rule),
            "max_fa_per_hour": self.max_fa_per_hour,
            "total_hours": self.total_hours,
            "floor": self.floor,
            "event": self.event,
        }

    def _restore(self, index: dict[str, Any], arrays: Mapping[str, Array]) -> None:
        recordings, peaks = arrays["recordings"], arrays["peaks"]
        tables = {name: arrays[name] for name in TABLES}
        for name, (values, dtype) in {
            "peaks": (peaks, np.dtype("f8")),
            "recordings": (recordings, RECORDING),
            **{name: (table, ROW) for name, table in tables.items()},
        }.items():
            if values.dtype != dtype or values.ndim != 1:
                raise ValueError(f"its {name} are {values.dtype} of shape {values.shape}")
        reached, names = float(index["reached"]), index["names"]
        sound = (
            (recordings["events"] >= 0).all()
            and ((recordings["hours"] >= 0) & (recordings["hours"] < np.inf)).all()
            and len(names) == len(recordings)
            and all(isinstance(name, str) for name in names)
            and not np.isnan(peaks).any()
            and reached >= self.floor
        )
        for rows in tables.values():
            sound &= (rows["low"] < rows["high"]).all()
            sound &= ((rows["recording"] >= 0) & (rows["recording"] < len(recordings))).all()
        if not sound:
            raise ValueError("its numbers contradict one another")
        self._add_recordings(recordings, names)
        self._reached = reached
        self._add_peaks(peaks)
        for name, rows in tables.items():
            self._add_rows(name, rows, 0)

    def _require_names(self, names: Sequence[str] | None, streams: int) -> None:
        if names is None:
            return
        require(
            len(names) == streams and all(isinstance(name, str) and name for name in names),
            "`names` must hold a text for each stream; it tells streams apart. Received: "
            f"names={list(names)[:10]} for {streams} streams.",
        )
        twice = [name for name, count in Counter(names).items() if count > 1]
        require(
            not twice,
            "`names` must differ; a stream that counts twice makes intervals too narrow. Received "
            f"twice: {twice[:10]}. Use paths, not the names of files alone.",
        )
        self._require_new(names)

    def _require_new(self, names: Sequence[str]) -> None:
        twice = sorted(self._known.intersection(names))
        require(
            not twice,
            "`names` must not be those of streams that were scored before; a stream that counts "
            f"twice makes intervals too narrow. Received again: {twice[:10]}. Leave them out.",
        )

    def _score(self, streams: list[ScoredStream], names: list[str]) -> None:
        """Count checked streams, whose floor is that of all of them."""
        recordings = [stream.recordings() for stream in streams]
        index = len(self._recordings)
        self._add_recordings(
            np.concatenate(recordings),
            [name for name, each in zip(names, recordings, strict=True) for _ in each],
        )
        self._add_peaks(np.concatenate([stream.alarm_peaks() for stream in streams]))
        for stream, each in zip(streams, recordings, strict=True):
            for name, rows in zip(TABLES, stream.sweep(self._reached), strict=True):
                self._add_rows(name, rows, index)
            index += len(each)

    def _add_recordings(self, recordings: Array, names: Sequence[str]) -> None:
        hours = self.hours + float(recordings["hours"].sum())
        require(
            hours <= self.total_hours * ROUNDING,
            "`total_hours` must be at least the hours of all shards; with more of them, points "
            f"that were dropped would be needed. Received: total_hours={self.total_hours:g}, and "
            f"streams of {hours:g} hours. Score all shards again with more.",
        )
        self.hours = hours
        self._recordings.extend(recordings)
        self.names += names
        self._known.update(name for name in names if name)

    def _add_peaks(self, peaks: Array) -> None:
        """Add alarm peaks, and raise what is reached where there are more than can matter."""
        self._peaks.extend(peaks[peaks >= self._reached])
        most = _rank(self.max_fa_per_hour, self.total_hours * ROUNDING)
        spare = len(self._peaks) - most
        if spare > 0 and RARELY * spare >= most:
            highest = _highest(self._peaks.values, int(most))
            self._reached = float(highest[0])
            self._peaks.replace(highest)
            for table in self._tables.values():
                table.replace(_above(self._reached, table.values))

    def _add_rows(self, name: str, rows: Array, first_recording: int) -> None:
        """Add the rows of recordings counted from `first_recording`."""
        table = self._tables[name]
        begin = len(table)
        table.extend(_above(self._reached, rows))
        table.values["recording"][begin:] += first_recording

    def _floor_of(self, max_fa_per_hour: float, hours: float) -> float:
        """The floor of the curve, from the hours that there are."""
        rank = _rank(max_fa_per_hour, hours)
        known = self._peaks.values
        if rank <= len(known):
            return float(_highest(known, int(rank))[0])
        within = max(0, len(known) - 1) // 2 / (hours or math.inf)
        require(
            self._reached == -np.inf,
            f"`floor` must be lower; the curve up to {max_fa_per_hour:g} false alarms an hour may "
            f"reach below it. Received: floor={self.floor:g}, above which the curve is known up to "
            f"{math.floor(1000 * within) / 1000} an hour. Call `curve` with that as its "
            "`max_fa_per_hour`, if it is enough, or score again with a lower floor.",
        )
        return -math.inf


def det_curve(
    posteriors: Sequence[ArrayLike],
    anchors_s: Sequence[ArrayLike],
    *,
    event_ends_s: Sequence[ArrayLike] | None = None,
    max_fa_per_hour: float = 100.0,
    boundaries_s: Sequence[ArrayLike] | None = None,
    **scoring: Any,
) -> DetCurve:
    """Score a detector at all thresholds.

    Exact: at each threshold the counts are those of `operating_point`. Cost grows linearly
    with the hours; 100 hours of 10 ms frames take seconds.

    Args:
        posteriors: list of arrays `(frames,)` in [0, 1], one for each stream. A stream is what
            a device would hear without a break; keep the state of the model over all of it.
        anchors_s: list of arrays `(events,)`, seconds from the start of the stream, one for
            each stream; empty where it has no event.
        event_ends_s: list of arrays `(events,)`, seconds, aligned with `anchors_s`: the time until
            which each event lasts. A further detection until then is a repeat and no false alarm,
            and this audio isn't negative. Defaults to `None`: no event lasts beyond its hit window.
        max_fa_per_hour: float > 0. Operating points with more false alarms an hour are left
            out, which is what makes long recordings cheap; `inf` keeps all, at some seconds for
            each hour. Defaults to 100.0.
        boundaries_s: list of rising arrays `(boundaries,)`, seconds from the start of the stream,
            one for each stream: the times at which one recording of the stream ends and the next
            begins. `keras_sal.detection.bootstrap` draws recordings; the figures stay the same.
            An event, a false alarm, a repeat and a frame belong to the recording that the anchor,
            the detection and the frame lie in. Defaults to none: a stream is one recording.
        **scoring: fields of `Scoring`; `frame_step_s` is required.

    Returns:
        `DetCurve`. Without hysteresis it holds *every* operating point of at most
        `max_fa_per_hour`. With hysteresis (low thresholds may then fire less, because the
        score never falls low enough to release them) it holds those above `DetCurve.floor`.

    Raises:
        ValueError: If the streams do not fit the anchors, or an argument is out of range.

    Example:

    >>> posterior = np.zeros(3600)
    >>> posterior[[1001, 2000, 3000]] = [0.9, 0.4, 0.6]
    >>> curve = det_curve([posterior], [[1000.0, 2000.0]], frame_step_s=1.0)
    >>> curve.threshold.tolist()[:4]
    [inf, 0.9, 0.6, 0.4]
    >>> curve.frr.tolist()[:4], curve.false_alarms.tolist()[:4]
    ([1.0, 0.5, 0.5, 0.0], [0, 0, 1, 1])
    >>> curve.frr_at(0.0)
    0.5
    """
    rule = Scoring(**scoring)
    require_bound(max_fa_per_hour)
    streams = score_streams(
        posteriors, anchors_s, rule, event_ends_s=event_ends_s, boundaries_s=boundaries_s
    )
    hours = np.concatenate([stream.recordings()["hours"] for stream in streams])
    builder = DetCurveBuilder(
        max_fa_per_hour=max_fa_per_hour, total_hours=float(hours.sum()), **scoring
    )
    builder._score(streams, [""] * len(streams))
    return builder.curve()


def require_bound(max_fa_per_hour: float) -> None:
    """Check the end of a curve.

    Args:
        max_fa_per_hour: float, false alarms an hour.

    Raises:
        ValueError: If it is not a positive number.
    """
    require(
        max_fa_per_hour > 0,
        "`max_fa_per_hour` must be a positive number; it bounds the curve. Received: "
        f"max_fa_per_hour={max_fa_per_hour}. Use inf for the whole curve.",
    )


def _rank(max_fa_per_hour: float, hours: float) -> float:
    """The rank of the alarm peak that proves more false alarms than are allowed."""
    allowed = max_fa_per_hour * hours * ROUNDING if hours else 0.0
    return 2 * math.floor(allowed) + 1 if allowed < math.inf else math.inf


def _highest(values: Array, count: int) -> Array:
    """The highest values, of which the first is the lowest."""
    return np.partition(values, len(values) - count)[len(values) - count :].copy()


def _above(floor: float, rows: Array) -> Array:
    """The rows that have thresholds above a floor."""
    return rows[rows["high"] > floor]


def _columns(rows: Array, floor: float) -> tuple[Array, ...]:
    """The columns of a `ThresholdTable` above a floor."""
    rows = _above(floor, rows)
    recording, low, high, latency_s = (np.ascontiguousarray(rows[name]) for name in ROW.names or ())
    return recording, np.maximum(low, floor), high, latency_s
