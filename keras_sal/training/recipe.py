"""The recipe: from recordings to a trained and scored wake-word detector.

What `keras-sal demo` and the benchmarks run, in functions to build on: `prepare` the streams of the
three splits, `refine` the anchors of the first, `train` a model on crops of it, let it `answer` to
the others, `score` the answers.
"""

from dataclasses import dataclass

import keras

from keras_sal import models
from keras_sal.audio import answer_times
from keras_sal.augmentation import Chain, FrequencyWarp, Scramble, SpecAugment
from keras_sal.data import StreamBatches, evaluation_streams, training_streams
from keras_sal.detection import det_curve
from keras_sal.losses import FrameCrossEntropy, FrameFocalLoss, StreamingAnchorLoss
from keras_sal.runtime import runners
from keras_sal.targets import AnchorTargets
from keras_sal.training.anchor_refinement import AnchorRefinement, RefinedBatches
from keras_sal.training.distillation import Distiller
from keras_sal.training.hard_negatives import HardNegatives

SNR_DB = 10.0
CROP_FRAMES = 400
EPOCHS = 20
REFINING_EPOCHS = 5
STEPS = 18_000
WEIGHT_DECAY = 0.01
TEMPERATURE = 1.5
# The warp is wider than voices differ: those of train may all be lower than one that comes.
AUGMENT = Chain(Scramble(0.25), FrequencyWarp((0.75, 1.4)), SpecAugment(2, 20, 2, 6))
FRAMES_PER_OUTPUT = 3
LOSS = "sa+fl"
TEACHER = "gru"
BASELINES = {"cross-entropy": FrameCrossEntropy, "focal": FrameFocalLoss}
TRIGGER = {"on_frames": 1}  # the first answer above the threshold: a second is 30 ms more to wait


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
        recordings: From `keras_sal.data.load_recordings`.
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


def detector(kind="gru", size="micro"):
    """Returns the detector that the recipe trains: one that answers every 30 ms.

    It sees further back than one that answers every 10 ms, and trains on three times as many crops
    in the same time. The first layer of the GRU is narrower, to have as many bytes.

    Args:
        kind: `"gru"`, `"conv"` or `"conv-gru"`. Defaults to `"gru"`.
        size: `"nano"`, `"micro"` or `"small"`. Defaults to `"micro"`.

    Returns:
        A `keras.Model`.

    Example:
        >>> detector().count_params(), detector("conv").count_params()
        (13079, 11841)
    """
    if kind == "gru":
        narrower = {"nano": 8, "micro": 22, "small": 48}[size]
        return models.gru_detector(
            size=size, dense_units=narrower, frames_per_output=FRAMES_PER_OUTPUT
        )
    make = {"conv": models.conv_detector, "conv-gru": models.conv_gru_detector}[kind]
    return make(size=size, frames_per_output=FRAMES_PER_OUTPUT)


def objective(name=LOSS, **options):
    """Returns a loss for the detectors of the recipe.

    Args:
        name: `"sal"`, `"sa+fl"` (default), `"safl"`, `"cross-entropy"` or `"focal"`. Under this
            recipe they miss about as much on our recordings: see "Which loss" in the README.
        **options: `strength` and `reach` of an anchor loss, the latter in answers of the detector;
            those that are `None` are left at the loss's defaults.

    Returns:
        A loss over packed targets.

    Raises:
        ValueError: If there is no such loss, or an option doesn't fit.

    Example:
        >>> objective("sal", strength=2, reach=5).reach
        (5.0, 5.0)
    """
    options = {option: value for option, value in options.items() if value is not None}
    if name in BASELINES:
        if options:
            raise ValueError(
                f"{' and '.join(f'`{option}`' for option in options)} must be left out for a loss "
                f"without anchors. Received: {options}, loss={name!r}. Choose sal, sa+fl or safl."
            )
        return BASELINES[name]()
    return StreamingAnchorLoss(name, **options)


def word_targets(frames=CROP_FRAMES, frames_per_output=1):
    """Returns the targets of a wake word, whose end is the anchor.

    The label is 1 from 60 ms before it to 250 ms after it. A detector that fires as soon as it is
    sure, and is not blamed for being sure a little early, is in time.

    Args:
        frames: Frames of a clip. Defaults to 400, 4 s; what does not fill an answer is left out.
        frames_per_output: Frames for each answer of the detector. Defaults to 1.
    """
    return AnchorTargets(
        frames=frames // frames_per_output,
        anchor="offset",
        before_frames=round(6 / frames_per_output),
        after_frames=round(25 / frames_per_output),
        **answer_times(frames_per_output),
    )


def refine(streams, *, steps=400, seed=0, reach_s=0.5, callbacks=()):
    """Moves the anchors of training streams to where a small model finds them.

    Times that are good to 50 ms are early for one recording and late for the next, and what is
    trained on them can't know by how much. A GRU trained for a minute answers at the same place of
    each word, which is where its anchor goes; on average anchors stay where they were. See
    `keras_sal.training.anchor_refinement`.

    Args:
        streams: Training streams, with features.
        steps: Train steps of the GRU. Defaults to 400; too few move anchors anywhere.
        seed: What the crops are drawn from.
        reach_s: How far an anchor may move, in seconds. Defaults to 0.5.
        callbacks: Keras callbacks.

    Returns:
        The streams, a list. Features are the same.
    """
    batches = RefinedBatches(
        streams,
        word_targets(),
        batches=max(1, steps // REFINING_EPOCHS),
        seed=seed,
        reach_s=reach_s,
    )
    model = models.gru_detector()
    model.compile(keras.optimizers.Adam(4e-3, clipnorm=1.0), loss=StreamingAnchorLoss())
    callbacks = [AnchorRefinement(batches, first=3), *callbacks]
    model.fit(batches, epochs=REFINING_EPOCHS, shuffle=False, callbacks=callbacks, verbose=0)
    return batches.streams


def train(
    model,
    loss,
    streams,
    *,
    steps=STEPS,
    batch_size=32,
    crop_frames=CROP_FRAMES,
    rate=4e-3,
    seed=0,
    targets=word_targets,
    augment=AUGMENT,
    hard_negatives=True,
    teachers=(),
    callbacks=(),
):
    """Trains a model on random crops of streams, the learning rate falling along a cosine to 0.

    Args:
        model: A detector `(batch, time, 40)` to `(batch, time / n, 1)`.
        loss: A loss over packed targets.
        streams: Training streams.
        steps: Train steps. Defaults to 18,000.
        batch_size: Crops in a batch. Defaults to 32.
        crop_frames: Frames of a crop. Defaults to 400, 4 s.
        rate: The first learning rate. Defaults to 0.004.
        seed: What the crops are drawn from.
        targets: Makes the targets, called as `targets(crop_frames, frames_per_output)`. Defaults to
            `word_targets`.
        augment: Augmentation of batches, see `keras_sal.augmentation.features`, or `None`.
            Defaults to `AUGMENT`. The last of the twenty epochs is without it, so that batch
            normalisation keeps the statistics of crops as they will be heard.
        hard_negatives: Whether a quarter of each batch goes to what the model fires on, looked for
            three times on the way; see `keras_sal.training.hard_negatives`. Defaults to `True`.
        teachers: Detectors that were trained so, from other seeds; the model learns from their
            answers, too, see `keras_sal.training.distillation`. Defaults to none.
        callbacks: Keras callbacks.

    Returns:
        The model.
    """
    batches = StreamBatches(
        streams,
        targets(crop_frames, runners.frames_per_output(runners.open_runner(model))),
        batch_size=batch_size,
        batches=max(1, steps // EPOCHS),
        seed=seed,
        augment=augment,
        augment_epochs=EPOCHS - 1,
    )
    schedule = keras.optimizers.schedules.CosineDecay(rate, len(batches) * EPOCHS)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY, clipnorm=1.0)
    learner = Distiller(model, teachers) if teachers else model
    learner.compile(optimizer, loss=loss)
    callbacks = list(callbacks)
    if hard_negatives:
        rounds = {"first": 5, "every": 4, "last": 13}
        callbacks.append(HardNegatives(batches, **rounds, threshold=0.1, most=600, detector=model))
    learner.fit(batches, epochs=EPOCHS, shuffle=False, callbacks=callbacks, verbose=0)
    return model


def temper(model, temperature=TEMPERATURE):
    """Divides the logits of a trained detector, so that 8 bits can tell high posteriors apart.

        posterior = sigmoid(logit / temperature)

    A posterior of 8 bits is a multiple of 1/256: all beyond 0.998 are one, and where a false alarm
    is among them, no threshold is left that is above it and below the words. Do it before an
    export to int8. What is missed in float, and how often it fires falsely, stays what it is, at
    another threshold.

    Args:
        model: A detector whose last layer is a `Dense` with a sigmoid or a softmax; any other is
            left as it is.
        temperature: Greater than 0. Defaults to 1.5.

    Returns:
        The model.

    Example:
        >>> model = detector()
        >>> before = model.layers[-1].get_weights()[0]
        >>> float((before / temper(model).layers[-1].get_weights()[0]).mean().round(3))
        1.5
    """
    last = model.layers[-1]
    if isinstance(last, keras.layers.Dense) and last.activation.__name__ in ("sigmoid", "softmax"):
        last.set_weights([weights / temperature for weights in last.get_weights()])
    return model


def answer(model, streams):
    """Runs a model over whole streams, 32 side by side.

    Args:
        model: A causal detector `(batch, time, features)` to `(batch, time / n, 1)`.
        streams: Streams with features.

    Returns:
        A list of posteriors, `(answers,)` for each stream.
    """
    answers = runners.predict(runners.open_runner(model), [stream.features for stream in streams])
    return [posteriors[:, 0] for posteriors in answers]


def score(posteriors, streams, **scoring):
    """Scores posteriors at all thresholds.

    Args:
        posteriors: A list of arrays `(answers,)`, one for each stream.
        streams: The streams.
        **scoring: Fields of `keras_sal.detection.Scoring` other than the frame times.

    Returns:
        A `keras_sal.detection.DetCurve`.
    """
    anchors_s = [stream.events[:, 1] for stream in streams]
    every = len(streams[0].features) // max(1, len(posteriors[0])) if streams else 1
    return det_curve(posteriors, anchors_s, **answer_times(every), **scoring)
