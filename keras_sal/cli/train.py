"""`keras-sal train`: a detector for a microcontroller from recordings, without configuration."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from keras_sal.cli.arguments import (
    Parser,
    add_false_alarm_budget,
    add_resume,
    add_seed,
    add_speech_synthesis,
    add_word,
    at_least,
    pair,
    positive,
    values,
)
from keras_sal.cli.command_parser import Commands, add_command, refuse_given
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.job_arguments import (
    LOSSES,
    NETWORKS,
    SIZES,
    add_recordings_of_job,
    add_scale,
    check_job,
    output_of_job,
    recordings_of_job,
    words_of_job,
)
from keras_sal.cli.results_table import print_footprint, print_results

QUANTIZATIONS = ("int8", "int16x8", "float32")
TRAINING = dict.fromkeys(("steps", "batch_size", "crop_frames", "learning_rate", "seed"))
SPEECH = dict.fromkeys(("near", "voices", "kokoro"))
JOB = dict.fromkeys(
    (
        *("network", "size", "loss", "strength", "reach", "gamma", "label_span"),
        *("hours", "shards", "refine", "quantization", "fa_per_hour"),
    )
)


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "train",
        run,
        summary="a detector from recordings, with firmware, threshold and a report",
        description="Trains a detector of a wake word, chooses its threshold on dev with the "
        "quantised model, and writes model.keras, firmware/, report.html and results.json, in the "
        "place of those of an earlier run. Takes up to an hour on two cores. Features and the "
        "trained model are kept in OUT/cache.",
        examples=[
            'train my_recordings --word "hey robot"',
            "train my_recordings --word computer --network conv --output computer_conv",
            'train --word "hey robot" --near "hey robert" --near "hay rowboat" --voice lessac.onnx',
            "train --word computer --positives mine --negatives speech tv --noise fan",
            'train my_recordings --word "lights on" --word "lights off"',
            "train my_recordings --word computer --resume --fa-per-hour 0.5",
            "train my_recordings --word computer --negatives more_speech",
        ],
        notes="DIR has recordings.csv, or a folder for each word: hey_robot/ann-1.wav is said by "
        "ann, noise/ has noise. Without a table, and where its rows are all of one split, speakers "
        "are dealt out to train, dev and test; where one speaker alone says the word, the "
        "recordings are, and the figures hold for that voice. `keras-sal align DIR` finds when the "
        "words of a table are said. Of several words, each has a threshold of its own and a report "
        "in OUT/reports; their speech is not synthesised.",
        check=check,
    )
    parser.set_defaults(needs_tensorflow=False)
    add_recordings_of_job(parser)
    add_word(parser, "none; it must be given", several=True)
    parser.add_argument(
        "--output", metavar="OUT", help="folder to write to (default: keras_sal_ and the word)"
    )
    add_false_alarm_budget(parser)
    add_seed(parser, "weights, streams and crops")
    add_resume(parser)
    _add_model(parser.add_argument_group("model"))
    _add_training(parser.add_argument_group("training"))
    _add_synthesis(parser.add_argument_group("synthetic speech in the train split"))


def _add_model(group: Parser) -> None:
    group.add_argument(
        "--network",
        choices=NETWORKS,
        default="gru",
        help="kind of network; on a CPU a gru trains fastest on JAX, a conv on TensorFlow, and "
        "each is taken where it is installed, unless KERAS_BACKEND names another",
    )
    group.add_argument("--size", choices=SIZES, default="micro", help="size of the model")
    group.add_argument(
        "--quantization",
        choices=QUANTIZATIONS,
        default="int8",
        help="number format of the firmware",
    )


def _add_training(group: Parser) -> None:
    group.add_argument("--loss", choices=LOSSES, default="sa+fl", help="the loss")
    group.add_argument(
        "--strength",
        type=at_least(0, float),
        metavar="S",
        help="strength of an anchor loss, at least 0 (default: 5)",
    )
    group.add_argument(
        "--reach",
        type=pair(positive(float), alone=True),
        metavar="N[,N]",
        help="reach of an anchor loss in outputs of 30 ms, or two: before and after the anchor "
        "(default: 15)",
    )
    group.add_argument(
        "--gamma",
        type=at_least(0, float),
        metavar="G",
        help="exponent of a focal loss, at least 0 (default: 2)",
    )
    group.add_argument(
        "--label-span",
        type=pair(at_least(0, int)),
        metavar="N,N",
        help="outputs of 30 ms before and after the end of the word that are positive "
        "(default: 2,8)",
    )
    add_scale(group)
    group.add_argument(
        "--shards",
        metavar="OUT",
        help="folder that `keras-sal shard` wrote for the same DIR, word and --negatives, whose "
        "streams are trained on, all hours of them (default: streams are made)",
    )
    group.add_argument(
        "--learning-rate",
        type=positive(float),
        default=4e-3,
        metavar="R",
        help="initial learning rate",
    )


def _add_synthesis(group: Parser) -> None:
    group.add_argument(
        "--utterances",
        type=at_least(0, int),
        metavar="N",
        help="number of times that the word is synthesised; on our recordings it did harm: compare "
        "(default: 0; 300 without recordings or with one of the options below)",
    )
    add_speech_synthesis(group)


def check(options: argparse.Namespace) -> None:
    """Refuse folders that are not there, and options that would have no effect.

    Args:
        options: Parsed arguments.

    Raises:
        ValueError: If options don't go together.
        FileNotFoundError: If a folder is not there.
    """
    check_job(options)
    if options.shards is not None:
        where, remedy = "with --shards, whose streams are trained on", "Make other shards."
        refuse_given(options, ["hours"], where, remedy=remedy)
    if options.shards is not None and options.utterances != 0:
        where = "with --shards; speech that is synthesised now is not in them"
        remedy = "Synthesise it with `keras-sal synthesize`, and shard that."
        refuse_given(options, ["utterances", *SPEECH], where, remedy=remedy)
    if options.utterances == 0:
        where, remedy = "with --utterances 0; nothing is synthesised", "Leave out one of the two."
        refuse_given(options, SPEECH, where, remedy=remedy)


@says_warnings
def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.
        console: Shows the progress.

    Returns:
        The exit status, 0.
    """
    with console.stage("Load the libraries"):
        from keras_sal.training import SyntheticSpeech, TrainingOptions, wake_word
    words, output = words_of_job(options), output_of_job(options)
    job = wake_word.WakeWordJob(
        **recordings_of_job(options, output),
        training=TrainingOptions(**values(options, TRAINING)),
        speech=SyntheticSpeech(options.utterances, **values(options, SPEECH)),
        **values(options, JOB),
    )
    results = wake_word.train_wake_word(
        output, job, resume=options.resume, command=options.command_line, reporter=console
    )
    by_word = {words[0]: results} if len(words) == 1 else results
    for found in by_word.values():
        print_results(found, console)
    shipped = {word: found["systems"][-1] for word, found in by_word.items()}
    print_footprint(shipped[words[0]], console)
    for word, system in shipped.items():
        of_word = f" of {word!r}" if len(words) > 1 else ""
        console.say(
            f"Threshold{of_word} {system['threshold']['threshold']:.6g}, in {output / 'firmware'}"
        )
    page = "report.html" if len(words) == 1 else "reports/"
    console.say(f"Artefacts in {output.resolve()}: model.keras, firmware/, {page}")
    kept = sum(file.stat().st_size for file in (output / "cache").rglob("*") if file.is_file())
    console.say(f"{output / 'cache'} holds {kept / 1e6:.0f} MB for another run; delete it at will")
    console.say(f"Try it with: {detect_command(output / 'firmware')}")
    return 0


def detect_command(bundle: Path) -> str:
    """Return the command line that listens with a bundle.

    Args:
        bundle: Its folder.

    Example:

    >>> detect_command(Path("my words/firmware"))
    "keras-sal detect 'my words/firmware' --microphone"
    """
    return shlex.join(["keras-sal", "detect", str(bundle), "--microphone"])
