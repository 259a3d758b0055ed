"""`keras-sal train`: from recordings to a detector for a microcontroller, without configuration."""

import argparse
from pathlib import Path

from keras_sal.cli.arguments import positive, typed
from keras_sal.cli.results_table import show

MODELS = ("gru", "conv", "conv-gru")
SIZES = ("nano", "micro", "small")
LOSSES = ("sal", "sa+fl", "safl", "cross-entropy", "focal")
QUANTIZATIONS = ("int8", "int16x8", "float32")
BUDGET = (
    "false alarms an hour that are allowed (1, or the least that the hours of negatives can tell "
    "from none)"
)
EXAMPLES = """examples:
  keras-sal train my_recordings --word "hey robot"
  keras-sal train my_recordings --word computer --model conv --output computer_conv
  keras-sal train --word "hey robot" --near "hey robert" --near "hay rowboat" --voice lessac.onnx
  keras-sal train my_recordings --word computer --resume --fa-per-hour 0.5

DIR has recordings.csv, or a folder for each word: hey_robot/ann-1.wav is said by ann, noise/ has
noise. Without a table, and where its rows are all of one split, speakers are dealt out to train,
dev and test. `keras-sal align DIR` finds when the words of a table are said."""


def add(commands):
    """Adds the parser of the command."""
    parser = commands.add_parser(
        "train",
        help="a detector from recordings, with firmware, threshold and a page of figures",
        description="Trains a detector of a wake word, chooses its threshold on dev with the\n"
        "quantised model, and writes model.keras, firmware/, report.html and results.json. Takes\n"
        "up to an hour on two cores. Features and the trained models are kept in OUT/cache.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "directory",
        nargs="?",
        metavar="DIR",
        help="folder of recordings; else $KERAS_SAL_RECORDINGS, else ../shared/recordings "
        "beside the checkout, else all speech is synthesised",
    )
    parser.add_argument("--recordings", metavar="DIR", help="the same")
    parser.add_argument(
        "--resplit",
        action="store_true",
        help="deal the speakers out to train, dev and test anew, whatever the table says",
    )
    parser.add_argument("--word", required=True, help="the wake word, as in the column text")
    parser.add_argument(
        "--output", metavar="OUT", help="folder to write to (keras_sal_ and the word)"
    )
    parser.add_argument(
        "--fa-per-hour",
        type=positive(float),
        metavar="F",
        help=BUDGET,
    )
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="use the model that was trained in OUT with the same options, to convert it again",
    )
    _add_model(parser.add_argument_group("model"))
    _add_training(parser.add_argument_group("training (the defaults are those of the recipe)"))
    _add_synthesis(parser.add_argument_group("synthetic speech, to be trained on"))
    parser.set_defaults(command=run)


def _add_model(group):
    group.add_argument("--model", choices=MODELS, default="gru", help="(%(default)s)")
    group.add_argument("--size", choices=SIZES, default="micro", help="(%(default)s)")
    group.add_argument("--quantization", choices=QUANTIZATIONS, help="(int8)")


def _add_training(group):
    group.add_argument("--loss", choices=LOSSES, default="sa+fl", help="(%(default)s)")
    group.add_argument("--strength", type=float, metavar="S", help="of the anchor loss, >= 0 (5)")
    group.add_argument(
        "--reach",
        type=positive(float),
        metavar="N",
        help="of the anchor loss, in answers of 30 ms (15)",
    )
    group.add_argument(
        "--refine",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="first move the times of the words to where a small model finds them (yes)",
    )
    group.add_argument(
        "--teachers",
        type=int,
        default=0,
        metavar="N",
        help="first train N GRUs of that size, and have it learn from their answers, too "
        "(%(default)s). On our recordings 2 helped GRUs on dev, and not on test",
    )
    for name, kind, metavar, what in (
        ("--steps", int, "N", "train steps"),
        ("--hours", float, "H", "of training streams"),
        ("--rate", float, "R", "the first learning rate"),
        ("--batch-size", int, "N", "crops in a batch"),
        ("--crop-frames", int, "N", "length of a crop, in frames of 10 ms"),
    ):
        group.add_argument(name, type=positive(kind), metavar=metavar, help=what)


def _add_synthesis(group):
    group.add_argument(
        "--synthetic",
        type=int,
        metavar="N",
        help="say the word so often, besides the recordings (0; 300 without recordings). On our "
        "recordings it did harm: compare",
    )
    group.add_argument(
        "--near",
        action="append",
        default=[],
        metavar="PHRASE",
        help="is easily mistaken for the word; may be repeated",
    )
    group.add_argument(
        "--voice",
        dest="voices",
        action="append",
        default=[],
        metavar="ONNX",
        help="a voice of Piper that speaks, too; may be repeated",
    )
    group.add_argument(
        "--kokoro",
        nargs=2,
        metavar=("MODEL", "VOICES"),
        help="files of Kokoro, which speaks, too (pip install kokoro-onnx)",
    )


def run(directory, recordings, word, output, **options):
    """Runs `keras-sal train`."""
    from keras_sal.cli.console import Console
    from keras_sal.training import wake_word

    if directory and recordings:
        raise ValueError(
            "`DIR` must be given once. Received: "
            f"{directory!r} and --recordings {recordings!r}. Leave one out."
        )
    console = Console()
    word = " ".join(word.casefold().split())
    output = Path(output or f"keras_sal_{word.replace(' ', '_')}")
    with console.saying_warnings():
        results = wake_word.run(
            output,
            console,
            word=word,
            recordings=directory or recordings,
            command=typed(),
            **options,
        )
    show(results, console)
    shipped = results["systems"][-1]
    console.say(f"Flash {shipped['flash_bytes']:,} bytes, arena {shipped['arena_bytes']:,} bytes")
    console.say(f"Threshold {shipped['threshold']['threshold']:.6g}, in {output / 'firmware'}")
    console.say(f"Artefacts in {output.resolve()}: model.keras, firmware/, report.html")
    kept = sum(file.stat().st_size for file in (output / "cache").rglob("*") if file.is_file())
    console.say(f"{output / 'cache'} holds {kept / 1e6:.0f} MB for another run; delete it at will")
    console.say(f"Listen to it with: keras-sal detect {output / 'firmware'} --microphone")
    return 0
