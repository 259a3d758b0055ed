"""The recipe for wake-word detectors: model, loss, targets, training and scoring.

`keras-sal demo`, `keras-sal train` and the benchmarks run it. Its functions in the order of use:

    streams = make_streams(load_recordings("my_recordings"), "computer")
    train_streams = recipe.refine_anchors(streams.train)
    model = recipe.train(recipe.detector(), recipe.make_loss(), train_streams)
    predictions = recipe.predict(model, streams.test["clean"])
    print(recipe.score(predictions, streams.test["clean"]).frr_at(1.0))
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_sal import models
from keras_sal.audio import output_times
from keras_sal.augmentation import Chain, FrequencyWarp, Scramble, SpecAugment
from keras_sal.checks import require
from keras_sal.data import Stream, StreamBatches
from keras_sal.detection import DetCurve, det_curve
from keras_sal.losses import FrameCrossEntropy, FrameFocalLoss, StreamingAnchorLoss
from keras_sal.progress import Reporter, SilentReporter
from keras_sal.runtime import runner_steps, runners
from keras_sal.targets import AnchorTargets
from keras_sal.training.anchor_refinement import AnchorRefinement, RefinedBatches
from keras_sal.training.epoch_checkpoint import EpochCheckpoint
from keras_sal.training.hard_negatives import HardNegatives
from keras_sal.training.remaining_time import RemainingTime
from keras_sal.typing import Array, PathLike

CROP_FRAMES = 400
EPOCHS = 20
REFINEMENT_EPOCHS = 5
WEIGHT_DECAY = 0.01
# Wider than voices differ: all voices of the train split may be lower than one met in use.
AUGMENT = Chain(Scramble(0.25), FrequencyWarp((0.75, 1.4)), SpecAugment(2, 20, 2, 6))
FRAMES_PER_OUTPUT = 3
LOSS = "sa+fl"
NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "gru": models.gru_detector,
    "conv": models.conv_detector,
    "conv-gru": models.conv_gru_detector,
}
DENSE_UNITS = {"nano": 8, "micro": 22, "small": 48}  # of the GRU
BASELINES: dict[str, Callable[..., keras.losses.Loss]] = {
    "cross-entropy": FrameCrossEntropy,
    "focal": FrameFocalLoss,
}
UNFOCUSED = ("cross-entropy", "sal")
LABEL_SPAN_FRAMES = (6, 25)  # of 10 ms, before and after the anchor
# The detector fires at the first output above the threshold. Each further one would cost 30 ms.
TRIGGER_OPTIONS: dict[str, Any] = {"on_frames": 1}


@dataclass(frozen=True)
class TrainingOptions:
    """Options of the training of one detector.

    Args:
        steps: Train steps, >= 1. Twenty epochs have the same number of them; a remainder is left
            out, see `trained_steps`. Defaults to 18,000.
        batch_size: Crops in a batch, >= 1. Defaults to 32.
        crop_frames: Length of a crop in frames, >= 1. Defaults to 400, which is 4 s.
        learning_rate: Initial learning rate, > 0. It falls to 0 along a cosine. Defaults to 0.004.
        seed: Seed of the crops. Defaults to 0.
        augment: Augmentation of batches from `keras_sal.augmentation`, or `None`.
            Defaults to `AUGMENT`. The last of the twenty epochs is trained without it, so that
            batch normalisation keeps the statistics of unaltered crops.
        hard_negatives: Whether a quarter of each batch covers false alarms of the model, which are
            searched for three times during the training; see
            `keras_sal.training.hard_negatives`. Defaults to `True`.
    """

    steps: int = 18_000
    batch_size: int = 32
    crop_frames: int = CROP_FRAMES
    learning_rate: float = 4e-3
    seed: int = 0
    augment: Callable[..., Any] | None = AUGMENT
    hard_negatives: bool = True

    @property
    def trained_steps(self) -> int:
        """The train steps of whole epochs.

        Example:

        >>> TrainingOptions(steps=150).trained_steps
        140
        """
        return max(1, self.steps // EPOCHS) * EPOCHS

    def describe(self) -> dict[str, Any]:
        """Return the options as a dict, ready for JSON.

        Augmentation, of which a function is known by its name, and hard negatives are left out at
        their defaults.

        Example:

        >>> TrainingOptions(steps=150, hard_negatives=False).describe()["hard_negatives"]
        False
        """
        others = {
            "augment": getattr(self.augment, "__qualname__", repr(self.augment)),
            "hard_negatives": self.hard_negatives,
        }
        usual = {"augment": repr(AUGMENT), "hard_negatives": True}
        return {
            "steps": self.trained_steps,
            "batch_size": self.batch_size,
            "crop_frames": self.crop_frames,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
        } | {name: given for name, given in others.items() if given != usual[name]}


def detector(network: str = "gru", size: str = "micro", *, classes: int = 1) -> keras.Model:
    """Return an untrained detector of the recipe, with one output for 30 ms.

    Compared with one output for each frame of 10 ms, the detector sees further back and trains on
    three times as many crops in the same time. The first layer of the GRU is narrower than that of
    `keras_sal.models.gru_detector`, so that both have the same number of bytes.

    Args:
        network: `"gru"`, `"conv"` or `"conv-gru"`. Defaults to `"gru"`.
        size: `"nano"`, `"micro"` or `"small"`. Defaults to `"micro"`.
        classes: Number of words, each with a posterior of its own; see
            `keras_sal.training.wake_word`. Defaults to 1.

    Returns:
        A `keras.Model`.

    Raises:
        ValueError: If there is no such network or size.

    Example:
        >>> detector().count_params(), detector("conv").count_params()
        (13079, 11841)
    """
    require(
        network in NETWORKS,
        f"`network` must be {' or '.join(map(repr, NETWORKS))}. Received: network={network!r}.",
    )
    options: dict[str, Any] = {"size": size, "classes": classes, "multi_label": True}
    options["frames_per_output"] = FRAMES_PER_OUTPUT
    if network == "gru":
        options["dense_units"] = DENSE_UNITS.get(size)
    return NETWORKS[network](**options)


def make_loss(
    name: str = LOSS,
    *,
    strength: float | None = None,
    reach: float | tuple[float, float] | None = None,
    gamma: float | None = None,
    classes: int = 1,
) -> keras.losses.Loss:
    """Return a loss by its name on the command line.

    Args:
        name: `"sal"`, `"sa+fl"` (default), `"safl"`, `"cross-entropy"` or `"focal"`. With the rest
            of the recipe they miss about as much on our recordings: see `docs/results/losses.md`.
        strength: Strength of an anchor loss, >= 0. Defaults to `None`, for that of the loss.
        reach: Reach of an anchor loss in outputs of the detector, > 0, or a pair of them: before
            and after the anchor. Defaults to `None`, for that of the loss.
        gamma: Exponent of a focal loss, >= 0. Defaults to `None`, for that of the loss.
        classes: Number of words; the losses of their posteriors are averaged. Defaults to 1.

    Returns:
        A loss over packed targets.

    Raises:
        ValueError: If there is no such loss, or an option doesn't fit.

    Example:
        >>> make_loss("sal", strength=2, reach=5).reach
        (5.0, 5.0)
    """
    given = {"strength": strength, "reach": reach, "gamma": gamma}
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    anchored = {key: value for key, value in options.items() if key != "gamma"}
    require(
        name not in BASELINES or not anchored,
        f"{' and '.join(f'`{option}`' for option in anchored)} must be left out for a loss "
        f"without anchors. Received: {anchored}, loss={name!r}. Choose sal, sa+fl or safl.",
    )
    require(
        gamma is None or name not in UNFOCUSED,
        "`gamma` must be left out for a loss without a focal factor. Received: "
        f"gamma={gamma}, loss={name!r}. Choose sa+fl, safl or focal.",
    )
    several = classes > 1
    if name in BASELINES:
        return BASELINES[name](multi_label=several, **options)
    return StreamingAnchorLoss(name, multi_label=several, **options)


def word_targets(
    frames: int = CROP_FRAMES,
    frames_per_output: int = 1,
    *,
    classes: int = 1,
    label_span: tuple[int, int] | None = None,
) -> AnchorTargets:
    """Return the targets of a wake word, whose end is the anchor.

    The label is 1 around the anchor, so that a detector may fire as soon as it is sure, even a
    little early.

    Args:
        frames: Frames of a clip, >= 1. Defaults to 400, which is 4 s. A remainder that does not
            fill an output frame is left out.
        frames_per_output: Frames for each output of the detector, >= 1. Defaults to 1.
        classes: Number of words, each with a label of its own. Defaults to 1.
        label_span: Outputs before and after the anchor whose label is 1, each >= 0. Defaults to
            `None`, for 60 and 250 ms.

    Returns:
        An `AnchorTargets`.

    Example:
        >>> word_targets(400, 3).frames
        133
    """
    times: dict[str, Any] = output_times(frames_per_output)
    before_frames, after_frames = label_span or default_label_span(frames_per_output)
    return AnchorTargets(
        frames=frames // frames_per_output,
        anchor="offset",
        before_frames=before_frames,
        after_frames=after_frames,
        classes=classes,
        encoding="sparse" if classes == 1 else "multi_hot",
        **times,
    )


def default_label_span(frames_per_output: int = FRAMES_PER_OUTPUT) -> tuple[int, int]:
    """Return the outputs before and after the anchor of a word whose label is 1.

    Args:
        frames_per_output: Frames of 10 ms for each output, >= 1. Defaults to 3.

    Example:

    >>> default_label_span()
    (2, 8)
    """
    before, after = LABEL_SPAN_FRAMES
    return round(before / frames_per_output), round(after / frames_per_output)


def refine_anchors(
    streams: Sequence[Stream],
    *,
    steps: int = 400,
    seed: int = 0,
    max_shift_s: float = 0.5,
    classes: int = 1,
    reporter: Reporter | None = None,
) -> list[Stream]:
    """Move the anchors of training streams to where a small model finds them.

    Event times that are good to 50 ms are early in one recording and late in the next, and a
    detector can't learn by how much. A GRU trained for a minute fires at the same place of each
    word; the anchor moves there. On average anchors of a word stay where they were. See
    `keras_sal.training.anchor_refinement`.

    Args:
        streams: Training streams with features.
        steps: Train steps of the GRU, >= 1. Defaults to 400; with too few, anchors move anywhere.
        seed: Seed of the crops, and of Python's `random`, from which Keras draws the weights.
            Defaults to 0.
        max_shift_s: Greatest distance from an anchor to its first place, in seconds, > 0. Defaults
            to 0.5.
        classes: Number of words. Defaults to 1.
        reporter: Receiver of the progress. Defaults to `None`, for none.

    Returns:
        The streams with other event times and the same features.
    """
    random.seed(seed)
    batches = RefinedBatches(
        streams,
        word_targets(classes=classes),
        batches=max(1, steps // REFINEMENT_EPOCHS),
        seed=seed,
        max_shift_s=max_shift_s,
    )
    model = models.gru_detector(classes=classes, multi_label=True)
    loss = StreamingAnchorLoss("sal", multi_label=classes > 1)
    model.compile(keras.optimizers.Adam(4e-3, clipnorm=1.0), loss=loss)
    with (reporter or SilentReporter()).stage("Refine anchors") as stage:
        callbacks = [AnchorRefinement(batches, first=3), stage.callback()]
        model.fit(batches, epochs=REFINEMENT_EPOCHS, shuffle=False, callbacks=callbacks, verbose=0)
    return batches.streams


def train(
    model: keras.Model,
    loss: keras.losses.Loss,
    streams: Sequence[Stream],
    options: TrainingOptions | None = None,
    *,
    targets: Callable[[int, int], AnchorTargets] = word_targets,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: PathLike | None = None,
    title: str | None = None,
    reporter: Reporter | None = None,
) -> keras.Model:
    """Train a detector on random crops of streams.

    Args:
        model: A detector `(batch, time, 40)` to `(batch, time / n, classes)`.
        loss: A loss over packed targets.
        streams: Training streams with features.
        options: A `TrainingOptions`. Defaults to `None`, for its defaults.
        targets: Function that makes the targets, called as
            `targets(crop_frames, frames_per_output)`. Defaults to `word_targets`.
        callbacks: Keras callbacks. Defaults to none.
        checkpoint: File `*.npz` that keeps the state after each epoch; see `EpochCheckpoint`. If
            it exists, the training goes on from there. Defaults to `None`, for none.
        title: What the reporter calls the training. Defaults to `None`, for model and seed.
        reporter: Receiver of the progress. Defaults to `None`, for none.

    Returns:
        The model.
    """
    options = options or TrainingOptions()
    batches = StreamBatches(
        streams,
        targets(options.crop_frames, runner_steps.frames_per_output(runners.open_runner(model))),
        batch_size=options.batch_size,
        batches=options.trained_steps // EPOCHS,
        seed=options.seed,
        augment=options.augment,
        augment_epochs=EPOCHS - 1,
    )
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, len(batches) * EPOCHS)
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY, clipnorm=1.0), loss=loss
    )
    callbacks, hard_negatives, done = list(callbacks), None, 0
    if options.hard_negatives:
        hard_negatives = HardNegatives(batches, first=5, every=4, last=13, threshold=0.1, most=600)
        callbacks.append(hard_negatives)
    if checkpoint is not None:
        keeper = EpochCheckpoint(checkpoint, batches, hard_negatives)
        done = keeper.restore(model)
        callbacks.append(keeper)
    reporter = reporter or SilentReporter()
    with reporter.stage(title or f"Train {model.name}, seed {options.seed}") as stage:
        callbacks.append(RemainingTime(reporter, stage))
        model.fit(
            batches,
            epochs=EPOCHS,
            initial_epoch=done,
            shuffle=False,
            callbacks=callbacks,
            verbose=0,
        )
    return model


def predict(model: Any, streams: Sequence[Stream]) -> list[Array]:
    """Run a model over whole streams, 32 at once.

    Args:
        model: A causal detector `(batch, time, features)` to `(batch, time / n, 1)`, or a runner of
            one.
        streams: Streams with features.

    Returns:
        Posteriors of each stream, arrays `(output frames,)`.
    """
    runner = runners.open_runner(model)
    predictions = runners.predict(runner, [stream.features for stream in streams])
    return [posteriors[:, 0] for posteriors in predictions]


def score(predictions: Sequence[Array], streams: Sequence[Stream], **scoring: Any) -> DetCurve:
    """Score predictions at all thresholds.

    Args:
        predictions: Posteriors of each stream, arrays `(output frames,)`.
        streams: The streams.
        **scoring: Fields of `keras_sal.detection.Scoring` other than the frame times.

    Returns:
        A `keras_sal.detection.DetCurve`.
    """
    anchors_s = [stream.events[:, 1] for stream in streams]
    frames_per_output = len(streams[0].features) // max(1, len(predictions[0])) if streams else 1
    times: dict[str, Any] = output_times(frames_per_output)
    return det_curve(list(predictions), anchors_s, **times, **scoring)
