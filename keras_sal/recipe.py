"""The recipe: from recordings to a trained and scored wake-word detector.

What `keras-sal demo` and the benchmarks run, in functions to build on: `prepare` the streams of the
three splits, `train` a model on crops of the first, let it `answer` to the others, `score` the
answers.
"""

from dataclasses import dataclass

import keras
import numpy as np

from keras_sal.audio import FRAME_OFFSET_S, FRAME_STEP_S
from keras_sal.datasets import StreamBatches, evaluation_streams, training_streams
from keras_sal.detection import det_curve
from keras_sal.targets import AnchorTargets

SNR_DB = 10.0
CROP_FRAMES = 400


@dataclass(frozen=True)
class Material:
    """The streams of one wake word.

    Args:
        train: Augmented streams of the train split.
        dev: Streams of the dev split, by condition: `"clean"` and `"10 dB"`.
        test: Streams of the test split, by condition.
    """

    train: list
    dev: dict
    test: dict

    @property
    def held_out(self):
        """By `(split, condition)`, the streams that are not trained on."""
        splits = {"dev": self.dev, "test": self.test}
        return {
            (split, condition): streams
            for split, conditions in splits.items()
            for condition, streams in conditions.items()
        }


def prepare(recordings, word, *, hours=8.0, seed=0, cache=None, progress=None):
    """Makes the streams of the three splits.

    Args:
        recordings: From `keras_sal.datasets.load_recordings`.
        word: The wake word.
        hours: Length of the training streams together. Defaults to 8.
        seed: What the training streams are drawn from; dev and test are always the same.
        cache: A folder to keep features in, or `None`.
        progress: Called as `progress(name, done, total)`, or `None`.

    Returns:
        A `Material`.
    """

    def tell(name):
        return progress and (lambda done, total: progress(name, done, total))

    def evaluation(split):
        return {
            condition: evaluation_streams(
                recordings,
                word,
                split,
                snr_db=snr_db,
                cache=cache,
                progress=tell(f"{split} streams, {condition}"),
            )
            for condition, snr_db in (("clean", None), (f"{SNR_DB:g} dB", SNR_DB))
        }

    return Material(
        train=training_streams(
            recordings, word, hours=hours, seed=seed, cache=cache, progress=tell("train streams")
        ),
        dev=evaluation("dev"),
        test=evaluation("test"),
    )


def word_targets(frames=CROP_FRAMES):
    """Returns the targets of a wake word, whose end is the anchor.

    The label is 1 from 30 ms before it to 250 ms after it.

    Args:
        frames: Frames of a clip. Defaults to 400, 4 s.
    """
    return AnchorTargets(
        frames=frames,
        anchor="offset",
        before_frames=3,
        after_frames=25,
        frame_step_s=FRAME_STEP_S,
        frame_offset_s=FRAME_OFFSET_S,
    )


def train(
    model,
    loss,
    streams,
    *,
    steps=3000,
    batch_size=32,
    crop_frames=CROP_FRAMES,
    rate=4e-3,
    seed=0,
    callbacks=(),
):
    """Trains a model on random crops of streams, the learning rate falling along a cosine to 0.

    Args:
        model: A detector `(batch, time, 40)` to `(batch, time, 1)`.
        loss: A loss over packed targets.
        streams: Training streams.
        steps: Train steps. Defaults to 3000.
        batch_size: Crops in a batch. Defaults to 32.
        crop_frames: Frames of a crop. Defaults to 400, 4 s.
        rate: The first learning rate. Defaults to 0.004.
        seed: What the crops are drawn from.
        callbacks: Keras callbacks.

    Returns:
        The model.
    """
    epochs = 10
    batches = StreamBatches(
        streams,
        word_targets(crop_frames),
        batch_size=batch_size,
        batches=max(1, steps // epochs),
        seed=seed,
    )
    schedule = keras.optimizers.schedules.CosineDecay(rate, len(batches) * epochs)
    model.compile(keras.optimizers.Adam(schedule, clipnorm=1.0), loss=loss)
    model.fit(batches, epochs=epochs, shuffle=False, callbacks=list(callbacks), verbose=0)
    return model


def answer(model, streams):
    """Runs a model over whole streams, all side by side.

    Args:
        model: A causal detector `(batch, time, features)` to `(batch, time, 1)`.
        streams: Streams with features.

    Returns:
        A list of posteriors, `(frames,)` for each stream.
    """
    longest = max(len(stream.features) for stream in streams)
    clips = np.zeros((len(streams), longest, streams[0].features.shape[-1]), "float32")
    for clip, stream in zip(clips, streams, strict=True):
        clip[: len(stream.features)] = stream.features
    posteriors = model.predict(clips, batch_size=len(clips), verbose=0)[..., 0]
    return [p[: len(s.features)] for p, s in zip(posteriors, streams, strict=True)]


def score(posteriors, streams, **scoring):
    """Scores posteriors at all thresholds.

    Args:
        posteriors: A list of arrays `(frames,)`, one for each stream.
        streams: The streams.
        **scoring: Fields of `keras_sal.detection.Scoring` other than the frame times.

    Returns:
        A `keras_sal.detection.DetCurve`.
    """
    anchors_s = [stream.events[:, 1] for stream in streams]
    times = {"frame_step_s": FRAME_STEP_S, "frame_offset_s": FRAME_OFFSET_S}
    return det_curve(posteriors, anchors_s, **times, **scoring)
