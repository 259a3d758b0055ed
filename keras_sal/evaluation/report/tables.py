"""Tables: the results of an evaluation as the report shows them.

Each function takes the results, as read from `results.json`, and returns a table of the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_sal.evaluation.report.page import NOTHING, Cell, Table, interval, number, text

PERCENT = ("{:.1f}", 100)
MILLISECONDS = ("{:.0f}", 1000)
FIGURES = {
    "frr_at_budget": ("missed at the budget, %", *PERCENT),
    "mean_frr": ("mean FRR over budgets, %", *PERCENT),
    "latency_p50_s_at_budget": ("median latency at the budget, ms", *MILLISECONDS),
    "frr_at_threshold": ("missed at the own threshold, %", *PERCENT),
    "fa_per_hour_at_threshold": ("false alarms an hour at the own threshold", "{:.2f}", 1),
    "latency_p50_s_at_threshold": ("median latency at the own threshold, ms", *MILLISECONDS),
}


def operating_points(results: Mapping[str, Any]) -> Table:
    """Return both operating points of each system and condition."""
    rows = []
    for system in results["systems"]:
        for condition, found in system["conditions"].items():
            for name, key in (("threshold", "at_threshold"), ("budget", "at_budget")):
                if point := found[key]:
                    rows.append([text(system["name"]), text(condition), text(name), *_point(point)])
    return Table(
        "operating-points",
        "Operating points",
        [
            *("System", "Condition", "At the", "Threshold", "Missed, %", "False alarms an hour"),
            *("P50, ms", "P90, ms", "P95, ms"),
        ],
        rows,
        frozenset(range(3, 9)),
        f"At the threshold: the one chosen on dev, or shipped. At the budget: the fewest misses on "
        f"test within {results['fa_per_hour']:g} false alarms an hour, whatever the threshold. "
        f"Below them, {100 * results['level']:g} % intervals: exact (Clopper-Pearson, Poisson); r, "
        "bootstrap over recordings; s, over speakers. The exact interval at the budget ignores "
        "that its threshold was chosen on the same data. Hours are those outside the hit windows. "
        "P50, P90 and P95 are quantiles of the latency of the hits.",
    )


def _point(point: Mapping[str, Any]) -> list[Cell]:
    missed = f"{point['misses']} of {point['events']} events"
    alarms = f"{point['false_alarms']} in {point['hours']:.2f} h"
    missed_ends = _intervals(point, "frr", *PERCENT)
    alarm_ends = _intervals(point, "fa_per_hour", "{:.2f}", 1)
    return [
        number(point["threshold"], "{:.4f}"),
        number(point["frr"], *PERCENT, note=f"{missed}\n{missed_ends}"),
        number(point["fa_per_hour"], "{:.2f}", note=f"{alarms}\n{alarm_ends}"),
        number(point["latency_p50_s"], *MILLISECONDS),
        number(point["latency_p90_s"], *MILLISECONDS),
        number(point["latency_p95_s"], *MILLISECONDS),
    ]


def _intervals(point: Mapping[str, Any], figure: str, form: str, scale: float) -> str:
    """The intervals of a figure, one in each line."""
    found = point["intervals"][figure]
    shown = {
        label: interval(found.get(unit), form, scale)
        for label, unit in (("", "exact"), ("r ", "recordings"), ("s ", "speakers"))
    }
    return "\n".join(label + ends for label, ends in shown.items() if ends)


def whole_curve(results: Mapping[str, Any]) -> Table:
    """Return the figures that no single operating point decides."""
    return Table(
        "whole-curve",
        "Over the whole curve",
        [
            *("System", "Condition"),
            f"Mean FRR up to {results['area_fa_per_hour']:g} FA/h, %",
            "Equal error rate, %",
        ],
        [
            [
                text(system["name"]),
                text(condition),
                number(found["mean_frr"], "{:.2f}", 100),
                number(found["eer"], "{:.2f}", 100, note=_denominators(system, found)),
            ]
            for system in results["systems"]
            for condition, found in system["conditions"].items()
        ],
        frozenset({2, 3}),
        "The mean FRR is the area under FRR over false alarms an hour, divided by its width. At "
        "the equal error rate, the share of the events that are missed is the share of the slots "
        "with a false alarm. A slot is one refractory time of the hours outside the hit windows, "
        "so the rate can't be compared with one whose denominator is a number of clips.",
    )


def _denominators(system: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """What both errors of the equal error rate are shares of."""
    point, scoring = found["at_budget"], system["scoring"]
    slot_s = max(scoring["refractory_s"], scoring["frame_step_s"])
    slots = round(3600 * point["hours"] / slot_s)
    return f"of {point['events']} events\nof {slots:,} slots of {slot_s:g} s"


def differences(results: Mapping[str, Any]) -> Table:
    """Return the paired differences to the first system."""
    rows = []
    for row in results["differences"]:
        label, form, scale = FIGURES[row["figure"]]
        rows.append(
            [
                text(f"{row['system']} against {row['reference']}"),
                text(row["condition"]),
                text(label),
                number(row["estimate"], form.replace("{:", "{:+"), scale),
                text(interval(row["recordings"], form, scale)),
                text(interval(row["speakers"], form, scale)),
                text(_verdict(row["recordings"])),
            ]
        )
    return Table(
        "differences",
        "Paired differences",
        [
            *("Systems", "Condition", "Figure", "Difference"),
            *("By recording", "By speaker", "Shown by recordings"),
        ],
        rows,
        frozenset({3}),
        "First minus second: below 0, the first misses less, alarms less or is sooner. Both heard "
        "the same streams, and the bootstrap draws the same recordings for both. An interval "
        "without 0 is a difference that these recordings can show.",
    )


def _verdict(ends: Sequence[float | None] | None) -> str:
    low, high = ends or (None, None)
    if low is None or high is None or low <= 0 <= high:
        return "no"
    return "yes, less" if high < 0 else "yes, more"


def parity(results: Mapping[str, Any]) -> Table:
    """Return how far the posteriors of the systems are apart."""
    return Table(
        "parity",
        "Parity",
        [
            *("Systems", "Condition", "Frames", "Mean distance", "Largest distance"),
            *("Both hit", "Only the first", "Only the second", "Neither"),
        ],
        [
            [
                text(f"{row['system']} against {row['reference']}"),
                text(row["condition"]),
                number(row["frames"], "{:,}"),
                number(row["mean"], "{:.2g}"),
                number(row["largest"], "{:.2g}"),
                *(
                    number(row[key])
                    for key in ("both_hit", "only_system", "only_reference", "neither")
                ),
            ]
            for row in results["parity"]
        ],
        frozenset(range(2, 9)),
        "Distance between the posteriors of the same frames, state carried over whole streams; and "
        "the events each hits at its own threshold.",
    )


def footprint(results: Mapping[str, Any]) -> Table:
    """Return what each system is, and what it costs on a device."""
    return Table(
        "footprint",
        "Files and footprint",
        [
            *("System", "File", "Runtime", "File, bytes", "Arena, bytes", "MACs a frame"),
            *("Parameters", "Operators"),
        ],
        [
            [
                text(system["name"]),
                Cell(system.get("model") or NOTHING, system.get("model", ""), _hash(system)),
                text(system.get("runtime", NOTHING)),
                *(
                    number(system.get(key), "{:,}")
                    for key in ("bytes", "arena_bytes", "macs", "parameters")
                ),
                text(", ".join(system.get("operators", ())) or NOTHING),
            ]
            for system in results["systems"]
        ],
        frozenset({3, 4, 5, 6}),
        "The arena was measured with TensorFlow Lite Micro on this machine; on a 32-bit device it "
        "is smaller.",
    )


def _hash(system: Mapping[str, Any]) -> str:
    return f"sha256 {system['sha256'][:16]}…" if system.get("sha256") else ""


def triggered_by(results: Mapping[str, Any]) -> list[Table]:
    """Return a table for each condition with the words that trigger falsely, by system."""
    names = [system["name"] for system in results["systems"]]
    tables = []
    for index, condition in enumerate(results["systems"][0]["conditions"]):
        counts: dict[str, list[int]] = {}
        occurrences: dict[str, int] = {}
        for column, system in enumerate(results["systems"]):
            for row in system["conditions"][condition]["triggered_by"]:
                of_label = counts.setdefault(row["label"], [0] * len(names))
                of_label[column] = row["false_alarms"]
                occurrences[row["label"]] = row["occurrences"]
        if counts:
            tables.append(
                Table(
                    f"triggered-by-{index}",
                    f"What triggers falsely: {condition}",
                    ["Said", *names, "Times said"],
                    [
                        [text(each), *map(number, row), number(occurrences[each])]
                        for each, row in sorted(counts.items(), key=lambda item: -sum(item[1]))
                    ],
                    frozenset(range(1, len(names) + 2)),
                )
            )
    return tables


def triggers(results: Mapping[str, Any]) -> Table:
    """Return the trigger of each system, and how its threshold was chosen."""
    rows = []
    for system in results["systems"]:
        rule, chosen = system["scoring"], system["threshold"]
        rows.append(
            [
                text(system["name"]),
                number(chosen["threshold"], "{:.6f}"),
                Cell(chosen.get("rule", ""), chosen.get("rule", ""), chosen.get("data", "")),
                number(rule["smooth_frames"]),
                number(rule["on_frames"]),
                text("none" if rule["hysteresis"] is None else f"{rule['hysteresis']:g}"),
                number(rule["refractory_s"]),
                text(f"{-rule['early_s']:g} to {rule['max_delay_s']:g}"),
                Cell(f"{rule['frame_step_s']:g}, first at {rule['frame_offset_s']:g}"),
            ]
        )
    return Table(
        "triggers",
        "Triggers and thresholds",
        [
            *("System", "Threshold", "How it was chosen", "Smoothed frames", "On frames"),
            *("Hysteresis", "Refractory time, s", "Hit window, s", "Frame step, s"),
        ],
        rows,
        frozenset({1, 3, 4, 6}),
    )


def stream_sets(results: Mapping[str, Any]) -> Table:
    """Return the sizes of the streams of each split and condition."""
    return Table(
        "stream-sets",
        "Streams",
        ["Split", "Condition", "Streams", "Recordings", "Speakers known", "Events", "Hours"],
        [
            [
                text(each["split"]),
                text(each["condition"]),
                *(number(each[key]) for key in ("streams", "recordings", "speakers", "events")),
                number(each["hours"], "{:.2f}"),
            ]
            for each in results["stream_sets"]
        ],
        frozenset(range(2, 7)),
    )


def provenance(results: Mapping[str, Any]) -> Table:
    """Return what the results were made with."""
    found = {key: value for key, value in results["provenance"].items() if key != "command"}
    versions = found.pop("versions", {})
    rows = [[text(key.replace("_", " ")), text(value)] for key, value in found.items()]
    rows += [[text(package), text(version)] for package, version in versions.items()]
    rows.append(
        [text("bootstrap"), text(f"{results['replicates']} replicates, seed {results['seed']}")]
    )
    return Table("provenance", "Versions and settings", ["What", "Value"], rows)
