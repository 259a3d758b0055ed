"""`keras-sal tune`: hyper-parameters of the training of a detector, chosen on dev."""

from __future__ import annotations

import argparse
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.cli.arguments import (
    Parser,
    add_false_alarm_budget,
    add_seed,
    add_word,
    add_workers,
    positive,
    values,
)
from keras_sal.cli.command_parser import Commands, RepeatedText, add_command
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.job_arguments import (
    FOLDERS,
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
from keras_sal.cli.paths import check_free

if TYPE_CHECKING:
    from keras_sal.training import TunedTrial, TuningResult

TRAINING = dict.fromkeys(("steps", "batch_size", "crop_frames", "seed"))
JOB = dict.fromkeys(("hours", "refine", "fa_per_hour"))
WHERE = dict.fromkeys(("storage", "workers", "address"))
SHOWN = 5


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "tune",
        run,
        summary="hyper-parameters of `train`, chosen on dev",
        description="Trains a detector again and again as `train` does, with other "
        "hyper-parameters each time: the loss, its strength, reach and gamma, the span of the "
        "labels, the learning rate. The first trial is the recipe. The criterion is the mean "
        "misses on dev over all false-alarm budgets up to ten times --fa-per-hour. Prints the "
        "command that makes firmware of the best detector. Each trial takes as long as `train`.",
        examples=[
            "tune my_recordings --word computer --trials 20",
            "tune my_recordings --word computer --trials 40",
            "tune my_recordings --word computer --network gru --network conv --loss sal",
            "tune my_recordings --word computer --trials 40 --workers 4",
            "tune my_recordings --word computer --trials 100 --address head:6379",
        ],
        notes="Trials are kept: the second command goes on with those of the first. With --workers "
        "or --address worker processes of Ray run them, one a core. A trial whose worker is killed "
        "goes on, on another one; if the command is killed, the next one tries it again.",
        check=check,
    )
    parser.set_defaults(needs_tensorflow=False)
    add_recordings_of_job(parser)
    add_word(parser, "none; it must be given", several=True)
    parser.add_argument(
        "--trials",
        type=positive(int),
        default=20,
        metavar="N",
        help="trials with a result, those of earlier calls among them",
    )
    parser.add_argument(
        "--output", metavar="OUT", help="folder to write to (default: keras_sal_ and the word)"
    )
    parser.add_argument(
        "--storage",
        metavar="FILE",
        help="file of the trials, or URL of a database, which several calls may share (default: "
        "OUT/trials.journal)",
    )
    add_workers(parser, "none, this process runs one trial at a time")
    add_false_alarm_budget(parser)
    add_seed(parser, "weights, streams, crops and the search")
    _add_choices(parser.add_argument_group("what to choose from; each may be repeated"))
    add_scale(parser.add_argument_group("training of each trial"))


def _add_choices(group: Parser) -> None:
    for name, choices, default in (
        ("loss", LOSSES, ["sal", "sa+fl", "safl"]),
        ("network", NETWORKS, ["gru"]),
        ("size", SIZES, ["micro"]),
    ):
        group.add_argument(
            f"--{name}",
            action=RepeatedText,
            choices=choices,
            default=default,
            help=f"(default: {', '.join(default)})",
        )


def check(options: argparse.Namespace) -> None:
    """Refuse folders that are not there or not free, and begin only with the packages.

    Args:
        options: Parsed arguments.

    Raises:
        ImportError: If a package is missing.
        ValueError: If folders don't go together.
        OSError: If a folder is not there, or a file or folder is in the place of the other.
    """
    from keras_sal.extras import require_package

    check_job(options)
    check_free("--output", options.output)
    if options.storage and Path(options.storage).is_dir():
        raise IsADirectoryError(
            "`--storage` must be a file, or the URL of a database; the trials are written to it. "
            f"Received: {options.storage!r}, a folder. Name a file in it."
        )
    require_package("optuna", "tune hyper-parameters", extra="tune")
    if options.workers or options.address:
        require_package("ray", "run trials on worker processes", extra="scale")


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
        from keras_sal import training
    output = output_of_job(options)
    job = training.WakeWordJob(
        **recordings_of_job(options, output),
        training=training.TrainingOptions(**values(options, TRAINING)),
        speech=training.SyntheticSpeech(0),
        **values(options, JOB),
    )
    space = training.SearchSpace(
        losses=_listed(options.loss),
        networks=_listed(options.network),
        sizes=_listed(options.size),
    )
    result = training.tune_wake_word(
        output,
        job,
        trials=options.trials,
        space=space,
        **values(options, WHERE),
        reporter=console,
    )
    _print_trials(result, words_of_job(options), console)
    _print_triggers(result.best, words_of_job(options), console)
    console.say("The firmware of the best one, with figures of test:")
    console.say(f"  {train_command(options, output, result.best)}")
    return 0


def train_command(options: argparse.Namespace, output: Path, trial: TunedTrial) -> str:
    """Return the command line of `train` that makes the detector of a trial.

    Args:
        options: Parsed arguments of `tune`.
        output: Folder that the trial was written to, where its detector is found.
        trial: The trial.
    """
    from keras_sal.training.search_space import settings

    given: dict[str, Any] = {
        **values(options, {"recordings": None, "fa_per_hour": None}),
        **values(options, JOB | TRAINING),
        **settings(trial.job),
        "output": output,
    }
    words = ["keras-sal", "train", *([options.folder] if options.folder else ())]
    for word in _listed(options.word):
        words += ["--word", word]
    for name in FOLDERS:
        words += [f"--{name}", *getattr(options, name)] if getattr(options, name) else []
    words += ["--resplit"] if options.resplit else []
    for name, value in given.items():
        words += _option(name, value)
    return shlex.join([*words, "--resume"])


def _option(name: str, value: Any) -> list[str]:
    """Return an option and its value, or nothing for one that isn't given."""
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is True:
        return []
    if value is False:
        return [f"--no-{name}"]
    numbers = value if isinstance(value, tuple) else (value,)
    return [flag, ",".join(f"{n:.12g}" if isinstance(n, float) else str(n) for n in numbers)]


def _print_trials(result: TuningResult, words: list[str], console: Console) -> None:
    """Print the best trials, and the recipe among them or below."""
    shown = [trial for trial in result.trials if not math.isnan(trial.criterion)][:SHOWN]
    if result.recipe and result.recipe not in shown:
        shown.append(result.recipe)
    console.table(
        f"{', '.join(map(repr, words))}: the best of {len(result.trials)} trials, "
        f"{result.pruned} of which were ended early",
        ["trial", "loss, network", "criterion", "strength", "reach", "gamma", "labels", "rate"],
        [_row(trial) for trial in shown],
        texts=2,
    )
    console.say(
        "The criterion is the mean share of missed words on dev, over budgets up to "
        f"{10 * result.best.fa_per_hour:g} false alarms an hour. The lowest of many flatters: "
        "figures to trust are those of test."
    )


def _row(trial: TunedTrial) -> list[str]:
    job = trial.job

    def text(value: Any) -> str:
        if value is None:
            return "-"
        return ",".join(f"{n:g}" for n in value) if isinstance(value, tuple) else f"{value:g}"

    return [
        f"{trial.number}{', the recipe' * trial.is_recipe}",
        f"{job.loss}, {job.network} {job.size}",
        f"{100 * trial.criterion:.1f} %",
        *map(text, (job.strength, job.reach, job.gamma, job.label_span)),
        text(job.training.learning_rate),
    ]


def _print_triggers(trial: TunedTrial, words: list[str], console: Console) -> None:
    """Print the trigger that misses least on dev, where it is another one than that of `train`."""
    for word, trigger in zip(words, trial.triggers, strict=True):
        if trigger["frr"] < trigger["default_frr"]:
            console.say(
                f"Trigger of {word!r}: on dev --smooth-frames {trigger['smooth_frames']} "
                f"--on-frames {trigger['on_frames']} of `keras-sal export` miss "
                f"{100 * trigger['frr']:.1f} % instead of {100 * trigger['default_frr']:.1f} % at "
                f"{trial.fa_per_hour:g} false alarms an hour"
            )


def _listed(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
