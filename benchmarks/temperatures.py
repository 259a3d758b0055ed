"""What rounding the posterior to 8 bits costs at each temperature of the logits.

    python benchmarks/negatives.py NEGATIVES
    python benchmarks/temperatures.py alexa build/pretrained/* --negatives NEGATIVES --cache CACHE

An int8 file ends with logits of 8 bits and a sigmoid, whose posterior is a multiple of 1/256. The
temperature divides the logits before (`keras_sal.training.apply_temperature`), and leaves their 8
bits as they are: it only decides which of them share a posterior. So each file runs once in
LiteRT, without its sigmoid, and all temperatures follow from its logits. "Exact" is the posterior
that is not rounded, and "float" the float model, where it is beside the file.

The misses are means over budgets up to 10 false alarms an hour, which depend less on single false
alarms than those at one budget.
"""

from pathlib import Path

import numpy as np
import shipped_detectors
import shipped_tables
from kept_posteriors import Detector, predict
from runs import BUDGET, RESULTS

from keras_sal import files, provenance
from keras_sal.cli.console import Console
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.training import recipe
from keras_sal.training.dev_criterion import AREA

TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
SHIPPED = 1.5  # that of the files measured
GRID = 256
RESULT = RESULTS / "temperatures.json"


def sigmoid(x):
    """Return the posterior of logits."""
    return 1 / (1 + np.exp(-x))


def rounded(posteriors):
    """Return posteriors as an int8 file gives them."""
    return np.clip(np.round(posteriors * GRID), 0, GRID - 1) / GRID


def without_sigmoid(content, path):
    """Write an int8 file that ends with its logits.

    Args:
        content: The bytes of a file whose operator before `posterior` is the sigmoid.
        path: Where to write.
    """
    file = Flatbuffer(content)
    graph, posterior = file.graph, file.outputs["posterior"]
    [last] = [op for op in graph.operators if posterior in list(op.outputs)]
    graph.operators.remove(last)
    [logits] = last.inputs
    graph.outputs = [logits if index == posterior else index for index in graph.outputs]
    for signature in file.tree.signatureDefs:
        for each in signature.outputs:
            if each.tensorIndex == posterior:
                each.tensorIndex = logits
    files.write_atomically(path, file.tobytes())


def mean_frr(posteriors, streams):
    """Return the misses, the mean over budgets."""
    highest = AREA * BUDGET
    curve = recipe.score(posteriors, streams, max_fa_per_hour=highest, **recipe.TRIGGER_OPTIONS)
    return curve.mean_frr(highest)


def measured(shipped, arguments, console):
    """Return the misses of a detector by split, condition and temperature."""
    material = shipped_detectors.word_streams(
        shipped.word, arguments, console, records=shipped.records
    )
    model = shipped.bundle / shipped.manifest["model"]
    path = arguments.cache / f"logits-{shipped.manifest['sha256'][model.name][:16]}.tflite"
    without_sigmoid(model.read_bytes(), path)
    logits_of = Detector("logits", path, "litert")
    floating = Detector("float", shipped.model) if shipped.model.is_file() else None
    rows = []
    for (split, condition), streams in material.items():
        with console.stage(f"Predict {shipped.word!r}, {split}, {condition}"):
            logits = predict(logits_of, streams, arguments.cache)
        kinds = {"exact": [sigmoid(each) for each in logits]}
        if floating:
            kinds["float"] = predict(floating, streams, arguments.cache)
        for temperature in TEMPERATURES:
            kinds[temperature] = [rounded(sigmoid(each * SHIPPED / temperature)) for each in logits]
        found = {str(kind): mean_frr(each, streams) for kind, each in kinds.items()}
        rows.append({"split": split, "condition": condition, "mean_frr": found})
    return {"word": shipped.word, **shipped.options, "rows": rows}


def means(detectors):
    """Return the mean misses over detectors, splits and conditions, by temperature, above exact."""
    rows = [row["mean_frr"] for each in detectors for row in each["rows"]]
    return {
        str(kind): {
            "mean": float(np.mean([row[str(kind)] - row["exact"] for row in rows])),
            "most": float(np.max([row[str(kind)] - row["exact"] for row in rows])),
        }
        for kind in TEMPERATURES
    }


def table(found):
    """Return the table in `docs/results/detectors.md`, in points.

    Args:
        found: `misses_above_exact` of the result.
    """
    return shipped_tables.table(
        ["logits divided by", *(f"{temperature:g}" for temperature in TEMPERATURES)],
        [
            ["mean", *(f"{100 * each['mean']:.2f}" for each in found.values())],
            ["most", *(f"{100 * each['most']:.2f}" for each in found.values())],
        ],
    )


def main():
    parser = shipped_detectors.detectors_parser(__doc__)
    parser.add_argument("--result", type=Path, default=RESULT)
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    console = Console()
    detectors = [
        measured(shipped_detectors.Shipped(name), arguments, console)
        for name in arguments.detectors
    ]
    content = {
        "command": "python benchmarks/temperatures.py DETECTOR ... --negatives NEGATIVES "
        "--cache CACHE",
        "budgets": f"up to {AREA * BUDGET:g} false alarms an hour",
        "misses_above_exact": means(detectors),
        "detectors": detectors,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    files.write_json(arguments.result, files.json_ready(content))
    console.say(table(content["misses_above_exact"]))


if __name__ == "__main__":
    main()
