"""`keras-sal doctor`: what is installed, what is missing, and the line that installs it."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform

from keras_sal.cli.command_parser import Commands, add_command
from keras_sal.cli.console import Console
from keras_sal.extras import extra_names, install_command, missing_requirements

PURPOSES = {
    "train": "train, evaluate and compare detectors",
    "tune": "search the hyper-parameters of train",
    "micro": "firmware for microcontrollers: export, verify",
    "export": "the same, LiteRT and ONNX",
    "detect": "run detectors on files and the microphone, without TensorFlow",
    "audio": "read and alter sound files",
    "report": "the page of evaluate",
    "align": "times of words, from transcripts and subtitles",
    "vad": "times of words, from speech alone",
    "download": "public data sets; the runtime of export --to web",
    "data": "grain datasets",
    "scale": "worker processes and clusters, for shard and align",
    "live": "the microphone",
    "demo": "speech synthesis, for demo and synthesize; GPL-3",
}
BACKENDS = ("jax", "tensorflow", "torch")
PURPOSES_IF_ASKED = {"all": "all of these, without demo"} | dict.fromkeys(BACKENDS, "a backend")
SHOWN = ("keras-sal", "keras", "numpy")


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "doctor",
        run,
        summary="what is installed, what is missing, and the line that installs it",
        description="Lists all packages that each extra lacks, and the line that installs them. "
        "The exit status is 1 if one is missing that was asked for, or no backend is installed, or "
        "KERAS_BACKEND names one that isn't.",
        examples=["doctor", "doctor train", "doctor micro live"],
    )
    parser.add_argument(
        "extras",
        nargs="*",
        metavar="EXTRA",
        help=f"what must be there, of {', '.join(extra_names())} "
        "(default: the parts are listed, none must be)",
    )
    parser.set_defaults(needs_keras=False)


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.

    Returns:
        The exit status: 1 if an extra that was asked for lacks a package, or there is no backend.
    """
    console = Console()
    asked = options.extras or list(PURPOSES)
    purposes = PURPOSES | PURPOSES_IF_ASKED
    missing = {extra: missing_requirements(extra) for extra in asked}
    lacking = [extra for extra, packages in missing.items() if packages]
    backends = [backend for backend in BACKENDS if not missing_requirements(backend)]
    _print_versions(backends, console)
    console.table(
        "Extras",
        ["", "what for", "missing"],
        [
            [extra, purposes.get(extra, ""), ", ".join(packages) or "nothing"]
            for extra, packages in missing.items()
        ],
        texts=3,
    )
    for extra in lacking:
        console.say(f"For {extra}: {install_command(extra)}")
    if len(lacking) > 1:
        console.say(f"For all of them: {install_command(*lacking)}")
    if not backends:
        console.say(f"Keras must have a backend, such as JAX: {install_command('jax')}")
    elif (chosen := os.environ.get("KERAS_BACKEND", backends[0])) not in backends:
        console.say(
            f"KERAS_BACKEND must name a backend that is installed, {' or '.join(backends)}. "
            f"Received: {chosen!r}. Change or unset it."
        )
        return 1
    return int(not backends or bool(options.extras and lacking))


def _print_versions(backends: list[str], console: Console) -> None:
    installed = [*SHOWN, *backends]
    versions = ", ".join(f"{name} {_version(name)}" for name in installed)
    console.say(f"Python {platform.python_version()}, {versions}")
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen in backends:
        console.say(f"Commands run on {chosen}; the variable KERAS_BACKEND chooses another backend")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed by pip)"
