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
threshold prove at least `k / 2` detections. Frames below the floor are never looked at.
"""

import numpy as np

Interval = tuple[float, float]


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
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The table `(frame, low, high)` of one stream, in order of time, for thresholds > floor."""
    frames = np.flatnonzero(scores > floor)
    if len(frames) == 0:
        return frames, np.empty(0), np.empty(0)
    if hysteresis is None:
        releases = np.full(len(frames), np.inf)
    else:
        since_last = np.concatenate([[0], frames[:-1] + 1])
        releases = np.minimum.reduceat(scores[: frames[-1] + 1], since_last) + hysteresis
    latch = hysteresis is not None

    table = []
    busy: list[tuple[float, float, int, bool]] = []  # low, high, armed again at, latched
    covered, soonest, ceiling = -np.inf, -np.inf, np.inf
    for frame, score, release in zip(
        frames.tolist(), scores[frames].tolist(), releases.tolist(), strict=True
    ):
        if score <= covered and frame < soonest and release >= ceiling:
            continue
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
        table += [(frame, low, high) for low, high in armed]
        busy = sorted(held + [(*piece, frame + refractory_frames, latch) for piece in armed])
        covered, ceiling = score, busy[-1][1]
        soonest = min((at for _, _, at, latched in busy if not latched), default=np.inf)
    fired, low, high = zip(*table, strict=True)
    return np.array(fired), np.array(low), np.array(high)


def claims(
    frames: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
) -> tuple[list[tuple[int, int, float, float]], np.ndarray]:
    """Share the firings of one stream out among its events, one to one at every threshold.

    Args:
        frames: column of the table of `firings`, in order of time.
        low: column of that table.
        high: column of that table.
        first: the first frame of each hit window, rising.
        last: the last frame of each hit window, rising.

    Returns:
        The hits `(event, frame, low, high)`, at most one per event and threshold, and a mask
        over the table of the firings outside every window: the false alarms.
    """
    begin = np.searchsorted(last, frames, side="left")
    end = np.searchsorted(first, frames, side="right")
    held: list[list[Interval]] = [[] for _ in first]
    hits = []
    for row in np.flatnonzero(begin < end).tolist():
        rest = [(float(low[row]), float(high[row]))]
        for event in range(int(begin[row]), int(end[row])):
            won = [part for piece in rest for part in gaps(*piece, held[event])]
            rest = [part for piece in rest for part in gaps(*piece, won)]
            held[event] = sorted(held[event] + won)
            hits += [(event, int(frames[row]), *part) for part in won]
    return hits, begin >= end
