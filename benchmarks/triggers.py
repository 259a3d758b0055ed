"""Misses and latency by the number of outputs above the threshold that make a detection.

    python benchmarks/triggers.py --recordings DIR
    python benchmarks/triggers.py --models conv --against benchmarks/results/triggers_9353671.json

The detectors are the float models of `wake_words.py`, trained in the same way or taken from its
cache, with other triggers over the same posteriors. Figures are means over budgets of 1, 2, 3, 5
and 8 false alarms an hour, because one budget depends on one sentence; on dev and on test; of all
recordings, and with duplicates counted as one utterance. Each run is written when it is finished,
and is not repeated. `--against` compares with other detectors of the same words, kinds and seeds:
difference in misses, mean and 95 % interval over the pairs.
"""

import json
import statistics
import warnings
from pathlib import Path

import recipe_study
import wake_words
from runs import Runs, cell, hours_and_events, mean_and_range, mean_interval, range_cell
from utterances import utterance_frr, utterance_paths

from keras_sal.training import recipe

TRIGGERS = {
    "one answer": {},
    "two in a row": {"on_frames": 2},
    "three in a row": {"on_frames": 3},
    "four in a row": {"on_frames": 4},
    "mean of two": {"smooth_frames": 2},
    "mean of three": {"smooth_frames": 3},
}
BUDGETS = (1.0, 2.0, 3.0, 5.0, 8.0)
FIGURES = ("frr", "frr_of_utterances", "latency_p50_s")


def figures(predictions, streams, trigger, utterances):
    """Return means over the budgets of both FRR, by recording and utterance, and of latency."""
    curve = recipe.score(predictions, streams, **trigger)
    points = [curve.at(budget) for budget in BUDGETS]
    latencies = [point.latency_p50_s for point in points if point.hits]
    return {
        "frr": statistics.mean(point.frr for point in points),
        "frr_of_utterances": statistics.mean(
            utterance_frr(predictions, streams, point.threshold, curve.scoring, utterances)
            for point in points
        ),
        "latency_p50_s": statistics.mean(latencies) if latencies else None,
    }


class TriggerRuns(Runs):
    """The runs by word, detector and seed."""

    @property
    def cases(self):
        """The names of the figures of a run: trigger, split and condition."""
        return list(self.runs[0]["figures"]) if self.runs else []

    def summary(self):
        """Return mean, minimum and maximum of each figure over all runs, by trigger and streams."""
        return [
            {"case": case, "runs": len(self.runs)}
            | {
                name: mean_and_range(run["figures"][case][name] for run in self.runs)
                for name in FIGURES
            }
            for case in self.cases
        ]

    def show(self, console):
        """Print the summary."""
        console.table(
            "Mean over budgets; mean [minimum, maximum] over words, detectors and seeds",
            ["trigger and streams", "runs", "missed %", "of utterances %", "P50 ms"],
            [
                [
                    row["case"],
                    str(row["runs"]),
                    range_cell(row["frr"], 100),
                    range_cell(row["frr_of_utterances"], 100),
                    range_cell(row["latency_p50_s"], 1000),
                ]
                for row in self.summary()
            ],
        )
        console.say(f"Written to {self.path}")

    def compare(self, path, console):
        """Print the difference in misses to another file of this study."""
        others = {_detector(run): run["figures"] for run in json.loads(path.read_text())["runs"]}
        mine = {_detector(run): run["figures"] for run in self.runs}
        both = [detector for detector in mine if detector in others]

        def change(case, name):
            pairs = [(mine[d][case].get(name), others[d][case].get(name)) for d in both]
            found = mean_interval(
                [100 * (ours - theirs) for ours, theirs in pairs if theirs is not None]
            )
            return cell(found, "{:+.1f} [{:+.1f}, {:+.1f}]")

        console.table(
            f"Change of misses against {path.name}, {len(both)} pairs: points [95 %]",
            ["trigger and streams", "of recordings", "of utterances"],
            [[case, change(case, "frr"), change(case, "frr_of_utterances")] for case in self.cases],
        )


def _detector(run):
    return run["word"], run["model"], run["seed"]


def main():
    parser = wake_words.parser(__doc__, result="triggers")
    parser.add_argument(
        "--against", type=Path, metavar="JSON", help="results of this study for other detectors"
    )
    arguments = parser.parse_args()
    console, folder, recordings = recipe_study.load(arguments)
    settings = {"recordings": folder.name, "hours": arguments.hours, "steps": arguments.steps}
    runs = TriggerRuns(arguments.result, settings | {"budgets": BUDGETS})
    for key, splits, model, _ in wake_words.detectors(arguments, recordings, runs, console):
        held_out = splits.held_out
        with console.stage("Predict"):
            predictions = {
                part: recipe.predict(model, streams) for part, streams in held_out.items()
            }
        utterances = {split: utterance_paths(held_out[split, "clean"]) for split in ("dev", "test")}
        with console.stage("Score"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the few hours, which each run says
            found = {
                f"{name}, {', '.join(part)}": figures(
                    posteriors, held_out[part], trigger, utterances[part[0]]
                )
                for name, trigger in TRIGGERS.items()
                for part, posteriors in predictions.items()
            }
        runs.add(key, found, streams=hours_and_events(splits))
    runs.show(console)
    if arguments.against:
        runs.compare(arguments.against, console)


if __name__ == "__main__":
    main()
