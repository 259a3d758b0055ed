"""The table of results that `train`, `demo` and `evaluate` print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from keras_sal.cli.console import Console


def print_results(results: Mapping[str, Any], console: Console) -> None:
    """Print the misses, false alarms and latencies of each system.

    Args:
        results: Results of `keras_sal.evaluation.results.evaluate`.
        console: Where to print them.
    """
    from keras_sal.evaluation.results import describe_budget

    rows = []
    for system in results["systems"]:
        for condition, scored in system["conditions"].items():
            point = scored["at_threshold"]
            at_threshold = (
                (_frr(point), _fa_per_hour(point), _latency_ms(point)) if point else ("-",) * 3
            )
            rows.append([system["name"], condition, _frr(scored["at_budget"]), *at_threshold])
    console.table(
        f"{results['word']!r} at {describe_budget(results)}",
        ["", "noise", "missed", "at dev threshold", "FA/h there", "P50 / P90 there"],
        rows,
    )


def print_footprint(system: Mapping[str, Any], console: Console) -> None:
    """Print the bytes that a model takes on a microcontroller.

    Args:
        system: One of the `systems` of the results.
        console: Where to print them.
    """
    console.say(f"Flash {system['flash_bytes']:,} bytes, arena {system['arena_bytes']:,} bytes")


def _frr(point: Mapping[str, Any]) -> str:
    low, high = _interval(point, "frr")
    return f"{100 * point['frr']:.1f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _fa_per_hour(point: Mapping[str, Any]) -> str:
    low, high = _interval(point, "fa_per_hour")
    return f"{point['fa_per_hour']:.1f} [{low:.1f}, {high:.1f}]"


def _latency_ms(point: Mapping[str, Any]) -> str:
    p50, p90 = (1000 * point[f"latency_{quantile}_s"] for quantile in ("p50", "p90"))
    return "-" if math.isnan(p50) else f"{p50:.0f} / {p90:.0f} ms"  # nan without hits


def _interval(point: Mapping[str, Any], figure: str) -> Sequence[float]:
    return point["intervals"][figure].get("exact", (float("nan"),) * 2)
