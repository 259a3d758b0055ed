"""Moments: which misses, false alarms and hits are worth listening to."""

from dataclasses import dataclass

import numpy as np

from keras_sal.detection import Scoring
from keras_sal.evaluation.outcomes import Outcome, Words, outcomes
from keras_sal.evaluation.predictions import Answers

KINDS = ("miss", "false alarm", "hit")
SAME_S = 0.5  # alarms of two systems that are nearer than this are one moment
TYPICAL_HITS = 2


@dataclass(frozen=True)
class Moment:
    """A moment of the test streams that the report shows.

    Args:
        kind: `"miss"`, `"false alarm"` or `"hit"`, for at least one of the systems.
        condition: Of the test split.
        track: The index of its track.
        time_s: The anchor, or when the false alarm came, in seconds from the start of the track.
        anchor_s: The anchor, or `None`.
        said: What was said.
        file: The recording.
        speaker: Who speaks in it; `""` if unknown.
        verdicts: By system, what it did.
    """

    kind: str
    condition: str
    track: int
    time_s: float
    anchor_s: float | None
    said: str
    file: str
    speaker: str
    verdicts: dict


def moments(answers: Answers, results: dict, words: Words, most: int = 4) -> list[Moment]:
    """The worst misses and false alarms, and typical hits, of each condition.

    A moment is the worse the more systems go wrong in it; then a miss is the worse the lower its
    highest score, a false alarm the higher its score. Typical are the hits of the first system
    whose latency is nearest to the median.

    Args:
        answers: What the systems said.
        results: Their figures, from `keras_sal.evaluation.results.evaluate`.
        words: What `keras_sal.evaluation.outcomes.read_words` gives.
        most: How many of each kind and condition at most.

    Returns:
        List of `Moment`, worst first within each condition and kind.
    """
    chosen = []
    for condition in answers.conditions:
        found = {
            system["name"]: _outcomes(answers, system, condition, words)
            for system in results["systems"]
            if system["threshold"]["threshold"] is not None
        }
        for kind in KINDS:
            ranked = _typical(found) if kind == "hit" else _worst(found, kind)
            for outcome in ranked[: TYPICAL_HITS if kind == "hit" else most]:
                verdicts = {
                    system["name"]: _verdict(answers, system, condition, outcome, found)
                    for system in results["systems"]
                    if system["name"] in found
                }
                time_s = outcome.time_s if outcome.anchor_s is None else outcome.anchor_s
                chosen.append(
                    Moment(
                        kind,
                        condition,
                        outcome.track,
                        time_s,
                        outcome.anchor_s,
                        outcome.said,
                        outcome.file,
                        outcome.speaker,
                        verdicts,
                    )
                )
    return chosen


def scoring_of(system: dict) -> Scoring:
    """The trigger and the hit window of a system of the results."""
    return Scoring(**system["scoring"])


def _outcomes(answers, system, condition, words) -> list[Outcome]:
    return outcomes(
        answers.of(system["name"], "test", condition),
        answers.tracks("test", condition),
        system["threshold"]["threshold"],
        scoring_of(system),
        words,
    )


def _worst(found, kind) -> list[Outcome]:
    """One outcome of each moment in which some system did that, worst first."""
    together: list[list[Outcome]] = []
    for outcome in (each for of_one in found.values() for each in of_one if each.kind == kind):
        for others in together:
            if _same(outcome, others[0]):
                others.append(outcome)
                break
        else:
            together.append([outcome])
    sign = 1 if kind == "miss" else -1
    together.sort(key=lambda same: (-len(same), sign * np.mean([each.score for each in same])))
    return [same[0] for same in together]


def _typical(found) -> list[Outcome]:
    hits = [each for each in next(iter(found.values()), []) if each.kind == "hit"]
    median_s = np.median([hit.latency_s for hit in hits]) if hits else 0.0
    return sorted(hits, key=lambda hit: abs(hit.latency_s - median_s))


def _same(one: Outcome, other: Outcome) -> bool:
    if one.anchor_s is not None or other.anchor_s is not None:
        return (one.track, one.anchor_s) == (other.track, other.anchor_s)
    return one.track == other.track and abs(one.time_s - other.time_s) < SAME_S


def _verdict(answers, system, condition, outcome, found) -> str:
    """What a system did in the moment of an outcome of some system."""
    same = [
        each
        for each in found[system["name"]]
        if _same(each, outcome) and (each.kind == "false alarm") == (outcome.anchor_s is None)
    ]
    if same and same[0].kind == "hit":
        return f"hit after {1000 * same[0].latency_s:.0f} ms, score {same[0].score:.3f}"
    if same and same[0].kind == "miss":
        return f"missed, highest score {same[0].score:.3f}"
    if same:
        return f"fired, score {same[0].score:.3f}"
    rule = scoring_of(system)
    scores = rule.scores(answers.of(system["name"], "test", condition)[outcome.track])[1]
    frame = (outcome.time_s - rule.frame_offset_s) / rule.frame_step_s
    reach = SAME_S / rule.frame_step_s
    near = scores[max(0, round(frame - reach)) : round(frame + reach) + 1]
    return f"silent, highest score {near.max(initial=0.0):.3f}"
