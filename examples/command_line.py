"""The command line that the examples share."""

import argparse
import sys
from pathlib import Path

from keras_sal import data


def example_parser(
    description: str, *, hours: float, fa_per_hour: float = 5.0
) -> argparse.ArgumentParser:
    """Return an argument parser with `--recordings`, `--hours`, `--fa-per-hour` and `--cache`.

    Args:
        description: Docstring of the example.
        hours: Default length of the training streams, in hours.
        fa_per_hour: Default false-alarm budget per hour. Defaults to 5.
    """
    found = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--recordings", metavar="DIR", help="folder of recordings")
    found.add_argument(
        "--hours", type=float, default=hours, help="hours of training streams (%(default)s)"
    )
    found.add_argument(
        "--fa-per-hour", type=float, default=fa_per_hour, help="budget (%(default)s)"
    )
    found.add_argument("--cache", metavar="DIR", help="keep features here for the next run")
    return found


def recordings_folder(options: argparse.Namespace) -> Path:
    """Return the folder of recordings, or end the program if there is none."""
    folder = data.find_recordings(options.recordings)
    if folder is None:
        sys.exit(
            "No recordings found. Name their folder with --recordings or KERAS_SAL_RECORDINGS."
        )
    return folder
