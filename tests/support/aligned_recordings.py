"""Real recordings whose event times are known, for tests of alignment."""

import csv

import numpy as np
from recording_folders import REAL, soundfile


def aligned_rows(folder, count, word=None):
    """Returns rows of the table of the test split, spread over the folder."""
    with (REAL / "recordings.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["file"].startswith(folder) and row["split"] == "test" and row["onset_s"]
            if word in (None, row["text"])
        ]
    return rows[:: max(1, len(rows) // count)][:count]


def read_sound(row):
    """Returns samples and sample rate of the recording of a row."""
    return soundfile.read(REAL / row["file"], dtype="float32")


def times_of(rows):
    """Returns the known `(onset_s, offset_s)` of rows, as an array."""
    return np.array([(float(row["onset_s"]), float(row["offset_s"])) for row in rows])
