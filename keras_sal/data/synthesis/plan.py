"""Plan of a folder of synthetic speech: every recording, before one is made."""

from __future__ import annotations

import collections
import itertools
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from keras_sal.data.synthesis.clip_worker import NOISE_DURATION_S
from keras_sal.data.synthesis.prompts import prompts
from keras_sal.data.synthesis.voices import (
    CORPORA,
    SPLIT_SHARES,
    VoiceAssignment,
    VoiceModel,
    assign_voices,
    split_slices,
)

NEGATIVES = {  # share of the duration, mean seconds of a recording
    "keywords": (0.25, 2.2),
    "commands": (0.25, 3.1),
    "sentences": (0.40, 4.0),
    "noise": (0.10, NOISE_DURATION_S),
}
NOISE_KINDS = ("white", "pink", "brown", "hum", "babble")
SHARE_OF_ONE_VOICE = {"target": 0.35, "keywords": 0.3, "commands": 0.3, "sentences": 0.2}
JOBS_PER_MODEL, ESPEAK_JOBS = 2, 8
BABBLE_LINES = 18


@dataclass
class PlannedRecording:
    """A recording to be made: a row of `recordings.csv` but for its times.

    Args:
        file: Path in the folder.
        corpus: Engine that speaks it, or `"synthetic-noise"`.
        split: `"train"`, `"dev"` or `"test"`.
        speaker: Name of the voice; `""` for noise.
        text: What is said; `""` for noise.
        seed: Seed of everything that is drawn for it.
        babble: For babble: pairs of a voice and a text.
    """

    file: str
    corpus: str
    split: str
    speaker: str
    text: str
    seed: int
    babble: list[tuple[str, str]] = field(default_factory=list)


def plan(
    word: str,
    utterances: int,
    negatives_s: float,
    seed: int,
    *,
    near: Sequence[str] = (),
    engines: Sequence[str] = ("piper", "espeak"),
    models: Sequence[VoiceModel] = (),
) -> tuple[list[PlannedRecording], VoiceAssignment]:
    """Plan every recording of a folder.

    Args:
        word: The wake word.
        utterances: Number of recordings of it.
        negatives_s: Approximate duration of the other recordings, in seconds.
        seed: Seed of everything that is drawn.
        near: Phrases that are easily mistaken for the word.
        engines: Built-in engines that speak.
        models: Further neural networks that speak.

    Returns:
        The recordings, in the order of `recordings.csv`, and the voices of each split.
    """
    key = [seed, zlib.crc32(word.encode())]
    rng = np.random.default_rng(key)
    voices = assign_voices(engines, models, rng, np.random.default_rng([*key, 1]))
    texts = {"target": itertools.repeat(word), **prompts(word, rng, near)}
    recordings: list[PlannedRecording] = []

    def add(
        folder: str,
        corpus: str,
        split: str,
        speaker: str,
        text: str,
        babble: Sequence[tuple[str, str]] = (),
    ) -> None:
        file = f"{folder.replace(' ', '_')}/{split}-{len(recordings):05d}.flac"
        own_seed = int(rng.integers(2**31))
        recordings.append(
            PlannedRecording(file, corpus, split, speaker, text, own_seed, list(babble))
        )

    for split, part in split_slices(utterances).items():
        speakers = itertools.cycle(rng.permutation(voices.voices_of_one_engine(split)).tolist())
        neural = itertools.cycle(voices.neural[split])
        counts = {"target": part.stop - part.start}
        for kind, (share, mean_s) in NEGATIVES.items():
            counts[kind] = max(1, round(SPLIT_SHARES[split] * share * negatives_s / mean_s))
        for kind, lines in texts.items():
            neural_count = round(neural_share(kind, len(voices.neural[split])) * counts[kind])
            for index, text in enumerate(itertools.islice(lines, counts[kind])):
                folder = f"keywords/{text}" if kind in ("target", "keywords") else kind
                speaker = next(neural) if index < neural_count else next(speakers)
                model = voices.model(speaker)
                corpus = CORPORA[model.engine if model else "espeak"]
                add(folder, corpus, split, speaker, text)
        for colour in itertools.islice(
            itertools.cycle(NOISE_KINDS), max(len(NOISE_KINDS), counts["noise"])
        ):
            count = BABBLE_LINES if colour == "babble" else 0
            babble = [(next(speakers), next(texts["sentences"])) for _ in range(count)]
            add(f"noise/{colour}", "synthetic-noise", split, "", "", babble)
    return recordings, voices


def neural_share(kind: str, voices: int) -> float:
    """Return the share of recordings that neural networks speak, which grows with their voices.

    Args:
        kind: `"target"`, `"keywords"`, `"commands"` or `"sentences"`.
        voices: Number of neural voices in the split.

    Returns:
        A number in [0, 1]; eSpeak speaks the rest.

    Example:
        >>> [round(neural_share("target", voices), 2) for voices in (0, 1, 3, 10)]
        [0.0, 0.35, 0.73, 0.99]
    """
    return 1.0 - (1.0 - SHARE_OF_ONE_VOICE[kind]) ** voices


def write_jobs(
    recordings: Sequence[PlannedRecording],
    voices: VoiceAssignment,
    jobs_folder: Path,
    folder: Path,
    seed: int,
) -> list[Path]:
    """Divide the recordings into jobs, one for each process of an engine, and write them as JSON.

    The jobs are the same on any machine, because the random numbers of an engine depend on what it
    has spoken before.

    Args:
        recordings: The plan.
        voices: The voices of each split.
        jobs_folder: Folder of the job files.
        folder: Folder of the recordings.
        seed: Seed of the engines.

    Returns:
        The paths of the job files; those of neural networks, which are slow, come first.
    """
    by_model = collections.defaultdict(list)
    for recording in recordings:
        speaker = recording.babble[0][0] if recording.babble else recording.speaker
        by_model[id(voices.model(speaker))].append(recording)
    parts = []
    for model in voices.models:
        own, settings = by_model[id(model)], voices.settings(model)
        parts += [(model.engine, settings, own[n::JOBS_PER_MODEL]) for n in range(JOBS_PER_MODEL)]
    rest = by_model[id(None)]
    parts += [("espeak", {}, rest[n::ESPEAK_JOBS]) for n in range(ESPEAK_JOBS)]
    paths = []
    for number, (engine, settings, part) in enumerate(parts):
        if not part:
            continue
        job = {"engine": engine, "seed": seed + number, "folder": str(folder)}
        job |= {"settings": settings, "recordings": [asdict(recording) for recording in part]}
        paths.append(jobs_folder / f"{engine}-{number}.json")
        paths[-1].write_text(json.dumps(job))
    return paths
