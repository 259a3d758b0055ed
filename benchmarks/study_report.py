"""Tables and figures of the study of losses, from the files of its runs.

    python benchmarks/study_report.py

writes `benchmarks/results/study/summary.json`, `docs/results/study.md` and one figure for each cell
beside it. Cells whose tests are not all there are reported with the seeds and losses they have.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from loss_study.default_choice import judge_settings
from loss_study.losses import ANCHORED, BASE, DEFAULT, FOCAL, LOSSES
from loss_study.runs import RunFiles, best_trial
from loss_study.summary import CellSummary, ablation_rows
from loss_study.tasks import TASKS
from study import FULL, QUICK, QUICK_RESULTS, RESULTS

from keras_sal import files

matplotlib.use("Agg")
import matplotlib.pyplot as plt

INTRODUCTION = Path(__file__).parent / "loss_study" / "introduction.md"
PAGE = Path(__file__).parents[1] / "docs" / "results" / "study.md"
SHOWN = (BASE, FOCAL, "sal", "sa+fl", DEFAULT)
COLOURS = dict(zip(SHOWN, ("#555555", "#0072b2", "#e69f00", "#d55e00", "#009e73"), strict=True))
SETTINGS = 6  # of anchor losses, the best that are shown
DEFAULT_RULE = """## Which setting is the default

The rule: `StreamingAnchorLoss()` is the setting of an anchor loss with the smallest geometric mean,
over all cells with labels of spans, of its area on dev over that of the best trial of cross
entropy. The learning rate is no part of it. Each trial has one seed, so small differences mean
nothing."""
ABLATIONS = """One thing changed at a time, in the default and in cross entropy (`--phases
ablations`), against the same seeds without the change, at the same rate of false alarms. `gamma 0`
is `"sal"`; a share of the streams is one of their hours; fewer steps have a schedule of their
own."""
plt.rcParams.update({"svg.hashsalt": "keras_sal", "svg.fonttype": "none", "font.size": 9})


def summarise(runs: RunFiles) -> Iterator[tuple[str, CellSummary]]:
    """Yield the name and the summary of each cell that has tests."""
    for path in sorted(runs.folder.glob("*/")):
        tests = runs.read(path.name, "test")
        if tests:
            speakers = {
                found["key"]["variant"]: found["speakers"]
                for found in runs.read(path.name, "speakers")
            }
            summary = CellSummary(tests, speakers)
            if summary.seeds:
                yield path.name, summary


def complete_trials(runs: RunFiles, trials: int) -> dict[str, list[dict[str, Any]]]:
    """Return the trials of each cell with labels of spans where none is missing."""
    found = {
        path.name: runs.read(path.name, "trials") for path in sorted(runs.folder.glob("*-span-*"))
    }
    return {cell: each for cell, each in found.items() if len(each) == trials * len(LOSSES)}


def percent(values: list[float]) -> str:
    """Format mean and standard deviation of rates."""
    return f"{100 * values[0]:.1f} ± {100 * values[1]:.1f}"


def change(values: list[float] | None, scale: float) -> str:
    """Format a difference with its interval, in bold where the interval excludes zero."""
    if values is None or any(value is None or np.isnan(value) for value in values):
        return "-"
    middle, low, high = (scale * value for value in values)
    text = f"{middle:+.1f} [{low:.1f}, {high:.1f}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def table(head: list[str], rows: list[list[str]]) -> str:
    """Format a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main_table(rows: list[dict[str, Any]], condition: str, window: str, budget: str) -> str:
    """Format the comparison of losses in one condition."""
    chosen = [
        row
        for row in rows
        if (row["condition"], row["window"], row["fa_per_hour"]) == (condition, window, budget)
    ]
    return table(
        [
            "loss",
            f"missed at {budget} FA/h, %",
            "area, %",
            "against cross entropy, points",
            "against focal, points",
            "P50 / P90 / P99, ms",
            "P50 against cross entropy, ms",
            "at the dev threshold: missed %, FA/h",
        ],
        [
            [
                row["loss"],
                percent(row["frr"]),
                percent(row["mean_frr"]),
                change(row.get(f"against {BASE}", {}).get("frr"), 100),
                change(row.get(f"against {FOCAL}", {}).get("frr"), 100),
                " / ".join("-" if x is None else f"{x:.0f}" for x in row["latency_ms"].values()),
                change(row.get(f"against {BASE}", {}).get("p50_ms"), 1),
                f"{100 * row['at_dev_threshold']['frr'][0]:.1f}, "
                f"{row['at_dev_threshold']['fa_per_hour'][0]:.1f}",
            ]
            for row in chosen
        ],
    )


def window_table(rows: list[dict[str, Any]], budget: str) -> str:
    """Format the misses by hit window."""
    windows = list(dict.fromkeys(row["window"] for row in rows))
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    places = list(itertools.product(conditions, windows))
    found = {
        (row["loss"], row["condition"], row["window"]): row
        for row in rows
        if row["fa_per_hour"] == budget
    }
    losses = list(dict.fromkeys(row["loss"] for row in rows))
    return table(
        ["loss", *(f"{condition}, {window}" for condition, window in places)],
        [
            [loss, *(f"{100 * found[loss, *place]['frr'][0]:.1f}" for place in places)]
            for loss in losses
        ],
    )


def draw(summary: CellSummary, task: str, path: Path) -> None:
    """Draw DET curves with the range over seeds, and the distribution of latencies."""
    rate = np.geomspace(0.01, 1, 25) * 2 * TASKS[task].criterion_fa_per_hour
    columns = summary.conditions
    figure, axes = plt.subplots(
        2, len(columns), figsize=(3.2 * len(columns), 5.4), squeeze=False, layout="constrained"
    )
    for column, condition in enumerate(columns):
        curves, latencies = axes[:, column]
        for loss in (name for name in SHOWN if name in summary.losses):
            values = 100 * summary.curves(loss, condition)
            curves.plot(rate, values.mean(axis=0), color=COLOURS[loss], label=loss)
            curves.fill_between(
                rate, values.min(axis=0), values.max(axis=0), color=COLOURS[loss], alpha=0.12, lw=0
            )
            outcomes = summary.outcomes(
                loss, condition, summary.windows[-1], summary.budgets[0]
            ).latency_ms.ravel()
            known = np.sort(outcomes[np.isfinite(outcomes)])
            share = 100 * np.arange(1, len(known) + 1) / len(outcomes)
            latencies.plot(known, share, color=COLOURS[loss], label=loss)
        curves.set(xscale="log", title=condition, xlabel="false alarms an hour", ylim=(0, None))
        latencies.set(xlabel=f"ms from the anchor, at {summary.budgets[0]} FA/h")
    axes[0, 0].set_ylabel("missed, %")
    axes[1, 0].set_ylabel("events detected by then, %")
    axes[0, 0].legend(frameon=False)
    files.write_atomically(
        path, lambda temporary: figure.savefig(temporary, metadata={"Date": None})
    )
    plt.close(figure)


def trials_table(trials: list[dict[str, Any]]) -> str:
    """Format the best trial of each loss on dev."""
    rows = []
    for name in LOSSES:
        of_loss = [run for run in trials if run["key"]["loss"] == name]
        if of_loss:
            best = best_trial(of_loss, name)
            given = {"learning rate": best["learning_rate"], **best["parameters"]}
            words = ", ".join(f"{key} {value:g}" for key, value in given.items())
            first = next(run for run in of_loss if run["key"]["trial"] == 0)
            rows.append(
                [
                    name,
                    str(len(of_loss)),
                    f"{100 * first['dev']['criterion']:.1f}",
                    f"{100 * best['dev']['criterion']:.1f}",
                    words,
                ]
            )
    return table(["loss", "trials", "first, area %", "best, area %", "setting of the best"], rows)


def section(
    runs: RunFiles,
    cell: str,
    summary: CellSummary,
    rows: list[dict[str, Any]],
    ablations: list[dict[str, Any]],
) -> str:
    """Format the section of a cell."""
    task, labels, network, size = cell.split("-")
    seconds = [run["train_s"] for run in summary.runs]
    hours = {
        condition: summary.runs[0]["test"][condition][summary.windows[0]]
        for condition in summary.conditions
    }
    text = [
        f"## {task.capitalize()}, {labels} labels, {network} {size}",
        f"{', '.join(summary.variants)}; {len(summary.seeds)} seeds; "
        + "; ".join(
            f"{condition}: {found['events']} events, {found['hours']:.2f} h of negatives"
            for condition, found in hours.items()
        )
        + (f" (of {summary.variants[0]})" if len(summary.variants) > 1 else "")
        + f". A training of {summary.runs[0]['settings']['steps']:,} steps took "
        f"{np.median(seconds):.0f} s. `python benchmarks/study.py {task} "
        f"--labels {labels} --network {network} --size {size}`",
        f"![DET curves and latencies](study_{cell}.svg)",
    ]
    for condition in summary.conditions:
        text += [
            f"**{condition}**, hits {summary.windows[0]}:",
            main_table(rows, condition, summary.windows[0], summary.budgets[0]),
        ]
    text += [
        f"Missed at {summary.budgets[0]} FA/h by hit window, %:",
        window_table(rows, summary.budgets[0]),
        f"Missed at {summary.budgets[1]} FA/h by hit window, %:",
        window_table(rows, summary.budgets[1]),
        "What the trials chose on dev:",
        trials_table(runs.read(cell, "trials")),
    ]
    alone = runs.read(cell, "inputs")
    if alone:
        text += ["Cross entropy with one input only:", inputs_table(alone, summary)]
    if ablations:
        text += [ABLATIONS, ablations_table(ablations, summary.conditions)]
    return "\n\n".join(text)


def inputs_table(runs: list[dict[str, Any]], summary: CellSummary) -> str:
    """Format the misses of detectors that have one of two inputs."""
    rows = []
    for inputs in dict.fromkeys(run["key"]["inputs"] for run in runs):
        row = [inputs]
        for condition in summary.conditions:
            of_input = [run for run in runs if run["key"]["inputs"] == inputs]
            latencies = [
                run["test"][condition][summary.windows[0]]["rates"][summary.budgets[0]]
                for run in of_input
            ]
            missed = [
                np.mean([each is None for each in found["latencies_ms"]]) for found in latencies
            ]
            row.append(percent([float(np.mean(missed)), float(np.std(missed))]))
        rows.append(row)
    head = [
        f"{condition}, missed at {summary.budgets[0]} FA/h, %" for condition in summary.conditions
    ]
    return table(["input", *head], rows)


def ablations_table(rows: list[dict[str, Any]], conditions: list[str]) -> str:
    """Format the ablations, a row for each change."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        against = row.get("against nothing", {})
        lines.setdefault((row["loss"], row["change"], str(row["seeds"])), []).extend(
            (
                f"{100 * row['frr'][0]:.1f}",
                change(against.get("frr"), 100),
                change(against.get("p50_ms"), 1),
            )
        )
    figures = ("missed, %", "points more", "P50 later, ms")
    head = [f"{condition}: {figure}" for condition in conditions for figure in figures]
    return table(
        ["loss", "change", "seeds", *head], [[*names, *line] for names, line in lines.items()]
    )


def verdict(cells: dict[str, list[dict[str, Any]]]) -> str:
    """Format, for each anchor loss, in how many comparisons it is better or worse than others."""
    rows = []
    for loss in (*ANCHORED, DEFAULT):
        row = [loss]
        for base, figure in itertools.product((BASE, FOCAL), ("frr", "p50_ms")):
            intervals = [
                found[f"against {base}"][figure]
                for name, rows_of_cell in cells.items()
                for found in rows_of_cell
                if found["loss"] == loss
                and found["window"] == next(iter(TASKS[name.split("-")[0]].windows))
                and found["fa_per_hour"] == f"{TASKS[name.split('-')[0]].budgets[0]:g}"
                and f"against {base}" in found
            ]
            better = sum(high < 0 for _, _, high in intervals)
            worse = sum(low > 0 for _, low, _ in intervals)
            row.append(f"{better} better, {worse} worse, of {len(intervals)}")
        rows.append(row)
    head = ["loss", "misses against cross entropy", "P50 against cross entropy"]
    return table([*head, "misses against focal", "P50 against focal"], rows)


def default_table(trials: dict[str, list[dict[str, Any]]]) -> str:
    """Format the settings of anchor losses over all cells, the best first."""
    rows = []
    for judged in judge_settings(trials)[:SETTINGS]:
        given = ", ".join(f"{key} {value:g}" for key, value in judged.parameters.items())
        ratios = [judged.mean_ratio, *(judged.ratios[cell] for cell in trials)]
        rows.append([f"{judged.loss}, {given}", *(f"{ratio:.2f}" for ratio in ratios)])
    return table(["setting", "all cells", *(cell.replace("-", " ") for cell in trials)], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, help="folder of the files")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write")
    parser.add_argument("--quick", action="store_true", help="of the runs of study.py --quick")
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    folder = options.results or (QUICK_RESULTS if options.quick else RESULTS)
    runs = RunFiles(folder, scale.settings)
    summaries = dict(summarise(runs))
    cells = {name: summary.rows() for name, summary in summaries.items()}
    ablations = {
        name: ablation_rows(runs.read(name, "ablations"), summary)
        for name, summary in summaries.items()
    }
    criteria = ", ".join(f"{t.criterion_fa_per_hour:g} ({t.name})" for t in TASKS.values())
    text = [
        INTRODUCTION.read_text(encoding="utf-8").format(
            steps=f"{scale.steps:,}",
            longer=f"{scale.steps_of('keyword', 'test'):,}",
            hours=scale.hours,
            trials=scale.trials,
            criterion=f"{criteria} false alarms an hour",
        ),
        "Comparisons in the main hit window at the main budget, one for each cell and condition, "
        "whose interval excludes zero:",
        verdict(cells),
        DEFAULT_RULE,
        default_table(complete_trials(runs, scale.trials)),
    ]
    options.page.parent.mkdir(parents=True, exist_ok=True)
    for name, summary in summaries.items():
        draw(summary, name.split("-")[0], options.page.parent / f"study_{name}.svg")
        text.append(section(runs, name, summary, cells[name], ablations[name]))
    files.write_json(
        folder / "summary.json",
        {
            name: {
                "settings": summaries[name].settings(),
                "rows": rows,
                "ablations": ablations[name],
            }
            for name, rows in cells.items()
        },
    )
    files.write_atomically(options.page, "\n\n".join(text) + "\n")
    print(f"Written to {options.page}")


if __name__ == "__main__":
    main()
