"""Excerpts: parts of recordings that begin and end where little is said.

A wake word is said after a pause, so that a detector learns the pause, too, and most of its false
alarms come where speech begins. A recording of a sentence has one beginning, however long it is.
Heard from a place within, it has as many as it has words.
"""

from keras_sal.audio import SAMPLE_RATE, energy_db
from keras_sal.audio.energy import STEP_S, WINDOW_S

SHORTEST_S = 0.5
NEAR_S = 0.15


class Excerpts:
    """Draws parts of recordings.

    Both ends are drawn evenly, then moved by up to 0.15 s to where it is quietest, which is mostly
    between two words. What each recording's level is, is worked out once.

    Example:
        >>> from pathlib import Path
        >>> import tempfile, numpy as np, soundfile
        >>> from keras_sal.data import Recording
        >>> path = Path(tempfile.mkdtemp()) / "a.wav"
        >>> hum = np.sin(np.arange(48_000) / 5)
        >>> hum[16_000:17_600] = 0  # a pause from 1.0 to 1.1 s
        >>> soundfile.write(path, hum, 16_000)
        >>> excerpts, rng = Excerpts(), np.random.default_rng(18)
        >>> [round(time_s, 2) for time_s in excerpts.part_s(Recording(path, "train", "", 3.0), rng)]
        [1.01, 2.58]
    """

    def __init__(self):
        self._levels = {}

    def part_s(self, recording, rng):
        """From when to when an excerpt is heard, in seconds of the recording.

        Args:
            recording: A `keras_sal.data.Recording`.
            rng: A `numpy.random.Generator`.

        Returns:
            `(from_s, to_s)`, at least 0.2 s apart; `None` for a recording of less than a second.
        """
        length_s = recording.duration_s
        if length_s < 2 * SHORTEST_S:
            return None
        from_s = rng.uniform(0, length_s - SHORTEST_S)
        to_s = rng.uniform(from_s + SHORTEST_S, length_s)
        return self._quiet_s(recording, from_s), self._quiet_s(recording, to_s)

    def _quiet_s(self, recording, time_s):
        """The quietest time near a time."""
        if recording.path not in self._levels:
            self._levels[recording.path] = energy_db(recording.samples(), SAMPLE_RATE)
        levels = self._levels[recording.path]
        first = min(max(0, round((time_s - NEAR_S) / STEP_S)), len(levels) - 1)
        near = levels[first : round((time_s + NEAR_S) / STEP_S) + 1]
        return min(recording.duration_s, (first + int(near.argmin())) * STEP_S + WINDOW_S / 2)


def mean_s(recording):
    """How long the excerpts of a recording are on average, in seconds."""
    length_s = recording.duration_s
    return length_s if length_s < 2 * SHORTEST_S else SHORTEST_S + (length_s - SHORTEST_S) / 4
