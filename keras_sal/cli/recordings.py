"""Recordings for commands on a trained model, in the splits that the model was made with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_sal.cli.console import Console

if TYPE_CHECKING:
    from keras_sal.data import Recording
    from keras_sal.typing import PathLike


def load_recordings_of(
    systems: Sequence[PathLike], folder: PathLike, options: argparse.Namespace, console: Console
) -> list[Recording]:
    """Load recordings with the splits that systems were made with.

    Args:
        systems: Paths of models and bundles.
        folder: Folder of the recordings.
        options: Parsed arguments: `word`, `splits` and perhaps `negatives`.
        console: Shows what was found.

    Returns:
        A list of `keras_sal.data.Recording`.

    Raises:
        ValueError: If a record of splits is damaged, or no recording is usable.
    """
    from keras_sal.data import SplitRecord, find_split_record, load_word_recordings

    paths = {Path(path) for path in options.splits}
    for system in systems:
        found = find_split_record(system)
        if found:
            paths.add(found)
        elif not options.splits:
            console.say(
                f"No splits.json beside {system}: the splits are those of the recordings, whatever "
                "it was trained on"
            )
    records = [SplitRecord.read(path) for path in sorted(paths)]
    console.say(f"Recordings: {folder}")
    return load_word_recordings(
        folder,
        options.word,
        negatives=getattr(options, "negatives", ()),
        records=records,
        say=console.say,
    )
