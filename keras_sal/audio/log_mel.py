"""Log-mel features as a layer, for training from sound on a GPU."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sal.audio import mel_scale
from keras_sal.audio.micro_frontend import HIGHEST_HZ, LOWEST_HZ
from keras_sal.audio.samples import SAMPLE_RATE, to_pcm16
from keras_sal.checks import require
from keras_sal.typing import Array, ArrayLike, Tensor

INT16 = 1 / 32_768


@keras.saving.register_keras_serializable(package="keras_sal")
class LogMel(keras.layers.Layer):
    """Log-mel features of samples: logarithms of the energies in mel bands, frame by frame.

    Use it where sound is augmented during training and the accelerator has time to spare: as the
    first layer of a training model, or in `model = keras.Sequential([LogMel(), detector])`. For
    microcontrollers train on `keras_sal.audio.MicroFrontend` instead: the device computes those
    features, not these.

    With a Hann window `w` of `window_s`, on the samples `x` that end at the time of frame `t`,

        power[b]   = |rfft(w * x)[b]|**2 * (2 / sum(w))**2           a full-scale tone has 1
        feature[c] = log(1 + sum over b of filter[b, c] * power[b] / floor)

    and triangular filters, equally wide in mel, whose middles are those of the micro front-end. A
    frame depends on its own window alone: nothing is padded, centred or normalised over the clip,
    so chunks give the same features as the whole. The features lie between 0 (digital silence) and
    `feature_max`; give it to the detectors of `keras_sal.models`, which scale their input by it for
    8 bits.

    Args:
        channels: Number of mel bands, at least 1. Defaults to 40.
        frame_step_s: Seconds from one frame to the next. Defaults to 0.01.
        window_s: Length of a window in seconds. Defaults to 0.03.
        lowest_hz: Lower edge of the lowest filter in Hz, at least 0. Defaults to 125.
        highest_hz: Upper edge of the highest filter in Hz, at most half the sample rate.
            Defaults to 7500.
        sample_rate: Sample rate of the sound in Hz. Defaults to 16000.
        floor: Power of silence, greater than 0. Defaults to 1e-8, 80 dB below a full-scale tone.
        **kwargs: Arguments of `keras.layers.Layer`. Computations are in `float32` whatever the
            dtype.

    Attributes:
        frame_offset_s: Time at which frame 0 is complete, in seconds: `window_s`. Frame `t` is
            complete at `frame_offset_s + t * frame_step_s`. Give both to `AnchorTargets`.
        step, window: `frame_step_s` and `window_s` in samples.
        feature_max: Feature of a full-scale tone, about 18.8.

    Call arguments:
        samples: `(batch, samples)`: floats in `[-1, 1]`, or `int16`.

    Returns:
        A tensor `(batch, frames, channels)` of `(samples - window) // step + 1` frames.

    Raises:
        ValueError: If frequencies or durations are out of range, or a filter is so narrow that it
            covers no bin of the Fourier transform.

    Reference:
        Davis and Mermelstein, Comparison of parametric representations for monosyllabic word
        recognition, IEEE Transactions on Acoustics, Speech, and Signal Processing 28, 1980.

    Example:
        >>> import numpy as np
        >>> layer = LogMel()
        >>> layer(np.zeros((2, 16_000), "float32")).shape == (2, 98, 40)
        True
        >>> layer.frame_step_s, layer.frame_offset_s, round(layer.feature_max, 1)
        (0.01, 0.03, 18.8)
    """

    def __init__(
        self,
        channels: int = 40,
        frame_step_s: float = 0.01,
        window_s: float = 0.03,
        lowest_hz: float = LOWEST_HZ,
        highest_hz: float = HIGHEST_HZ,
        sample_rate: float = SAMPLE_RATE,
        floor: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # float16 can't hold 16-bit samples
        self.channels, self.frame_step_s, self.window_s = channels, frame_step_s, window_s
        self.lowest_hz, self.highest_hz = lowest_hz, highest_hz
        self.sample_rate, self.floor = sample_rate, floor
        require(
            0 <= lowest_hz < highest_hz <= sample_rate / 2 and floor > 0,
            "`lowest_hz` and `highest_hz` must lie in order below half of `sample_rate`, and "
            f"`floor` above 0. Received: lowest_hz={lowest_hz}, highest_hz={highest_hz}, "
            f"sample_rate={sample_rate}, floor={floor}. Use the defaults for speech.",
        )
        self.step, self.window = (round(s * sample_rate) for s in (frame_step_s, window_s))
        require(
            self.step >= 1 and self.window >= 2,
            "`frame_step_s` and `window_s` must be at least a sample; they are seconds. Received: "
            f"frame_step_s={frame_step_s}, window_s={window_s}. Use the defaults, 0.01 and 0.03.",
        )
        self._size = 1 << (self.window - 1).bit_length()
        self._filters = self._triangles()
        require(
            channels >= 1 and (self._filters.sum(axis=0) > 0).all(),
            "`channels` must be at least 1, and few enough for each filter to cover a frequency. "
            f"Received: channels={channels} from {lowest_hz} to {highest_hz} Hz with a Fourier "
            f"transform of {self._size}. Use fewer channels, a longer window or a higher "
            "`lowest_hz`.",
        )

    @property
    def frame_offset_s(self) -> float:
        """Time at which frame 0 is complete, in seconds."""
        return self.window_s

    @property
    def feature_max(self) -> float:
        """Feature of a full-scale tone, which a Hann window spreads over 1.5 bins."""
        return math.log1p(1.5 / self.floor)

    def call(self, samples: Tensor) -> Tensor:
        """Compute the features.

        Args:
            samples: `(batch, samples)`: floats in `[-1, 1]`, or `int16`.

        Returns:
            A tensor `(batch, frames, channels)`.
        """
        if keras.backend.standardize_dtype(samples.dtype) == "int16":
            samples = ops.cast(samples, "float32") * INT16
        samples = ops.cast(samples, "float32")
        if samples.shape[1] is not None and samples.shape[1] < self.window:
            return ops.zeros((ops.shape(samples)[0], 0, self.channels), self.compute_dtype)
        window = np.hanning(self.window + 1)[:-1]
        window = (2 / window.sum() * window).astype("float32")
        count = (ops.shape(samples)[1] - self.window) // self.step + 1
        place = self.step * ops.arange(count, dtype="int32")[:, None] + np.arange(
            self.window, dtype="int32"
        )
        frames = ops.take(samples, place, axis=1) * window
        real, imaginary = ops.rfft(frames, self._size)
        power = ops.square(real) + ops.square(imaginary)
        energy = ops.matmul(power, ops.convert_to_tensor(self._filters))
        return ops.cast(ops.log1p(energy / self.floor), self.compute_dtype)

    def compute_output_shape(
        self, shape: tuple[int | None, ...]
    ) -> tuple[int | None, int | None, int]:
        """Return the shape of the features.

        Args:
            shape: Shape `(batch, samples)`; either may be `None`.

        Returns:
            `(batch, frames, channels)`.
        """
        batch, samples = shape
        frames = None
        if samples is not None:
            frames = max(0, (samples - self.window) // self.step + 1)
        return batch, frames, self.channels

    @property
    def streaming_window(self) -> tuple[int, int]:
        """Samples of a window, and from one window to the next."""
        return self.window, self.step

    def stream_windows(self, samples: Tensor) -> Tensor:
        """Compute the features of as many windows as there are.

        Args:
            samples: `(batch, samples)`: floats in `[-1, 1]`, or `int16`.

        Returns:
            `(batch, frames, channels)`.
        """
        return self.call(samples)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        config = super().get_config()
        config.pop("autocast", None)
        names = ("channels", "frame_step_s", "window_s", "lowest_hz", "highest_hz")
        own = {name: getattr(self, name) for name in (*names, "sample_rate", "floor")}
        return config | own

    def _triangles(self) -> Array:
        """The share of each Fourier bin in each band: `float32 (bins, channels)`."""
        hertz = np.fft.rfftfreq(self._size, 1 / self.sample_rate)
        middles, width = mel_scale.bands(self.lowest_hz, self.highest_hz, self.channels)
        distance = np.abs(mel_scale.to_mel(hertz)[:, None] - middles) / width
        return np.maximum(0, 1 - distance).astype("float32")


class LogMelFrontend:
    """A `LogMel` layer fed with chunks of any size, as a front-end of `StreamingDetector`.

    Samples are rounded to the 16 bits of a microphone. The features don't depend on how the samples
    were cut into chunks.

    Args:
        layer: A `LogMel`; `None` (default) makes one with its defaults.

    Raises:
        ValueError: When called, if the samples are not one channel in range.

    Example:
        >>> import numpy as np
        >>> frontend = LogMelFrontend()
        >>> frontend(np.zeros(479, "float32")).shape, frontend(np.zeros(161, "float32")).shape
        ((0, 40), (2, 40))
    """

    def __init__(self, layer: LogMel | None = None) -> None:
        self.layer = LogMel() if layer is None else layer
        self._rest = np.zeros(0, "<i2")

    def __call__(self, samples: ArrayLike) -> Array:
        """Return the frames that are complete with these samples.

        Args:
            samples: Array of shape `(samples,)`, any length: float in `[-1, 1]`, or `int16`.

        Returns:
            A `float32` array of shape `(frames, channels)`.
        """
        step, window = self.layer.step, self.layer.window
        pending = np.concatenate([self._rest, to_pcm16(samples)])
        count = max(0, (len(pending) - window) // step + 1)
        self._rest = pending[count * step :]
        if not count:
            return np.zeros((0, self.layer.channels), "float32")
        windows = np.lib.stride_tricks.sliding_window_view(pending, window)[: count * step : step]
        spare = (1 << (count - 1).bit_length()) - count  # few shapes, so few compilations
        windows = np.pad(windows.astype("int16"), ((0, spare), (0, 0)))
        return ops.convert_to_numpy(self.layer(windows))[:count, 0].astype("float32")

    def reset(self) -> None:
        """Discard the samples that are not part of a complete frame yet."""
        self._rest = self._rest[:0]
