"""Evaluation: systems scored on the same streams, the threshold from dev, the figures from test.

`evaluate` turns `keras_sal.evaluation.predictions.Answers` into figures with intervals, as plain dicts and lists;
the report, the comparison and `results.json` are made of them.

Two operating points are given for each system and condition:

- *at the budget*: the fewest misses on the test streams within the false-alarm budget. It compares
  detectors, whatever their thresholds. Its threshold is chosen on the data it is scored on: the
  exact interval ignores that, the resampled ones contain it.
- *at the threshold* that was chosen on the dev streams of all conditions together, or that the
  detector ships with. That is what users get.

`results.json`
--------------

Numbers are in the units of their names, `null` where undefined or infinite. An *interval* is
`[low, high]` at `level`. A *point* has the fields of `keras_sal.detection.OperatingPoint` and
`intervals`: for `frr` and `fa_per_hour` `exact` (Clopper-Pearson, Poisson), for these and
`latency_p50_s` and `latency_p90_s` `recordings` and `speakers` (bootstrap; a recording of an
unknown speaker is a speaker of its own).

    format              1; a reader should refuse another
    word                what is listened for
    fa_per_hour         the budget
    level               of all intervals
    replicates, seed    of the bootstrap
    area_fa_per_hour    up to which `mean_frr` goes
    parts               [{split, condition, streams, recordings, speakers, events, hours}]
    systems             [{name, scoring, threshold, conditions}], the first is the reference; from
                        the command line also model, runtime, bytes, sha256 and, where known,
                        parameters, arena_bytes, macs, operators
      scoring             the trigger and the hit window: `keras_sal.detection.Scoring`
      threshold           {threshold, rule, ...}: `keras_sal.detection.threshold_record`; or how it
                          was given; `threshold` is null where nothing fires within the budget
      conditions          {condition: {at_budget, at_threshold, mean_frr, eer, det, band,
                          false_alarms, misses, triggered_by}}
        at_budget, at_threshold   points; at_threshold may be null
        mean_frr                  area under FRR over FA/h, divided by its width
        eer                       equal error rate; null where it takes over 1600 FA/h
        det                       {threshold, frr, fa_per_hour}: aligned, the operating points at
                                  which the hits change, and the last
        band                      {fa_per_hour, frr, low, high}: FRR by budget with its interval
        false_alarms, misses      [{track, time_s, anchor_s, score, said, file, speaker}] at the
                                  threshold; the score of a miss is the highest in its window
        triggered_by              [{said, false_alarms, times_said}], most alarms first
    differences         [{system, reference, condition, figure, estimate, recordings, speakers}]:
                        system - reference, paired, with its intervals
    parity              [{system, reference, condition, frames, mean, largest, both_hit,
                        only_system, only_reference, neither}]: posteriors apart, events hit
    warnings            [text]
    provenance          what else is given: versions, machine, command ...
"""

import dataclasses
import itertools
import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager

import numpy as np

from keras_sal.detection import (
    DetCurve,
    NegativeHoursWarning,
    binomial_interval,
    bootstrap,
    poisson_interval,
)
from keras_sal.evaluation.comparison import differences, parity
from keras_sal.evaluation.outcomes import Outcome, outcomes, times_said
from keras_sal.evaluation.predictions import Answers
from keras_sal.evaluation.protocol import Judge, untimed

FORMAT = 1
FIGURES = ("frr", "fa_per_hour", "latency_p50_s", "latency_p90_s")
WIDEST_FA_PER_HOUR = (400.0, 1600.0)


def evaluate(
    answers: Answers,
    judge: Judge,
    *,
    given: Mapping[str, Mapping] | None = None,
    about: Mapping[str, Mapping] | None = None,
    provenance: Mapping | None = None,
    progress: Callable | None = None,
) -> dict:
    """Scores answers.

    Args:
        answers: What the systems said.
        judge: How they are scored.
        given: By system, what it ships with instead of what is chosen on dev: `{"scoring": {...},
            "threshold": {"threshold": ..., ...}}`, either may be missing.
        about: By system, what else results should say of it, such as its file.
        provenance: What results should say of where they come from.
        progress: Called as `progress(done, total)`, or `None`.

    Returns:
        What `results.json` holds; see the module docstring.

    Raises:
        ValueError: If an argument is out of range, or a split was not heard.

    Example:

    >>> from keras_sal.evaluation.tracks import Part, Said, Track
    >>> clips = (Said("a.flac", 0.0, 1800.0, "computer"), Said("b.flac", 1800.0, 3600.0, "alexa"))
    >>> track = Track("an hour", 3600.0, (1000.0,), clips)
    >>> parts = (Part("dev", "clean", (track,)), Part("test", "clean", (track,)))
    >>> posterior = np.zeros(3600)
    >>> posterior[[1000, 2000]] = 0.9, 0.6
    >>> times = {"frame_step_s": 1.0, "frame_offset_s": 0.0}
    >>> answers = Answers("computer", parts, {"mine": [[posterior]] * 2}, {"mine": times})
    >>> results = evaluate(answers, Judge(fa_per_hour=4.0, replicates=10))
    >>> found = results["systems"][0]["conditions"]["clean"]
    >>> found["at_threshold"]["frr"], found["at_threshold"]["false_alarms"], found["mean_frr"]
    (0.0, 0, 0.0)
    """
    given, about = given or {}, about or {}
    steps = len(answers.systems) * len(answers.conditions)
    done = itertools.count(1)
    systems, told = [], {}
    for name in answers.systems:
        with _noted(told, "dev"):
            rule, threshold = judge.settings(answers, name, given.get(name, {}))
        conditions = {}
        for condition in answers.conditions:
            with _noted(told, f"test, {condition}"):
                conditions[condition] = _score(answers, name, condition, judge, rule, threshold)
            if progress:
                progress(next(done), steps)
        systems.append(
            {
                "name": name,
                **about.get(name, {}),
                "scoring": dataclasses.asdict(rule),
                "threshold": threshold,
                "conditions": conditions,
            }
        )
    with _noted({}, ""):
        compared = differences(answers, systems, judge)
    return {
        "format": FORMAT,
        "word": answers.word,
        "fa_per_hour": judge.fa_per_hour,
        "level": judge.level,
        "replicates": judge.replicates,
        "seed": judge.seed,
        "area_fa_per_hour": judge.area_fa_per_hour,
        "parts": [_described(part) for part in answers.parts],
        "systems": systems,
        "differences": compared,
        "parity": parity(answers, systems),
        "warnings": [f"{'; '.join(where)}: {what}" for what, where in told.items()],
        "provenance": dict(provenance or {}),
    }


@contextmanager
def _noted(told: dict, where: str):
    """Collects what is said of too few hours, with where it was said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NegativeHoursWarning)
        yield
    for each in caught:
        places = told.setdefault(str(each.message), [])
        places += [where] * (where not in places)


def _score(answers, name, condition, judge, rule, threshold) -> dict:
    """The figures of one system under one condition of the test split."""
    system = {"name": name, "scoring": dataclasses.asdict(rule), "threshold": threshold}
    curve = judge.curve(answers, system, condition)
    level, budget = threshold["threshold"], judge.fa_per_hour
    tracks, voices = answers.tracks("test", condition), answers.voices("test", condition)
    found = []
    if level is not None:
        posteriors = answers.of(name, "test", condition)
        found = outcomes(posteriors, tracks, level, rule, judge.words)
    alarms = [outcome for outcome in found if outcome.kind == "false alarm"]
    budgets = _budgets(curve, judge)
    band = judge.intervals(bootstrap, curve, lambda c: c.frr_over(budgets))
    return {
        "at_budget": _point(curve, lambda c: c.at(budget), voices, judge),
        "at_threshold": None
        if level is None
        else _point(curve, lambda c: c.point(level), voices, judge),
        "mean_frr": curve.mean_frr(judge.area_fa_per_hour),
        "eer": _eer(answers, system, condition, curve),
        "det": _det(curve),
        "band": {
            "fa_per_hour": budgets.tolist(),
            "frr": curve.frr_over(budgets).tolist(),
            "low": band and [low for low, _ in band],
            "high": band and [high for _, high in band],
        },
        "false_alarms": [_told(alarm, tracks) for alarm in alarms],
        "misses": [_told(o, tracks) for o in found if o.kind == "miss"],
        "triggered_by": _triggered_by(alarms, times_said(tracks, judge.words)),
    }


def _det(curve) -> dict:
    """The corners of the curve: between them only false alarms change."""
    changes = np.flatnonzero(np.diff(curve.hits)) + 1
    corners = np.unique([0, *changes, len(curve.hits) - 1])
    return {
        name: getattr(curve, name)[corners].tolist() for name in ("threshold", "frr", "fa_per_hour")
    }


def _point(curve, at: Callable, voices, judge) -> dict:
    """An operating point with the intervals of its figures."""
    point = at(curve)
    intervals = {figure: {} for figure in FIGURES}
    if point.events:
        intervals["frr"]["exact"] = binomial_interval(
            point.misses, point.events, level=judge.level
        )[1:]
    if point.hours:
        intervals["fa_per_hour"]["exact"] = poisson_interval(
            point.false_alarms, point.hours, level=judge.level
        )[1:]

    def figures(curve):
        drawn = at(curve)
        return np.array([getattr(drawn, figure) for figure in FIGURES])

    for unit, groups in (("recordings", None), ("speakers", voices)):
        found = judge.intervals(bootstrap, curve, figures, groups=groups)
        for place, figure in enumerate(FIGURES):
            intervals[figure][unit] = found and found[place]
    return {**dataclasses.asdict(point), "intervals": intervals}


def _budgets(curve: DetCurve, judge: Judge) -> np.ndarray:
    """False-alarm rates at which the band is drawn: where the curve steps, and evenly between."""
    most = judge.max_fa_per_hour
    least = min(judge.fa_per_hour, 1 / curve.hours if curve.hours else most) / 2
    even = np.geomspace(least, most, 200)
    return np.unique([0.0, judge.fa_per_hour, *even])


def _eer(answers, system, condition, curve) -> float:
    """The equal error rate, on a curve as long as that takes."""
    rule = untimed(system["scoring"])
    for bound in (None, *WIDEST_FA_PER_HOUR):
        if bound is not None:
            curve = answers.curve(system["name"], "test", condition, max_fa_per_hour=bound, **rule)
        try:
            return curve.eer()
        except ValueError:
            continue
    return math.nan


def _told(outcome: Outcome, tracks) -> dict:
    told = dataclasses.asdict(outcome)
    told.pop("kind")
    return told | {"track": tracks[outcome.track].name}


def _triggered_by(alarms: list[Outcome], heard: Counter) -> list[dict]:
    counts = Counter(alarm.said for alarm in alarms)
    return [
        {"said": said, "false_alarms": count, "times_said": heard[said]}
        for said, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _described(part) -> dict:
    clips = [clip for track in part.tracks for clip in track.clips]
    return {
        "split": part.split,
        "condition": part.condition,
        "streams": len(part.tracks),
        "recordings": len({clip.file for clip in clips}),
        "speakers": len({clip.voice for clip in clips if clip.speaker}),
        "events": sum(len(track.anchors_s) for track in part.tracks),
        "hours": sum(track.duration_s for track in part.tracks) / 3600,
    }
