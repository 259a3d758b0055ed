"""Trainings that one device and several must do alike.

The clips of a batch get shorter from row to row, so that the shards of a batch hold different
numbers of counted frames.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
from made_streams import noisy_streams, word_targets

import keras_sal
from keras_sal import metrics
from keras_sal.data import StreamBatches, StreamChunks
from keras_sal.training import HardNegatives, ResetStates, StatefulDetector

SUPPORT = Path(__file__).parent
CLIPS, BATCH, FRAMES, EPOCHS = 16, 8, 24, 2
SCORING = {"frame_step_s": 0.1, "refractory_s": 0.3, "early_s": 0.2, "max_delay_s": 0.3}
LOSSES = {
    "sal": lambda: keras_sal.StreamingAnchorLoss("sal", normalize=True),
    "sa_fl": lambda: keras_sal.StreamingAnchorLoss("sa+fl", normalize=True),
    "safl": lambda: keras_sal.StreamingAnchorLoss("safl", normalize=True, class_weight=(1, 3)),
    "cross_entropy": lambda: keras_sal.FrameCrossEntropy(label_smoothing=0.05),
    "focal": lambda: keras_sal.FrameFocalLoss(),
    "max_pooling": lambda: keras_sal.MaxPoolingLoss(),
    "label_smoothing": lambda: keras_sal.TemporalLabelSmoothing(
        keras_sal.StreamingAnchorLoss("sa+fl", normalize=True), horizon_frames=9
    ),
    "weighted_mean": lambda: keras_sal.StreamingAnchorLoss(reduction="mean_with_sample_weight"),
    "sum": lambda: keras_sal.StreamingAnchorLoss(reduction="sum"),
}
MASKED, SCHEDULED = "cross_entropy", "sa_fl"


def all_clips():
    """Features, and packed targets and weights by loss.

    Short clips end with label -1; for the loss that reads a Keras mask they end with features of 0.
    """
    rng = np.random.default_rng(0)
    lengths = np.tile(np.linspace(FRAMES, 5, BATCH, dtype=int), CLIPS // BATCH)
    ended = np.arange(FRAMES) >= lengths[:, None]
    x = rng.normal(size=(CLIPS, FRAMES, 3)).astype("float32")
    onsets = rng.integers(0, FRAMES - 3, (CLIPS, 2, 1))
    events = np.concatenate([onsets, onsets + 2], axis=-1)
    masked = keras_sal.AnchorTargets(frames=FRAMES, after_frames=2)(events)
    x += masked[..., :1]
    x[ended] = 0
    masked[:, ::7, 0] = -1
    ignored = masked.copy()
    ignored[ended, 0] = -1
    weights = rng.uniform(0.5, 2.0, (CLIPS, FRAMES)).astype("float32")
    y = dict.fromkeys(LOSSES, ignored) | {MASKED: masked}
    return x, y, dict.fromkeys(LOSSES, weights) | {"max_pooling": weights[:, 0]}


def detector():
    """A compiled detector with an output for each loss, and the schedule of one of them."""
    keras.utils.set_random_seed(0)
    clip = keras.Input((None, 3))
    hidden = keras.layers.Dense(4, "tanh")(clip)
    inputs = dict.fromkeys(LOSSES, hidden) | {MASKED: keras.layers.Masking()(clip)}
    outputs = {name: keras.layers.Dense(1, "sigmoid", name=name)(x) for name, x in inputs.items()}
    model = keras.Model(clip, outputs)
    losses = {name: make() for name, make in LOSSES.items()}
    schedule = keras_sal.AnchorSchedule(losses[SCHEDULED], strength=lambda epoch: 1.0 + epoch)
    watched = [
        metrics.FrameAUC(name="auc"),
        metrics.FRRAtFalseAlarms(1e6, thresholds=(0.3, 0.5, 0.7), **SCORING),
        *schedule.metrics,
    ]
    model.compile(
        keras.optimizers.SGD(0.2),
        loss=losses,
        loss_weights=dict.fromkeys(LOSSES, 1.0) | {"sum": 0.01},
        metrics={SCHEDULED: watched},
        jit_compile=keras.backend.backend() == "jax",  # takes TensorFlow longer than the training
    )
    return model, schedule


def on_clips():
    """Train on clips with all losses."""
    model, schedule = detector()
    x, y, weights = all_clips()
    history = model.fit(
        *(x, y),
        sample_weight=weights,
        batch_size=BATCH,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=[schedule],
    ).history
    return report(model, history)


def on_streams_model():
    """A compiled detector, and batches of streams for it."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, 3)), scaling(), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.1), loss=LOSSES["sal"]())
    batches = StreamBatches(
        noisy_streams([160, 180, 170]), word_targets(frames=20), batches=2, batch_size=BATCH
    )
    return model, batches


def on_streams(callbacks=lambda batches: []):
    """Train on streams.

    Args:
        callbacks: Function of the batches that returns callbacks.
    """
    model, batches = on_streams_model()
    history = model.fit(
        batches, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=callbacks(batches)
    ).history
    return report(model, history)


def on_hard_negatives():
    """Train on streams, with hard negatives."""
    near = {"early_s": 0.0, "max_delay_s": 0.05}
    return on_streams(lambda batches: [HardNegatives(batches, first=1, threshold=0.3, **near)])


def on_few_clips(clips=CLIPS, **clipping):
    """Train a step at a time with one loss, without compiling.

    Args:
        clips: Number of clips; the last batch may have fewer than the others.
        **clipping: Options of the optimizer.
    """
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.SGD(0.2, **clipping), LOSSES["sal"](), run_eagerly=True)
    x, y, _ = all_clips()
    history = model.fit(
        x[:clips], y["sal"][:clips], batch_size=BATCH, shuffle=False, verbose=0
    ).history
    return report(model, history)


def on_chunks(rows=BATCH):
    """Train a stateful detector on chunks of streams.

    Args:
        rows: Rows of the batch that a replica sees.
    """
    keras.utils.set_random_seed(0)
    recurrent = keras.layers.GRU(3, return_sequences=True)
    layers = [keras.Input((None, 3)), scaling(), recurrent, keras.layers.Dense(1, "sigmoid")]
    whole = keras.Sequential(layers)
    chunks = StreamChunks(
        noisy_streams([30 + 7 * n for n in range(BATCH)]), word_targets(frames=20), batch_size=BATCH
    )
    model = StatefulDetector(whole, rows)
    model.compile(keras.optimizers.SGD(0.1), loss=LOSSES["sa_fl"]())
    history = model.fit(
        chunks, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[ResetStates(chunks)]
    ).history
    return report(whole, history)


def scaling():
    """A layer that brings the numbers of streams and frames near 1."""
    return keras.layers.Rescaling([0.1, 0.001, 1.0])


def report(model, history):
    """The figures of a training, for JSON."""
    weights = np.concatenate([w.ravel() for w in model.get_weights()])
    return {**history, "weights": weights.tolist()}


def start(*arguments, **environment):
    """Start a Python process that can import what tests share."""
    paths = os.pathsep.join(map(str, (SUPPORT, SUPPORT.parents[1])))
    backend = keras.backend.backend()
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": paths, "KERAS_BACKEND": backend} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process):
    """The JSON in the last line that a program prints."""
    with process:
        try:
            output, errors = process.communicate(timeout=600)
        finally:
            process.kill()
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.splitlines()[-1])


def assert_same(found, expected):
    """Compare all figures of a training, within 1e-5."""
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
