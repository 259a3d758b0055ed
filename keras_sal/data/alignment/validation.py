"""What can be wrong with event times from a file, so that no wrong anchor passes in silence."""

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from keras_sal.data.alignment.events import SLACK_S, Event, Events, named

MILLISECONDS_FROM_S = 20.0  # whole numbers, and half of the events at least this long
NO_WORD_FROM_S = 100.0  # the same for fractions: half a minute of speech is no mistake
BEYOND = 10


class Entry(NamedTuple):
    """An event as it stands in a file, not yet checked; or what is wrong with its place."""

    place: str
    onset: str | float = ""
    offset: str | float = ""
    text: str = ""
    recording: str = ""
    channel: str = ""
    fault: str = ""


def checked(entries, *, path, unit=None, duration_s=None, overlaps="skip", strict=False):
    """The entries that can be trusted, as `Events`, the others named in a warning.

    Args:
        entries: A list of `Entry`.
        path: The file, for messages.
        unit: `"s"`, `"ms"`, or `None` for seconds that must not look like milliseconds.
        duration_s: Length of the recording in seconds, a mapping from the recordings' names to
            their lengths, or `None`.
        overlaps: What to do with events of the same text that overlap: `"skip"`, `"keep"` or
            `"merge"`.
        strict: Refuse the file rather than leave something out.

    Returns:
        `Events`, sorted by recording and time.
    """
    scale = 0.001 if unit == "ms" else 1.0
    good, skipped = [], []
    for entry in entries:
        fault, event = _check(entry, scale)
        if fault:
            skipped.append((entry.place, fault))
        elif event:
            good.append((entry.place, event))
    if unit is None:
        _refuse_milliseconds([event for _, event in good], path, duration_s)
    inside = []
    for place, event in good:
        length_s = _length(duration_s, event.recording)
        if event.offset_s > length_s + SLACK_S or event.onset_s > length_s:
            beyond = f"it ends at {event.offset_s:g} s, the recording at {length_s:g} s"
            skipped.append((place, beyond))
        else:
            inside.append((place, event._replace(offset_s=min(event.offset_s, length_s))))
    inside.sort(key=lambda placed: placed[1][3:] + placed[1][:3])
    events, overlapping = _without_overlaps(inside, overlaps)
    events = Events(events, skipped + overlapping)
    _tell(events, len(entries), path, strict)
    return events


def _check(entry, scale):
    """`(what is wrong, event)` of an entry; neither where it holds no times at all."""
    if entry.fault:
        return entry.fault, None
    times = []
    for name, value in (("onset", entry.onset), ("offset", entry.offset)):
        if isinstance(value, str) and not value.strip():
            times.append(None)
            continue
        try:
            times.append(float(value) * scale)
        except ValueError:
            return f"the {name}, {value!r}, is no number: write 1.5, not 1,5 or 00:01.5", None
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
    lengths = sorted(event.offset_s - event.onset_s for event in events)
    whole = all(e.onset_s.is_integer() and e.offset_s.is_integer() for e in events)
    least_s = MILLISECONDS_FROM_S if whole else NO_WORD_FROM_S
    long = bool(lengths) and lengths[len(lengths) // 2] >= least_s
    known = [(e, _length(duration_s, e.recording)) for e in events]
    known = [(e, length_s) for e, length_s in known if math.isfinite(length_s)]
    beyond = sum(e.offset_s > BEYOND * length_s for e, length_s in known)
    if (beyond and 2 * beyond >= len(known)) or long:
        first = events[0]
        raise ValueError(
            f"`path` must hold times in seconds; these are far too long. Received: {str(path)!r} "
            f"with an event {first.text!r} from {first.onset_s:g} to {first.offset_s:g}. Did you "
            'give milliseconds? Then say unit="ms"; if they are seconds, unit="s".'
        )


def _length(duration_s, recording):
    if isinstance(duration_s, Mapping):
        duration_s = duration_s.get(recording)
    return math.inf if duration_s is None else float(duration_s)


def _without_overlaps(placed, overlaps):
    """Events with those of the same text and recording that overlap skipped, kept or merged."""
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
                when = f"{event.onset_s:g} to {event.offset_s:g} s"
                with_ = f"{other.onset_s:g} to {other.offset_s:g} s"
                skipped.append((place, f"{event.text!r}, {when}, overlaps the same, {with_}"))
    return sorted(kept, key=lambda event: (event.recording, event)), skipped


def _clusters(group):
    """Runs of events of which each begins before an earlier one has ended."""
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


def _tell(events, total, path, strict):
    if not events.skipped:
        return
    message = f"{len(events.skipped)} of {total} entries of {path} were left out."
    if strict or not events:
        raise ValueError(
            f"`path` must hold {'only ' if strict else ''}usable events. Received: {message} "
            f"{named(events.skipped)}. Correct these places."
        )
    warnings.warn(f"{message} {named(events.skipped)}", stacklevel=4)
