"""How many answers above the threshold should make a detection: misses against latency.

    python benchmarks/triggers.py --recordings DIR
    python benchmarks/triggers.py --models conv --against benchmarks/results/triggers_4ccb2f9.json

The detectors of `wake_words.py`, float, trained as it does it or taken from its cache, with other
triggers over the same posteriors. Figures are means over budgets of 1, 2, 3, 5 and 8 false alarms
an hour, as a single one hangs on a single sentence, on dev and on test; of all recordings, and with
those that are copies of one another as one. Each run is written as it is done; what is there is not
done again. `--against` is for other detectors of the same words, kinds and seeds: how much more or
less ours miss, mean and 95 % interval over the pairs.
"""

import json
import statistics
import warnings
from pathlib import Path

import study
import wake_words
from rows import Rows, cell, hours_and_events, interval, shown, spread
from spoken import missed, spoken

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


def figures(posteriors, streams, trigger, groups):
    """Means over the budgets: what is missed of recordings and utterances; the median latency."""
    curve = recipe.score(posteriors, streams, **trigger)
    points = [curve.at(budget) for budget in BUDGETS]
    latencies = [point.latency_p50_s for point in points if point.hits]
    return {
        "frr": statistics.mean(point.frr for point in points),
        "frr_of_utterances": statistics.mean(
            missed(posteriors, streams, point.threshold, curve.scoring, groups) for point in points
        ),
        "latency_p50_s": statistics.mean(latencies) if latencies else None,
    }


class Triggers(Rows):
    """The runs by word, detector and seed."""

    @property
    def cases(self):
        """The names of the figures of a run: trigger, split and condition."""
        return list(self.runs[0]["figures"]) if self.runs else []

    def summary(self):
        """Mean, least and greatest of each figure over all runs, by trigger and streams."""
        return [
            {"case": case, "runs": len(self.runs)}
            | {name: spread(run["figures"][case][name] for run in self.runs) for name in FIGURES}
            for case in self.cases
        ]

    def show(self, console):
        """Prints the summary."""
        console.table(
            "Mean over budgets; mean [least, greatest] over words, detectors and seeds",
            ["trigger and streams", "runs", "missed %", "of utterances %", "P50 ms"],
            [
                [
                    row["case"],
                    str(row["runs"]),
                    shown(row["frr"], 100),
                    shown(row["frr_of_utterances"], 100),
                    shown(row["latency_p50_s"], 1000),
                ]
                for row in self.summary()
            ],
        )
        console.say(f"Written to {self.path}")

    def compare(self, path, console):
        """Prints how much more or less is missed than in another file of this study."""
        others = {_detector(run): run["figures"] for run in json.loads(path.read_text())["runs"]}
        mine = {_detector(run): run["figures"] for run in self.runs}
        both = [detector for detector in mine if detector in others]

        def change(case, name):
            pairs = [(mine[d][case].get(name), others[d][case].get(name)) for d in both]
            found = interval(
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
    parser = wake_words.options(__doc__, result="triggers")
    parser.add_argument("--against", type=Path, metavar="JSON", help="the same of other detectors")
    arguments = parser.parse_args()
    console, folder, recordings = study.begin(arguments)
    settings = {"recordings": folder.name, "hours": arguments.hours, "steps": arguments.steps}
    settings |= {"teachers": arguments.teachers, "budgets": BUDGETS}
    rows = Triggers(arguments.result, settings)
    for key, material, model, _ in wake_words.detectors(arguments, recordings, rows, console):
        with console.stage("Listen"):
            answers = {
                part: recipe.answer(model, streams) for part, streams in material.held_out.items()
            }
        groups = {split: spoken(material.held_out[split, "clean"]) for split in ("dev", "test")}
        with console.stage("Score"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the few hours, which each run says
            found = {
                f"{name}, {', '.join(part)}": figures(
                    posteriors, material.held_out[part], trigger, groups[part[0]]
                )
                for name, trigger in TRIGGERS.items()
                for part, posteriors in answers.items()
            }
        rows.add(key, found, streams=hours_and_events(material))
    rows.show(console)
    if arguments.against:
        rows.compare(arguments.against, console)


if __name__ == "__main__":
    main()
