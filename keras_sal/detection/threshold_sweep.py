"""A trigger at every threshold at once.

What a trigger does changes only where its threshold crosses a frame's score. So everything it
does, at every threshold there is, fits one exact table: a row `(frame, low, high)` says that
the frame fires at the thresholds in the half-open interval `(low, high]` and at no other. One
pass over time writes the table. Where a device keeps *one* moment at which it is armed again,
`firings` keeps that moment as a step function of the threshold:

- a frame of score `c` fires at every threshold in `(-inf, c]` that is armed,
- those thresholds are then busy for the refractory time,
- with hysteresis they stay latched until a score falls below `threshold - hysteresis`.

`claims` lifts the one-to-one matching to all thresholds in the same way: an event holds the
thresholds at which it has been hit, and a detection gives to each event in turn what it does
not hold yet.

`score_floor` makes long recordings cheap. Without hysteresis the number of detections never
falls as the threshold falls: firing as soon as allowed yields the largest possible set of
frames that are a refractory time apart, and a lower threshold only offers more frames. A block
of one refractory time holds at most one detection, and maxima of blocks that are not
neighbours are always far enough apart to be detections together, so `k` blocks that reach a
threshold prove at least `k / 2` detections. Frames up to the floor are never looked at.
"""

import dataclasses
from functools import cached_property
from typing import NamedTuple

import numpy as np

Interval = tuple[float, float]


class Firings(NamedTuple):
    """Columns of a table, in order of time: `frame` fires at the thresholds in `(low, high]`."""

    frame: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def from_rows(cls, rows: list[tuple[int, float, float]]) -> "Firings":
        """Turn rows into columns."""
        table = np.array(rows, dtype="float64").reshape(-1, 3)
        return cls(table[:, 0].astype("int64"), table[:, 1], table[:, 2])


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Things that happen in a piece of a stream at the thresholds in `(low, high]`, no others.

    `count` counts them at each of the `levels`; rows may count several times, or not at all.
    """

    levels: np.ndarray
    piece: np.ndarray
    low: np.ndarray
    high: np.ndarray
    latency_s: np.ndarray

    @cached_property
    def _ends(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        ends = []
        for sign, bound in ((1, self.high), (-1, self.low)):
            order = np.argsort(-bound)
            reached = np.searchsorted(-bound[order], -self.levels, side="right")
            ends.append((sign, order, reached))
        return ends

    def count(self, times: np.ndarray) -> np.ndarray:
        """How many there are at each level, row `i` counting `times[i]` times."""
        total = np.zeros(len(self.levels), "int64")
        for sign, order, reached in self._ends:
            total += sign * np.concatenate([[0], np.cumsum(times[order])])[reached]
        return total

    def at(self, threshold: float) -> np.ndarray:
        """The rows that hold at a threshold, by index."""
        return np.flatnonzero((self.low < threshold) & (threshold <= self.high))


def gaps(low: float, high: float, taken: list) -> list[Interval]:
    """The parts of `(low, high]` outside the sorted, disjoint intervals `taken`."""
    free = []
    for begin, end, *_ in taken:
        if begin >= high:
            break
        if begin > low:
            free.append((low, begin))
        low = max(low, end)
    if low < high:
        free.append((low, high))
    return free


def score_floor(streams: list[np.ndarray], refractory_frames: int, detections: float) -> float:
    """A score at and below which a trigger without hysteresis detects more than `detections`."""
    peaks = [
        np.maximum.reduceat(scores, np.arange(0, len(scores), refractory_frames))
        for scores in streams
    ]
    peaks = np.concatenate(peaks)
    rank = 2 * int(min(detections, len(peaks))) + 1
    if rank > len(peaks):
        return -np.inf
    return float(np.partition(peaks, len(peaks) - rank)[len(peaks) - rank])


def firings(
    scores: np.ndarray, refractory_frames: int, hysteresis: float | None, floor: float
) -> Firings:
    """What one stream fires at all thresholds above the floor."""
    frames = np.flatnonzero(scores > floor)
    releases = np.full(len(frames), np.inf)
    if hysteresis is not None and len(frames):
        since_last = np.concatenate([[0], frames[:-1] + 1])
        lowest = np.minimum.reduceat(scores[: frames[-1] + 1], since_last)
        releases = lowest.astype("float64") + hysteresis
    latch = hysteresis is not None

    rows = []
    busy: list[tuple[float, float, int, bool]] = []  # low, high, armed again at, latched
    covered, soonest, ceiling = -np.inf, -np.inf, np.inf
    for frame, score, release in zip(
        frames.tolist(), scores[frames].tolist(), releases.tolist(), strict=True
    ):
        if score <= covered and frame < soonest and release >= ceiling:
            continue  # nothing that this frame reaches is armed, and nothing is released
        held = []
        for low, high, armed_at, latched in busy:
            if latched and release < high:
                if low < release:
                    held.append((low, release, armed_at, True))
                    low = release
                latched = False
            if latched or frame < armed_at:
                held.append((low, high, armed_at, latched))
        armed = gaps(floor, score, held)
        rows += [(frame, low, high) for low, high in armed]
        busy = sorted(held + [(*part, frame + refractory_frames, latch) for part in armed])
        covered, ceiling = score, busy[-1][1]
        soonest = min((at for _, _, at, latched in busy if not latched), default=np.inf)
    return Firings.from_rows(rows)


def claims(
    fired: Firings, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, Firings, Firings]:
    """Share the firings of one stream out among its events, one to one at every threshold.

    Args:
        fired: table of the firings.
        first: the first frame of each event's hit window, rising.
        last: the last frame of each event's hit window, rising.

    Returns:
        The events hit, the firings that hit them, row for row, and the firings outside all
        windows: the false alarms.
    """
    begin = np.searchsorted(last, fired.frame, side="left")
    end = np.searchsorted(first, fired.frame, side="right")
    held: list[list[Interval]] = [[] for _ in first]
    events, rows = [], []
    for row in np.flatnonzero(begin < end).tolist():
        rest = [(float(fired.low[row]), float(fired.high[row]))]
        for event in range(int(begin[row]), int(end[row])):
            won = [part for piece in rest for part in gaps(*piece, held[event])]
            rest = [part for piece in rest for part in gaps(*piece, won)]
            held[event] = sorted(held[event] + won)
            events += [event] * len(won)
            rows += [(int(fired.frame[row]), *part) for part in won]
    outside = begin >= end
    return (
        np.array(events, dtype="int64"),
        Firings.from_rows(rows),
        Firings(*(column[outside] for column in fired)),
    )
