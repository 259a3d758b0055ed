"""Augmentation of features with their packed targets, cheap enough to be drawn for every batch.

Each is called as `augment(features, targets, rng)`, with arrays of shapes `(batch, time, features)`
and `(batch, time, channels + 1)` and a `numpy.random.Generator`, and returns both. What comes out
follows from the arguments and the state of `rng` alone. They hold no state and can be pickled, so
that workers of a `keras.utils.PyDataset` can have them.

>>> import numpy as np
>>> augment = Chain(FrequencyWarp(), SpecAugment(time_masks=1))
>>> features, targets = np.ones((8, 400, 40), "float32"), np.zeros((8, 400, 2), "float32")
>>> features, targets = augment(features, targets, np.random.default_rng(0))
>>> features.shape, targets.shape
((8, 400, 40), (8, 400, 2))
"""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from keras_sal.anchors import IGNORE, NO_ANCHOR
from keras_sal.audio import HIGHEST_HZ, LOWEST_HZ, SAMPLE_RATE, mel_scale
from keras_sal.checks import require
from keras_sal.targets import clips

VOICE_HZ = 4800.0


class Chain:
    """One augmentation after another.

    Args:
        *steps: Called in turn as `step(features, targets, rng)`.

    Example:
        >>> Chain(TimeStretch(), TimeStretch((1.0, 1.2)))
        Chain(TimeStretch(factor=(0.9, 1.1)), TimeStretch(factor=(1.0, 1.2)))
    """

    def __init__(self, *steps):
        self.steps = steps

    def __call__(self, features, targets, rng):
        """Applies all steps.

        Args:
            features: Array `(batch, time, features)`.
            targets: Packed targets `(batch, time, channels + 1)`.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`.
        """
        for step in self.steps:
            features, targets = step(features, targets, rng)
        return features, targets

    def __repr__(self):
        return f"Chain({', '.join(map(repr, self.steps))})"


@dataclass(frozen=True)
class SpecAugment:
    """Hides stretches of time and of frequency, so that no detail is relied upon.

    Each mask has a width drawn from 0 to its greatest and a place drawn from all where it fits. The
    anchors stay where they are: what is hidden has still been said. So keep time masks short
    beside a word.

    Reference:
        Park et al., SpecAugment, Interspeech 2019, arXiv:1904.08779 (masking; for its warp of time
        see `TimeStretch`).

    Args:
        time_masks: Masks of time in a clip, at least 0. Default 2.
        time_frames: Greatest width of one, in frames. Default 10.
        frequency_masks: Masks of frequency in a clip, at least 0. Default 2.
        frequency_channels: Greatest width of one, in channels. Default 6.
        fill: What is put in their place; `None` (default) is the mean of the clip.

    Raises:
        ValueError: If a number is negative or not whole.

    Example:
        >>> import numpy as np
        >>> hide = SpecAugment(0, 0, frequency_masks=1, frequency_channels=2, fill=0)
        >>> features, targets = np.ones((1, 3, 4)), np.zeros((1, 3, 2))
        >>> hide(features, targets, np.random.default_rng(3))[0][0].tolist()
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """

    time_masks: int = 2
    time_frames: int = 10
    frequency_masks: int = 2
    frequency_channels: int = 6
    fill: float | None = None

    def __post_init__(self):
        for name in ("time_masks", "time_frames", "frequency_masks", "frequency_channels"):
            value = getattr(self, name)
            require(
                isinstance(value, Integral) and value >= 0,
                f"`{name}` must be a whole number of at least 0; it counts masks, frames or "
                f"channels. Received: {name}={value!r}. Give 0 for none.",
            )

    def __call__(self, features, targets, rng):
        """Hides parts of each clip.

        Args:
            features: Array `(batch, time, features)`; it is not changed.
            targets: Packed targets `(batch, time, channels + 1)`.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`, the targets as they were.
        """
        features = np.asarray(features)
        batch, time, channels = features.shape
        hidden = _masks(rng, batch, time, self.time_masks, self.time_frames)[:, :, None]
        hidden = (
            hidden
            | _masks(rng, batch, channels, self.frequency_masks, self.frequency_channels)[
                :, None, :
            ]
        )
        fill = features.mean(axis=(1, 2), keepdims=True) if self.fill is None else self.fill
        return np.where(hidden, np.asarray(fill, features.dtype), features), targets


@dataclass(frozen=True)
class FrequencyWarp:
    """Moves the formants up or down, as a shorter or longer vocal tract does.

    Vocal tract length perturbation, on the channels of a mel filter bank: a channel centred at `f`
    gets what was heard at

        G(f) = factor * f                                                  up to f0
        G(f) = G(f0) + (f - f0) * (nyquist - G(f0)) / (nyquist - f0)       from there
        f0 = voice_hz * min(factor, 1) / factor

    by interpolation between the channels around it. Each clip has a factor of its own; above 1 the
    formants come to lie lower. The anchors stay where they are.

    Reference:
        Jaitly and Hinton, Vocal tract length perturbation improves speech recognition, ICML
        workshop on deep learning for audio, speech and language, 2013.

    Args:
        factor: Least and greatest factor, greater than 0. Default `(0.9, 1.1)`.
        lowest_hz: Where the lowest filter begins. Defaults to that of the micro front-end, 125.
        highest_hz: Where the highest filter ends. Defaults to that of the micro front-end, 7500.
        sample_rate: Of the sound, in Hz, default 16000.
        voice_hz: Formants lie below this, in Hz, default 4800.

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

    def __post_init__(self):
        _check_factor(self.factor)
        nyquist = self.sample_rate / 2
        require(
            0 <= self.lowest_hz < self.highest_hz <= nyquist
            and 0 < self.voice_hz * max(1, *self.factor) < nyquist,
            "`lowest_hz`, `highest_hz` and `voice_hz` must lie in order below half the sample "
            f"rate; the warp leaves that half in its place. Received: lowest_hz={self.lowest_hz}, "
            f"highest_hz={self.highest_hz}, voice_hz={self.voice_hz}, factor={self.factor}, "
            f"sample_rate={self.sample_rate}. Use the defaults for the micro front-end.",
        )

    def __call__(self, features, targets, rng):
        """Warps the channels of each clip by a factor of its own.

        Args:
            features: Array `(batch, time, features)`, channels of a mel filter bank.
            targets: Packed targets `(batch, time, channels + 1)`, or `None`.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`, the targets as they were.
        """
        features = np.asarray(features)
        factors = rng.uniform(*self.factor, len(features))
        shares = self._shares(factors, features.shape[-1])
        return features @ shares.astype(features.dtype), targets

    def _shares(self, factors, channels):
        """How much of each channel goes into each: `(clips, channels, channels)`."""
        middles, width = mel_scale.bands(self.lowest_hz, self.highest_hz, channels)
        warped = mel_scale.to_mel(self._warped(mel_scale.to_hertz(middles), factors[:, None]))
        heard = (warped - mel_scale.to_mel(self.lowest_hz)) / width - 1
        distance = np.clip(heard, 0, channels - 1)[:, None, :] - np.arange(channels)[:, None]
        return np.maximum(0, 1 - np.abs(distance))

    def _warped(self, hertz, factor):
        nyquist = self.sample_rate / 2
        knee = self.voice_hz * np.minimum(factor, 1) / factor
        slope = (nyquist - factor * knee) / (nyquist - knee)
        return np.where(hertz <= knee, factor * hertz, nyquist - slope * (nyquist - hertz))


@dataclass(frozen=True)
class Scramble:
    """Cuts some clips into pieces and puts them together in another order: speech without the word.

    What comes out holds the sounds of the word, of the voices that say it, and is a negative all
    the same: label 0, no anchor. A detector that fires on the end of the word alone, or on a voice
    it knows, is wrong. A clip with frames to ignore (label -1) is left as it is.

    Args:
        share: Share of the clips, in [0, 1]. Default 0.25.
        piece_frames: Least and greatest length of a piece, in frames; shorter than the word.
            Default `(12, 36)`.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> import numpy as np
        >>> clip, targets = np.arange(6.0).reshape(1, 6, 1), np.ones((1, 6, 2))
        >>> shuffle = Scramble(1.0, piece_frames=(2, 2))
        >>> clip, targets = shuffle(clip, targets, np.random.default_rng(2))
        >>> clip[0, :, 0].tolist(), targets[0, :, 0].tolist()
        ([4.0, 5.0, 2.0, 3.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    """

    share: float = 0.25
    piece_frames: tuple[int, int] = (12, 36)

    def __post_init__(self):
        require(
            0 <= self.share <= 1,
            f"`share` must lie in [0, 1]; it is a share of the clips. Received: "
            f"share={self.share}. Give 0 for none.",
        )
        low, high = self.piece_frames
        require(
            isinstance(low, Integral) and isinstance(high, Integral) and 1 <= low <= high,
            "`piece_frames` must be (least, greatest), whole numbers of at least 1; lengths are "
            f"drawn between the two. Received: piece_frames={self.piece_frames}. Stay well below "
            "the length of the word.",
        )

    def __call__(self, features, targets, rng):
        """Scrambles a share of the clips.

        Args:
            features: Array `(batch, time, features)`; it is not changed.
            targets: Packed targets `(batch, answers, channels + 1)`; they are not changed.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`, of the same shapes.
        """
        features, targets = np.array(features), np.array(targets)
        chosen = rng.random(len(features)) < self.share
        for clip in np.flatnonzero(chosen & ~(targets[..., :-1] == IGNORE).any(axis=(1, 2))):
            features[clip] = features[clip, self._order(features.shape[1], rng)]
            targets[clip, :, :-1] = 0
            targets[clip, :, -1] = NO_ANCHOR
        return features, targets

    def _order(self, frames, rng):
        """The frames in their new order."""
        low, high = self.piece_frames
        ends = np.cumsum(rng.integers(low, high + 1, frames // low + 1))
        pieces = np.split(np.arange(frames), ends[ends < frames])
        return np.concatenate([pieces[i] for i in rng.permutation(len(pieces))])


@dataclass(frozen=True)
class TimeStretch:
    """Speeds clips up or slows them down between their frames, the anchors moved along.

    A clip that was slowed down loses its end; one that was sped up is filled up by repeating its
    last frame, with label -1. See `keras_sal.targets.clips.stretch`. `change_tempo` sounds truer but costs
    sixty times as much, the front-end not counted.

    Args:
        factor: Least and greatest factor of a clip's duration, greater than 0. Default
            `(0.9, 1.1)`.

    Raises:
        ValueError: If numbers are out of order.

    Example:
        >>> import numpy as np
        >>> from keras_sal import AnchorTargets
        >>> targets = AnchorTargets(frames=100, anchor="offset")(np.array([[[20, 40]]]))
        >>> slower = TimeStretch((1.5, 1.5))
        >>> _, targets = slower(np.zeros((1, 100, 40)), targets, np.random.default_rng(0))
        >>> targets[0, 60].tolist()
        [1.0, 0.0]
    """

    factor: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self):
        _check_factor(self.factor)

    def __call__(self, features, targets, rng):
        """Stretches each clip by a factor of its own.

        Args:
            features: Array `(batch, time, features)`.
            targets: Packed targets `(batch, time, channels + 1)`.
            rng: A `numpy.random.Generator`.

        Returns:
            `(features, targets)`, of the same shapes.
        """
        factors = rng.uniform(*self.factor, len(features)).tolist()
        stretched = map(self._stretched, features, targets, factors)
        features, targets = zip(*stretched, strict=True)
        return np.stack(features), np.stack(targets)

    @staticmethod
    def _stretched(features, targets, factor):
        time = len(targets)
        features, targets = clips.stretch(features, targets, factor)
        lacking = max(0, time - len(targets))
        features, targets = clips.pad(features, targets, after=lacking, fill=features[-1])
        return clips.crop(features, targets, 0, time)


def _masks(rng, batch, length, masks, widest):
    """Which of `length` places are hidden in each clip: booleans `(batch, length)`."""
    width = rng.integers(0, min(widest, length) + 1, (batch, masks, 1))
    start = rng.integers(0, length - width + 1)
    place = np.arange(length)
    return ((start <= place) & (place < start + width)).any(axis=1)


def _check_factor(factor):
    low, high = factor
    require(
        isinstance(low, Real) and isinstance(high, Real) and 0 < low <= high < np.inf,
        "`factor` must be (least, greatest), both greater than 0; factors are drawn between the "
        f"two. Received: factor={factor!r}. 0.9 to 1.1 is common.",
    )
