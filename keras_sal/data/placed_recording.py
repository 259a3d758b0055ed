"""A recording placed in a stream, with the way it is altered there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_sal import augmentation
from keras_sal.audio import SAMPLE_RATE
from keras_sal.data.recordings import Recording
from keras_sal.typing import Array


@dataclass(frozen=True)
class PlacedRecording:
    """A recording placed in a stream.

    Args:
        recording: The `keras_sal.data.Recording`.
        start_s: Start in seconds from the start of the stream.
        gain_db: Gain in dB. Defaults to 0.
        speed: Factor by which it is played faster, with a higher pitch, in `[0.5, 2]`. Defaults
            to 1.
        class_index: Class of its event, or `None` (default) for a negative.
        tempo: Factor by which it is said faster, with the same pitch, in `[0.5, 2]`. Defaults to 1.
        tilt_db: Slope added to its spectrum in dB per octave; positive is brighter. Defaults to 0.
        room: Number of the room it is heard in, see `keras_sal.augmentation.add_room`, or `None`
            (default) for no room.
        part_s: Part that is heard, `(start, end)` in seconds of the recording, or `None` (default)
            for all of it.

    Example:
        >>> from pathlib import Path
        >>> from keras_sal.data import Recording
        >>> recording = Recording(Path("a.flac"), "test", "computer", 2.0, 0.5, 1.0)
        >>> placed = PlacedRecording(recording, start_s=10.0, speed=1.25, class_index=0)
        >>> placed.end_s, placed.event
        (11.6, (10.4, 10.8, 0.0))
        >>> PlacedRecording(recording, start_s=10.0, part_s=(0.0, 0.75)).end_s  # half of the word
        10.75
    """

    recording: Recording
    start_s: float
    gain_db: float = 0.0
    speed: float = 1.0
    class_index: int | None = None
    tempo: float = 1.0
    tilt_db: float = 0.0
    room: int | None = None
    part_s: tuple[float, float] | None = None

    @property
    def end_s(self) -> float:
        """End in seconds from the start of the stream."""
        from_s, to_s = self.part_s or (0.0, self.recording.duration_s)
        return self.start_s + (to_s - from_s) / self.rate

    @property
    def rate(self) -> float:
        """Factor by which time runs faster than in the recording."""
        return self.speed * self.tempo

    @property
    def event(self) -> tuple[float, float, float] | None:
        """`(onset_s, offset_s, class)` in the stream, or `None` for a negative."""
        if self.class_index is None:
            return None
        from_s, _ = self.part_s or (0.0, None)
        onset_s, offset_s = (
            self.start_s + (time_s - from_s) / self.rate
            for time_s in (self.recording.onset_s, self.recording.offset_s)
        )
        return onset_s, offset_s, float(self.class_index)

    def samples(self) -> Array:
        """Return the altered sound.

        Returns:
            A `float32` array of shape `(samples,)` in `[-1, 1]` at 16 kHz.
        """
        samples, no_events = self.recording.samples(), np.empty((0, 2))
        if self.part_s is not None:
            first, beyond = (round(time_s * SAMPLE_RATE) for time_s in self.part_s)
            samples = samples[first:beyond]
        if self.speed != 1:
            samples, _ = augmentation.change_speed(samples, no_events, self.speed)
        if self.tempo != 1:
            samples, _ = augmentation.change_tempo(samples, no_events, self.tempo)
        if self.tilt_db:
            samples = augmentation.tilt(samples, self.tilt_db)
        if self.room is not None:
            samples = augmentation.add_room(samples, self.room)
        return augmentation.amplify(samples, self.gain_db)
