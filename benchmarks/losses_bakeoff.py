"""Misses and latency of the same small GRU with each loss, over wake words and seeds.

    python benchmarks/losses_bakeoff.py --recordings DIR --words computer jarvis --seeds 3

Within a word and a seed all losses start from the same weights and see the same crops, with the
same refined anchors. "reach 5" is five outputs, 150 ms. The figures are points of the DET curves of
the dev and test streams ("FRR at a false-alarm rate"). A loss is chosen on dev.

    python benchmarks/losses_bakeoff.py --plain --steps 3000

leaves out the other parts of the recipe: recorded anchors, no hard negatives, and no augmentation
of batches. With

    python benchmarks/losses_bakeoff.py --spans

labels are 1 while the word is said, like frame labels from an alignment, and not from 60 ms before
its end to 250 ms after it. Then only the anchors tell a loss that the end matters.

Each run is written to `benchmarks/results/losses_bakeoff.json`, or `losses_bakeoff_plain.json` or
`losses_bakeoff_spans.json`, when it is finished, and is not repeated. The table has the mean over
words and seeds, and the difference in misses to cross entropy: mean and 95 % interval over the
pairs of word and seed.
"""

import itertools
import statistics
import warnings
from functools import partial

import numpy as np
import recipe_study
from runs import Runs, cell, hours_and_events, mean_interval

from keras_sal.audio import output_times
from keras_sal.losses import FrameCrossEntropy
from keras_sal.targets import AnchorTargets
from keras_sal.training import recipe

BASE = "cross entropy"
LOSSES = {
    BASE: partial(recipe.make_loss, "cross-entropy"),
    "cross entropy, events x 3": partial(FrameCrossEntropy, class_weight=(1, 3)),
    "focal": partial(recipe.make_loss, "focal"),
    "sal": partial(recipe.make_loss, "sal"),
    "sa+fl": partial(recipe.make_loss, "sa+fl"),
    "safl": partial(recipe.make_loss, "safl"),
    "sal, reach 5": partial(recipe.make_loss, "sal", reach=5),
    "sa+fl, reach 5": partial(recipe.make_loss, "sa+fl", reach=5),
    "sal, reach 2 before, 5 after": partial(recipe.make_loss, "sal", reach=(2, 5)),
}
BUDGETS = (1.0, 5.0)
PLAIN = {"augment": None, "hard_negatives": False}


def span_targets(frames, frames_per_output):
    """Return targets whose label is 1 while the word is said; its end is the anchor."""
    return AnchorTargets(
        frames // frames_per_output, anchor="offset", **output_times(frames_per_output)
    )


def figures(model, splits, early_s):
    """Return FRR and latency on dev and test, by condition and budget."""
    found = {}
    for (split, condition), streams in splits.held_out.items():
        curve = recipe.score(
            recipe.predict(model, streams), streams, early_s=early_s, **recipe.TRIGGER_OPTIONS
        )
        for budget in BUDGETS:
            point = curve.at(budget)
            found[f"{split}, {condition}, {budget:g} FA/h"] = {
                "frr": point.frr,
                "latency_p50_s": point.latency_p50_s,
                "latency_p90_s": point.latency_p90_s,
            }
    return found


class LossRuns(Runs):
    """The runs by word, loss and seed."""

    def summary(self):
        """Return misses, their difference and latency by loss and case, over all words and each."""
        words = list(dict.fromkeys(run["word"] for run in self.runs))
        losses = list(dict.fromkeys(run["loss"] for run in self.runs))
        every = [("all", words)] + [(word, [word]) for word in words]
        return [
            {"words": name, "loss": loss, "case": case, **self._over(some, loss, case)}
            for (name, some), loss, case in itertools.product(every, losses, self.cases)
            if any(run["word"] in some and run["loss"] == loss for run in self.runs)
        ]

    @property
    def cases(self):
        """The names of the figures of a run."""
        return list(self.runs[0]["figures"]) if self.runs else []

    def _over(self, words, loss, case):
        mine, base = (
            {
                (run["word"], run["seed"]): run["figures"][case]
                for run in self.runs
                if run["loss"] == name and run["word"] in words
            }
            for name in (loss, BASE)
        )
        percent = [100 * found["frr"] for found in mine.values()]
        change = [100 * (mine[pair]["frr"] - base[pair]["frr"]) for pair in mine if pair in base]
        return {
            "runs": len(mine),
            "frr_percent": [statistics.mean(percent), min(percent), max(percent)],
            "change_percent": mean_interval(change),
            "latency_ms": [
                _mean_ms(found[f"latency_{quantile}_s"] for found in mine.values())
                for quantile in ("p50", "p90")
            ],
        }

    def show(self, console):
        """Print the summary over all words."""
        rows = [row for row in self.summary() if row["words"] == "all"]
        console.table(
            "Misses (mean [minimum, maximum]) and latency, over words and seeds",
            ["loss", "case", "runs", "missed %", "against cross entropy, 95 %", "P50/P90 ms"],
            [
                [
                    row["loss"],
                    row["case"],
                    str(row["runs"]),
                    cell(row["frr_percent"], "{:.1f} [{:.1f}, {:.1f}]"),
                    cell(row["change_percent"], "{:+.1f} [{:+.1f}, {:+.1f}]"),
                    cell(row["latency_ms"], "{:.0f} / {:.0f}"),
                ]
                for row in rows
            ],
        )
        console.say(f"Written to {self.path}")


def _mean_ms(seconds):
    known = [value for value in seconds if value is not None and np.isfinite(value)]
    return 1000 * statistics.mean(known) if known else None


def main():
    parser = recipe_study.parser(
        __doc__, words=recipe_study.WORDS, seeds=3, steps=6000, result=None
    )
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument(
        "--plain", action="store_true", help="without the other parts of the recipe"
    )
    parser.add_argument("--spans", action="store_true", help="labels while the word is said")
    parser.add_argument(
        "--early-s",
        type=float,
        default=0.5,
        help="greatest time of a hit before the end of the word, in s (%(default)s)",
    )
    options = parser.parse_args()

    console, folder, recordings = recipe_study.load(options)
    settings = {"recordings": folder.name, "steps": options.steps, "hours": options.hours}
    settings |= {name: getattr(options, name) for name in ("plain", "spans", "early_s")}
    parts = PLAIN if options.plain else {}
    name = f"losses_bakeoff{'_plain' * options.plain}{'_spans' * options.spans}"
    runs = LossRuns(options.result or name, settings)
    for word in options.words:
        pairs = itertools.product(range(options.seeds), options.losses)
        keys = [{"word": word, "loss": loss, "seed": seed} for seed, loss in pairs]
        keys = [key for key in keys if key not in runs]
        if not keys:
            continue
        splits = recipe_study.streams_of(
            word, recordings, console, hours=options.hours, cache=options.cache
        )
        for seed, todo in itertools.groupby(keys, key=lambda key: key["seed"]):
            streams = splits.train
            if not options.plain:
                streams = recipe.refine_anchors(streams, seed=seed, reporter=console)
            for key in todo:
                model, train_s = recipe_study.train(
                    f"{word}, seed {seed}, {key['loss']}",
                    recipe.detector,
                    LOSSES[key["loss"]](),
                    streams,
                    console,
                    recipe.TrainingOptions(steps=options.steps, seed=seed, **parts),
                    targets=span_targets if options.spans else recipe.word_targets,
                )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of the few hours, which each run says
                    found = figures(model, splits, options.early_s)
                runs.add(key, found, train_s=train_s, streams=hours_and_events(splits))
    runs.show(console)


if __name__ == "__main__":
    main()
