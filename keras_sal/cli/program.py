"""The program `keras-sal`: runs a command and prints its errors."""

from __future__ import annotations

import argparse
import io
import os
import select
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
# The exit statuses that shells give a program ended by Ctrl-C, and one whose output is not read on.
INTERRUPTED = 130
CLOSED_PIPE = 141


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
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that its encoding lacks
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
        if isinstance(error, BrokenPipeError) and _output_is_closed():
            return CLOSED_PIPE
        print(f"keras-sal: {error}", file=sys.stderr)
        return 1


def _output_is_closed() -> bool:
    """Whether nobody reads the output any more, as of `keras-sal detect ... | head`."""
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(sys.stdout, 0)  # errors are told in any case
    if not poll.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
    return True


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
