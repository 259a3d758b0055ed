"""The program `keras-sal`: runs a command and prints its errors."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from keras_sal.cli import (
    align,
    compare,
    demo,
    detect,
    doctor,
    download,
    evaluate,
    export,
    serve,
    shard,
    synthesize,
    tabulate,
    train,
    tune,
    verify,
)
from keras_sal.cli.command_parser import CommandParser
from keras_sal.cli.paths import check_paths
from keras_sal.cli.withheld_package import withhold

COMMANDS = (
    *(tabulate, download, synthesize, align, shard),
    *(train, tune, demo, evaluate, compare),
    *(export, verify, detect, serve),
    doctor,
)

# What trains a network fastest on a CPU comes first.
BACKENDS = ("jax", "tensorflow", "torch")
BACKENDS_FOR_CONVOLUTIONS = ("tensorflow", "torch", "jax")
INTERRUPTED = 130  # the exit status that shells give a program ended by Ctrl-C


def main(
    arguments: Sequence[str] | None = None, *, prepare: Callable[[], object] | None = None
) -> int:
    """Run the command line.

    Unless the environment variable `KERAS_BACKEND` says otherwise, a command runs on the first of
    `BACKENDS` that is installed, and trains a convolution on the first of
    `BACKENDS_FOR_CONVOLUTIONS`.

    Args:
        arguments: The arguments. Defaults to `None`, for those of the process.
        prepare: Called before a command that needs Keras runs. Defaults to `None`.

    Returns:
        The exit status.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    options.command_line = shlex.join(["keras-sal", *arguments])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    choose_backend(fastest_backends(options))
    try:
        if options.check:
            options.check(options)
        check_paths(options)
        if prepare and getattr(options, "needs_keras", True):
            prepare()
            if not getattr(options, "needs_tensorflow", True):
                withhold("tensorflow")
        return options.run(options)
    except KeyboardInterrupt:
        print("keras-sal: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"keras-sal: {error}", file=sys.stderr)
        return 1


def fastest_backends(options: argparse.Namespace) -> Sequence[str]:
    """Return the names of the backends, with the fastest for the network of a command first."""
    is_conv = getattr(options, "network", None) in ("conv", ["conv"])
    return BACKENDS_FOR_CONVOLUTIONS if is_conv else BACKENDS


def choose_backend(backends: Sequence[str] = BACKENDS) -> None:
    """Name a backend to Keras, which takes TensorFlow whether it is there or not.

    Args:
        backends: Names of backends; the first that is installed is taken.
    """
    installed = [backend for backend in backends if find_spec(backend)]
    if installed and "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", installed[0])


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="keras-sal", description="Streaming Anchor Loss for Keras 3")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=CommandParser)
    for command in COMMANDS:
        command.add_parser(commands)
    return top
