"""Faster, slower, earlier and later, with the events moved along."""

import numpy as np

from keras_sal.audio import SAMPLE_RATE, resample
from keras_sal.extras import need


def change_speed(samples, events, speed):
    """Speech faster or slower (and higher or lower), with its event times.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        events: Array of shape `(events, 2 or 3)`: onset and offset in seconds, any class.
        speed: How many times faster, in `[0.5, 2]`.

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


def change_tempo(samples, events, tempo):
    """Speech said faster or slower by the same voice, with its event times.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`, 16 kHz.
        events: Array of shape `(events, 2 or 3)`: onset and offset in seconds, any class.
        tempo: How many times faster, in `[0.5, 2]`; the pitch stays.

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
    stretch = need("python_stretch", "change the tempo of speech", "audio").Signalsmith.Stretch()
    stretch.preset(1, SAMPLE_RATE)
    stretch.setTimeFactor(tempo)
    samples = np.asarray(samples, "float32")
    events = np.array(events, "float64")
    events[..., :2] /= tempo
    return np.clip(stretch.process(samples[None])[0], -1, 1), events
