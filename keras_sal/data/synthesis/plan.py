"""What is said by whom: every clip of a folder of synthetic speech, before one is made."""

import collections
import itertools
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from keras_sal.data.synthesis.prompts import prompts
from keras_sal.data.synthesis.studio import NOISE_S
from keras_sal.data.synthesis.voices import CORPORA, SPLITS, Cast, Model, cast, parts

NEGATIVES = {  # share of the time, mean seconds of a clip
    "keywords": (0.25, 2.2),
    "commands": (0.25, 3.1),
    "sentences": (0.40, 4.0),
    "noise": (0.10, NOISE_S),
}
NOISES = ("white", "pink", "brown", "hum", "babble")
ONE_VOICE = {"target": 0.35, "keywords": 0.3, "commands": 0.3, "sentences": 0.2}
NEURAL_LOTS, ESPEAK_LOTS = 2, 8  # for each network, and together


@dataclass
class Clip:
    """A clip to be made: a row of `recordings.csv` but for its times."""

    file: str
    corpus: str
    split: str
    speaker: str
    text: str
    seed: int
    mixture: list[tuple[str, str]] = field(default_factory=list)  # of a babble: (speaker, text)


def plan(
    word: str,
    utterances: int,
    negatives_s: float,
    seed: int,
    *,
    near: Sequence[str] = (),
    engines: Sequence[str] = ("piper", "espeak"),
    models: Sequence[Model] = (),
) -> tuple[list[Clip], Cast]:
    """Every clip of the folder, in the order of its CSV, and who speaks."""
    key = [seed, zlib.crc32(word.encode())]
    rng = np.random.default_rng(key)
    voices = cast(engines, models, rng, np.random.default_rng([*key, 1]))
    texts = {"target": itertools.repeat(word), **prompts(word, rng, near)}
    clips: list[Clip] = []

    def add(folder: str, corpus: str, split: str, speaker: str, text: str, mixture=()) -> None:
        file = f"{folder.replace(' ', '_')}/{split}-{len(clips):05d}.flac"
        draw = int(rng.integers(2**31))
        clips.append(Clip(file, corpus, split, speaker, text, draw, list(mixture)))

    for split, part in parts(utterances).items():
        speakers = itertools.cycle(rng.permutation(voices.crowd(split)).tolist())
        neural = itertools.cycle(voices.neural[split])
        counts = {"target": part.stop - part.start}
        for kind, (share, mean_s) in NEGATIVES.items():
            counts[kind] = max(1, round(SPLITS[split] * share * negatives_s / mean_s))
        for kind, lines in texts.items():
            networks = round(neural_share(kind, len(voices.neural[split])) * counts[kind])
            for index, text in enumerate(itertools.islice(lines, counts[kind])):
                folder = f"keywords/{text}" if kind in ("target", "keywords") else kind
                speaker = next(neural) if index < networks else next(speakers)
                model = voices.model(speaker)
                corpus = CORPORA[model.engine if model else "espeak"]
                add(folder, corpus, split, speaker, text)
        for colour in itertools.islice(itertools.cycle(NOISES), max(len(NOISES), counts["noise"])):
            crowd = range(18 if colour == "babble" else 0)
            mixture = [(next(speakers), next(texts["sentences"])) for _ in crowd]
            add(f"noise/{colour}", "synthetic-noise", split, "", "", mixture)
    return clips, voices


def neural_share(kind: str, voices: int) -> float:
    """The share of the clips that networks speak, beside eSpeak: the more voices, the more.

    >>> [round(neural_share("target", voices), 2) for voices in (0, 1, 3, 10)]
    [0.0, 0.35, 0.73, 0.99]
    """
    return 1.0 - (1.0 - ONE_VOICE[kind]) ** voices


def lots(clips: list[Clip], voices: Cast, aside: Path, folder: Path, seed: int) -> list[Path]:
    """The clips parcelled out, on any machine alike: an engine's noise depends on its past."""
    by_model = collections.defaultdict(list)
    for clip in clips:
        speaker = clip.mixture[0][0] if clip.mixture else clip.speaker
        by_model[id(voices.model(speaker))].append(clip)
    parcels = []
    for model in voices.models:  # the slow ones first
        mine, settings = by_model[id(model)], voices.settings(model)
        parcels += [(model.engine, settings, mine[n::NEURAL_LOTS]) for n in range(NEURAL_LOTS)]
    rest = by_model[id(None)]
    parcels += [("espeak", {}, rest[n::ESPEAK_LOTS]) for n in range(ESPEAK_LOTS)]
    paths = []
    for number, (engine, settings, parcel) in enumerate(parcels):
        if not parcel:
            continue
        lot = {"engine": engine, "seed": seed + number, "folder": str(folder)}
        lot |= {"settings": settings, "clips": [asdict(clip) for clip in parcel]}
        paths.append(aside / f"{engine}-{number}.json")
        paths[-1].write_text(json.dumps(lot))
    return paths
