"""`keras-sal demo`: the whole way from recordings to a verified model for a microcontroller."""

from __future__ import annotations

import argparse
import dataclasses
import webbrowser
from pathlib import Path

from keras_sal.cli.arguments import (
    add_false_alarm_budget,
    add_recordings,
    add_resume,
    add_seed,
    positive,
    values,
)
from keras_sal.cli.command_parser import Commands, add_command
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.results_table import print_footprint, print_results

NEXT = (
    "Next: record your word in a folder my_recordings/hey_robot and other speech in folders beside "
    'it, then keras-sal train my_recordings --word "hey robot"'
)
VARIANTS = ("sal", "sa+fl", "safl")
TRAINING = dict.fromkeys(("steps", "seed"))
JOB = dict.fromkeys(("word", "recordings", "loss", "hours", "fa_per_hour"))


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "demo",
        run,
        summary="recordings to a verified model for a microcontroller, once through",
        description="Trains a small streaming GRU twice, with cross entropy and with the streaming "
        "anchor loss, scores both, makes firmware of the better one, runs its model in the "
        "interpreter of TensorFlow Lite Micro, prints one table and writes a report to look at and "
        "to listen to. It takes a few minutes on two cores, and trains too little to be used: "
        "`keras-sal train` makes a detector to use.",
        examples=["demo", "demo out --recordings my_recordings --word computer"],
    )
    parser.set_defaults(needs_tensorflow=False)
    parser.add_argument(
        "output", nargs="?", default="keras_sal_demo", metavar="OUT", help="folder to write to"
    )
    add_recordings(parser, otherwise="synthesised speech")
    parser.add_argument("--word", default="computer", help="the wake word, as in the column text")
    parser.add_argument(
        "--loss", choices=VARIANTS, default="sa+fl", help="the streaming anchor loss"
    )
    parser.add_argument(
        "--steps", type=positive(int), default=3000, metavar="N", help="train steps, in 20 epochs"
    )
    parser.add_argument(
        "--hours", type=positive(float), default=2.0, metavar="H", help="hours of training streams"
    )
    add_false_alarm_budget(parser)
    add_seed(parser, "weights, streams and crops")
    add_resume(parser)
    parser.add_argument(
        "--no-browser", action="store_true", help="do not open the report, as a terminal does"
    )


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
        from keras_sal.training import demo
    training = dataclasses.replace(demo.DEMO_TRAINING, **values(options, TRAINING))
    job = demo.DemoJob(training=training, **values(options, JOB))
    results = demo.run_demo(
        options.output,
        job,
        resume=options.resume,
        command=options.command_line,
        reporter=console,
    )
    print_results(results, console)
    shipped = results["systems"][-1]
    print_footprint(shipped, console)
    console.say(f"Operators: {', '.join(shipped['operators'])}")
    output = Path(options.output).resolve()
    report = (output / "report.html").as_uri()
    console.say(f"Artefacts in {output}: model.keras, firmware/, report.html, results.json")
    console.say(f"Look at the report and listen to it: {report}")
    if console.is_terminal and not options.no_browser:
        webbrowser.open(report)
    console.say(NEXT)
    return 0
