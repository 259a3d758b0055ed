"""Figures of detectors at the threshold that they ship with and at the budget, for storage.

They are taken from what `keras_sal.evaluation.evaluate` returns, and counted by utterance, too:
copies of one recording are one utterance.
"""

import statistics
from collections import Counter

from runs import BUDGET

from keras_sal import audio
from keras_sal.augmentation import speech_level_db
from keras_sal.detection import Scoring, poisson_interval
from keras_sal.evaluation import find_outcomes
from keras_sal.training import recipe
from keras_sal.training.dev_criterion import AREA

POINTS = ("at_threshold", "at_budget")
COUNTS = ("threshold", "misses", "events", "frr", "false_alarms", "hours", "fa_per_hour")
LATENCIES = ("latency_p50_s", "latency_p90_s")
FACTOR = 2.0  # how far the false alarms at a threshold may be from the budget
MISSES_APART = 0.03  # how far the misses at a threshold may be from those at the budget
MOST_MISSED = {"clean": 0.03, "10 dB": 0.06}  # at the budget
LATEST_S = 0.05  # median latency


def of_system(results, name, predictions, utterances):
    """Return what a system does on test, by condition and operating point.

    Args:
        results: What `keras_sal.evaluation.evaluate` returned.
        name: Name of the system.
        predictions: The `Predictions`.
        utterances: From `utterances.test_utterances`.
    """
    [system] = [each for each in results["systems"] if each["name"] == name]
    rule = Scoring(**system["scoring"])
    found = {}
    for condition, of_system in system["conditions"].items():
        posteriors = predictions.posteriors_of(name, "test", condition)
        streams = predictions.streams("test", condition)
        found[condition] = {"triggered_by": of_system["triggered_by"][:3]}
        for point in POINTS:
            each = of_system[point]
            outcomes = find_outcomes(posteriors, streams, each["threshold"], rule, {})
            missed = {outcome.file for outcome in outcomes if outcome.kind == "miss"}
            alarms = [outcome for outcome in outcomes if outcome.kind == "false alarm"]
            heard = [streams[alarm.stream].recording_at(alarm.time_s) for alarm in alarms]
            intervals = each["intervals"]
            found[condition][point] = {
                **{figure: each[figure] for figure in (*COUNTS, *LATENCIES)},
                "frr_of_utterances": statistics.mean(
                    len(missed & copies) / len(copies) for copies in utterances
                ),
                "frr_95_exact": intervals["frr"]["exact"],
                "frr_95_by_voice": intervals["frr"]["speakers"],
                "fa_per_hour_95_exact": intervals["fa_per_hour"]["exact"],
                "latency_p50_95_by_voice": intervals["latency_p50_s"]["speakers"],
                "false_alarms_by_corpus": dict(Counter(each.corpus for each in heard)),
            }
    return found


def dev_mean_frr(predictions, name):
    """Return the misses on dev, the mean over budgets up to ten times that of shipping.

    It is what `keras-sal tune` goes by, and the rule that networks are chosen by.

    Args:
        predictions: The `Predictions`.
        name: Name of the system.
    """
    highest = AREA * BUDGET
    curve = predictions.curve(name, "dev", max_fa_per_hour=highest, **recipe.TRIGGER_OPTIONS)
    return curve.mean_frr(highest)


def over_conditions(test):
    """Return the false alarms at the threshold over all conditions together.

    Args:
        test: From `of_system`.
    """
    points = [each["at_threshold"] for each in test.values()]
    alarms, hours = (sum(each[key] for each in points) for key in ("false_alarms", "hours"))
    rate, *interval = poisson_interval(alarms, hours)
    return {
        "false_alarms": alarms,
        "hours": hours,
        "fa_per_hour": rate,
        "fa_per_hour_95_exact": interval,
    }


def bars(test):
    """Return which goals the figures of a detector, from `of_system`, reach."""
    rate = over_conditions(test)["fa_per_hour"]
    return {
        "false_alarms_at_threshold": BUDGET / FACTOR <= rate <= BUDGET * FACTOR,
        "misses_at_threshold": {
            condition: abs(each["at_threshold"]["frr"] - each["at_budget"]["frr"]) <= MISSES_APART
            for condition, each in test.items()
        },
        "misses_at_budget": {
            condition: {
                figure: test[condition]["at_budget"][figure] <= most
                for figure in ("frr", "frr_of_utterances")
            }
            for condition, most in MOST_MISSED.items()
        },
        "latency": {
            condition: each["at_budget"]["latency_p50_s"] <= LATEST_S
            for condition, each in test.items()
        },
    }


def differences(results, name):
    """Return the misses of a system at the budget minus those of the first, with intervals."""
    return {
        each["condition"]: {"frr": each["estimate"], "frr_95_by_voice": each["speakers"]}
        for each in results["differences"]
        if each["system"] == name and each["figure"] == "frr_at_budget"
    }


def misses(system, utterances, lengths, root):
    """Return the missed utterances of a system at its threshold, and what they are like.

    Args:
        system: One of the systems of results.
        utterances: From `utterances.test_utterances`.
        lengths: From `utterances.spoken_lengths`.
        root: Folder of the recordings.
    """
    found = {}
    for condition, of_system in system["conditions"].items():
        missed = {each["file"]: each for each in of_system["misses"]}
        rows = []
        for copies in utterances:
            here = sorted(missed.keys() & copies)
            if here:
                first = missed[here[0]]
                rows.append(
                    {"file": here[0], "voice": first["speaker"], "copies": len(copies)}
                    | {"missed": len(here), "level_db": level_db(root / here[0])}
                    | {"spoken_s": lengths.get(here[0])}
                    | {"score": max(missed[file]["score"] for file in here)}
                )
        found[condition] = sorted(rows, key=lambda row: -row["missed"])
    return found


def level_db(path):
    """Return the level of the speech in a recording."""
    return round(speech_level_db(audio.read_audio(path)), 1)


def typical(utterances, lengths, root):
    """Return quartiles of the level, and of the length of the word, of all utterances.

    Args:
        utterances: From `utterances.test_utterances`.
        lengths: From `utterances.spoken_lengths`.
        root: Folder of the recordings.
    """
    files = [min(copies) for copies in utterances]
    known = [lengths[file] for file in files if file in lengths]
    return {
        "level_db": _quartiles([level_db(root / file) for file in files]),
        "spoken_s": _quartiles(known),
    }


def _quartiles(values):
    return [round(each, 2) for each in statistics.quantiles(values, n=4)]
