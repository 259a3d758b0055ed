"""`keras-sal synthesize`: a phrase in, a folder of synthetic recordings out."""

import argparse

from keras_sal.cli.arguments import positive

ENGINES = ("piper", "espeak")
EXAMPLES = """examples:
  keras-sal synthesize "hey robot" speech
  keras-sal synthesize "hey robot" speech --near "hey robert" --near "hay rowboat"
  keras-sal synthesize computer speech --utterances 2000 --voice libritts_r-medium.onnx
  keras-sal synthesize computer speech --kokoro kokoro-v1.0.onnx voices-v1.0.bin --engines piper

DIR is a folder of recordings as `keras-sal train DIR` takes it, with the times of every phrase. It
appears whole or not at all; the same call makes the same samples. The engines are GPL-3:
pip install "keras-sal[demo]"."""


def add(commands):
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "synthesize",
        help="a phrase in, a folder of synthetic recordings out",
        description="Says a phrase in many voices, speeds, pitches and rooms, and beside it what\n"
        "is easily mistaken for it, orders, sentences and noise, with the times of all.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("word", metavar="PHRASE", help="what is said, in small letters")
    parser.add_argument("directory", metavar="DIR", help="folder to make")
    parser.add_argument(
        "--utterances",
        type=positive(int),
        default=300,
        metavar="N",
        help="how often the phrase is said (%(default)s)",
    )
    parser.add_argument(
        "--negatives-s",
        type=positive(float),
        default=3000.0,
        metavar="S",
        help="seconds of other speech and noise, about (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument(
        "--near",
        action="append",
        default=[],
        metavar="PHRASE",
        help="is easily mistaken for it, to be said as a negative; may be repeated",
    )
    parser.add_argument(
        "--engines",
        nargs="*",
        choices=ENGINES,
        default=list(ENGINES),
        help="built-in voices that speak: one of Piper, some eighty of eSpeak NG (both)",
    )
    parser.add_argument(
        "--voice",
        dest="voices",
        action="append",
        default=[],
        metavar="ONNX",
        help="a voice of Piper that speaks, too, its .onnx.json beside it; each speaker of a voice "
        "with many counts; may be repeated",
    )
    parser.add_argument(
        "--kokoro",
        nargs=2,
        metavar=("MODEL", "VOICES"),
        help="files of Kokoro, which speaks, too (pip install kokoro-onnx)",
    )
    parser.set_defaults(command=run)


def run(word, directory, **options):
    """Runs `keras-sal synthesize`."""
    from keras_sal.cli.console import Console
    from keras_sal.data import load_recordings, partition
    from keras_sal.data.synthesis import synthesize

    console = Console()
    word = " ".join(word.casefold().split())
    with console.stage(f"Say {word!r}") as stage:
        folder = synthesize(word, directory, **options, progress=stage.progress)
    recordings = load_recordings(folder)
    positives, _ = partition(recordings, word)
    voices = {recording.speaker for recording in recordings if recording.speaker}
    hours = sum(recording.duration_s for recording in recordings) / 3600
    console.say(
        f"{folder}: {len(positives)} times {word!r}, {len(recordings) - len(positives)} others, "
        f"{len(voices)} voices, {hours:.1f} h"
    )
    console.say(f"Train on it with: keras-sal train {directory} --word {word!r}")
    return 0
