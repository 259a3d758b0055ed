"""`keras-sal demo`: recordings to a verified microcontroller model, once through."""

from pathlib import Path

from keras_sal.cli.arguments import positive, typed
from keras_sal.cli.results_table import show

VARIANTS = ("sal", "sa+fl", "safl")


def add(commands):
    """Adds the parser of the command."""
    demo = commands.add_parser(
        "demo",
        help="recordings to a verified microcontroller model, once through",
        description="Trains a small streaming GRU twice, with cross entropy and with the streaming "
        "anchor loss, scores both, makes firmware of the better one, runs its model in the "
        "interpreter of TensorFlow Lite Micro, prints one table and writes a page to look at and "
        "listen to.",
        epilog="example: keras-sal demo --recordings my_recordings --word computer",
    )
    demo.add_argument(
        "output", nargs="?", default="keras_sal_demo", help="folder to write to (%(default)s)"
    )
    demo.add_argument(
        "--recordings",
        metavar="DIR",
        help="folder with recordings.csv; else $KERAS_SAL_RECORDINGS, else ../shared/recordings "
        "beside the checkout, else synthesised speech",
    )
    demo.add_argument("--word", default="computer", help="the wake word (%(default)s)")
    demo.add_argument("--variant", choices=VARIANTS, default="sa+fl", help="(%(default)s)")
    demo.add_argument("--steps", type=positive(int), default=6000, help="train steps (%(default)s)")
    demo.add_argument(
        "--hours", type=positive(float), default=8.0, help="of training streams (%(default)s)"
    )
    demo.add_argument(
        "--fa-per-hour",
        type=positive(float),
        help="false alarms an hour that are allowed (1, or the least that the hours of negatives "
        "can tell from none)",
    )
    demo.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    demo.set_defaults(command=run)


def run(output, **options):
    """Runs `keras-sal demo`."""
    from keras_sal.cli.console import Console
    from keras_sal.training import demo

    console = Console()
    with console.saying_warnings():
        results = demo.run(output, console, command=typed(), **options)
    show(results, console)
    shipped = results["systems"][-1]
    console.say(f"Flash {shipped['flash_bytes']:,} bytes, arena {shipped['arena_bytes']:,} bytes")
    console.say(f"Operators: {', '.join(shipped['operators'])}")
    output = Path(output).resolve()
    console.say(f"Artefacts in {output}: model.keras, firmware/, report.html, results.json")
    return 0
