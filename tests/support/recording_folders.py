"""Where the real recordings are, and tiny folders of the same layout for tests to make."""

import csv
import functools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile")

SAMPLE_RATE = 16_000
COLUMNS = ["file", "corpus", "split", "speaker", "text", "duration_s", "onset_s", "offset_s"]

REAL = Path(
    os.environ.get("KERAS_SAL_RECORDINGS") or Path(__file__).parents[3] / "shared" / "recordings"
)
needs_recordings = pytest.mark.skipif(
    not (REAL / "recordings.csv").is_file(),
    reason="no real recordings: set KERAS_SAL_RECORDINGS to their folder",
)


def burst(duration_s, onset_s, offset_s, hertz=440.0, amplitude=0.5, background=1e-3, seed=0):
    """Faint noise with a sine between two times: a word as far as energy can tell."""
    second = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    sounding = (second >= onset_s) & (second < offset_s)
    noise = background * np.random.default_rng(seed).standard_normal(len(second))
    return (noise + amplitude * sounding * np.sin(2 * np.pi * hertz * second)).astype("float32")


def write_folder(folder, rows):
    """Writes sound files and their table; a row may bring its own `samples` and `sample_rate`."""
    folder.mkdir(parents=True, exist_ok=True)
    table = []
    for number, given in enumerate(rows):
        row = {"split": "train", "text": "", "duration_s": 1.0, "onset_s": "", "offset_s": ""}
        row |= {"corpus": "made", "speaker": ""} | given
        samples = row.get("samples")
        if samples is None:
            samples = burst(row["duration_s"], 0.2, 0.7, seed=number)
        path = folder / row["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, row.get("sample_rate", SAMPLE_RATE), subtype="PCM_16")
        table.append({column: row[column] for column in COLUMNS})
    write_table(folder, table)
    return folder


def tone(file, text, hertz, onset_s, offset_s, duration_s=1.5, seed=0, **row):
    """A row of a recording whose text is a tone between two times."""
    samples = burst(duration_s, onset_s, offset_s, hertz=hertz, seed=seed)
    times = {"duration_s": duration_s, "onset_s": onset_s, "offset_s": offset_s}
    return {"file": file, "text": text, "samples": samples} | times | row


def write_tones(folder, word="computer", speakers=None, pitches=None, **counts):
    """Writes a "word" of 900 Hz among others of 300 Hz: learned in seconds.

    Args:
        folder: Where to write them.
        word: Its name; the others are "alexa".
        speakers: How many say them in turn; by default they are unknown.
        pitches: Hertz by word, instead of these two.
        **counts: How often each is said, by split.
    """
    rows = [
        tone(
            f"keywords/{text}/{split}{number}.flac",
            text,
            hertz,
            0.3 + 0.03 * number,
            0.3 + 0.03 * number + 0.4,
            seed=number,
            split=split,
            speaker=f"s{number % speakers}" if speakers else "",
        )
        for split, count in counts.items()
        for number in range(count)
        for text, hertz in (pitches or {word: 900.0, "alexa": 300.0}).items()
    ]
    return write_folder(folder, rows)


def keep_pitch(patch):
    """Has the recipe change speeds and formants little, as tones are words by their pitch alone."""
    from keras_sal.augmentation import Chain, FrequencyWarp, Scramble, SpecAugment
    from keras_sal.data import StreamAugmentation
    from keras_sal.training import recipe, split_streams

    augmentation = StreamAugmentation(speed=(0.85, 1.18), tempo=(0.8, 1.25), rooms=0.0)
    streams = functools.partial(split_streams.training_streams, augmentation=augmentation)
    gently = Chain(Scramble(0.25), FrequencyWarp((0.9, 1.1)), SpecAugment(2, 20, 2, 6))
    plain = recipe.train

    def train(model, loss, streams, options, **others):
        return plain(model, loss, streams, replace(options, augment=gently), **others)

    patch.setattr(split_streams, "training_streams", streams)
    patch.setattr(recipe, "train", train)


def words_and_others(folder):
    """Six recordings of "go", at other times each, and six others."""
    rows = []
    for number in range(6):
        onset_s = 0.2 + 0.05 * number
        word = {"text": "go", "onset_s": onset_s, "offset_s": onset_s + 0.3}
        samples = burst(1.0, onset_s, onset_s + 0.3, seed=number)
        rows.append({"file": f"{number}.flac", "samples": samples} | word)
        rows.append({"file": f"other{number}.flac", "samples": burst(1.0, 0.1, 0.9)})
    return write_folder(folder, rows)


def write_table(folder, rows):
    with (folder / "recordings.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def small_corpus(folder):
    """Three splits of two words, a sentence and noise; 14 files a split."""
    rows = []
    for split in ("train", "dev", "test"):
        for number in range(5):
            for word in ("computer", "alexa"):
                rows.append(
                    {
                        "file": f"keywords/{word}/{split}{number}.flac",
                        "split": split,
                        "speaker": f"{split}{number}",
                        "text": word,
                        "onset_s": 0.25 + 0.02 * number,
                        "offset_s": 0.65 + 0.02 * number,
                    }
                )
        rows.append({"file": f"sentences/{split}.flac", "split": split, "text": "my computer hums"})
        for number in range(3):
            rows.append(
                {
                    "file": f"noise/hum/{split}{number}.flac",
                    "split": split,
                    "samples": 0.1
                    * np.random.default_rng(number).standard_normal(SAMPLE_RATE).clip(-3, 3),
                }
            )
    return write_folder(folder, rows)
