"""Warps of frequency, as by another vocal tract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_sal.audio import HIGHEST_HZ, LOWEST_HZ, SAMPLE_RATE, mel_scale
from keras_sal.augmentation.factors import check_factor
from keras_sal.checks import require
from keras_sal.typing import Array, ArrayLike

VOICE_HZ = 4800.0


@dataclass(frozen=True)
class FrequencyWarp:
    """Vocal tract length perturbation: moves the formants up or down.

    A channel of the mel filter bank centred at `f` gets, by interpolation between channels, what
    was heard at

        G(f) = factor * f                                                  up to f0
        G(f) = G(f0) + (f - f0) * (nyquist - G(f0)) / (nyquist - f0)       from there
        f0 = voice_hz * min(factor, 1) / factor

    Each clip has a factor of its own. A factor above 1 moves the formants down, as a longer vocal
    tract does, one below 1 moves them up. The anchors stay where they are.

    Reference:
        Jaitly and Hinton, Vocal tract length perturbation improves speech recognition, ICML
        workshop on deep learning for audio, speech and language, 2013.

    Args:
        factor: Least and greatest factor, greater than 0. Defaults to `(0.9, 1.1)`.
        lowest_hz: Lower edge of the lowest filter. Defaults to that of the micro front-end, 125.
        highest_hz: Upper edge of the highest filter. Defaults to that of the micro front-end, 7500.
        sample_rate: Sample rate of the sound, in Hz. Defaults to 16000.
        voice_hz: Frequency below which formants lie, in Hz. Defaults to 4800.

    Raises:
        ValueError: If numbers are out of order.

    Example:
        >>> import numpy as np
        >>> tone = np.zeros((1, 5, 40))
        >>> tone[:, :, 20] = 1.0
        >>> lower, _ = FrequencyWarp((1.1, 1.1))(tone, None, np.random.default_rng(0))
        >>> int(lower[0, 0].argmax())
        19
    """

    factor: tuple[float, float] = (0.9, 1.1)
    lowest_hz: float = LOWEST_HZ
    highest_hz: float = HIGHEST_HZ
    sample_rate: float = SAMPLE_RATE
    voice_hz: float = VOICE_HZ

    def __post_init__(self) -> None:
        check_factor(self.factor)
        nyquist = self.sample_rate / 2
        require(
            0 <= self.lowest_hz < self.highest_hz <= nyquist
            and 0 < self.voice_hz * max(1, *self.factor) < nyquist,
            "`lowest_hz`, `highest_hz` and `voice_hz` must lie in order below half the sample "
            f"rate; the warp leaves that half in its place. Received: lowest_hz={self.lowest_hz}, "
            f"highest_hz={self.highest_hz}, voice_hz={self.voice_hz}, factor={self.factor}, "
            f"sample_rate={self.sample_rate}. Use the defaults for the micro front-end.",
        )

    def __call__(
        self, features: ArrayLike, targets: Any, rng: np.random.Generator
    ) -> tuple[Array, Any]:
        """Warp the channels of each clip by a factor of its own.

        Args:
            features: Array `(batch, time, features)`, channels of a mel filter bank.
            targets: Packed targets `(batch, time, channels + 1)`, or `None`.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`: integers as `float32`, and the targets as they were.
        """
        features = np.asarray(features)
        if features.dtype.kind != "f":
            features = features.astype("float32")
        factors = rng.uniform(*self.factor, len(features))
        shares = self._shares(factors, features.shape[-1])
        return features @ shares.astype(features.dtype), targets

    def _shares(self, factors: Array, channels: int) -> Array:
        """The share of each channel in each warped channel: `(clips, channels, channels)`."""
        middles, width = mel_scale.bands(self.lowest_hz, self.highest_hz, channels)
        warped = mel_scale.to_mel(self._warped(mel_scale.to_hertz(middles), factors[:, None]))
        heard = (warped - mel_scale.to_mel(self.lowest_hz)) / width - 1
        distance = np.clip(heard, 0, channels - 1)[:, None, :] - np.arange(channels)[:, None]
        return np.maximum(0, 1 - np.abs(distance))

    def _warped(self, hertz: Array, factor: Array) -> Array:
        """The frequencies `G(hertz)`."""
        nyquist = self.sample_rate / 2
        knee = self.voice_hz * np.minimum(factor, 1) / factor
        slope = (nyquist - factor * knee) / (nyquist - knee)
        return np.where(hertz <= knee, factor * hertz, nyquist - slope * (nyquist - hertz))
