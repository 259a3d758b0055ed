"""The same small GRU with each loss, on several wake words and seeds, on the same streams.

    python benchmarks/losses_bakeoff.py --recordings DIR --words computer jarvis --seeds 3

Within a word and a seed all losses start from the same weights and see the same crops, with the
same refined anchors. "reach 5" are five answers, 150 ms. Figures are read off the DET curves of the
dev and test streams ("FRR at a false-alarm rate"). Whoever chooses a loss chooses it by dev.

    python benchmarks/losses_bakeoff.py --plain --steps 3000

is for a pipeline without the recipe's other means: anchors as they come with the recordings, no
hard negatives, and no augmentation of batches. With

    python benchmarks/losses_bakeoff.py --spans

labels are 1 while the word is said, as frame labels from an alignment are, and not from 60 ms
before its end to 250 ms after it: what matters about the end, a loss must know from the anchors.

Each run is written to `benchmarks/results/losses_bakeoff.json`, or `losses_bakeoff_plain.json` or
`losses_bakeoff_spans.json`, as it is done; what is there is not done again. The table has the mean
over words and seeds, and how much more or less is missed than with cross entropy: mean and 95 %
interval over the pairs of word and seed.
"""

import itertools
import statistics
import warnings
from functools import partial

import numpy as np
import study
from rows import Rows, cell, hours_and_events, interval

from keras_sal.audio import answer_times
from keras_sal.losses import FrameCrossEntropy
from keras_sal.targets import AnchorTargets
from keras_sal.training import recipe

BASE = "cross entropy"
LOSSES = {
    BASE: partial(recipe.objective, "cross-entropy"),
    "cross entropy, events x 3": partial(FrameCrossEntropy, class_weight=(1, 3)),
    "focal": partial(recipe.objective, "focal"),
    "sal": partial(recipe.objective, "sal"),
    "sa+fl": partial(recipe.objective, "sa+fl"),
    "safl": partial(recipe.objective, "safl"),
    "sal, reach 5": partial(recipe.objective, "sal", reach=5),
    "sa+fl, reach 5": partial(recipe.objective, "sa+fl", reach=5),
    "sal, reach 2 before, 5 after": partial(recipe.objective, "sal", reach=(2, 5)),
}
BUDGETS = (1.0, 5.0)
PLAIN = {"augment": None, "hard_negatives": False}


def span_targets(frames, frames_per_output):
    """Targets whose label is 1 while the word is said; its end is the anchor."""
    return AnchorTargets(
        frames // frames_per_output, anchor="offset", **answer_times(frames_per_output)
    )


def figures(model, material, early_s):
    """FRR and latency on dev and test, by condition and budget."""
    found = {}
    for (split, condition), streams in material.held_out.items():
        curve = recipe.score(
            recipe.answer(model, streams), streams, early_s=early_s, **recipe.TRIGGER
        )
        for budget in BUDGETS:
            point = curve.at(budget)
            found[f"{split}, {condition}, {budget:g} FA/h"] = {
                "frr": point.frr,
                "latency_p50_s": point.latency_p50_s,
                "latency_p90_s": point.latency_p90_s,
            }
    return found


class Losses(Rows):
    """The runs by word, loss and seed."""

    def summary(self):
        """By loss and case, over all words and over each: misses, their change, and latency."""
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
            "change_percent": interval(change),
            "latency_ms": [
                _mean_ms(found[f"latency_{quantile}_s"] for found in mine.values())
                for quantile in ("p50", "p90")
            ],
        }

    def show(self, console):
        """Prints the summary over all words."""
        rows = [row for row in self.summary() if row["words"] == "all"]
        console.table(
            "Misses (mean [least, greatest]) and latency, over words and seeds",
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
    parser = study.options(__doc__, words=study.WORDS, seeds=3, steps=6000, result=None)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--plain", action="store_true", help="the loss alone, not the recipe")
    parser.add_argument("--spans", action="store_true", help="labels while the word is said")
    parser.add_argument(
        "--early-s",
        type=float,
        default=0.5,
        help="a hit may come so long before the end of the word (%(default)s)",
    )
    options = parser.parse_args()

    console, folder, recordings = study.begin(options)
    settings = {"recordings": folder.name, "steps": options.steps, "hours": options.hours}
    settings |= {name: getattr(options, name) for name in ("plain", "spans", "early_s")}
    means = (PLAIN if options.plain else {}) | ({"targets": span_targets} if options.spans else {})
    name = f"losses_bakeoff{'_plain' * options.plain}{'_spans' * options.spans}"
    rows = Losses(options.result or name, settings)
    for word in options.words:
        pairs = itertools.product(range(options.seeds), options.losses)
        keys = [{"word": word, "loss": loss, "seed": seed} for seed, loss in pairs]
        keys = [key for key in keys if key not in rows]
        if not keys:
            continue
        material = study.make_streams(
            recordings, word, console, hours=options.hours, cache=options.cache
        )
        for seed, todo in itertools.groupby(keys, key=lambda key: key["seed"]):
            streams = material.train
            if not options.plain:
                streams = study.refined(streams, console, seed=seed)
            for key in todo:
                model, train_s = study.trained(
                    f"{word}, seed {seed}, {key['loss']}",
                    recipe.detector,
                    LOSSES[key["loss"]](),
                    streams,
                    console,
                    steps=options.steps,
                    seed=seed,
                    **means,
                )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of the few hours, which each run says
                    found = figures(model, material, options.early_s)
                rows.add(key, found, train_s=train_s, streams=hours_and_events(material))
    rows.show(console)


if __name__ == "__main__":
    main()
