"""How many of the recordings are copies of one another, word by word and split by split.

    python benchmarks/copies.py --recordings DIR

`keras_sal.data.duplicates` is asked with several values of `alike`. Where all give the same copies, it
doesn't matter which is taken; `across splits` are utterances that are in more than one.
"""

import argparse
import itertools
import time
from pathlib import Path

import study
from rows import RESULTS

from keras_sal import files, provenance
from keras_sal.data import find_copies
from keras_sal.data.recordings_table import SPLITS

ALIKE = (0.83, 0.9, 0.98)


def counted(recordings, alike):
    """The recordings and utterances of each split, the pairs of copies, and what is in several."""
    groups = find_copies(recordings, alike=alike)
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
    parser.add_argument("--recordings", **study.OPTIONS["recordings"])
    parser.add_argument("--words", nargs="+", default=study.WORDS)
    parser.add_argument("--output", default=RESULTS / "copies.json", type=Path)
    arguments = parser.parse_args()
    console, folder, recordings = study.begin(arguments)

    started = time.monotonic()
    find_copies(recordings)
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
