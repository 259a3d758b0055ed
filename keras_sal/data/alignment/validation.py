"""Checks of the event times of a file; an entry with wrong times is left out and reported."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from keras_sal.data.alignment.events import TOLERANCE_S, Event, Events, summarize_skipped
from keras_sal.data.fields import number

WHOLE_NUMBERS_IN_MS_FROM = 20.0  # median length of events from which whole numbers are refused
NUMBERS_IN_MS_FROM = 100.0  # the same for fractions: half a minute of speech is no mistake
ROUNDING_S = 1e-6  # times that are less than this below 0 are 0, but for rounding
FAR_BEYOND_THE_END = 10  # times the length of the recording

Durations: TypeAlias = float | Mapping[str, float] | None
"""Length of the only recording in seconds, or of each recording by name; `None` if unknown."""


class Entry(NamedTuple):
    """An event as it is written in a file, before it is checked.

    Args:
        place: Where it stands in the file, for messages: `"line 3"`.
        onset: Begin, as written or as a number.
        offset: End, as written or as a number.
        text: What is heard.
        recording: Name of the recording.
        channel: Channel of the recording.
        error: What is wrong with the entry, where it can't be read; the times are not used then.
    """

    place: str
    onset: str | float = ""
    offset: str | float = ""
    text: str = ""
    recording: str = ""
    channel: str = ""
    error: str = ""


def validate_entries(
    entries: Sequence[Entry],
    *,
    path: Path,
    unit: str | None = None,
    duration_s: Durations = None,
    overlaps: str = "skip",
    strict: bool = False,
) -> Events:
    """Turn the entries of a file into events, and leave out those whose times are wrong.

    A warning counts the entries that were left out and names the first ones.

    Args:
        entries: List of `Entry`.
        path: The file, for messages.
        unit: `"s"`, `"ms"`, or `None` for seconds that must not look like milliseconds.
        duration_s: Length of the recording in seconds, a mapping from the names of recordings to
            their lengths, or `None` if unknown.
        overlaps: What to do with events of the same text that overlap: `"skip"`, `"keep"` or
            `"merge"`.
        strict: Raise an error where an entry would be left out. Defaults to `False`.

    Returns:
        `Events`, sorted by recording and time.

    Raises:
        ValueError: If no entry can be used, one can't and `strict`, or the times look like
            milliseconds.
    """
    scale = 0.001 if unit == "ms" else 1.0
    good, skipped = [], []
    for entry in entries:
        error, event = _parse(entry, scale)
        if error:
            skipped.append((entry.place, error))
        elif event:
            good.append((entry.place, event))
    if unit is None:
        _refuse_milliseconds([event for _, event in good], path, duration_s)
    inside = []
    for place, event in good:
        length_s = _length_s(duration_s, event.recording)
        if event.offset_s > length_s + TOLERANCE_S or event.onset_s > length_s:
            beyond = f"it ends at {event.offset_s:g} s, the recording at {length_s:g} s"
            skipped.append((place, beyond))
        else:
            inside.append((place, event._replace(offset_s=min(event.offset_s, length_s))))
    inside.sort(key=lambda placed: placed[1][3:] + placed[1][:3])
    kept, overlapping = _without_overlaps(inside, overlaps)
    events = Events(kept, skipped + overlapping)
    _report_skipped(events, len(entries), path, strict)
    return events


def _parse(entry, scale):
    """Return `(what is wrong, event)` of an entry; neither where it has no times at all."""
    if entry.error:
        return entry.error, None
    times = []
    for name, value in (("onset", entry.onset), ("offset", entry.offset)):
        if isinstance(value, str) and not value.strip():
            times.append(None)
            continue
        try:
            time_s = number(value) * scale
        except ValueError:
            return f"the {name}, {value!r}, is no number: write 1.5, not 1,5 or 00:01.5", None
        times.append(0.0 if -ROUNDING_S < time_s < 0 else time_s)
    onset_s, offset_s = times
    if onset_s is None and offset_s is None:
        return "", None
    if onset_s is None or offset_s is None:
        return "it has only one of onset and offset", None
    received = f"onset {onset_s:g} s, offset {offset_s:g} s"
    if not (math.isfinite(onset_s) and math.isfinite(offset_s)):
        return f"its times are not finite: {received}", None
    if onset_s < 0:
        return f"it begins before the recording: {received}", None
    if offset_s < onset_s:
        return f"it ends before it begins: {received}", None
    return "", Event(onset_s, offset_s, entry.text.strip(), entry.recording)


def _refuse_milliseconds(events, path, duration_s):
    """Raise an error if half of the events are too long, or end far beyond their recording."""
    lengths = sorted(event.offset_s - event.onset_s for event in events)
    whole = all(e.onset_s.is_integer() and e.offset_s.is_integer() for e in events)
    limit = WHOLE_NUMBERS_IN_MS_FROM if whole else NUMBERS_IN_MS_FROM
    too_long = bool(lengths) and lengths[len(lengths) // 2] >= limit
    known = [(e, _length_s(duration_s, e.recording)) for e in events]
    known = [(e, length_s) for e, length_s in known if math.isfinite(length_s)]
    beyond = sum(e.offset_s > FAR_BEYOND_THE_END * length_s for e, length_s in known)
    if (beyond and 2 * beyond >= len(known)) or too_long:
        first = events[0]
        raise ValueError(
            f"`path` must hold times in seconds; these are far too long. Received: {str(path)!r} "
            f"with an event {first.text!r} from {first.onset_s:g} to {first.offset_s:g}. Did you "
            'give milliseconds? Then say unit="ms"; if they are seconds, unit="s".'
        )


def _length_s(duration_s, recording):
    if isinstance(duration_s, Mapping):
        duration_s = duration_s.get(recording)
    return math.inf if duration_s is None else float(duration_s)


def _without_overlaps(placed, overlaps):
    """Skip, keep or merge the events of the same text and recording that overlap."""
    groups = defaultdict(list)
    for place, event in placed:
        groups[event.recording, event.text].append((place, event))
    kept, skipped = [], []
    for group in groups.values():
        for cluster in _clusters(group) if overlaps != "keep" else [[one] for one in group]:
            events = [event for _, event in cluster]
            if len(cluster) == 1 or overlaps == "merge":
                end_s = max(event.offset_s for event in events)
                kept.append(events[0]._replace(offset_s=end_s))
                continue
            for place, event in cluster:
                other = events[0] if event is not events[0] else events[1]
                own_times = f"{event.onset_s:g} to {event.offset_s:g} s"
                other_times = f"{other.onset_s:g} to {other.offset_s:g} s"
                reason = f"{event.text!r}, {own_times}, overlaps the same, {other_times}"
                skipped.append((place, reason))
    return sorted(kept, key=lambda event: (event.recording, event)), skipped


def _clusters(group):
    """Group sorted events so that each begins before an earlier one of its group has ended."""
    clusters, end_s = [], -math.inf
    for place, event in group:
        touching = event.onset_s < end_s - 1e-6
        repeated = clusters and event == clusters[-1][-1][1]
        if touching or repeated:
            clusters[-1].append((place, event))
        else:
            clusters.append([(place, event)])
        end_s = max(end_s, event.offset_s) if touching else event.offset_s
    return clusters


def _report_skipped(events, total, path, strict):
    """Warn of entries that were left out; raise an error if `strict`, or if no event is left."""
    if not events.skipped:
        return
    message = f"{len(events.skipped)} of {total} entries of {path} were left out."
    reasons = summarize_skipped(events.skipped)
    if strict or not events:
        raise ValueError(
            f"`path` must hold {'only ' if strict else ''}usable events. Received: {message} "
            f"{reasons}. Correct these places."
        )
    warnings.warn(f"{message} {reasons}", stacklevel=4)
