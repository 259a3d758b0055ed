"""The micro front-end as a layer: the features that the device computes, on any backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sal.audio import micro_tables
from keras_sal.audio.fixed_point import floor, nearest
from keras_sal.audio.fixed_point_fft import SIZE, RealTransform
from keras_sal.audio.fixed_point_logarithm import logarithm, octave
from keras_sal.audio.micro_frontend import (
    FEATURES,
    FRAME_OFFSET_S,
    FRAME_STEP_S,
    count_frames,
)
from keras_sal.audio.samples import SAMPLE_RATE
from keras_sal.checks import require
from keras_sal.typing import Tensor

FULL_SCALE = 1 << 15
PART = 1 << 6  # a weight of the window has a high and a low part
AMPLITUDE = 1 << 10  # units of the noise estimate in one unit of amplitude
SHARE = 1 << 14  # what stands for 1 in the shares of the noise suppression
SMOOTHING = np.resize([409, 983], FEATURES).astype("float32") / SHARE  # even and odd channels
LEAST_SHARE = 819 / SHARE  # 0.05
GAIN = 1 << 6  # what the gain is divided by
RATIO = 1 << 12  # what stands for 1 in the ratio of signal to noise
OUTPUT = 1 << 6  # and in what comes out of PCAN
CORRECTION = 1 << 3
FEATURE_STEP = 0.0390625


@keras.saving.register_keras_serializable(package="keras_sal")
class MicroFeatures(keras.layers.Layer):
    """The features of the TensorFlow Lite Micro front-end, computed from samples in the model.

    Use it to train from sound, augmented on the fly, a detector whose device computes the features
    of `MicroFrontend`; or as the first layer of a model that takes samples,
    `model = keras.Sequential([keras.Input((None,)), MicroFeatures(), detector])`, where there is no
    such front-end: on a phone, on a server, in a browser. It streams: see
    `keras_sal.streaming.step_model`.

    A window of 30 ms every 10 ms goes through a 16-bit Fourier transform and 40 mel filters with
    integer weights. With the amplitude `s[c, t]` that comes out of filter `c` at frame `t`,

        n[c, t] = n[c, t - 1] + a[c] * (s[c, t] - n[c, t - 1])        noise, a = 0.025 or 0.06
        x[c, t] = max(s[c, t] - n[c, t], 0.05 * s[c, t])
        r[c, t] = x[c, t] * 2**3 * (8 * n[c, t] + 80)**-0.95          PCAN
        y[c, t] = 64 * (r**2 / 4 if r < 2 else r - 1)
        feature = 64 * log(8 * y[c, t]) * 0.0390625                   0 where y is 0

    Even channels have the first smoothing `a`, odd ones the second. All of it is rounded to
    integers where the C code does so, because quiet bands hold little but the rounding errors of
    loud ones. What float32 can't hold is rounded once more: about two features in a million differ
    from those of `MicroFrontend`. Sums beyond 16 bits wrap in the C code and not here; only sound
    that is made to undo the window has any. Where a number is rounded, the gradient is that of the
    number.

    Args:
        padding: `"valid"` (default): the first frame is that of the first whole window, as in
            `MicroFrontend`. `"causal"`: 20 ms of silence come before the sound, so that each 160
            samples give a frame from the first on, and a stream needs no delay.
        **kwargs: Arguments of `keras.layers.Layer`. Computations are in `float32` whatever the
            dtype.

    Attributes:
        frame_step_s, frame_offset_s: Frame `t` is complete at `frame_offset_s + t * frame_step_s`,
            0.01 and 0.03 s; with `"causal"`, 0.01 and 0.01 s. Give both to `AnchorTargets`.
        step, window: 160 and 480 samples, a step and a window at 16 kHz.
        streaming_padding: Samples of silence before the sound: 0, or with `"causal"` 320.

    Call arguments:
        samples: `(batch, samples)` at 16 kHz: floats in `[-1, 1]`, rounded to 16 bits, or `int16`.

    Returns:
        A tensor `(batch, frames, 40)` of `(samples - 480) // 160 + 1` frames; with `"causal"`, of
        `samples // 160`.

    Raises:
        ValueError: If `padding` is something else.

    Reference:
        TensorFlow Lite Micro, `tensorflow/lite/experimental/microfrontend`; Wang et al., Trainable
        frontend for robust and far-field keyword spotting, ICASSP 2017 (PCAN).

    Example:
        >>> import keras
        >>> from keras_sal.audio import MicroFeatures
        >>> from keras_sal.models import gru_detector
        >>> model = keras.Sequential([keras.Input((None,)), MicroFeatures(), gru_detector()])
        >>> model.compute_output_shape((2, 16_000))
        (2, 98, 1)
    """

    def __init__(self, padding: str = "valid", **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # float16 can't hold 16-bit samples
        require(
            padding in ("valid", "causal"),
            f"`padding` must be 'valid' or 'causal'. Received: padding={padding!r}. Use 'causal' "
            "for the front-end of a stream.",
        )
        self.padding = padding
        self.step, self.window = (round(s * SAMPLE_RATE) for s in (FRAME_STEP_S, FRAME_OFFSET_S))
        self.streaming_padding = self.window - self.step if padding == "causal" else 0
        self.frame_step_s = FRAME_STEP_S
        self.frame_offset_s = FRAME_STEP_S if padding == "causal" else FRAME_OFFSET_S
        self._window_parts = np.divmod(micro_tables.hann_window(self.window), np.float32(PART))
        self._transform = RealTransform(micro_tables.lowest_bin(SIZE))
        bank = micro_tables.filter_bank(SIZE)
        self._falling, self._rising = bank.falling, bank.rising
        self._places = self._transform.places_of(bank.bins)
        self._gains = micro_tables.gain_table()

    def call(self, samples: Tensor) -> Tensor:
        """Compute the features.

        Args:
            samples: `(batch, samples)`: floats in `[-1, 1]`, or `int16`.

        Returns:
            A tensor `(batch, frames, 40)`.
        """
        if self.streaming_padding:
            samples = ops.pad(samples, [(0, 0), (self.streaming_padding, 0)])
        if samples.shape[1] is not None and samples.shape[1] < self.window:
            return ops.zeros((ops.shape(samples)[0], 0, FEATURES), self.compute_dtype)
        amplitudes = self._amplitudes(samples)
        return self._features(amplitudes, _noise(amplitudes))

    def compute_output_shape(
        self, shape: tuple[int | None, ...]
    ) -> tuple[int | None, int | None, int]:
        """Return the shape of the features.

        Args:
            shape: Shape `(batch, samples)`; either may be `None`.

        Returns:
            `(batch, frames, 40)`.
        """
        batch, samples = shape
        frames = None if samples is None else count_frames(samples + self.streaming_padding)
        return batch, frames, FEATURES

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return config | {"padding": self.padding}

    @property
    def streaming_window(self) -> tuple[int, int]:
        """Samples of a window, and from one window to the next."""
        return self.window, self.step

    def stream_windows(self, samples: Tensor) -> Tensor:
        """Compute what the mel filters give for as many windows as there are.

        Args:
            samples: `(batch, samples)`: floats in `[-1, 1]`, or `int16`.

        Returns:
            `(batch, frames, 40)`: integers in float32.
        """
        return self._amplitudes(samples)

    def streaming_state_spec(self) -> list[tuple[int, ...]]:
        """Return the shape of the noise estimate."""
        return [(FEATURES,)]

    def stream_step(self, amplitudes: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Compute the features of one frame.

        Args:
            amplitudes: What the mel filters give, `(batch, 40)`.
            states: The noise estimate before it.

        Returns:
            The features, and the next states.
        """
        noise = _next_noise(states[0], amplitudes)
        return self._features(amplitudes, noise), [noise]

    def _amplitudes(self, samples: Tensor) -> Tensor:
        """What the mel filters give: integers, `(batch, frames, 40)`."""
        frames = self._windowed(ops.reshape(self._frames(as_int16(samples)), (-1, self.window)))
        scale = _scale_to_16_bits(frames)
        scaled = frames * scale
        scaled = ops.where(scaled < -FULL_SCALE, 0.0, scaled)  # what 16 bits keep of -32768
        scaled = ops.pad(scaled, [(0, 0), (0, SIZE - self.window)])
        bands = self._bands(self._transform.energies(scaled))
        roots = floor(ops.sqrt(ops.maximum(bands, 0.01)) + 0.5)  # whose gradient is finite at 0
        return ops.reshape(floor(roots / scale), (ops.shape(samples)[0], -1, FEATURES))

    def _frames(self, samples: Tensor) -> Tensor:
        """The samples of each frame, `(batch, frames, 480)`: three steps, one of which is new."""
        count = ops.shape(samples)[1] // self.step
        steps = ops.reshape(samples[:, : count * self.step], (-1, count, self.step))
        return ops.concatenate([steps[:, :-2], steps[:, 1:-1], steps[:, 2:]], axis=-1)

    def _windowed(self, frames: Tensor) -> Tensor:
        high, low = self._window_parts
        below = floor(ops.multiply(frames, low) / PART)
        return floor((ops.multiply(frames, high) + below) / PART)

    def _bands(self, energies: Tensor) -> Tensor:
        """The energies of the mel bands; each is what two intervals share with it."""
        intervals = ops.take(energies, self._places, axis=-1)
        rising = ops.sum(ops.multiply(intervals, self._rising), axis=-1)
        falling = ops.sum(ops.multiply(intervals, self._falling), axis=-1)
        return rising[:, :-1] + falling[:, 1:]

    def _features(self, amplitudes: Tensor, noise: Tensor) -> Tensor:
        """The features of amplitudes, given the noise estimate with them in it."""
        without_noise = ops.maximum(
            floor(ops.maximum(amplitudes - noise / AMPLITUDE, 0.0)),
            floor(amplitudes * LEAST_SHARE),
        )
        ratio = floor(without_noise * self._gain(noise) / GAIN)
        compressed = ops.where(
            ratio < 2 * RATIO,
            floor(ops.square(ratio) * OUTPUT / (2 * RATIO) ** 2),
            floor(ratio * OUTPUT / RATIO) - OUTPUT,
        )
        features = FEATURE_STEP * logarithm(ops.maximum(CORRECTION * compressed, 1.0))
        return ops.cast(features, self.compute_dtype)

    def _gain(self, noise: Tensor) -> Tensor:
        """The gain of PCAN: a parabola in each octave of the noise estimate."""
        bits = ops.where(noise < 1, 0, 1 + octave(noise))
        rows = ops.take(self._gains, bits, axis=0)
        start, linear, curved, unit = (rows[..., column] for column in range(4))
        steps = floor(noise * unit) - micro_tables.SEGMENT
        slope = floor(curved * steps / 32) + 32 * linear
        return start + floor(slope * steps / FULL_SCALE + 0.5)


def as_int16(samples: Tensor) -> Tensor:
    """The 16-bit integers that a microphone delivers, in float32."""
    if keras.backend.standardize_dtype(samples.dtype) == "int16":
        return ops.cast(samples, "float32")
    scaled = nearest(FULL_SCALE * ops.cast(samples, "float32"))
    return ops.clip(scaled, -FULL_SCALE, FULL_SCALE - 1)


def _scale_to_16_bits(frames: Tensor) -> Tensor:
    """The power of 2 that makes the loudest sample of each frame 16 bits long, `(frames, 1)`."""
    magnitudes = ops.where(frames > -FULL_SCALE, ops.abs(frames), 0.0)  # as 16 bits have no 32768
    loudest = ops.max(magnitudes, axis=-1, keepdims=True)
    powers = 2.0 ** np.arange(15, dtype="float32")
    scales = ops.where(ops.greater_equal(loudest, powers), 2.0**14 / powers, 2.0**15)
    return ops.min(scales, axis=-1, keepdims=True)


@ops.custom_gradient
def _noise(amplitudes: Tensor) -> Any:
    """The noise estimate at every frame, `(batch, frames, 40)`.

    Its gradient is computed backwards in time, so that no compiler has to differentiate a loop.
    """

    def gradient(*args: Tensor, upstream: Tensor | None = None) -> Tensor:
        upstream = args[0] if upstream is None else upstream
        slope = _over_time(
            lambda later, now: now + ops.multiply(later, 1 - SMOOTHING), upstream, reverse=True
        )
        return ops.multiply(slope, AMPLITUDE * SMOOTHING)

    return _over_time(_next_noise, amplitudes), gradient


def _over_time(
    step: Callable[[Tensor, Tensor], Tensor], frames: Tensor, reverse: bool = False
) -> Tensor:
    """The results of a recurrence that starts with zeros, `(batch, frames, 40)`."""
    by_time = ops.moveaxis(ops.pad(frames, [(0, 0), (0, 1), (0, 0)]), 1, 0)  # there may be none
    start = ops.zeros_like(by_time[0])
    _, results = ops.scan(lambda x, frame: (step(x, frame),) * 2, start, by_time, reverse=reverse)
    return ops.moveaxis(results[:-1], 0, 1)


def _next_noise(noise: Tensor, amplitudes: Tensor) -> Tensor:
    """The noise estimate with one more frame in it, `(batch, 40)`."""
    return noise + floor(ops.multiply(AMPLITUDE * amplitudes - noise, SMOOTHING))
