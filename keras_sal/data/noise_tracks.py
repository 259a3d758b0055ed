"""Noise tracks: what is played under a training stream, never twice the same."""

from dataclasses import dataclass, replace

from keras_sal.audio import SAMPLE_RATE
from keras_sal.checks import require
from keras_sal.data.streams import Clip


@dataclass(frozen=True)
class NoiseVariety:
    """How much the noise under training streams varies.

    There is less noise in a folder than in life. So each recording of it is played at another speed
    (and pitch) and level, now and then two at once; and some streams have babble instead: several
    people who say negatives of the split all the time.

    Args:
        speed: Least and greatest speed of a noise recording, within `[0.5, 2]`. Default
            `(0.7, 1.4)`.
        gain_db: Least and greatest gain of a noise recording, in dB about the level that the
            stream's signal-to-noise ratio asks for. Default `(-6, 6)`.
        second: Share of noise recordings during which another is played, in `[0, 1]`. Default 0.2.
        babble: Share of noisy streams whose noise is babble, in `[0, 1]`. Default 0.2.
        voices: Least and greatest number of people who babble. Default `(3, 7)`.

    Raises:
        ValueError: If a parameter is out of range.
    """

    speed: tuple[float, float] = (0.7, 1.4)
    gain_db: tuple[float, float] = (-6.0, 6.0)
    second: float = 0.2
    babble: float = 0.2
    voices: tuple[int, int] = (3, 7)

    def __post_init__(self):
        require(
            0.5 <= self.speed[0] <= self.speed[1] <= 2
            and -100 <= self.gain_db[0] <= self.gain_db[1] <= 100
            and 1 <= self.voices[0] <= self.voices[1],
            "`speed`, `gain_db` and `voices` must be (least, greatest), speeds within [0.5, 2] and "
            f"at least one voice; values are drawn between the two. Received: {self}. Give the "
            "smaller first.",
        )
        require(
            0 <= self.second <= 1 and 0 <= self.babble <= 1,
            "`second` and `babble` must lie in [0, 1]; they are shares. Received: "
            f"second={self.second}, babble={self.babble}. 0 switches them off.",
        )

    def track(self, noise, speech, duration_s, rng):
        """Plans what is heard under a stream.

        Args:
            noise: A list of recordings of noise.
            speech: A list of recordings of speech, none of them the wake word.
            duration_s: How long the track must last, in seconds.
            rng: A `numpy.random.Generator`.

        Returns:
            A tuple of `keras_sal.data.streams.Clip`, for `Stream.noise`; empty without recordings.
        """
        if speech and rng.random() < self.babble:
            voices = int(rng.integers(self.voices[0], self.voices[1], endpoint=True))
            level_db = self.gain_db, (1.0, 1.0)
            return tuple(
                clip
                for _ in range(voices)
                for clip in _one_after_another(speech, duration_s, rng, *level_db)
            )
        clips = []
        for clip in _one_after_another(noise, duration_s, rng, self.gain_db, self.speed):
            clips.append(clip)
            if rng.random() < self.second:
                other = noise[rng.integers(len(noise))]
                other = _altered(other, clip.start_s, rng, self.gain_db, self.speed)
                most_s = (clip.end_s - clip.start_s) * other.rate
                part_s = 0.0, min(other.recording.duration_s, most_s)
                clips.append(replace(other, part_s=part_s))
        return tuple(clips)


def deck(recordings, rng):
    """Endlessly each recording once in random order, then all again."""
    while True:
        for index in rng.permutation(len(recordings)):
            yield recordings[index]


def _one_after_another(recordings, duration_s, rng, gain_db, speed):
    start_s, drawn = 0.0, deck(recordings, rng)
    while recordings and start_s < duration_s:
        clip = _altered(next(drawn), start_s, rng, gain_db, speed)
        yield clip
        start_s = round(clip.end_s * SAMPLE_RATE) / SAMPLE_RATE


def _altered(recording, start_s, rng, gain_db, speed):
    return Clip(recording, start_s, gain_db=rng.uniform(*gain_db), speed=rng.uniform(*speed))
