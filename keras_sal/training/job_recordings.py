"""Recordings of a training job: those of a folder, synthetic speech, or both."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from keras_sal.checks import require
from keras_sal.data import (
    Recording,
    check_splits,
    find_recordings,
    load_recordings,
    load_word_recordings,
    partition,
)
from keras_sal.data.wake_words import Words
from keras_sal.progress import Reporter
from keras_sal.typing import PathLike

UTTERANCES = 300
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class SyntheticSpeech:
    """Options of the speech that is synthesised to be trained on.

    Args:
        utterances: How often the word is synthesised, >= 0. Defaults to `None`: 300 if there are no
            recordings or another option is given, else 0, because on our recordings it did harm.
        near: Phrases that are easily mistaken for the word, synthesised as negatives.
        voices: Piper voices that speak besides the default one: paths of `.onnx` files.
        kokoro: Model and voices of Kokoro, which then speaks besides; see
            `keras_sal.data.synthesis`. Defaults to `None`.
    """

    utterances: int | None = None
    near: Sequence[str] = ()
    voices: Sequence[PathLike] = ()
    kokoro: Sequence[PathLike] | None = None


class JobRecordings(NamedTuple):
    """The recordings of a job.

    Attributes:
        folder: Folder of the recordings that the job is evaluated on.
        recordings: All recordings.
        added: Options of the synthetic speech in the train split; empty without any.
    """

    folder: Path
    recordings: list[Recording]
    added: dict[str, Any]


def collect_recordings(
    word: Words,
    folder: PathLike | None,
    speech: SyntheticSpeech,
    output: Path,
    reporter: Reporter,
    *,
    negatives: Sequence[PathLike] = (),
    resplit: bool = False,
    seed: int = 0,
) -> JobRecordings:
    """Load the recordings of a job, and synthesise speech if there are none or it is asked for.

    Args:
        word: The wake word, or a list of several, for which no speech is synthesised.
        folder: Folder of recordings, or `None`; see `keras_sal.data.find_recordings`.
        speech: Options of synthetic speech.
        output: Folder below which synthetic speech is written.
        reporter: Receiver of the progress.
        negatives: Folders of further negatives; see `keras_sal.data.load_word_recordings`. Defaults
            to none.
        resplit: Whether to split by speaker even if the table has splits. A table with one split is
            always split. Defaults to `False`.
        seed: Seed of the synthetic speech. Defaults to 0.

    Returns:
        The `JobRecordings`.

    Raises:
        ImportError: If a package for speech synthesis is missing.
        ValueError: If the recordings can't be trained on, or there is nothing to train on.
    """
    load = partial(_load, word=word, negatives=negatives, resplit=resplit, reporter=reporter)
    found = find_recordings(folder)
    utterances = count_utterances(speech, alone=found is None)
    if not isinstance(word, str):
        if found is None or utterances:
            raise ValueError(
                "`recordings` must hold all of several words, and no speech may be synthesised; "
                f"that is done for one word only. Received: word={list(word)}, "
                f"{'no recordings' if found is None else f'{utterances} utterances'}. Record them, "
                "or write a folder for each with `keras-sal synthesize`."
            )
        return JobRecordings(found, load(found), {})
    options: dict[str, Any] = {"utterances": utterances, "seed": seed}
    options |= {"near": speech.near, "voices": speech.voices}
    options |= {"kokoro": speech.kokoro} if speech.kokoro else {}
    if found is None:
        found = _synthesize(word, output, reporter, options)
        return JobRecordings(found, load(found), {})
    recordings = load(found)
    if not utterances:
        return JobRecordings(found, recordings, {})
    synthetic = load_recordings(_synthesize(word, output, reporter, options))
    recordings += [replace(recording, split="train") for recording in synthetic]
    return JobRecordings(found, recordings, options)


def count_utterances(speech: SyntheticSpeech, *, alone: bool) -> int:
    """Return how often the word is synthesised.

    Args:
        speech: Options of synthetic speech.
        alone: Whether there are no recordings.

    Raises:
        ValueError: If there is nothing to train on.
    """
    require(
        not (alone and speech.utterances == 0),
        "`recordings` must name a folder where no speech is to be synthesised; there is "
        "nothing to train on. Received: no recordings, utterances=0. Give a folder.",
    )
    if speech.utterances is not None:
        return speech.utterances
    return UTTERANCES if alone or speech.near or speech.voices or speech.kokoro else 0


def _synthesize(word: str, output: Path, reporter: Reporter, options: dict[str, Any]) -> Path:
    from keras_sal.data.synthesis import synthesize

    digest = zlib.crc32(repr(sorted(options.items())).encode())
    folder = output / SYNTHETIC
    folder.mkdir(parents=True, exist_ok=True)
    with reporter.stage("Synthesise speech") as stage:
        return synthesize(
            word,
            folder / f"{word.replace(' ', '_')}-{digest:08x}",
            **options,
            progress=stage.progress,
        )


def _load(
    folder: Path, word: Words, negatives: Sequence[PathLike], resplit: bool, reporter: Reporter
) -> list[Recording]:
    reporter.say(f"Recordings: {folder}")
    recordings = load_word_recordings(
        folder, word, negatives=negatives, resplit=resplit, say=reporter.say
    )
    positives, _ = check_splits(recordings, word)
    untimed = sum(math.isnan(recording.offset_s) for recording in partition(recordings, word)[0])
    if untimed:
        reporter.say(
            f"{untimed} of {sum(positives.values())} have no times, which are taken from their "
            "energy; `keras-sal align` may find better ones"
        )
    return recordings
