"""How long `fit` waits between epochs, with and without Keras' workers.

    KERAS_BACKEND=tensorflow taskset -c 0 python benchmarks/epoch_waits.py

The wait is a race, which one core loses more often than two.

Trains the small convolutional detector on crops of noise, and adds up the waits of more than 0.3 s
between batches, and after the last one, in which nothing is computed. On TensorFlow `StreamBatches`
tells Keras of two workers, on other backends of one. Writes
`benchmarks/results/epoch_waits_<backend>.json`.
"""

import argparse
import os
import shlex
import sys
import time

import keras
import numpy as np
from runs import RESULTS

from keras_sal import StreamingAnchorLoss, files, provenance
from keras_sal.data import Stream, StreamBatches
from keras_sal.models import conv_detector
from keras_sal.training import recipe

SHORTEST_S = 0.3


class Waits(keras.callbacks.Callback):
    """Seconds between the end of a batch and what comes next, by the name of that."""

    def __init__(self):
        super().__init__()
        self.found, self._ended = [], None

    def note(self, what):
        waited = 0.0 if self._ended is None else time.monotonic() - self._ended
        if waited > SHORTEST_S:
            self.found.append({"before": what, "s": round(waited, 2)})
        self._ended = None

    def on_train_batch_begin(self, batch, logs=None):
        self.note(f"batch {batch}")

    def on_train_batch_end(self, batch, logs=None):
        self._ended = time.monotonic()


def train(streams, workers, arguments):
    """Return seconds of a training, and its waits."""
    keras.utils.set_random_seed(0)
    model, waits = conv_detector(frames_per_output=recipe.FRAMES_PER_OUTPUT), Waits()
    targets = recipe.word_targets(
        recipe.CROP_FRAMES // recipe.FRAMES_PER_OUTPUT, recipe.FRAMES_PER_OUTPUT
    )
    batches = StreamBatches(streams, targets, batches=arguments.batches)
    batches.workers = workers or batches.workers
    model.compile("adam", StreamingAnchorLoss())
    started = time.monotonic()
    model.fit(batches, epochs=arguments.epochs, shuffle=False, verbose=0, callbacks=[waits])
    waits.note("return")
    return {
        "workers": batches.workers,
        "total_s": round(time.monotonic() - started, 1),
        "waits": waits.found,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=500, help="of an epoch (%(default)s)")
    parser.add_argument("--epochs", type=int, default=4, help="(%(default)s)")
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    streams = [
        Stream(str(n), (), 300.0, features=rng.uniform(0, 26, (29_998, 40)).astype("float32"))
        for n in range(4)
    ]
    result = {
        "command": shlex.join(["python", *sys.argv]),
        **vars(arguments),
        "backend": keras.backend.backend(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": os.getloadavg()[0],
        "trainings": [train(streams, workers, arguments) for workers in (1, None)],
    }
    files.write_json(RESULTS / f"epoch_waits_{keras.backend.backend()}.json", result)
    for each in result["trainings"]:
        waited = sum(wait["s"] for wait in each["waits"])
        print(f"Keras' workers: {each['workers']}. {each['total_s']} s, {waited:.1f} of them waits")


if __name__ == "__main__":
    main()
