"""Results of an evaluation: the threshold of each system from dev, its figures from test.

`evaluate` turns `Predictions` into figures with intervals, as plain dicts and lists. The report and
`results.json` are made of them.

Each system has two operating points under each condition:

- *at the budget*: the fewest misses on the test streams within the false-alarm budget. Use it to
  compare detectors, whatever their thresholds. Its threshold is chosen on the data it is scored
  on: the exact interval ignores that, the resampled intervals include it.
- *at the threshold* that was chosen on the dev streams of all conditions together, or that the
  detector ships with. It is what users get.

`results.json`
--------------

Numbers are in the units of their names, `null` where undefined or infinite. An *interval* is
`[low, high]` at `level`. A *point* has the fields of `keras_sal.detection.OperatingPoint` and
`intervals`: for `frr` and `fa_per_hour` `exact` (Clopper-Pearson, Poisson), for these and
`latency_p50_s` and `latency_p90_s` `recordings` and `speakers` (bootstrap; a recording of an
unknown speaker is a speaker of its own).

    format              2; a reader should refuse another
    word                the wake word
    fa_per_hour         the false-alarm budget
    level               confidence level of all intervals
    replicates, seed    of the bootstrap
    area_fa_per_hour    end of the area of `mean_frr`
    stream_sets         [{split, condition, streams, recordings, speakers, events, hours}]
    systems             [{name, scoring, threshold, conditions}], the first is the reference; from
                        the command line also model, runtime, bytes, sha256 and, where known,
                        parameters, arena_bytes, macs, operators
      scoring             the trigger and the hit window: `keras_sal.detection.Scoring`
      threshold           {threshold, rule, ...}: `keras_sal.detection.threshold_record`, or what
                          the detector ships with; `threshold` is null where no detector within the
                          budget hits an event
      conditions          {condition: {at_budget, at_threshold, mean_frr, eer, det, band,
                          false_alarms, misses, triggered_by}}
        at_budget, at_threshold   points; at_threshold may be null
        mean_frr                  area under FRR over FA/h, divided by its width
        eer                       equal error rate; null where it takes over 1600 FA/h
        det                       {threshold, frr, fa_per_hour}: aligned, the operating points at
                                  which the hits change, and the last
        band                      {fa_per_hour, frr, low, high}: FRR by budget with its interval
        false_alarms, misses      [{stream, time_s, anchor_s, score, label, file, speaker}] at the
                                  threshold; the score of a miss is the highest in its window
        triggered_by              [{label, false_alarms, occurrences}], most false alarms first:
                                  what was heard, how often it triggered, how often it occurs
    differences         [{system, reference, condition, figure, estimate, recordings, speakers}]:
                        system - reference, paired, with its intervals
    parity              [{system, reference, condition, frames, mean, largest, both_hit,
                        only_system, only_reference, neither}]: distances of the posteriors, and
                        events hit
    warnings            [text]
    provenance          whatever else was given: versions, machine, command ...

Format 1 had the same figures; it called `stream_sets` parts, `stream` track, `label` said and
`occurrences` times_said.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.detection import (
    DetCurve,
    NegativeHoursWarning,
    OperatingPoint,
    Scoring,
    binomial_interval,
    choose_budget,
    negative_hours,
    poisson_interval,
)
from keras_sal.detection.false_alarm_budget import BUDGET
from keras_sal.evaluation.annotations import StreamAnnotation, StreamSet
from keras_sal.evaluation.comparison import differences, parity
from keras_sal.evaluation.labels import count_labels
from keras_sal.evaluation.outcomes import Outcome, find_outcomes
from keras_sal.evaluation.predictions import Predictions
from keras_sal.evaluation.protocol import ScoringProtocol, without_frame_times
from keras_sal.typing import Array, PathLike, Progress

FORMAT = 2
_FIGURES = ("frr", "fa_per_hour", "latency_p50_s", "latency_p90_s")
_EER_FA_PER_HOUR = (400.0, 1600.0)  # ends of the curves on which the equal error rate is looked for


def describe_budget(results: Mapping[str, Any]) -> str:
    """Name the false-alarm budget, and say why it is above 1 where it is.

    Args:
        results: What `evaluate` returns.

    Returns:
        Text such as `"1 false alarms an hour"`.

    Example:
        >>> sets = [{"split": "test", "hours": 0.38, "events": 48}]
        >>> describe_budget({"fa_per_hour": 9.0, "stream_sets": sets})
        '9 false alarms an hour, the lowest budget that 22 minutes of negatives in test can support'
        >>> describe_budget({"fa_per_hour": 60.0, "stream_sets": sets})
        '60 false alarms an hour, the budget that was given'
    """
    budget = results["fa_per_hour"]
    text = f"{budget:g} false alarms an hour"
    if budget <= BUDGET:
        return text
    hours, split = least_negatives(results["stream_sets"])
    audio, _ = least_negatives([each | {"events": 0} for each in results["stream_sets"]])
    # Results of earlier versions counted the windows of events, too.
    if budget not in [choose_budget(each) for each in (hours, audio) if each]:
        return f"{text}, the budget that was given"
    time = f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.0f} minutes"
    return f"{text}, the lowest budget that {time} of negatives in {split} can support"


def least_negatives(stream_sets: Sequence[Mapping[str, Any]]) -> tuple[float, str]:
    """Return the hours of negatives of dev, or of a test condition if it has fewer.

    Args:
        stream_sets: The `stream_sets` of results: `split`, `hours` and `events` are used.

    Returns:
        Hours outside the hit windows, and the name of the split.
    """
    hours = {"dev": 0.0, "test": math.inf}
    for each in stream_sets:
        negatives = negative_hours(each["hours"], each.get("events", 0))
        if each["split"] == "dev":  # one threshold is chosen on all of its conditions
            hours["dev"] += negatives
        else:
            hours["test"] = min(hours["test"], negatives)
    found = [(time, split) for split, time in hours.items() if 0 < time < math.inf]
    return min(found, default=(0.0, "test"))


def read_results(folder: PathLike) -> dict[str, Any]:
    """Read the `results.json` of a folder that `keras-sal evaluate` wrote.

    Args:
        folder: The folder.

    Raises:
        ValueError: If it has none, or one of another format.
    """
    path = Path(folder) / "results.json"
    try:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if results["format"] != FORMAT:
            raise ValueError(f"its format is {results['format']}, not {FORMAT}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`{folder}` must be a folder written by this version of `keras-sal evaluate`. "
            f"{path}: {error}. Evaluate again."
        ) from error
    return results


def evaluate(
    predictions: Predictions,
    protocol: ScoringProtocol,
    *,
    shipped: Mapping[str, Mapping[str, Any]] | None = None,
    details: Mapping[str, Mapping[str, Any]] | None = None,
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score the predictions of all systems.

    Args:
        predictions: `Predictions`, with dev streams (unless all thresholds are shipped) and test
            streams.
        protocol: `ScoringProtocol`.
        shipped: dict from the name of a system to the trigger and threshold that it ships with,
            used instead of a choice on dev: `{"scoring": {...}, "threshold": {"threshold": ...,
            ...}}`; either may be missing. Defaults to none.
        details: dict from the name of a system to further fields of its results, such as its file.
            Defaults to none.
        provenance: dict, `provenance` of the results. Defaults to none.
        progress: Function called as `progress(done, total)`, or `None` (default).

    Returns:
        dict, what `results.json` holds; see the module docstring.

    Raises:
        ValueError: If an argument is out of range, or the streams of a split are missing.

    Example:

    >>> from keras_sal.evaluation import RecordingAnnotation, StreamAnnotation, StreamSet
    >>> recordings = (
    ...     RecordingAnnotation("a.flac", 0.0, 1800.0, "computer"),
    ...     RecordingAnnotation("b.flac", 1800.0, 3600.0, "alexa"),
    ... )
    >>> stream = StreamAnnotation("an hour", 3600.0, (1000.0,), recordings)
    >>> sets = (StreamSet("dev", "clean", (stream,)), StreamSet("test", "clean", (stream,)))
    >>> posterior = np.zeros(3600)
    >>> posterior[[1000, 2000]] = 0.9, 0.6
    >>> times = {"frame_step_s": 1.0, "frame_offset_s": 0.0}
    >>> predictions = Predictions(
    ...     "computer", sets, {"mine": [[posterior]] * 2}, {"mine": times}
    ... )
    >>> results = evaluate(predictions, ScoringProtocol(fa_per_hour=4.0, replicates=10))
    >>> found = results["systems"][0]["conditions"]["clean"]
    >>> found["at_threshold"]["frr"], found["at_threshold"]["false_alarms"], found["mean_frr"]
    (0.0, 0, 0.0)
    """
    shipped, details = shipped or {}, details or {}
    total = len(predictions.systems) * len(predictions.conditions)
    done = itertools.count(1)
    messages: dict[str, list[str]] = {}
    systems = []
    for name in predictions.systems:
        with _collected_warnings(messages, "dev"):
            rule, threshold = protocol.choose_trigger(predictions, name, shipped.get(name, {}))
        system = {
            "name": name,
            **details.get(name, {}),
            "scoring": dataclasses.asdict(rule),
            "threshold": threshold,
        }
        conditions = {}
        for condition in predictions.conditions:
            with _collected_warnings(messages, f"test, {condition}"):
                conditions[condition] = _score(predictions, protocol, system, rule, condition)
            if progress:
                progress(next(done), total)
        systems.append(system | {"conditions": conditions})
    with _collected_warnings({}, ""):
        compared = differences(predictions, systems, protocol)
    return {
        "format": FORMAT,
        "word": predictions.word,
        "fa_per_hour": protocol.fa_per_hour,
        "level": protocol.level,
        "replicates": protocol.replicates,
        "seed": protocol.seed,
        "area_fa_per_hour": protocol.area_fa_per_hour,
        "stream_sets": [summarise(each) for each in predictions.stream_sets],
        "systems": systems,
        "differences": compared,
        "parity": parity(predictions, systems),
        "warnings": [f"{'; '.join(places)}: {text}" for text, places in messages.items()],
        "provenance": dict(provenance or {}),
    }


@contextmanager
def _collected_warnings(messages: dict[str, list[str]], place: str) -> Iterator[None]:
    """Collect warnings of too few hours, each with the places where it was given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NegativeHoursWarning)
        yield
    for each in caught:
        places = messages.setdefault(str(each.message), [])
        places += [place] * (place not in places)


def _score(
    predictions: Predictions,
    protocol: ScoringProtocol,
    system: Mapping[str, Any],
    rule: Scoring,
    condition: str,
) -> dict[str, Any]:
    """The figures of one system under one condition of the test split."""
    curve = protocol.curve(predictions, system, condition)
    threshold, budget = system["threshold"]["threshold"], protocol.fa_per_hour
    streams = predictions.streams("test", condition)
    speakers = predictions.speaker_groups("test", condition)
    found = []
    if threshold is not None:
        posteriors = predictions.posteriors_of(system["name"], "test", condition)
        found = find_outcomes(posteriors, streams, threshold, rule, protocol.word_times)
    alarms = [outcome for outcome in found if outcome.kind == "false alarm"]
    return {
        "at_budget": _point(curve, lambda c: c.at(budget), speakers, protocol),
        "at_threshold": None
        if threshold is None
        else _point(curve, lambda c: c.point(threshold), speakers, protocol),
        "mean_frr": curve.mean_frr(protocol.area_fa_per_hour),
        "eer": _equal_error_rate(predictions, system, condition, curve),
        "det": _corners(curve),
        "band": _band(curve, protocol),
        "false_alarms": [_entry(alarm, streams) for alarm in alarms],
        "misses": [_entry(outcome, streams) for outcome in found if outcome.kind == "miss"],
        "triggered_by": _triggers(alarms, count_labels(streams, protocol.word_times)),
    }


def _point(
    curve: DetCurve,
    at: Callable[[DetCurve], OperatingPoint],
    speakers: Sequence[tuple[str, str]],
    protocol: ScoringProtocol,
) -> dict[str, Any]:
    """An operating point with the intervals of its figures."""
    point = at(curve)
    intervals: dict[str, dict[str, Any]] = {figure: {} for figure in _FIGURES}
    if point.events:
        intervals["frr"]["exact"] = binomial_interval(
            point.misses, point.events, level=protocol.level
        )[1:]
    if point.hours:
        intervals["fa_per_hour"]["exact"] = poisson_interval(
            point.false_alarms, point.hours, level=protocol.level
        )[1:]

    def figures(curve: DetCurve) -> Array:
        resampled = at(curve)
        return np.array([getattr(resampled, figure) for figure in _FIGURES])

    for unit, groups in (("recordings", None), ("speakers", speakers)):
        found = protocol.intervals(curve, figures, groups=groups)
        for index, figure in enumerate(_FIGURES):
            intervals[figure][unit] = found and found[index]
    return {**dataclasses.asdict(point), "intervals": intervals}


def _corners(curve: DetCurve) -> dict[str, list[float]]:
    """The points at which hits change, with the first and the last: enough to draw the curve."""
    changes = np.flatnonzero(np.diff(curve.hits)) + 1
    corners = np.unique([0, *changes, len(curve.hits) - 1])
    return {
        name: getattr(curve, name)[corners].tolist() for name in ("threshold", "frr", "fa_per_hour")
    }


def _band(curve: DetCurve, protocol: ScoringProtocol) -> dict[str, Any]:
    """The FRR over false-alarm budgets, with its interval by recordings."""
    budgets = _budgets(curve, protocol)
    ends = protocol.intervals(curve, lambda c: c.frr_over(budgets))
    return {
        "fa_per_hour": budgets.tolist(),
        "frr": curve.frr_over(budgets).tolist(),
        "low": ends and [low for low, _ in ends],
        "high": ends and [high for _, high in ends],
    }


def _budgets(curve: DetCurve, protocol: ScoringProtocol) -> Array:
    """0, the budget of the protocol, and 200 budgets evenly spaced in their logarithm."""
    most = protocol.max_fa_per_hour
    least = min(protocol.fa_per_hour, 1 / curve.hours if curve.hours else most) / 2
    return np.unique([0.0, protocol.fa_per_hour, *np.geomspace(least, most, 200)])


def _equal_error_rate(
    predictions: Predictions, system: Mapping[str, Any], condition: str, curve: DetCurve
) -> float:
    """The equal error rate, from a longer curve if this one ends before it; NaN beyond all."""
    rule = without_frame_times(system["scoring"])
    for bound in (None, *_EER_FA_PER_HOUR):
        if bound is not None:
            curve = predictions.curve(
                system["name"], "test", condition, max_fa_per_hour=bound, **rule
            )
        try:
            return curve.eer()
        except ValueError:
            continue
    return math.nan


def _entry(outcome: Outcome, streams: Sequence[StreamAnnotation]) -> dict[str, Any]:
    entry = dataclasses.asdict(outcome)
    entry.pop("kind")
    return entry | {"stream": streams[outcome.stream].name}


def _triggers(alarms: Sequence[Outcome], occurrences: Counter[str]) -> list[dict[str, Any]]:
    """The labels of the false alarms, with how often each triggered and how often it occurs."""
    counts = Counter(alarm.label for alarm in alarms)
    return [
        {"label": label, "false_alarms": count, "occurrences": occurrences[label]}
        for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def summarise(stream_set: StreamSet) -> dict[str, Any]:
    """Return the amount of data in a stream set, as the `stream_sets` of the results say it.

    Args:
        stream_set: A `StreamSet`.
    """
    recordings = [each for stream in stream_set.streams for each in stream.recordings]
    return {
        "split": stream_set.split,
        "condition": stream_set.condition,
        "streams": len(stream_set.streams),
        "recordings": len({each.file for each in recordings}),
        "speakers": len({each.speaker_group for each in recordings if each.speaker}),
        "events": sum(len(stream.anchors_s) for stream in stream_set.streams),
        "hours": sum(stream.duration_s for stream in stream_set.streams) / 3600,
    }
