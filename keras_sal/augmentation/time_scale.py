"""Changes of time: faster, slower, earlier and later, with the events."""

from __future__ import annotations

import numpy as np

from keras_sal.audio import SAMPLE_RATE, resample
from keras_sal.extras import import_package
from keras_sal.typing import Array, ArrayLike


def change_speed(samples: ArrayLike, events: ArrayLike, speed: float) -> tuple[Array, Array]:
    """Make speech faster or slower (and higher or lower), with its event times.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        events: Array of shape `(events, 2 or 3)`: onset and offset in seconds, and any class.
        speed: Factor by which it becomes faster, in `[0.5, 2]`.

    Returns:
        `(samples, events)`: `round(samples / speed)` samples as `float32` in `[-1, 1]`, and the
        events with their times divided by `speed`.

    Raises:
        ValueError: If `speed` is out of range.

    Example:
        >>> import numpy as np
        >>> samples, events = change_speed(np.zeros(16_000), [[0.2, 0.5, 0]], speed=1.25)
        >>> samples.shape, events.round(6).tolist()
        ((12800,), [[0.16, 0.4, 0.0]])
    """
    if not 0.5 <= speed <= 2:
        raise ValueError(
            f"`speed` must lie in [0.5, 2]; beyond that speech is no longer speech. Received: "
            f"speed={speed}. 0.9 to 1.1 is common."
        )
    samples = np.asarray(samples, "float32")
    events = np.array(events, "float64")
    events[..., :2] /= speed
    return resample(samples, speed * SAMPLE_RATE, SAMPLE_RATE), events


def change_tempo(samples: ArrayLike, events: ArrayLike, tempo: float) -> tuple[Array, Array]:
    """Make speech faster or slower at the same pitch, with its event times.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        events: Array of shape `(events, 2 or 3)`: onset and offset in seconds, and any class.
        tempo: Factor by which it becomes faster, in `[0.5, 2]`.

    Returns:
        `(samples, events)`: about `samples / tempo` samples as `float32` in `[-1, 1]`, and the
        events with their times divided by `tempo`.

    Raises:
        ImportError: If `python-stretch` is missing.
        ValueError: If `tempo` is out of range.

    Example:
        >>> import numpy as np
        >>> samples, events = change_tempo(np.zeros(16_000), [[0.2, 0.5, 0]], tempo=1.25)
        >>> samples.shape, events.round(6).tolist()
        ((12800,), [[0.16, 0.4, 0.0]])
    """
    if not 0.5 <= tempo <= 2:
        raise ValueError(
            f"`tempo` must lie in [0.5, 2]; beyond that speech is no longer speech. Received: "
            f"tempo={tempo}. 0.8 to 1.25 is common."
        )
    stretch = import_package(
        "python_stretch", "change the tempo of speech", "audio"
    ).Signalsmith.Stretch()
    stretch.preset(1, SAMPLE_RATE)
    stretch.setTimeFactor(tempo)
    samples = np.asarray(samples, "float32")
    events = np.array(events, "float64")
    events[..., :2] /= tempo
    return np.clip(stretch.process(samples[None])[0], -1, 1), events


def shift_time(samples: ArrayLike, events: ArrayLike, shift_s: float) -> tuple[Array, Array]:
    """Move a recording later or earlier within the same length, with its event times.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        events: Array of shape `(events, 2 or 3)`: onset and offset in seconds, and any class.
        shift_s: Shift in seconds, rounded to a sample; positive is later.

    Returns:
        `(samples, events)`: as many samples, `float32`, silent where nothing was recorded, and the
        events at their new times.

    Raises:
        ValueError: If an event would be cut.

    Example:
        >>> samples, events = shift_time([0.5] * 16_000, [[0.25, 0.5, 0]], shift_s=0.5)
        >>> float(samples[7999]), float(samples[8000]), events.tolist()
        (0.0, 0.5, [[0.75, 1.0, 0.0]])
    """
    samples = np.asarray(samples, "float32")
    length, shift = len(samples), round(shift_s * SAMPLE_RATE)
    events = np.array(events, "float64")
    events = events if events.size else events.reshape(-1, 3)
    events[..., :2] += shift / SAMPLE_RATE
    if (events[..., 0] < 0).any() or (events[..., 1] > length / SAMPLE_RATE).any():
        raise ValueError(
            "`shift_s` must leave every event inside the recording; a part of a word is no event. "
            f"Received: shift_s={shift_s}, which puts events at {events[..., :2].tolist()} of "
            f"{length / SAMPLE_RATE:g} s. Shift less, or pad the recording."
        )
    kept = samples[max(0, -shift) : max(0, length - shift)]
    silent = min(abs(shift), length)
    return np.pad(kept, (silent, 0) if shift > 0 else (0, silent)), events
