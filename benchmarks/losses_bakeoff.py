"""The same small GRU with each loss, over several seeds, on the same streams.

    python benchmarks/losses_bakeoff.py --recordings DIR --word computer --seeds 5

Within a seed all losses start from the same weights and see the same crops, with the same refined
anchors. "reach 5" are five answers, 150 ms; by default an anchor reaches 15, 450 ms. Figures are
read off the DET curves of the dev and test streams ("FRR at a false-alarm rate"). Whoever chooses a
loss chooses it by dev.
Writes `benchmarks/results/losses_bakeoff_<word>.json` and prints its table.
"""

import itertools
import shlex
import statistics
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import study

from keras_sal import files, provenance, recipe
from keras_sal.console import Console
from keras_sal.losses import FrameCrossEntropy, FrameFocalLoss, StreamingAnchorLoss

LOSSES = {
    "cross entropy": FrameCrossEntropy,
    "cross entropy, events x 3": lambda: FrameCrossEntropy(class_weight=(1, 3)),
    "focal": FrameFocalLoss,
    "sal": lambda: StreamingAnchorLoss("sal"),
    "sa+fl": lambda: StreamingAnchorLoss("sa+fl"),
    "safl": lambda: StreamingAnchorLoss("safl"),
    "sal, reach 5": lambda: StreamingAnchorLoss("sal", reach=5),
    "sa+fl, reach 5": lambda: StreamingAnchorLoss("sa+fl", reach=5),
}
BUDGETS = (1.0, 5.0)


def figures(model, material):
    """FRR and latency on dev and test, by condition and budget."""
    found = {}
    for (split, condition), streams in material.held_out.items():
        curve = recipe.score(recipe.answer(model, streams), streams, **recipe.TRIGGER)
        for budget in BUDGETS:
            point = curve.at(budget)
            found[f"{split}, {condition}, {budget:g} FA/h"] = {
                "frr": point.frr,
                "latency_p50_s": point.latency_p50_s,
                "latency_p90_s": point.latency_p90_s,
            }
    return found


def summarise(runs):
    """Mean and range over seeds, and the paired difference to cross entropy."""
    rows = []
    for loss in dict.fromkeys(run["loss"] for run in runs):
        mine = [run for run in runs if run["loss"] == loss]
        base = {run["seed"]: run for run in runs if run["loss"] == "cross entropy"}
        for case in mine[0]["figures"]:
            frr = [100 * run["figures"][case]["frr"] for run in mine]
            change = [
                100 * (run["figures"][case]["frr"] - base[run["seed"]]["figures"][case]["frr"])
                for run in mine
                if run["seed"] in base
            ]
            p50, p90 = (
                statistics.mean(1000 * run["figures"][case][f"latency_{q}_s"] for run in mine)
                for q in ("p50", "p90")
            )
            rows.append(
                {
                    "loss": loss,
                    "case": case,
                    "seeds": len(mine),
                    "frr_percent": [statistics.mean(frr), min(frr), max(frr)],
                    "change_percent": interval(change),
                    "latency_ms": [p50, p90],
                }
            )
    return rows


def interval(differences):
    """Mean and 95 % bootstrap interval over seeds."""
    if not differences:
        return [float("nan")] * 3
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (10_000, len(differences))).mean(axis=1)
    return [float(np.mean(differences)), *map(float, np.percentile(means, [2.5, 97.5]))]


def main():
    parser = study.options(__doc__, word="computer", seeds=5, steps=6000)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    arguments = parser.parse_args()

    console = Console()
    folder, material = study.material_for(arguments, console)

    runs = []
    result = Path(__file__).parent / "results" / f"losses_bakeoff_{arguments.word}.json"
    for seed, loss in itertools.product(range(arguments.seeds), arguments.losses):
        if loss == arguments.losses[0]:
            streams = study.refined(material.train, console, seed=seed)
        model, train_s = study.trained(
            f"Seed {seed}, {loss}",
            recipe.detector,
            LOSSES[loss](),
            streams,
            console,
            steps=arguments.steps,
            seed=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the few hours: the table says how many there are
            found = figures(model, material)
        runs.append({"loss": loss, "seed": seed, "train_s": train_s, "figures": found})
        summary = {
            "command": shlex.join(["python", "benchmarks/losses_bakeoff.py", *sys.argv[1:]]),
            "streams": {
                " ".join(part): {
                    "hours": sum(stream.hours for stream in streams),
                    "events": sum(len(stream.events) for stream in streams),
                }
                for part, streams in material.held_out.items()
            },
            "recordings": folder.name,
            "backend": keras.backend.backend(),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
            "summary": summarise(runs),
            "runs": runs,
        }
        files.write_json(result, summary)

    console.table(
        f"{arguments.word!r}, {arguments.seeds} seeds: misses (mean [range]) and latency",
        ["loss", "case", "FRR %", "change against cross entropy, 95 %", "P50/P90 ms"],
        [
            [
                row["loss"],
                row["case"],
                "{:.1f} [{:.1f}, {:.1f}]".format(*row["frr_percent"]),
                "{:+.1f} [{:+.1f}, {:+.1f}]".format(*row["change_percent"]),
                "{:.0f} / {:.0f}".format(*row["latency_ms"]),
            ]
            for row in summarise(runs)
        ],
    )
    console.say(f"Written to {result}")


if __name__ == "__main__":
    main()
