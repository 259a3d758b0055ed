"""Loading of a wake word's recordings and their splits, for all commands."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from keras_sal.data.alignment.events import words_of
from keras_sal.data.recordings import Recording, load_recordings
from keras_sal.data.recordings_table import SPLITS, TABLE
from keras_sal.data.selection import among_others, describe_texts, partition
from keras_sal.data.split_record import SplitRecord, apply_split_records
from keras_sal.data.splits import only_speaker, split_by_speaker
from keras_sal.data.wake_words import Words, class_of, compared_words, is_said, quote
from keras_sal.files import file_identity
from keras_sal.typing import PathLike


def load_word_recordings(
    folder: PathLike,
    word: Words,
    *,
    negatives: Sequence[PathLike] = (),
    resplit: bool = False,
    records: Sequence[SplitRecord] = (),
    say: Callable[[str], object] | None = None,
) -> list[Recording]:
    """Load the recordings of a folder, with or without a table, and their splits.

    Without a table each folder is named by what is said in it. Then, and where all rows of a table
    are of one split, the speakers are split by `split_by_speaker`. A recording that one of
    `records` holds gets the split of that record: what was trained on is never tested on.

    Args:
        folder: Folder of recordings; see `keras_sal.data.recordings`.
        word: Wake word, or a list of several for a detector that tells them apart.
        negatives: Folders of further negatives, each with a table, whose splits hold; see
            `load_negatives`. Defaults to none.
        resplit: Whether to split the speakers whatever the table says. Defaults to `False`.
        records: Records of the splits of detectors; see `keras_sal.data.split_record`. Defaults to
            none.
        say: Called with each line about what was found, such as `print`. Defaults to `None`.

    Returns:
        A list of `Recording`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If no recording is usable, or none has the text `word`
            (each, of several).
    """
    folder, say = Path(folder), say or (lambda line: None)
    without_table = folder.is_dir() and not (folder / TABLE).is_file()
    listed = load_recordings(folder, layout="words" if without_table else None)
    if without_table:
        say(f"There is no {TABLE}: each folder is named by what is said in it")
    dealt = without_table or resplit or len({recording.split for recording in listed}) == 1
    if dealt:
        alone = only_speaker(listed, word)
        listed = split_by_speaker(listed, word)
        if alone is None:
            say("Their speakers are dealt out to train, dev and test")
        else:
            said = quote(word)
            say(f"Only {alone[1]} says {said}: recordings are dealt out to train, dev and test")
            warnings.warn(
                f"all recordings of {said} are of one speaker, {alone[1]}, so the detector is "
                "tested on the voice that it learned: its figures hold for this voice, and other "
                "voices may be missed more often. A speaker is what stands before the dash of a "
                "file's name, or the column speaker of the table.",
                stacklevel=2,
            )
    recordings = apply_split_records(records, listed, folder)
    if not dealt:
        _warn_of_moved(listed, recordings)
    for each in negatives:
        recordings += load_negatives(each, word, records=records, listed=recordings, say=say)
    _say_counts(recordings, word, say)
    return recordings


def load_negatives(
    folder: PathLike,
    word: Words,
    *,
    records: Sequence[SplitRecord] = (),
    listed: Sequence[Recording] = (),
    say: Callable[[str], object] | None = None,
) -> list[Recording]:
    r"""Load a folder of further negatives, for false alarms on more hours than a word's folder has.

    They are in the splits of their table, and evaluated in streams of their own: `Recording.apart`.
    Recordings in whose text the word is said, alone or among others, are left out. So are those
    that are `listed` already, which are named in a warning.

    Args:
        folder: Folder with a table; see `keras_sal.data.recordings`.
        word: Wake word, or a list of several.
        records: Records of the splits of detectors; as for `load_word_recordings`.
        listed: Recordings that they are to be used with, none of which may be in two splits.
            Defaults to none.
        say: Called with a line about what was found, such as `print`. Defaults to `None`.

    Returns:
        A list of `Recording`.

    Raises:
        FileNotFoundError: If there is no such folder, or no table in it.
        ValueError: If no recording is usable.

    Example:
        >>> import pathlib, tempfile, soundfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for name in "ab":
        ...     soundfile.write(folder / f"{name}.wav", [0.0] * 16_000, 16_000)
        >>> table = "file,split,text,onset_s,offset_s\na.wav,dev,computer,,\nb.wav,test,,,\n"
        >>> _ = (folder / "recordings.csv").write_text(table)
        >>> [(each.path.name, each.split) for each in load_negatives(folder, "computer")]
        [('b.wav', 'test')]
    """
    folder, words = Path(folder), compared_words(word)
    found = _without_listed(load_recordings(folder), listed, folder)
    kept = [
        replace(recording, apart=True)
        for recording in found
        if not any(is_said(each, " ".join(words_of(recording.text))) for each in words)
    ]
    if say:
        left_out = len(found) - len(kept)
        heard = f"; {left_out} are left out, as {quote(word)} is said in them" if left_out else ""
        hours = ", ".join(
            f"{sum(r.duration_s for r in kept if r.split == split) / 3600:.2f} h in {split}"
            for split in SPLITS
        )
        say(f"Further negatives: {folder}, {hours}{heard}")
    return apply_split_records(records, kept, folder)


def _without_listed(
    found: list[Recording], listed: Sequence[Recording], folder: Path
) -> list[Recording]:
    """The recordings whose files are not listed already; a warning names the others."""
    known = {file_identity(recording.path) for recording in listed}
    new: list[Recording] = []
    repeated: list[Recording] = []
    for recording in found:
        (repeated if file_identity(recording.path) in known else new).append(recording)
    if repeated:
        warnings.warn(
            f"{len(repeated)} recordings of {folder} are left out, as their files are among the "
            "recordings already; one in two splits would be trained on and then tested. The "
            f"first: {repeated[0].path}.",
            stacklevel=4,
        )
    return new


def _warn_of_moved(listed: Sequence[Recording], recordings: Sequence[Recording]) -> None:
    """Warn of recordings that the table has in test, though a detector was made with them."""
    moved = [
        (row, recording)
        for row, recording in zip(listed, recordings, strict=True)
        if row.split == "test" and recording.split != "test"
    ]
    if moved:
        row, recording = moved[0]
        warnings.warn(
            f"{len(moved)} recordings are test in {TABLE}, but the detector was made with them or "
            f"their speakers, so it is not tested on them. The first: {row.path.name}, which was "
            f"in {recording.split}.",
            stacklevel=3,
        )


def _say_counts(recordings: Sequence[Recording], word: Words, say: Callable[[str], object]) -> None:
    """Say how many recordings of each kind there are, and which are neither."""
    positives, negatives = partition(recordings, word)
    words = compared_words(word)
    for split in SPLITS:
        counts = [0] * len(words)
        for recording in positives:
            counts[class_of(recording, words)] += recording.split == split
        said = ", ".join(f"{n} times {each!r}" for n, each in zip(counts, words, strict=True))
        others = [recording for recording in negatives if recording.split == split]
        noise = sum(recording.noise for recording in others)
        played = f"{noise} of them noise" if noise else "none of them noise: pink noise is played"
        say(f"  {split}: {said}, {len(others)} others, {played}")
    neither = among_others(recordings, word)
    if neither:
        say(
            f"  left out: {len(neither)} in which {quote(word)} is said among other words, so that "
            f"they are no negatives: {describe_texts(neither)}"
        )
