"""`keras-sal export --to esphome`: a trained model for the component `micro_wake_word`."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.cli.arguments import FRAME_TIMES, TRIGGER, Parser
from keras_sal.cli.command_parser import refuse_given
from keras_sal.cli.model_export import ModelExport

if TYPE_CHECKING:
    import keras

REFRACTORY_S = 1.0  # of the component's trigger


class ComponentExport(ModelExport):
    """One run of the command for the component, which has a trigger of its own."""

    def _scoring(self) -> dict[str, Any]:
        from keras_sal.export.esphome import component_scores

        smooth_frames = self.options.smooth_frames
        return super()._scoring() | {
            "score": functools.partial(component_scores, smooth_frames=smooth_frames),
            "smooth_frames": 1,
            "refractory_s": REFRACTORY_S,
        }

    def _write_converted(self, converted: Any, threshold: Any) -> str:
        from keras_sal.export import esphome

        options = self.options
        level = threshold["threshold"] if isinstance(threshold, dict) else threshold
        written = esphome.write(
            converted,
            Path(options.output),
            wake_word=(options.class_names or [options.word])[0],
            author=options.author,
            threshold=level,
            smooth_frames=options.smooth_frames,
            languages=options.language,
            website=options.website,
        )
        return f"{written.flash_bytes:,} bytes of flash, threshold {level:.6g}"


def add_component(group: Parser) -> None:
    """Add the arguments of the component.

    Args:
        group: A parser or a group of one.
    """
    group.add_argument("--author", default="", metavar="NAME", help="who made it")
    group.add_argument("--website", metavar="URL", help="where to read about it (default: none)")
    group.add_argument(
        "--language",
        nargs="+",
        default=["en"],
        metavar="CODE",
        help="languages it was trained on (default: en)",
    )


def check_component(options: argparse.Namespace) -> None:
    """Refuse settings and several words, which the component does not have.

    Args:
        options: Parsed arguments: those of `TRIGGER` and `FRAME_TIMES`, `frontend` and `word`.

    Raises:
        ValueError: If there are such.
    """
    for name in ("on_frames", "hysteresis", "refractory_s"):
        value, own = getattr(options, name), TRIGGER[name].default
        if value != own:
            raise ValueError(
                f"`--{name.replace('_', '-')}` must be left out for `--to esphome`; "
                "micro_wake_word has a trigger of its own, a mean over a window and then "
                f"{REFRACTORY_S:g} s without a detection, so that the threshold would be "
                f"chosen for another one. Received: {value}. Use `--smooth-frames` for the window."
            )
    if options.frontend == "none":
        raise ValueError(
            "`--frontend` must be left out for `--to esphome`; micro_wake_word computes the "
            "features itself. Received: --frontend none. Export for another target."
        )
    where = "for `--to esphome`; micro_wake_word has the frame times of its features"
    refuse_given(options, FRAME_TIMES, where, remedy="Export for another target.")
    if isinstance(options.word, list):
        raise ValueError(
            "`--word` must be given once for `--to esphome`; a model of micro_wake_word has one "
            f"output, for one word. Received: {options.word}. Train and export a detector for each."
        )


def check_component_model(model: keras.Model) -> None:
    """Refuse a model that the component can't run.

    Args:
        model: The trained model.

    Raises:
        ValueError: If its frames or outputs are not those of the component.
        ExportError: If it has an operator that the component has not.
    """
    from keras_sal.export import esphome

    esphome.check_model(model)
