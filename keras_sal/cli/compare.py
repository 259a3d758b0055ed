"""`keras-sal compare`: differences between systems on the same streams."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_sal.cli.arguments import BUDGET, add_bootstrap, add_false_alarm_budget
from keras_sal.cli.budget import choose_budget
from keras_sal.cli.command_parser import Commands, add_command, refuse_given
from keras_sal.cli.console import Console, says_warnings
from keras_sal.cli.model_path import model_path
from keras_sal.cli.systems import (
    SHIPPED,
    STREAM_ARGUMENTS,
    add_stream_arguments,
    check_runtime,
    predict_streams,
)
from keras_sal.cli.wake_word import fill_in_word

if TYPE_CHECKING:
    from keras_sal.evaluation.predictions import Predictions

UNITS = ("recordings", "speakers")


class _Side(NamedTuple):
    """One side of a comparison: predictions, what each system ships with, and the budget."""

    predictions: Predictions
    shipped: list[dict[str, Any]]
    fa_per_hour: float | None


def add_parser(commands: Commands) -> None:
    """Add the parser of the command."""
    parser = add_command(
        commands,
        "compare",
        run,
        summary="paired differences of two systems on the same streams, with intervals",
        description="Compares the first system of A with those of B on the same streams: first "
        "minus second, with intervals over recordings and over speakers. A and B are folders "
        "written by `keras-sal evaluate`, which takes seconds, or models and bundles, which are "
        "run over the recordings first. Of one folder, the first system is compared with the "
        "others.",
        examples=["compare out/first out/second --fa-per-hour 0.5", "compare a.keras b.keras"],
        check=check,
    )
    parser.add_argument(
        "systems",
        nargs="+",
        metavar="A B",
        help="folders, models, bundles or names of pretrained detectors",
    )
    add_stream_arguments(parser)
    add_false_alarm_budget(parser, f"that of the folder A or B, else {BUDGET}")
    add_bootstrap(parser)
    parser.add_argument("--json", metavar="FILE", help="file for the differences (default: none)")


def check(options: argparse.Namespace) -> None:
    """Refuse more than two systems.

    Args:
        options: Parsed arguments.

    Raises:
        ValueError: If more are given.
    """
    if len(options.systems) > 2:
        raise ValueError(
            f"`A B` must be one or two systems or folders. Received: {len(options.systems)}. "
            "Evaluate them together and compare that folder."
        )


@says_warnings
def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command.

    Args:
        options: Parsed arguments.
        console: Shows the progress.

    Returns:
        The exit status, 0.
    """
    from keras_sal.evaluation.comparison import differences
    from keras_sal.evaluation.protocol import HIT_WINDOW, ScoringProtocol
    from keras_sal.files import check_path, write_json

    path = options.json and check_path(options.json)
    options.systems = [str(model_path(system)) for system in options.systems]
    _check_stream_arguments(options)
    sides = [_read_or_predict(system, console, options) for system in options.systems]
    predictions, shipped = _joined(sides)
    if len(predictions.systems) < 2:
        raise ValueError(
            f"`A B` must be two systems, or a folder with several. Received: {options.systems[0]} "
            f"with {len(predictions.systems)}. Name another."
        )
    told = [options.fa_per_hour, *(side.fa_per_hour for side in sides)]
    options.fa_per_hour = next(filter(None, told), None)
    budget = choose_budget(predictions, options, console)
    triggers = [own.get("scoring", {}) for own in reversed(shipped)]
    window = {name: each[name] for each in triggers for name in HIT_WINDOW if name in each}
    protocol = ScoringProtocol(budget, window, replicates=options.replicates, seed=options.seed)
    with console.stage("Compare"):
        systems = []
        for name, own in zip(predictions.systems, shipped, strict=True):
            scoring, threshold = protocol.choose_trigger(predictions, name, own)
            systems.append({"name": name, "scoring": vars(scoring), "threshold": threshold})
        first, *others = systems
        # `differences` are to its reference, and this command prints first minus second
        rows: list[dict[str, Any]] = []
        for other in others:
            rows += differences(predictions, [other, first], protocol)
    _print_differences(rows, predictions.word, budget, console)
    if path:
        write_json(path, {"format": 1, "fa_per_hour": budget, "differences": rows})
    return 0


def _check_stream_arguments(options: argparse.Namespace) -> None:
    """Refuse options about streams for folders of results, and a runtime that nothing runs in."""
    from keras_sal.evaluation.predictions import FILE

    run = [system for system in options.systems if not (Path(system) / FILE).is_file()]
    if run:
        check_runtime(run, options.runtime)
    else:
        where = "for folders that `keras-sal evaluate` wrote, whose streams are known"
        refuse_given(options, STREAM_ARGUMENTS, where, remedy="Evaluate again for other streams.")


def _joined(sides: Sequence[_Side]) -> tuple[Predictions, list[dict[str, Any]]]:
    """The first system of the first side and all of the second; or all of the only side."""
    if len(sides) == 1:
        return sides[0].predictions, [dict(each) for each in sides[0].shipped]
    first, second = sides
    predictions = first.predictions.select(first.predictions.systems[:1])
    return predictions.merge(second.predictions), [first.shipped[0], *second.shipped]


def _read_or_predict(system: str, console: Console, options: argparse.Namespace) -> _Side:
    """A side from a folder of results, or from a model or bundle."""
    from keras_sal.evaluation.predictions import FILE, Predictions
    from keras_sal.evaluation.protocol import without_frame_times
    from keras_sal.evaluation.results import read_results

    path = Path(system)
    if not (path / FILE).is_file():
        models, bundles = ([], [system]) if path.is_dir() else ([system], [])
        fill_in_word(options, options.systems, console)
        found = predict_streams(console, models, bundles, options, others=options.systems)
        shipped = [found.shipped.get(name, {}) for name in found.predictions.systems]
        return _Side(found.predictions, shipped, None)
    results = read_results(path)
    shipped = []
    for each in results["systems"]:
        own = {"scoring": without_frame_times(each["scoring"])}
        if each["threshold"].get("rule") == SHIPPED:
            own["threshold"] = each["threshold"]
        shipped.append(own)
    return _Side(Predictions.load(path), shipped, results["fa_per_hour"])


def _print_differences(
    rows: Sequence[Mapping[str, Any]], word: str, budget: float, console: Console
) -> None:
    from keras_sal.evaluation.report.page import NOTHING, interval, number
    from keras_sal.evaluation.report.tables import FIGURES

    tables: dict[tuple[str, str], list[list[str]]] = {}
    for row in rows:
        label, form, scale = FIGURES[row["figure"]]
        tables.setdefault((row["system"], row["reference"]), []).append(
            [
                label,
                row["condition"],
                number(row["estimate"], form.replace("{:", "{:+"), scale).text,
                *(interval(row[unit], form, scale) or NOTHING for unit in UNITS),
            ]
        )
    for (first, second), table in tables.items():
        console.table(
            f"{word!r} at {budget:g} false alarms an hour: {first} - {second}",
            ["", "noise", "difference", "95 % by recording", "by speaker"],
            sorted(table, key=lambda row: row[1]),
        )
    console.say("An interval without 0 is a difference that these recordings can show.")
    if not all(math.isfinite(row["estimate"]) for row in rows):
        console.say(f"{NOTHING}: undefined, as one of the two has no hit there, or no threshold.")
