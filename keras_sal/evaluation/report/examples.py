"""Examples: the misses, false alarms and hits that the report shows and plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_sal.detection import Scoring
from keras_sal.evaluation.labels import WordTimes
from keras_sal.evaluation.outcomes import Outcome, find_outcomes
from keras_sal.evaluation.predictions import Predictions

KINDS = ("miss", "false alarm", "hit")
SAME_ALARM_S = 0.5  # alarms of two systems that are nearer than this are one example
TYPICAL_HITS = 2


@dataclass(frozen=True)
class Example:
    """A miss, false alarm or hit of at least one system, and what all systems did there.

    Args:
        kind: `"miss"`, `"false alarm"` or `"hit"`.
        condition: Condition of the test split.
        stream: Index of the stream in it.
        time_s: The anchor, or the time of the false alarm, in seconds from the start of the stream.
        anchor_s: The anchor, or `None` for a false alarm.
        text: What was said.
        file: The recording.
        speaker: Who speaks in it; `""` if unknown.
        verdicts: By system, a phrase that says what it did.
    """

    kind: str
    condition: str
    stream: int
    time_s: float
    anchor_s: float | None
    text: str
    file: str
    speaker: str
    verdicts: dict[str, str]


def choose_examples(
    predictions: Predictions, results: Mapping[str, Any], word_times: WordTimes, most: int = 4
) -> list[Example]:
    """Choose the worst misses, the worst false alarms, and typical hits, of each condition.

    An example is the worse the more systems go wrong in it. Among equals, a miss is the worse the
    lower its highest score, and a false alarm the higher its score. The typical hits are those of
    the first system whose latencies are nearest to the median.

    Args:
        predictions: Predictions of the systems.
        results: Their results, from `keras_sal.evaluation.results.evaluate`.
        word_times: Times of words, from `keras_sal.evaluation.labels.read_word_times`.
        most: Largest number of misses, and of false alarms, of each condition. Defaults to 4.

    Returns:
        The examples by condition and kind, the worst first.
    """
    examples = []
    for condition in predictions.conditions:
        found = {
            system["name"]: _outcomes(predictions, system, condition, word_times)
            for system in results["systems"]
            if system["threshold"]["threshold"] is not None
        }
        chosen = [
            *(("miss", outcome) for outcome in _worst(found, "miss")[:most]),
            *(("false alarm", outcome) for outcome in _worst(found, "false alarm")[:most]),
            *(("hit", outcome) for outcome in _typical_hits(found)[:TYPICAL_HITS]),
        ]
        for kind, outcome in chosen:
            verdicts = {
                system["name"]: _verdict(predictions, system, condition, outcome, found)
                for system in results["systems"]
                if system["name"] in found
            }
            examples.append(
                Example(
                    kind,
                    condition,
                    outcome.stream,
                    outcome.time_s if outcome.anchor_s is None else outcome.anchor_s,
                    outcome.anchor_s,
                    outcome.label,
                    outcome.file,
                    outcome.speaker,
                    verdicts,
                )
            )
    return examples


def scoring_of(system: Mapping[str, Any]) -> Scoring:
    """Return the trigger and the hit window of a system.

    Args:
        system: One of the `systems` of the results.
    """
    return Scoring(**system["scoring"])


def _outcomes(
    predictions: Predictions, system: Mapping[str, Any], condition: str, word_times: WordTimes
) -> list[Outcome]:
    return find_outcomes(
        predictions.posteriors_of(system["name"], "test", condition),
        predictions.streams("test", condition),
        system["threshold"]["threshold"],
        scoring_of(system),
        word_times,
    )


def _worst(found: Mapping[str, Sequence[Outcome]], kind: str) -> list[Outcome]:
    """One outcome for each event, or each alarm, with which some system went wrong, worst first."""
    groups: list[list[Outcome]] = []
    for outcome in (each for of_one in found.values() for each in of_one if each.kind == kind):
        for group in groups:
            if _same(outcome, group[0]):
                group.append(outcome)
                break
        else:
            groups.append([outcome])
    sign = 1 if kind == "miss" else -1
    groups.sort(key=lambda group: (-len(group), sign * np.mean([each.score for each in group])))
    return [group[0] for group in groups]


def _typical_hits(found: Mapping[str, Sequence[Outcome]]) -> list[Outcome]:
    """The hits of the first system, those of median latency first."""
    hits = [each for each in next(iter(found.values()), []) if each.kind == "hit"]
    median_s = np.median([_latency_s(hit) for hit in hits]) if hits else 0.0
    return sorted(hits, key=lambda hit: abs(_latency_s(hit) - median_s))


def _latency_s(hit: Outcome) -> float:
    return hit.latency_s or 0.0


def _same(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are of the same event, or are false alarms at about the same time."""
    if one.anchor_s is not None or other.anchor_s is not None:
        return (one.stream, one.anchor_s) == (other.stream, other.anchor_s)
    return one.stream == other.stream and abs(one.time_s - other.time_s) < SAME_ALARM_S


def _verdict(
    predictions: Predictions,
    system: Mapping[str, Any],
    condition: str,
    outcome: Outcome,
    found: Mapping[str, Sequence[Outcome]],
) -> str:
    """What a system did where some system had an outcome."""
    own = next(
        (
            each
            for each in found[system["name"]]
            if _same(each, outcome) and (each.kind == "false alarm") == (outcome.anchor_s is None)
        ),
        None,
    )
    if own is None:
        peak = _highest_score(predictions, system, condition, outcome)
        return f"silent, highest score {peak:.3f}"
    if own.kind == "hit":
        return f"hit after {1000 * _latency_s(own):.0f} ms, score {own.score:.3f}"
    if own.kind == "miss":
        return f"missed, highest score {own.score:.3f}"
    return f"fired, score {own.score:.3f}"


def _highest_score(
    predictions: Predictions, system: Mapping[str, Any], condition: str, outcome: Outcome
) -> float:
    """The highest score of a system near a false alarm of another one."""
    scoring = scoring_of(system)
    posteriors = predictions.posteriors_of(system["name"], "test", condition)[outcome.stream]
    scores = scoring.scores(posteriors)[1]
    frame = (outcome.time_s - scoring.frame_offset_s) / scoring.frame_step_s
    reach = SAME_ALARM_S / scoring.frame_step_s
    return scores[max(0, round(frame - reach)) : round(frame + reach) + 1].max(initial=0.0)
