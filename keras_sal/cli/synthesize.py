"""`keras-sal synthesize`: a folder of synthetic recordings of a phrase."""

from __future__ import annotations

import argparse
import shlex

from keras_sal.cli.arguments import add_seed, add_speech_synthesis, positive
from keras_sal.cli.command_parser import Commands, add_command
from keras_sal.cli.console import Console

ENGINES = ("piper", "espeak")


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "synthesize",
        run,
        summary="a folder of synthetic recordings of a phrase",
        description="Says a phrase in many voices, speeds, pitches and rooms, and beside it "
        "phrases that are easily mistaken for it, orders, sentences and noise, with the times of "
        "all.",
        examples=[
            'synthesize "hey robot" speech',
            'synthesize "hey robot" speech --near "hey robert" --near "hay rowboat"',
            "synthesize computer speech --utterances 2000 --voice libritts_r-medium.onnx",
            "synthesize computer speech --kokoro kokoro-v1.0.onnx voices-v1.0.bin --engines piper",
        ],
        notes="DIR is a folder of recordings as `keras-sal train DIR` takes it, with the times of "
        "every phrase. It appears complete or not at all; the same call makes the same samples. "
        'The engines are GPL-3: pip install "keras-sal[demo]".',
    )
    parser.add_argument("word", metavar="PHRASE", help="the phrase, in small letters")
    parser.add_argument("folder", metavar="DIR", help="folder to make")
    parser.add_argument(
        "--utterances",
        type=positive(int),
        default=300,
        metavar="N",
        help="number of times that the phrase is said",
    )
    parser.add_argument(
        "--negatives-s",
        type=positive(float),
        default=3000.0,
        metavar="S",
        help="approximate seconds of other speech and noise",
    )
    add_seed(parser, "voices, texts and rooms")
    parser.add_argument(
        "--engines",
        nargs="*",
        choices=ENGINES,
        default=list(ENGINES),
        help="built-in voices that speak: one of Piper, some eighty of eSpeak NG (default: both)",
    )
    add_speech_synthesis(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.

    Returns:
        The exit status, 0.
    """
    from keras_sal.data import load_recordings, partition
    from keras_sal.data.synthesis import synthesize

    console = Console()
    word = " ".join(options.word.casefold().split())
    with console.stage(f"Say {word!r}") as stage:
        folder = synthesize(
            word,
            options.folder,
            utterances=options.utterances,
            negatives_s=options.negatives_s,
            seed=options.seed,
            near=options.near,
            engines=options.engines,
            voices=options.voices,
            kokoro=options.kokoro,
            progress=stage.progress,
        )
    recordings = load_recordings(folder)
    positives, _ = partition(recordings, word)
    voices = {recording.speaker for recording in recordings if recording.speaker}
    hours = sum(recording.duration_s for recording in recordings) / 3600
    console.say(
        f"{folder}: {len(positives)} times {word!r}, {len(recordings) - len(positives)} others, "
        f"{len(voices)} voices, {hours:.1f} h"
    )
    command = shlex.join(["keras-sal", "train", options.folder, "--word", word])
    console.say(f"Train on it with: {command}")
    return 0
