"""Records of splits: which recordings a detector was trained on, tuned on and tested on.

`keras-sal train` writes `splits.json` beside its `model.keras`. The other commands read it, so that
they never test a detector on what it was trained on, whatever the table says by then. A recording
is known by its contents (SHA-256), or by its path in a folder of the same name if it has the same
duration. The file holds `{"format": 1, "folder", "words": ["computer"], "recordings": [{"file",
"split", "duration_s", "bytes", "sha256"}]}`; the words are those that the detector was trained to
tell, and may be missing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from keras_sal.data.recordings import Recording
from keras_sal.data.recordings_table import SLACK_S, SPLITS
from keras_sal.data.wake_words import Words, list_words
from keras_sal.files import file_sha256, write_atomically, write_json
from keras_sal.typing import PathLike

FORMAT = 1
RECORD = "splits.json"
MANIFEST = "manifest.json"  # makes a folder a bundle, whose record lies one folder up
MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class RecordedFile:
    """One recording in a record of splits.

    Args:
        file: Path of the sound file, relative to the folder of recordings.
        split: `"train"`, `"dev"` or `"test"`.
        duration_s: Length in seconds.
        bytes: Size of the file in bytes.
        sha256: SHA-256 of the file, in hexadecimal digits.
    """

    file: str
    split: str
    duration_s: float
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        texts = self.file, self.split, self.sha256
        numbers = all(isinstance(n, int | float) for n in (self.duration_s, self.bytes))
        if not (numbers and all(isinstance(text, str) for text in texts)):
            raise TypeError(f"one of its recordings has fields of other types: {self}")
        if self.split not in SPLITS:
            raise ValueError(f"the split of {self.file} is {self.split!r}, none of {SPLITS}")


@dataclass(frozen=True)
class SplitRecord:
    """The splits of the recordings that a detector was made with.

    Args:
        folder: Name of the folder of recordings.
        recordings: Tuple of `RecordedFile`.
        words: The words of the detector in the order of its classes. Defaults to none.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.wav").write_bytes(b"sound")
        >>> trained_on = [Recording(folder / "a.wav", "train", "computer", 1.0)]
        >>> record = SplitRecord.of(trained_on, folder)
        >>> listed = [Recording(folder / "a.wav", "test", "computer", 1.0)]
        >>> [recording.split for recording in record.apply(listed, folder)]
        ['train']
    """

    folder: str
    recordings: tuple[RecordedFile, ...]
    words: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        recordings: Sequence[Recording],
        folder: PathLike,
        words: Words = (),
        *,
        workers: int = 2,
    ) -> SplitRecord:
        """Record the splits of recordings.

        Args:
            recordings: A sequence of `Recording`.
            folder: Folder of the recordings.
            words: The word of the detector, or several in the order of its classes. Defaults to
                none.
            workers: Number of threads that read, at least 1. Defaults to 2.

        Returns:
            The `SplitRecord`.

        Raises:
            OSError: If a recording can't be read.
        """
        with ThreadPoolExecutor(workers) as pool:
            hashes = list(pool.map(lambda recording: file_sha256(recording.path), recordings))
        files = (
            RecordedFile(
                _relative(recording.path, Path(folder)),
                recording.split,
                recording.duration_s,
                recording.path.stat().st_size,
                sha256,
            )
            for recording, sha256 in zip(recordings, hashes, strict=True)
        )
        return cls(Path(folder).resolve().name, tuple(files), list_words(words))

    @classmethod
    def read(cls, path: PathLike) -> SplitRecord:
        """Read a record.

        Args:
            path: Path of the file.

        Returns:
            The `SplitRecord`.

        Raises:
            ValueError: If the file is no such record.
        """
        path = Path(path)
        try:
            if path.stat().st_size > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']}, not {FORMAT}")
            recordings = tuple(RecordedFile(**each) for each in content["recordings"])
            words = content.get("words", [])
            if not isinstance(words, list):
                raise TypeError(f"its words are no list: {words!r}")
            return cls(str(content["folder"]), recordings, tuple(map(str, words)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(
                f"`splits` must be a record of splits, as `keras-sal train` writes {RECORD}; it "
                f"tells what a detector must not be tested on. Received: {str(path)!r} "
                f"({type(error).__name__}: {error}). Train again, or name another one."
            ) from error

    def write(self, path: PathLike) -> None:
        """Write the record.

        Args:
            path: Path of the file.
        """
        rows = [asdict(recording) for recording in self.recordings]
        record = {"format": FORMAT, "folder": self.folder, "words": self.words, "recordings": rows}
        write_json(Path(path), record)

    def apply(
        self, recordings: Sequence[Recording], folder: PathLike, *, workers: int = 2
    ) -> list[Recording]:
        """Give recordings the splits that they have in this record.

        A recording that the record doesn't hold gets the split of its speaker if the record holds
        others of that speaker, all in one split. The rest keep theirs.

        Args:
            recordings: A sequence of `Recording`.
            folder: Folder of the recordings.
            workers: Number of threads that read, at least 1. Defaults to 2.

        Returns:
            The recordings, in their order.
        """
        found = self.find_splits(recordings, folder, workers=workers)
        return [
            replace(recording, split=split or recording.split)
            for recording, split in zip(recordings, found, strict=True)
        ]

    def find_splits(
        self, recordings: Sequence[Recording], folder: PathLike, *, workers: int = 2
    ) -> list[str | None]:
        """Find the splits that recordings, or others of their speakers, have in this record.

        Args:
            recordings: A sequence of `Recording`.
            folder: Folder of the recordings.
            workers: Number of threads that read, at least 1. Defaults to 2.

        Returns:
            For each recording its split, or `None` if the record tells none.
        """
        with ThreadPoolExecutor(workers) as pool:
            lookup = _Lookup(self, Path(folder))
            found = list(pool.map(lookup.split, recordings))
        speakers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for recording, split in zip(recordings, found, strict=True):
            if recording.speaker and split:
                speakers[recording.corpus, recording.speaker].add(split)
        for place, recording in enumerate(recordings):
            others = speakers.get((recording.corpus, recording.speaker), set())
            if found[place] is None and len(others) == 1:
                [found[place]] = others
        return found


class _Lookup:
    """A record by path and by contents. Where copies are in several splits, train comes first."""

    def __init__(self, record: SplitRecord, folder: Path) -> None:
        self.folder = folder
        self.sizes = {each.bytes for each in record.recordings}
        ranked = sorted(record.recordings, key=lambda each: -SPLITS.index(each.split))
        self.by_contents = {each.sha256: each.split for each in ranked}
        same_folder = record.folder == folder.resolve().name
        self.by_path = {each.file: each for each in ranked} if same_folder else {}

    def split(self, recording: Recording) -> str | None:
        """The split of a recording, or `None` if the record doesn't hold it."""
        same = self.by_path.get(_relative(recording.path, self.folder))
        try:
            if recording.path.stat().st_size in self.sizes:
                sha256 = file_sha256(recording.path)
                if same and same.sha256 == sha256:
                    return same.split
                if sha256 in self.by_contents:
                    return self.by_contents[sha256]
        except OSError:
            pass  # reading reports it
        if same and abs(same.duration_s - recording.duration_s) <= SLACK_S:
            return same.split
        return None


def find_split_record(system: PathLike) -> Path | None:
    """Find the record of splits of a model or a bundle.

    Args:
        system: Path of a model, a bundle, or a folder that `keras-sal train` wrote. The record lies
            in the folder, beside the file (as `splits.json`, or `MODEL.splits.json`), or beside the
            bundle.

    Returns:
        The path of the record, or `None`.
    """
    path = Path(system).absolute()
    folders = [path] if path.is_dir() else [path.parent]
    if (folders[0] / MANIFEST).is_file():
        folders.append(folders[0].resolve().parent)
    places = [_sidecar(path), *(folder / RECORD for folder in folders)]
    return next((place for place in places if place.is_file()), None)


def copy_split_record(
    source: PathLike, system: PathLike, *, same_model: bool = False
) -> Path | None:
    """Copy the record of splits of a model to what was made from it.

    If the model has none, the record in the place of the copy is removed, as that of another model.

    Args:
        source: Path of the model.
        system: Path of the bundle or the file that was made from it.
        same_model: Whether `system` held the same model before; a record that it has stays then.
            Defaults to `False`.

    Returns:
        The path of the record of `system`, or `None` if the model has none.
    """
    record, path = find_split_record(source), Path(system).absolute()
    copy = path / RECORD if path.is_dir() else _sidecar(path)
    if record is None:
        if not same_model:
            copy.unlink(missing_ok=True)
        return None
    place = find_split_record(path)
    if place is None or place.read_bytes() != record.read_bytes():
        place = copy
        write_atomically(place, record.read_bytes())
    return place


def apply_split_records(
    records: Iterable[SplitRecord], recordings: Sequence[Recording], folder: PathLike
) -> list[Recording]:
    """Give recordings the splits of several records: what any was trained on is in train.

    What any threshold was chosen on, and nothing was trained on, is in dev. What no record holds
    keeps its split.

    Args:
        records: `SplitRecord`s.
        recordings: A sequence of `Recording`.
        folder: Folder of the recordings.

    Returns:
        The recordings, in their order.
    """
    found = [record.find_splits(recordings, folder) for record in dict.fromkeys(records)]
    applied = []
    for place, recording in enumerate(recordings):
        told = {splits[place] for splits in found} - {None}
        split = next((each for each in SPLITS if each in told), recording.split)
        applied.append(replace(recording, split=split))
    return applied


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.{RECORD}")


def _relative(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.name
