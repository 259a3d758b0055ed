"""How many answers above the threshold should make a detection: misses against latency.

    python benchmarks/triggers.py --recordings DIR

The detectors of `wake_words.py`, float, trained as it does it or taken from its cache, with other
triggers over the same posteriors. Figures are means over budgets of 1, 2, 3, 5 and 8 false alarms
an hour, as a single one hangs on a single sentence, on dev, where the recipe's trigger was chosen,
and on test. Each run is written as it is done; what is there is not done again.
"""

import statistics
import warnings

import study
import wake_words
from rows import Rows, hours_and_events, shown

from keras_sal import recipe

TRIGGERS = {
    "one answer": {},
    "two in a row": {"on_frames": 2},
    "three in a row": {"on_frames": 3},
    "four in a row": {"on_frames": 4},
    "mean of two": {"smooth_frames": 2},
    "mean of three": {"smooth_frames": 3},
}
BUDGETS = (1.0, 2.0, 3.0, 5.0, 8.0)


def figures(posteriors, streams, trigger):
    """Means over the budgets: what is missed, and the median latency."""
    curve = recipe.score(posteriors, streams, **trigger)
    points = [curve.at(budget) for budget in BUDGETS]
    latencies = [point.latency_p50_s for point in points if point.hits]
    return {
        "frr": statistics.mean(point.frr for point in points),
        "latency_p50_s": statistics.mean(latencies) if latencies else None,
    }


class Triggers(Rows):
    """The runs by word, detector and seed."""

    def show(self, console):
        """Prints mean [least, greatest] over the runs of a detector."""
        console.table(
            "Mean over budgets; mean [least, greatest] over words and seeds",
            ["detector", "trigger and streams", "runs", "missed %", "P50 ms"],
            [
                [
                    row["case"],
                    row["condition"],
                    str(row["seeds"]),
                    shown(row["frr"], 100),
                    shown(row["latency_p50_s"], 1000),
                ]
                for row in self.summary()
            ],
        )
        console.say(f"Written to {self.path}")


def main():
    arguments = wake_words.options(__doc__, result="triggers").parse_args()
    console, folder, recordings = study.begin(arguments)
    settings = {"recordings": folder.name, "hours": arguments.hours, "steps": arguments.steps}
    rows = Triggers(arguments.result, settings | {"budgets": BUDGETS})
    for key, material, model, _ in wake_words.detectors(arguments, recordings, rows, console):
        with console.stage("Listen"):
            answers = {
                part: recipe.answer(model, streams) for part, streams in material.held_out.items()
            }
        with console.stage("Score"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the few hours, which each run says
            found = {
                f"{name}, {', '.join(part)}": figures(posteriors, material.held_out[part], trigger)
                for name, trigger in TRIGGERS.items()
                for part, posteriors in answers.items()
            }
        rows.add(key | {"case": key["model"]}, found, streams=hours_and_events(material))
    rows.show(console)


if __name__ == "__main__":
    main()
