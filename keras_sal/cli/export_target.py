"""A target of `keras-sal export`: the facts about it, and the export that it is written from."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.cli.console import Console

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Export(ABC):
    """One run of the command: a detector that is written for a target.

    Args:
        target: The target.
        options: Parsed arguments.
        console: Shows the progress.
    """

    target: Target
    options: argparse.Namespace
    console: Console

    @abstractmethod
    def write_file(self, path: Path, name: str | None = None) -> str:
        """Write the detector to a file, and describe it where a threshold is known.

        Args:
            path: Path of the file.
            name: Name of the detector. Defaults to `None`, for that of the file.

        Returns:
            A summary.
        """

    @abstractmethod
    def write_firmware(self) -> str:
        """Write a folder for microcontrollers; return a summary."""


@dataclass(frozen=True)
class Target:
    """What a detector is exported to.

    Args:
        name: Its name on the command line.
        runtime: Runtime of its models.
        quantizations: Number formats of its models; the first is the default.
        convert: Converts a trained model; one of `keras_sal.cli.export_converters`.
        of_model: Class of an export of a trained model.
        write: Writes what is exported, and returns a summary.
        of_bundle: Whether it can be made of a bundle, whose integers stay as they are.
        package: Package of a bundle, with build files. Defaults to `None`: without.
        suffix: What its file ends with. Defaults to `""`: it is a folder.
        needs_threshold: Whether it can't do without a threshold.
        one_word: Whether it is for one word, which it names.
        hears_sound: Whether it always takes sound, from a microphone of its own.
        may_be_published: Whether it may be published, which names of recordings must not be.
        own_options: Names of the parsed arguments that only targets like it take.
        check: Refuses parsed arguments, before a model is loaded.
        check_model: Refuses a model, before it is converted.
        advise: Returns what to do with it next, from the parsed arguments; `""` for nothing.
    """

    name: str
    runtime: str
    quantizations: tuple[str, ...]
    convert: Callable[..., Any]
    of_model: Callable[..., Export]
    write: Callable[[Export], str]
    of_bundle: bool = True
    package: str | None = None
    suffix: str = ""
    needs_threshold: bool = True
    one_word: bool = False
    hears_sound: bool = False
    may_be_published: bool = False
    own_options: tuple[str, ...] = ()
    check: Callable[[argparse.Namespace], object] = lambda options: None
    check_model: Callable[[keras.Model], object] = lambda model: None
    advise: Callable[[argparse.Namespace], str] = lambda options: ""

    def quantization(self, given: str | None) -> str:
        """Return the number format of the model.

        Args:
            given: The one that was asked for, or `None` for the default.

        Raises:
            ValueError: If the target does not have it.
        """
        quantization = given or self.quantizations[0]
        if quantization not in self.quantizations:
            raise ValueError(
                f"`--quantization` must be one of {self.quantizations} for `--to {self.name}`. "
                f"Received: --quantization {quantization}."
            )
        return quantization

    def check_output(self, output: str) -> None:
        """Refuse a name by which `verify` and the runtimes would not know the file.

        Args:
            output: Path of what is written.

        Raises:
            ValueError: If it ends otherwise.
        """
        path = Path(output)
        if self.suffix and path.suffix != self.suffix:
            raise ValueError(
                f"`OUT` must end with {self.suffix} for `--to {self.name}`; files are known by it. "
                f"Received: {output!r}. Write {path.name + self.suffix!r}."
            )
