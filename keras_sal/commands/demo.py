"""`keras-sal demo`: recordings to a verified microcontroller model, once through."""

import warnings
from pathlib import Path

from keras_sal.commands.arguments import positive

VARIANTS = ("sal", "sa+fl", "safl")


def add(commands):
    """Adds the parser of the command."""
    demo = commands.add_parser(
        "demo",
        help="recordings to a verified microcontroller model, once through",
        description="Trains a small streaming GRU twice, with cross entropy and with the streaming "
        "anchor loss, scores both, exports the better one to int8 TensorFlow Lite Micro, runs that "
        "in its interpreter, and prints one table.",
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
    demo.add_argument("--steps", type=positive(int), default=800, help="train steps (%(default)s)")
    demo.add_argument(
        "--hours", type=positive(float), default=4.0, help="of training streams (%(default)s)"
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
    from keras_sal import demo
    from keras_sal.console import Console

    console = Console()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("once", UserWarning)
        warnings.showwarning = lambda message, *_, **__: console.say(f"Warning: {message}")
        summary = demo.run(output, console, **options)
    show(summary, console)
    console.say(f"Artefacts in {Path(output).resolve()}: model.keras, model.tflite, results.json")
    return 0


def show(summary, console):
    """Prints the table of the demo, and what the file costs on a device."""
    results = summary["results"]
    rows = [
        [
            result["system"],
            condition,
            percent_interval(result["frr"][condition]),
            milliseconds(result["latency_s"][condition]),
            f"{100 * frr:.1f} %, {rate:.1f}",
        ]
        for result in results
        for condition, (frr, rate) in result["at_threshold"].items()
    ]
    budget, hours = results[0]["fa_per_hour"], min(results[0]["hours"].values())
    console.table(
        f"{summary['word']!r} at {budget:g} false alarms an hour, {hours:.1f} h of negatives each",
        ["", "noise", "misses [95 %]", "latency P50 / P90", "dev threshold: misses, FA/h"],
        rows,
    )
    console.say(f"Flash {summary['flash_bytes']:,} bytes, arena {summary['arena_bytes']:,} bytes")
    console.say(f"Operators: {', '.join(summary['operators'])}")


def percent_interval(interval):
    """Formats shares as percent."""
    estimate, low, high = (100 * share for share in interval)
    return f"{estimate:.1f} % [{low:.0f}, {high:.0f}]"


def milliseconds(times_s):
    """Formats times in seconds as milliseconds."""
    return " / ".join(f"{1000 * time_s:.0f}" for time_s in times_s) + " ms"
