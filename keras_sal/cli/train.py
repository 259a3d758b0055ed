"""`keras-sal train`: a detector for a microcontroller from recordings, without configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from keras_sal.cli.arguments import (
    RECORDINGS,
    Parser,
    add_false_alarm_budget,
    add_resume,
    add_seed,
    add_speech_synthesis,
    add_word,
    at_least,
    positive,
    values,
)
from keras_sal.cli.command_parser import Commands, add_command
from keras_sal.cli.console import Console
from keras_sal.cli.native_noise import import_quietly
from keras_sal.cli.paths import check_recordings
from keras_sal.cli.results_table import print_footprint, print_results
from keras_sal.cli.wake_word import list_recorded

FOLDERS = {
    "positives": "folders of recordings of the word alone, ann-1.wav said by ann",
    "negatives": "folders of other speech; a folder inside is named after what is said in it. "
    "Beside DIR: folders with recordings.csv of further negatives, in the splits of their tables",
    "noise": "folders of noise",
}
NETWORKS = ("gru", "conv", "conv-gru")
SIZES = ("nano", "micro", "small")
LOSSES = ("sal", "sa+fl", "safl", "cross-entropy", "focal")
QUANTIZATIONS = ("int8", "int16x8", "float32")
TRAINING = dict.fromkeys(("steps", "batch_size", "crop_frames", "learning_rate", "seed"))
SPEECH = dict.fromkeys(("near", "voices", "kokoro"))
JOB = dict.fromkeys(
    (
        *("resplit", "network", "size", "loss", "strength", "reach", "hours", "refine"),
        *("quantization", "fa_per_hour"),
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
        "quantised model, and writes model.keras, firmware/, report.html and results.json. Takes "
        "up to an hour on two cores. Features and the trained model are kept in OUT/cache.",
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
    parser.add_argument(
        "folder",
        nargs="?",
        metavar="DIR",
        help=f"folder of recordings (default: {RECORDINGS}, else all speech is synthesised)",
    )
    parser.add_argument(
        "--recordings", metavar="DIR", help="another way to give DIR (default: DIR)"
    )
    _add_folders(
        parser.add_argument_group("recordings in several folders, instead of DIR or added to it")
    )
    parser.add_argument(
        "--resplit",
        action="store_true",
        help="deal the speakers out to train, dev and test, whatever the table says",
    )
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


def _add_folders(group: Parser) -> None:
    for name, text in FOLDERS.items():
        group.add_argument(
            f"--{name}", nargs="+", action="extend", default=[], metavar="DIR", help=text
        )


def _add_model(group: Parser) -> None:
    group.add_argument("--network", choices=NETWORKS, default="gru", help="kind of network")
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
        type=positive(float),
        metavar="N",
        help="reach of an anchor loss in outputs of 30 ms (default: 15)",
    )
    group.add_argument(
        "--refine",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="first move the times of the words to where a small model finds them",
    )
    for name, kind, default, metavar, what in (
        ("--steps", int, 18_000, "N", "train steps, in 20 epochs"),
        ("--hours", float, 8.0, "H", "hours of training streams"),
        ("--learning-rate", float, 4e-3, "R", "initial learning rate"),
        ("--batch-size", int, 32, "N", "crops in a batch"),
        ("--crop-frames", int, 400, "N", "length of a crop in frames of 10 ms"),
    ):
        group.add_argument(name, type=positive(kind), default=default, metavar=metavar, help=what)


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
    """Refuse folders that are not there or do not go together.

    Args:
        options: Parsed arguments.

    Raises:
        ValueError: If they don't go together.
        FileNotFoundError: If one is not there.
    """
    if options.folder and options.recordings:
        raise ValueError(
            "`DIR` must be given once. Received: "
            f"{options.folder!r} and --recordings {options.recordings!r}. Leave one out."
        )
    if not options.positives:
        check_recordings(options)
    if options.word is None:
        listed = list_recorded(options.folder or options.recordings)
        raise ValueError(
            f"`--word` must be given; the detector learns it. Received: none.{listed} Choose one, "
            "or several."
        )
    _check_folders(options)


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.

    Returns:
        The exit status, 0.
    """
    console = Console()
    with console.stage("Load the libraries"):
        import_quietly("tensorflow")
        from keras_sal.data.wake_words import list_words
        from keras_sal.training import SyntheticSpeech, TrainingOptions, wake_word
    words = [" ".join(word.casefold().split()) for word in list_words(options.word)]
    output = Path(options.output or f"keras_sal_{'_'.join(words).replace(' ', '_')}")
    job = wake_word.WakeWordJob(
        words[0] if len(words) == 1 else words,
        _tabulate(output, words[0], options) or options.folder or options.recordings,
        negatives=() if options.positives else options.negatives,
        training=TrainingOptions(**values(options, TRAINING)),
        speech=SyntheticSpeech(options.utterances, **values(options, SPEECH)),
        **values(options, JOB),
    )
    with console.saying_warnings():
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
    console.say(f"Try it with: keras-sal detect {output / 'firmware'} --microphone")
    return 0


def _check_folders(options: argparse.Namespace) -> None:
    """Refuse folders of a kind without those of the other, or beside a folder of all.

    Negatives alone are added to the folder of all.
    """
    given = [name for name in FOLDERS if getattr(options, name)]
    if given == ["negatives"]:
        return
    if given and not isinstance(options.word, str):
        raise ValueError(
            f"`--{given[0]}` must be left out for several words; it holds one. Received: "
            f"{len(options.word)} words. Give `DIR`, with a folder for each word and the others."
        )
    if given and (options.folder or options.recordings):
        raise ValueError(
            f"`--{given[0]}` must be given instead of a folder of all recordings. Received: "
            f"{options.folder or options.recordings!r} too. Leave one out."
        )
    lacking = [name for name in ("positives", "negatives") if name not in given]
    if given and lacking:
        raise ValueError(
            f"`--{lacking[0]}` must be given with `--{given[0]}`; a detector learns the word from "
            "its recordings and from others. Received: none. Name a folder."
        )


def _tabulate(output: Path, word: str, options: argparse.Namespace) -> Path | None:
    """Write one table for the folders of each kind, if they are given."""
    if not options.positives:
        return None
    from keras_sal.data import tabulate_folders

    folders = (getattr(options, name) for name in FOLDERS)
    return tabulate_folders(output / "recordings", word, *folders)
