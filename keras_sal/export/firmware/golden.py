"""The self-test of a bundle: golden sound or frames, and what a device must make of it.

The sound is computed on the device, too, by the integer arithmetic of `golden_audio.cc`, so only
results take flash: a hash of each frame of features, the posteriors, and a byte for each step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from keras_sal.audio import SAMPLE_RATE, MicroFrontend
from keras_sal.checks import require
from keras_sal.detection import Scoring, Trigger
from keras_sal.export.step_runner import StepRunner, TensorInfo
from keras_sal.typing import Array

SECONDS = 2
FRAMES = 100  # of features of one's own
FRAME_REACH = 8.0  # their largest value, if the inputs are floats
SEED = 2025
SYLLABLE_SAMPLES = 4000
LOUD_QUANTILE = 0.6  # of the scores: the threshold with which the trigger is tested
HASH_START, HASH_FACTOR = 2166136261, 16777619  # FNV-1a
WRAP = 0xFFFFFFFF
DETECTED, FIRED = 1, 2  # bits of a mark
POSTERIOR_TOLERANCE = 1e-5  # of floats, which machines round differently


@dataclasses.dataclass(frozen=True)
class Golden:
    """What a device must compute.

    Attributes:
        hashes: Hash of each frame of the front-end; none for features of one's own.
        frame_step: Distance of two values of a feature of one's own.
        posteriors: `(steps, classes)`, those that belong to a frame.
        marks: `(steps, classes)`: `DETECTED` by the trigger of the model, `FIRED` by the other one.
        thresholds: Threshold of each class in the other trigger, which fires.
        tolerance: By how much a posterior may differ.
    """

    hashes: list[int]
    frame_step: float
    posteriors: Array
    marks: Array
    thresholds: list[float]
    tolerance: float


def golden(
    runner: StepRunner,
    *,
    hears_audio: bool,
    scoring: Scoring,
    thresholds: Sequence[float],
    delay_frames: int,
) -> Golden:
    """Run the self-test in Python.

    Args:
        runner: The model; its state is reset.
        hears_audio: Whether its features are those of `keras_sal.audio.MicroFrontend`.
        scoring: The trigger.
        thresholds: Threshold of each class.
        delay_frames: Outputs at the start that belong to no frame.

    Returns:
        The results.

    Raises:
        ValueError: If `delay_frames` leaves none of its outputs.
    """
    infos = [info for info in runner.inputs if info.name in runner.signature.frames]
    features = MicroFrontend()(sound()) if hears_audio else None
    step = frame_step(infos)
    frames = split(random_frames(infos, step) if features is None else features, infos)
    runner.reset()
    posteriors = np.asarray(runner.stream(frames), "float32").reshape(-1, len(thresholds))
    runner.reset()
    require(
        delay_frames < len(posteriors),
        f"`delay_frames` must be less than {len(posteriors)}, the outputs that the self-test of a "
        f"bundle compares. Received: delay_frames={delay_frames}. Give what "
        "`keras_sal.streaming.delay_frames` returns for the step model.",
    )
    posteriors = posteriors[delay_frames:]
    (output,) = (info for info in runner.outputs if info.name in runner.signature.posteriors)
    exact = output.dtype == "int8" or (output.dtype == "int16" and "logit" not in output.name)
    tolerance = 0.0 if exact else POSTERIOR_TOLERANCE
    loud = loud_thresholds(posteriors, scoring, tolerance)
    marks = DETECTED * _fired(posteriors, thresholds, scoring)
    return Golden(
        hashes=[] if features is None else [hash_of(frame) for frame in features],
        frame_step=step,
        posteriors=posteriors,
        marks=marks + FIRED * _fired(posteriors, loud, scoring),
        thresholds=loud,
        tolerance=tolerance,
    )


def sound() -> Array:
    """Return the golden sound: a rising sawtooth in syllables, over noise of three levels.

    Returns:
        int16 of shape `(32000,)`.
    """
    state, phase, samples = SEED, 0, []
    for t in range(SECONDS * SAMPLE_RATE):
        syllable = t // SYLLABLE_SAMPLES
        state = next_random(state)
        phase = (phase + (t << 12) + (1 << 23)) & WRAP
        noise = _signed(state >> 16) >> (4 + 3 * (syllable % 3))
        tone = _signed(phase >> 16) >> 2 if syllable % 2 else 0
        samples.append(tone + noise)
    return np.array(samples, "int16")


def loud_thresholds(posteriors: Array, scoring: Scoring, tolerance: float = 0.0) -> list[float]:
    """Return a threshold for each class that its scores reach, to test the trigger with.

    Args:
        posteriors: `(steps, classes)`.
        scoring: The trigger.
        tolerance: By how much a posterior may differ. The threshold is then in the middle of two
            scores that differ by more than twice as much, if there are such. Defaults to 0.
    """
    return [_loud_threshold(scoring.scores(p)[0], tolerance) for p in posteriors.T]


def random_frames(infos: Sequence[TensorInfo], step: float) -> Array:
    """Return golden frames of features, `(frames, values)`, for inputs of one's own."""
    values = sum(int(np.prod(info.shape)) for info in infos)
    state, numbers = SEED, []
    for _ in range(FRAMES * values):
        state = next_random(state)
        numbers.append((state >> 24) - 128)
    return np.array(numbers, "float32").reshape(FRAMES, values) * np.float32(step)


def frame_step(infos: Sequence[TensorInfo]) -> float:
    """Return the distance of two values: 256 of them cover the inputs."""
    reach = [np.iinfo(i.dtype).max * i.scale if i.scale else FRAME_REACH for i in infos]
    return float(np.float32(max(reach) / 128))


def split(values: Array, infos: Sequence[TensorInfo]) -> Mapping[str, Array]:
    """Return the values of each input, `(steps, ...)`, from frames one after the other."""
    sizes = [int(np.prod(info.shape)) for info in infos]
    flat = values.reshape(-1)
    steps = len(flat) // sum(sizes)
    rows = flat[: steps * sum(sizes)].reshape(steps, -1)
    parts = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
    return {
        info.name: part.reshape(steps, *info.shape[1:])
        for info, part in zip(infos, parts, strict=True)
    }


def next_random(state: int) -> int:
    """Return the state after this one of a linear congruential generator of 32 bits."""
    return (state * 1664525 + 1013904223) & WRAP


def hash_of(frame: Array) -> int:
    """Return the FNV-1a hash of the bits of float32 numbers, word by word.

    Example:
        >>> hash_of(np.float32([0, 1]))
        1240897485
    """
    found = HASH_START
    for word in np.float32(frame).view("uint32").tolist():
        found = ((found ^ word) * HASH_FACTOR) & WRAP
    return found


def _loud_threshold(scores: Array, tolerance: float) -> float:
    loud = float(np.quantile(scores, LOUD_QUANTILE))
    ranked = np.unique(scores)
    apart = np.flatnonzero(np.diff(ranked) > 2 * tolerance)
    if not tolerance or not len(apart):
        return loud
    middles = (ranked[apart] + ranked[apart + 1]) / 2
    return float(middles[np.argmin(np.abs(middles - loud))])


def _fired(posteriors: Array, thresholds: Sequence[float], scoring: Scoring) -> Array:
    """Whether a trigger fires, at every step and for every class."""
    fired = np.zeros(posteriors.shape, "uint8")
    for c, threshold in enumerate(thresholds):
        trigger = Trigger(threshold, **(vars(scoring) | {"frame_offset_s": 0.0}))
        times = [found.time_s for found in trigger.feed(posteriors[:, c])]
        fired[np.rint(np.array(times) / scoring.frame_step_s).astype(int), c] = 1
    return fired


def _signed(number: int) -> int:
    return number - (1 << 16) if number >> 15 else number
