"""The wake word of a command: the one given, else that of its models."""

from __future__ import annotations

import argparse
import csv
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_sal.cli.console import Console

if TYPE_CHECKING:
    from keras_sal.typing import PathLike

THAT_OF_THE_MODEL = (
    "that of the model: of the bundle, or of the .json file or splits.json beside it; where none "
    "tells it, it must be given"
)
MOST_NAMED = 10


def fill_in_word(
    options: argparse.Namespace,
    systems: Sequence[PathLike],
    console: Console,
    *,
    several: bool = False,
    required: bool = True,
) -> None:
    """Set the word, if it is not given, to that of the models; all commands find it so.

    Args:
        options: Parsed arguments: `word`, `recordings` and perhaps `class_index`.
        systems: Paths of models, bundles and folders of results.
        console: Says what was found.
        several: Whether the command takes several words. Defaults to `False`: it takes the one of
            `class_index`.
        required: Whether the command needs a word. Defaults to `True`.

    Warns:
        UserWarning: If a word is given, and a model in a file tells others only.

    Raises:
        FileNotFoundError: If it needs one, and a model is not there.
        ValueError: If it needs one and no model tells it, or models tell different ones.
    """
    if options.word is not None:
        _warn_of_others(options.word, systems)
        return
    told = {str(system): words for system in systems if (words := find_words(system))}
    different = {tuple(word.casefold() for word in words) for words in told.values()}
    index = getattr(options, "class_index", 0)
    if len(different) == 1:
        system, words = next(iter(told.items()))
        words = words if several and not index else words[index : index + 1]
        if words:
            options.word = words[0] if len(words) == 1 else words
            console.say(f"Word: {', '.join(map(repr, words))}, that of {system}")
            return
    if required:
        _check_there(systems)
        raise ValueError(_missing(options, told))


def find_words(system: PathLike) -> list[str]:
    """Return the words that a model detects, in the order of its classes; none if nothing says it.

    Args:
        system: Path of a bundle, of a folder of results, or of a file. A bundle and the .json file
            beside a file name the classes; `splits.json`, as `keras-sal train` leaves it, and the
            copies of it that `keras-sal export` makes, name the words.
    """
    from keras_sal.data import SplitRecord, find_split_record
    from keras_sal.export import detector_file
    from keras_sal.export.detector_settings import default_class_names
    from keras_sal.export.manifest import BUNDLE, MANIFEST, load_json

    path = Path(system)
    description = path / MANIFEST if path.is_dir() else detector_file.find(path)
    if description and description.is_file():
        kind = BUNDLE if path.is_dir() else detector_file.DESCRIPTION
        classes = load_json(description, kind).get("classes") or []
        if classes != default_class_names(len(classes)):
            return list(classes)
    if path.is_dir() and (path / "results.json").is_file():
        from keras_sal.evaluation.results import read_results

        return [read_results(path)["word"]]
    record = find_split_record(path)
    return list(SplitRecord.read(record).words) if record else []


def recorded_words(folder: PathLike | None) -> list[str]:
    """Return what is said in recordings, most frequent first; quickly, and unchecked.

    Args:
        folder: A folder with `recordings.csv`, or with a folder for each word; or `None`.
    """
    folder = Path(folder or "")
    table = folder / "recordings.csv"
    if not table.is_file():
        folders = sorted(each.name for each in folder.glob("*/")) if folder.name else []
        return [name.replace("_", " ") for name in folders if not name.startswith((".", "noise"))]
    with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        texts = Counter((row.get("text") or "").casefold() for row in csv.DictReader(file))
    return [text for text, _ in texts.most_common() if text]


def list_recorded(folder: PathLike | None) -> str:
    """Return a sentence with the words that recordings have; empty if there are none.

    Args:
        folder: As for `recorded_words`.
    """
    words = recorded_words(folder)
    if not words:
        return ""
    more = f" and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return f" {folder} has: {', '.join(map(repr, words[:MOST_NAMED]))}{more}."


def _warn_of_others(given: str | Sequence[str], systems: Sequence[PathLike]) -> None:
    """Warn of files that detect other words than those that are given; a bundle's are scored."""
    from keras_sal.data.wake_words import list_words, quote

    words = list_words(given)
    for path in filter(Path.is_file, map(Path, systems)):
        try:
            told = find_words(path)
        except ValueError:
            continue  # what lies beside it is refused where it is needed
        if told and not {*map(str.casefold, words)} & {*map(str.casefold, told)}:
            warnings.warn(
                f"{str(path)!r} detects {quote(told)}, and --word says {quote(words)}. Leave "
                "--word out for that of the model.",
                stacklevel=3,
            )


def _check_there(systems: Sequence[PathLike]) -> None:
    for path in map(Path, systems):
        if not path.exists():
            raise FileNotFoundError(
                "`MODEL` must be a .keras, .tflite or .onnx file or a bundle. "
                f"Received: {path}, which is not there."
            )


def _missing(options: argparse.Namespace, told: dict[str, list[str]]) -> str:
    from keras_sal.data import find_recordings

    if told:
        why = "the models have different words, or other classes: " + "; ".join(
            f"{system} has {', '.join(map(repr, words))}" for system, words in told.items()
        )
    else:
        why = "neither the models nor what lies beside them says which word they detect"
    listed = list_recorded(find_recordings(options.recordings))
    return f"`--word` must be given; {why}. Received: none.{listed} Choose one."
