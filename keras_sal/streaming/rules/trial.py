"""A trial that shows whether a layer treats every frame alike.

A layer may be streamed frame by frame only if no frame of its output depends on another frame of
its input, on its place in the clip, or on the length of the clip. Values alone say little: an
effect may be far away, faint, or silent until a threshold is passed. So the trial traces the
dependence. It computes a long clip twice. The second time about half of its frames hold something
else: NaN, which no factor makes small; numbers near the largest that there are; and numbers of many
sizes, for layers that replace what is not finite. Every frame that was left as it was must return
the same numbers as before. Both calls have the same shape, so the arithmetic is the same, and the
comparison needs next to no tolerance.

Gradients would need the automatic differentiation of each backend, and are zero behind a threshold,
a rounding or an integer. NaN goes the same way through every backend.

Frames that are up to a thousand apart are compared; about two hundred where a frame has a thousand
values.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_sal.streaming.rules.frames import Frames
from keras_sal.typing import Array, Tensor

CLIPS = 6
PLACES = 12
LEAST_FRAMES, MOST_FRAMES = 61, 1021
MOST_VALUES = 2_000_000
SIZES = np.array([0.0, 1e-2, 1.0, 30.0, 1e3], "float32")
SAMPLED_WINDOWS = 64

Call = Callable[[list[Tensor]], Any]


def form_of_frames(call: Call, several: Sequence[Frames]) -> str | None:
    """Return the form of a frame in which a layer gives what it gives for the whole clip.

    Args:
        call: The layer, called as `call(tensors)`.
        several: The frames that it takes, one for each tensor.

    Returns:
        `"without time axis"`, `"with time axis"`, or `None` if the layer treats frames differently.
    """
    trial = _Trial(call, several)
    if not trial.outputs_are_local():
        return None
    for form, is_single in {"without time axis": True, "with time axis": False}.items():
        if trial.frames_give_the_same(is_single):
            return form
    return None


def is_window_function(call: Call, frames: Frames, span: int = 1, stride: int = 1) -> bool:
    """Return whether each output of a layer depends on one window of frames, and on no more.

    Args:
        call: The layer, called as `call([clip])`.
        frames: The frames that it takes.
        span: Frames of a window. Defaults to 1.
        stride: Frames from one window to the next. Defaults to 1.
    """
    trial = _Trial(call, [frames], span, stride)
    return trial.outputs_are_local() and trial.frames_give_the_same(is_single=False)


class _Trial:
    """A layer, and what it returns for random clips."""

    def __init__(
        self, call: Call, several: Sequence[Frames], span: int = 1, stride: int = 1
    ) -> None:
        self.call, self.span, self.stride = call, span, stride
        self.dtypes = tuple(keras.backend.standardize_dtype(x.tensor.dtype) for x in several)
        self.clips = _random_clips(tuple(x.feature_shape for x in several), self.dtypes, span)
        self.windows = (self.clips.frames - span) // stride + 1

    def outputs_are_local(self) -> bool:
        """Return whether outputs stay the same when frames outside their windows change."""
        try:
            self.outputs = self._call(self.clips.first)
        except _shape_errors():  # it is made for another number of frames
            return False
        if any(output.shape[:2] != (CLIPS, self.windows) for output in self.outputs):
            return False
        not_finite: tuple[type[Exception], ...] = (*_shape_errors(), FloatingPointError)
        try:
            changed = self._call(self.clips.changed)
        except not_finite:  # it checks its input
            changed = self._call(self.clips.changed_finitely)
        is_kept = ~self._any_in_window(self.clips.is_changed)
        return all(
            _are_equal(before[is_kept], after[is_kept])
            for before, after in zip(self.outputs, changed, strict=True)
        )

    def frames_give_the_same(self, is_single: bool) -> bool:
        """Return whether windows taken from many places give what the whole clips give there.

        Args:
            is_single: Whether to give frames without a time axis.
        """
        clip = np.arange(PLACES) % CLIPS
        window = np.linspace(0, self.windows - 1, PLACES).astype(int)
        times = self.stride * window[:, None] + np.arange(self.span)
        cuts = [x[clip[:, None], times] for x in self.clips.first]
        try:
            outputs = self._call([x[:, 0] if is_single else x for x in cuts])
        except _shape_errors():
            return False
        if len(outputs) != len(self.outputs):
            return False
        sizes = self.clips.sizes[clip[:, None], times].max(axis=1)
        for output, whole in zip(outputs, self.outputs, strict=True):
            output, expected = (
                output[:, None] if is_single else output,
                whole[clip, window][:, None],
            )
            if output.shape != expected.shape:
                return False
            largest = self._largest_by_size(whole)[sizes]
            atol = self._tolerance() * largest.reshape(-1, *(1 for _ in output.shape[1:]))
            if not np.all(_is_close(output, expected, atol)):
                return False
        return True

    def _call(self, clips: Sequence[Array]) -> list[Array]:
        pairs = zip(clips, self.dtypes, strict=True)
        result = self.call([ops.convert_to_tensor(x, dtype=dtype) for x, dtype in pairs])
        tensors = [ops.convert_to_tensor(x) for x in keras.tree.flatten(result)]
        self.result_dtypes = {keras.backend.standardize_dtype(x.dtype) for x in tensors}
        return [ops.convert_to_numpy(ops.cast(tensor, "float32")) for tensor in tensors]

    def _any_in_window(self, is_frame: Array) -> Array:
        """Return which windows hold one of some frames, `(clips, windows)`."""
        last = self.clips.frames - self.span
        shifted = [is_frame[:, i : i + last + 1 : self.stride] for i in range(self.span)]
        return functools.reduce(np.logical_or, shifted)

    def _largest_by_size(self, outputs: Array) -> Array:
        """Return the largest output for frames of each size, a bound of its rounding errors."""
        window = np.arange(min(self.windows, SAMPLED_WINDOWS))
        times = self.stride * window[:, None] + np.arange(self.span)
        sizes = self.clips.sizes[:, times].max(axis=-1)
        outputs = abs(outputs[:, window]).reshape(*sizes.shape, -1)
        finite = np.where(np.isfinite(outputs), outputs, 0).max(axis=-1, initial=0)
        return np.array([finite[sizes == i].max(initial=0) for i in range(len(SIZES))])

    def _tolerance(self) -> float:
        # The shapes differ here, so the arithmetic may: matrix products on some devices round.
        return 2e-2 if {"float16", "bfloat16"} & {*self.dtypes, *self.result_dtypes} else 2e-3


class _RandomClips(NamedTuple):
    """Random clips, and the same clips with other values in some frames.

    Attributes:
        frames: Frames of a clip.
        sizes: Indices into `SIZES` of the sizes of the values, `(clips, frames)`, in rising order.
        is_changed: Which frames have other values, `(clips, frames)`.
        first: The clips, one array for each input.
        changed: The clips with other values, some of which are not finite.
        changed_finitely: The clips with other values, all of which are of the sizes above.
    """

    frames: int
    sizes: Array
    is_changed: Array
    first: list[Array]
    changed: list[Array]
    changed_finitely: list[Array]


@functools.lru_cache(maxsize=4)
def _random_clips(
    shapes: tuple[tuple[int, ...], ...], dtypes: tuple[str, ...], span: int
) -> _RandomClips:
    """Return random clips of frames of given shapes and types."""
    values = max(math.prod(shape) for shape in shapes)
    affordable = MOST_VALUES // (CLIPS * max(values, 1))
    frames = max(min(affordable, MOST_FRAMES), LEAST_FRAMES) + span - 1
    sizes = np.random.default_rng(0).integers(0, len(SIZES), (CLIPS, frames))
    is_changed = _changed_frames(frames, span)
    first, changed, changed_finitely = [], [], []
    for i, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)):
        per_frame = (CLIPS, frames, *(1 for _ in shape))
        clip, noise = (_noise(2 * i + j, (CLIPS, frames, *shape)) for j in (0, 1))
        if dtype == "bool" or "int" in dtype:
            others = finite = clip <= 0
            clip = clip > 0
        else:
            clip = clip * SIZES[sizes].reshape(per_frame)
            finite = noise * SIZES[sizes[::-1]].reshape(per_frame)
            others = finite.copy()
            kinds = np.arange(CLIPS) % (CLIPS // 2) % 3
            others[kinds == 1] = np.nan
            others[kinds == 2] = noise[kinds == 2] * (2e3 if dtype == "float16" else 1e37)
        first.append(clip)
        changed.append(np.where(is_changed.reshape(per_frame), others, clip))
        changed_finitely.append(np.where(is_changed.reshape(per_frame), finite, clip))
    return _RandomClips(frames, sizes, is_changed, first, changed, changed_finitely)


def _changed_frames(frames: int, span: int) -> Array:
    """Return which frames change, `(clips, frames)`: a half in a clip, the rest in another.

    Frames change in blocks, so that some windows hold no frame that changes.
    """
    length = 1 if span == 1 else 2 * span
    half = np.random.default_rng(1).random((CLIPS // 2, -(-frames // length))) < 0.5
    half[:, 0], half[:, -1] = True, False
    return np.repeat(np.concatenate([half, ~half]), length, axis=1)[:, :frames]


@functools.cache
def _pool() -> Array:
    """Return random numbers; their number is prime, so that frames that repeat them differ."""
    return np.random.default_rng(2).normal(size=65_537).astype("float32")


def _noise(seed: int, shape: Sequence[int]) -> Array:
    """Return normal noise; in a third of the frames all values are positive, or negative."""
    noise = np.resize(np.roll(_pool(), 1_009 * seed), shape)
    if len(shape) > 2:
        noise[:, 0::6] = abs(noise[:, 0::6])
        noise[:, 3::6] = -abs(noise[:, 3::6])
    return noise


@functools.cache
def _shape_errors() -> tuple[type[Exception], ...]:
    """Return what layers raise if the shape of a tensor does not suit them.

    Each backend raises an error of its own, so one is provoked.
    """
    try:
        ops.matmul(ops.ones((2, 3)), ops.ones((2, 3)))
    except Exception as error:
        return ValueError, TypeError, IndexError, type(error)
    raise AssertionError("matrices of these shapes have no product")


def _are_equal(before: Array, after: Array) -> bool:
    """Return whether frames `(frames, ...)` are the same, up to the last digits.

    Some functions take another way through a whole vector register if one of its numbers is large.
    """
    if np.array_equal(before, after, equal_nan=True):
        return True
    finite = np.where(np.isfinite(before), abs(before), 0).reshape(len(before), -1)
    largest = finite.max(axis=1, initial=0).reshape(-1, *(1 for _ in before.shape[1:]))
    return bool(np.all(_is_close(after, before, 1e-6 * largest)))


def _is_close(x: Array, y: Array, atol: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return (x == y) | (np.isnan(x) & np.isnan(y)) | (abs(x - y) <= atol)
