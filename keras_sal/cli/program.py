"""`keras-sal`: the package from the command line."""

import argparse
import os
import sys

from keras_sal.cli import (
    align,
    compare,
    demo,
    detect,
    download,
    evaluate,
    export,
    synthesize,
    tabulate,
    train,
    verify,
)
from keras_sal.cli.arguments import ARGUMENTS

COMMANDS = (
    *(tabulate, download, synthesize, align),
    *(train, demo, evaluate, compare),
    *(export, verify, detect),
)

INTERRUPTED = 130  # what shells give a program that Ctrl-C ended


def main(arguments=None):
    """Runs the command line.

    Args:
        arguments: List of strings; the process' own if `None`.

    Returns:
        The exit status.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = vars(parser().parse_args(arguments))
    ARGUMENTS.set(tuple(arguments))
    command = options.pop("command")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return command(**options)
    except KeyboardInterrupt:
        print("keras-sal: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"keras-sal: {error}", file=sys.stderr)
        return 1


def parser():
    """Returns the parser of the command line."""
    top = argparse.ArgumentParser(prog="keras-sal", description="Streaming Anchor Loss for Keras 3")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
