"""Event times of texts, found in the sound of recordings, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from keras_sal.data.alignment.energy import energy_events
from keras_sal.data.alignment.forced import AlignmentError, align_words
from keras_sal.data.alignment.label_lookup import NoTimesError
from keras_sal.data.alignment.voice_activity import speech_events
from keras_sal.typing import Array

Times: TypeAlias = tuple[float, float]
"""Onset and offset in seconds."""

Finder: TypeAlias = Callable[[str, str], Times]
"""A function from the name and the text of a recording to its times, or a `NoTimesError`."""


def find_times(find: Finder, file: str, text: str) -> Times | str:
    """Find the times of a recording.

    Args:
        find: A `SoundAligner` or `LabelLookup`.
        file: Name of the recording.
        text: What is said in it.

    Returns:
        `(onset_s, offset_s)`, or the reason why there are none.
    """
    try:
        return find(file, text)
    except NoTimesError as error:
        return str(error)


class SoundAligner:
    """A function from a recording and its text to the times of the text, found in the sound.

    Args:
        folder: Folder of the recordings.
        method: `"pocketsphinx"`, `"vad"` or `"energy"`; see
            `keras_sal.data.alignment.folder.align_folder`.
        pronunciations: For `"pocketsphinx"`, see `align_words`.
    """

    def __init__(
        self,
        folder: Path,
        method: str,
        pronunciations: Mapping[str, str | Iterable[str]] | None = None,
    ) -> None:
        self.folder, self.method, self.pronunciations = folder, method, pronunciations

    def __call__(self, file: str, text: str) -> Times:
        """Return `(onset_s, offset_s)`.

        Args:
            file: Path of the recording, relative to the folder.
            text: What is said in it.

        Raises:
            NoTimesError: If no times are found.
        """
        from keras_sal.audio import SAMPLE_RATE, read_audio

        try:
            samples = read_audio(self.folder / file, convert=True)
        except FileNotFoundError as error:
            raise NoTimesError("there is no such file") from error
        except (OSError, ValueError) as error:
            raise NoTimesError("the sound is unreadable") from error
        return getattr(self, f"_by_{self.method}")(samples, SAMPLE_RATE, text)

    def _by_pocketsphinx(self, samples: Array, rate: int, text: str) -> Times:
        try:
            words = align_words(samples, rate, text, pronunciations=self.pronunciations)
        except AlignmentError as error:
            raise NoTimesError("the aligner doesn't find the text in the sound") from error
        except ValueError as error:
            raise NoTimesError(f"{text!r} can't be pronounced: give pronunciations") from error
        return words[0].onset_s, words[-1].offset_s

    def _by_vad(self, samples: Array, rate: int, text: str) -> Times:
        events = speech_events(samples, rate)
        if len(events) != 1:
            raise NoTimesError("there is speech in several places" if events else "no speech")
        return events[0]

    def _by_energy(self, samples: Array, rate: int, text: str) -> Times:
        try:
            onset_s, offset_s = energy_events(samples, rate)
        except ValueError as error:
            raise NoTimesError("it is too short") from error
        if not onset_s < offset_s:
            raise NoTimesError("nothing stands out in its energy, or several things do")
        return onset_s, offset_s
