"""Arguments that several commands take, and what they must be."""

import argparse
import shlex
from contextvars import ContextVar

ARGUMENTS = ContextVar("arguments", default=())  # those that `cli.main` was given
FOUND = (
    "folder with recordings.csv; else $KERAS_SAL_RECORDINGS, else ../shared/recordings beside the "
    "checkout"
)


def positive(kind):
    """Returns a converter of arguments that must be greater than 0."""

    def convert(text):
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be greater than 0. Received: {text}")
        return value

    convert.__name__ = kind.__name__
    return convert


TIMES = {  # name: type, default, metavar, help
    "frame_step_s": (positive(float), 0.01, "S", "from one posterior to the next, one a frame"),
    "frame_offset_s": (float, 0.03, "S", "when the first posterior is there, one a frame"),
}
TRIGGER = {
    "smooth_frames": (positive(int), 1, "N", "mean of so many posteriors"),
    "on_frames": (positive(int), 1, "N", "above the threshold for so many frames"),
    "hysteresis": (float, None, "P", "armed again this far below the threshold"),
    "refractory_s": (float, 1.0, "S", "no second detection within"),
}
WINDOW = {
    "early_s": (float, 0.5, "S", "a hit may come so long before its anchor"),
    "max_delay_s": (float, 1.0, "S", "or so long after it"),
}


def add_numbers(group, numbers, *, given=False):
    """Adds arguments from a table of them.

    Args:
        group: A parser or a group of one.
        numbers: `TIMES`, `TRIGGER`, `WINDOW` or several of them together.
        given: Whether those that are not given are `None`, and not their default.
    """
    for name, (kind, default, metavar, what) in numbers.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=None if given else default,
            metavar=metavar,
            help=f"{what} ({'off' if default is None else default})",
        )


def add_recordings(parser, found=FOUND):
    """Adds the arguments that name recordings, found as `keras_sal.data.location` does."""
    parser.add_argument("--recordings", metavar="DIR", help=found)
    parser.add_argument("--word", default="computer", help="the wake word (%(default)s)")
    parser.add_argument("--cache", metavar="DIR", help="folder to keep features in")


def typed():
    """Returns the command as it was typed."""
    return shlex.join(["keras-sal", *ARGUMENTS.get()])
