"""Whether the speech engines are installed, and what they synthesised."""

import csv
from importlib import util

import numpy as np
import pytest

from keras_sal.data.synthesis.speech_folder import PACKAGES

ABSENT = [name for name in PACKAGES if not util.find_spec(name)]
needs_engines = pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")


def read_rows(folder):
    """Returns the rows of the table of a folder."""
    with (folder / "recordings.csv").open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def read_samples(folder, row):
    """Returns the samples of the recording of a row."""
    import soundfile

    return soundfile.read(folder / row["file"])[0]


def pitch_hz(samples, rate=16_000):
    """Returns the frequency of the strongest tone."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * rate / len(samples)
