"""Number of recordings that are copies of one another, by word and split.

    python benchmarks/copies.py --recordings DIR

`keras_sal.data.find_duplicates` is tried with several values of `min_correlation` ("alike"). If all
give the same copies, the value does not matter. "across splits" are utterances in more than one
split.
"""

import argparse
import itertools
import time
from pathlib import Path

import recipe_study
from runs import RESULTS

from keras_sal import files, provenance
from keras_sal.data import find_duplicates
from keras_sal.data.recordings_table import SPLITS

ALIKE = (0.83, 0.9, 0.98)


def counted(recordings, alike):
    """Return recordings and utterances of each split, pairs of copies, and those across splits."""
    groups = find_duplicates(recordings, min_correlation=alike)
    spare = dict.fromkeys(SPLITS, 0)
    for group, split in itertools.product(groups, SPLITS):
        spare[split] += max(0, sum(recording.split == split for recording in group) - 1)
    said = {split: sum(recording.split == split for recording in recordings) for split in SPLITS}
    return {
        "recordings": said,
        "utterances": {split: said[split] - spare[split] for split in SPLITS},
        "pairs": sum(len(group) * (len(group) - 1) // 2 for group in groups),
        "across splits": sum(len({recording.split for recording in group}) > 1 for group in groups),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", **recipe_study.ARGUMENTS["recordings"])
    parser.add_argument("--words", default=recipe_study.WORDS, **recipe_study.ARGUMENTS["words"])
    parser.add_argument(
        "--output", default=RESULTS / "copies.json", type=Path, help="(%(default)s)"
    )
    arguments = parser.parse_args()
    console, folder, recordings = recipe_study.load(arguments)

    started = time.monotonic()
    find_duplicates(recordings)
    seconds = time.monotonic() - started
    found = [
        {"word": word, "alike": alike}
        | counted([recording for recording in recordings if recording.text == word], alike)
        for word, alike in itertools.product(arguments.words, ALIKE)
    ]
    files.write_json(
        arguments.output,
        {
            "command": "python benchmarks/copies.py",
            "recordings": {"folder": folder.name, "number": len(recordings), "seconds": seconds},
            "versions": provenance.versions(),
            "machine": provenance.machine(),
            "found": found,
        },
    )
    console.table(
        f"Recordings / utterances; all {len(recordings)} recordings take {seconds:.0f} s",
        ["word", "alike", *SPLITS, "pairs of copies", "across splits"],
        [
            [
                row["word"],
                f"{row['alike']:g}",
                *(f"{row['recordings'][split]} / {row['utterances'][split]}" for split in SPLITS),
                str(row["pairs"]),
                str(row["across splits"]),
            ]
            for row in found
        ],
    )
    console.say(f"Written to {arguments.output}")


if __name__ == "__main__":
    main()
