"""Writes `losses.json`: losses and gradients in float64, by the slow loops of `reference.py`.

Run it from the root of the repository after a change of the mathematics: `python
tests/golden/make_losses.py`. Predictions are drawn in NumPy; gradients are by a complex step.
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))

from reference import gradient, mean_anchor_loss  # noqa: E402

from keras_sal.anchors import NO_ANCHOR  # noqa: E402

BATCH, TIME, CLASSES = 2, 7, 3
KERNELS = ("exponential", "gaussian", "triangular", "rectangular", "raised_cosine")
TASKS = ("binary", "multi_label", "one_hot", "sparse")
OPTIONS = (
    {},
    {"label_smoothing": 0.1, "reach": (2.0, 5.0)},
    {"class_weight": True, "gamma": 0.5},
    {"strength": True, "normalize": True},
)


def round_to_float32(x):
    """What the backends get, so that rounding of the inputs isn't counted as an error."""
    return np.asarray(x, "float32").astype("float64")


def make_targets(task, rng):
    if task == "multi_label":
        labels = rng.integers(0, 2, (BATCH, TIME, CLASSES))
    else:
        labels = rng.integers(0, 2 if task == "binary" else CLASSES, (BATCH, TIME, 1))
    if task == "one_hot":
        labels = np.eye(CLASSES)[labels[..., 0]]
    labels = labels.astype("float64")
    labels[0, 5] = -1.0
    distance = np.stack([np.arange(TIME) - 3.0, np.full(TIME, NO_ANCHOR)])
    distance[1, :4] = np.arange(4.0)
    return np.concatenate([labels, distance[..., None]], axis=-1)


def make_predictions(task, from_logits, rng):
    logits = rng.normal(scale=2.0, size=(BATCH, TIME, 1 if task == "binary" else CLASSES))
    if from_logits:
        return round_to_float32(logits)
    if task in ("one_hot", "sparse"):
        return round_to_float32(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True))
    return round_to_float32(1 / (1 + np.exp(-logits)))


def cases():
    rng = np.random.default_rng(20231011)
    number = 0
    for task in TASKS:
        values = [1.0, 3.0] if task == "binary" else [0.5, 2.0, 3.0]
        for variant in ("sal", "sa+fl", "safl"):
            for from_logits in (True, False):
                number += 1
                arguments = {
                    "variant": variant,
                    "kernel": KERNELS[number % len(KERNELS)],
                    "from_logits": from_logits,
                    "multi_label": task == "multi_label",
                    **OPTIONS[number % len(OPTIONS)],
                }
                for name in ("class_weight", "strength"):
                    if arguments.get(name) is True:
                        arguments[name] = values
                yield arguments, make_targets(task, rng), make_predictions(task, from_logits, rng)


def golden(arguments, y_true, y_pred):
    arguments = {**arguments, "kernel_name": arguments["kernel"]}
    del arguments["kernel"]

    def loss(y_pred):
        return mean_anchor_loss(y_true, y_pred, **arguments)

    return float(loss(y_pred)), gradient(loss, y_pred).tolist()


if __name__ == "__main__":
    records = []
    for arguments, y_true, y_pred in cases():
        value, slope = golden(arguments, y_true, y_pred)
        records.append(
            {
                "arguments": arguments,
                "y_true": y_true.tolist(),
                "y_pred": y_pred.tolist(),
                "value": value,
                "gradient": slope,
            }
        )
    (HERE / "losses.json").write_text(json.dumps(records, indent=0))
