"""Writing of the report: the sections of its page, in order."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.checks import require
from keras_sal.evaluation.labels import WordTimes
from keras_sal.evaluation.predictions import FILE, Predictions
from keras_sal.evaluation.report import tables
from keras_sal.evaluation.report.curves import curves_section
from keras_sal.evaluation.report.example_cards import examples_section
from keras_sal.evaluation.report.examples import choose_examples
from keras_sal.evaluation.report.inputs import KERNEL, ReportInputs
from keras_sal.evaluation.report.page import Section, interval, render, short_number
from keras_sal.evaluation.report.pictures import Illustrator
from keras_sal.evaluation.report.verdict import judge
from keras_sal.evaluation.results import describe_budget
from keras_sal.export.kept_files import copy_files, kept_files
from keras_sal.files import atomic_folder, json_ready, write_atomically, write_json
from keras_sal.typing import PathLike, Progress

if TYPE_CHECKING:
    from keras_sal.data import Stream

PAGE = "report.html"
RESULTS = "results.json"
FILES = (PAGE, RESULTS, FILE)
FIGURES = "figures"
FIGURE = re.compile(r"(det|latency|miss|false-alarm|hit)-\d+\.png")


def write(
    folder: PathLike,
    predictions: Predictions,
    results: Mapping[str, Any],
    *,
    streams: Mapping[str, Sequence[Stream]] | None = None,
    word_times: WordTimes | None = None,
    kernel: Mapping[str, Any] = KERNEL,
    most: int = 4,
    progress: Progress | None = None,
) -> Path:
    """Write `report.html`, which needs no file beside it, and what it is made from.

    These are its figures as PNG files, such as `figures/det-0.png`, `results.json` and
    `posteriors.npz`. They replace those of an earlier report; other files stay. For posteriors of
    your own, from any framework, see `keras_sal.evaluation.predictions_from_posteriors`.

    Args:
        folder: Folder to write to; made if it is missing.
        predictions: Predictions of the systems.
        results: Their results, from `keras_sal.evaluation.results.evaluate` or `results.json`.
        streams: By condition, the streams of the test split. Defaults to `None`: the page has
            neither sound nor features.
        word_times: Times of words, from `keras_sal.evaluation.labels.read_word_times`. Defaults to
            `None`: the page shows texts of recordings.
        kernel: The `kernel`, and its `reach` in frames, that is drawn at anchors; see
            `keras_sal.anchors.anchor_kernel`. Defaults to that of `StreamingAnchorLoss`.
        most: Largest number of misses, and of false alarms, that are shown of each condition.
            Defaults to 4.
        progress: Called as `progress(done, total)`. Defaults to `None`.

    Returns:
        The path of the page.

    Raises:
        ImportError: If matplotlib or jinja2 is missing; with `streams`, if soundfile is.
    """
    inputs = ReportInputs(predictions, json_ready(results), streams or {}, word_times or {}, kernel)
    examples = choose_examples(predictions, inputs.results, inputs.word_times, most)
    folder, results = Path(folder), inputs.results
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder / FIGURES) as figures:
        illustrator = Illustrator(figures)
        curves = curves_section(inputs, illustrator)
        listening = examples_section(inputs, examples, illustrator, progress)
        copy_files(other_files(folder / FIGURES), folder / FIGURES, figures)
        html = render(
            title=f"Detecting “{results['word']}”",
            lead=_lead(results),
            cards=[_system_card(system, results["fa_per_hour"]) for system in results["systems"]],
            warnings=results["warnings"],
            sections=[
                curves,
                _systems_section(results),
                listening,
                _words_section(results),
                _reproduction_section(results),
            ],
        )
    # What takes long is done: an interruption leaves the whole of an earlier report.
    write_json(folder / RESULTS, results)
    predictions.save(folder / FILE)
    write_atomically(folder / PAGE, html)
    return folder / PAGE


def check_folder(folder: PathLike) -> None:
    """Check that a report can be written to a folder, before anything is scored for it.

    Args:
        folder: Folder to write to, which may be missing.

    Raises:
        ValueError: If it is a file or in one, can't be written to, or holds files of the names of
            those of a report that are not of one.
    """
    folder = Path(folder)
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    require(
        there.is_dir() and os.access(there, os.W_OK | os.X_OK),
        "`folder` must be a folder that can be written to, or can be made; the report is written "
        f"into it. Received: folder={str(folder)!r}, and {str(there)!r} is "
        f"{'read-only' if there.is_dir() else 'a file'}. Name another one.",
    )
    others = [] if is_report(folder) else [name for name in FILES if (folder / name).exists()]
    require(
        not others,
        f"`folder` must hold no {', '.join(FILES)} but those of an earlier report, which they "
        f"replace. Received: folder={str(folder)!r} with {', '.join(others)}. Move them, or name "
        "another folder.",
    )


def read_provenance(folder: PathLike) -> dict[str, Any]:
    """Read where the results of a report come from.

    Args:
        folder: The folder of a report.

    Returns:
        The provenance; empty where there is no report.
    """
    folder = Path(folder)
    if not is_report(folder):
        return {}
    found = json.loads((folder / RESULTS).read_text(encoding="utf-8")).get("provenance")
    return found if isinstance(found, dict) else {}


def other_files(figures: Path) -> list[str]:
    """Return what a folder of figures holds besides those of a report.

    Args:
        figures: The folder.

    Returns:
        The paths of files, links and empty folders, relative to it.
    """
    return [name for name in kept_files(figures, {}, own=()) if not FIGURE.fullmatch(name)]


def is_report(folder: Path) -> bool:
    """Whether a report was written to a folder, by any version.

    Args:
        folder: The folder.
    """
    try:
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(results, dict) and {"format", "word", "systems"} <= results.keys()


def remove(folder: Path) -> None:
    """Remove what `write` wrote to a folder, and nothing else.

    Args:
        folder: The folder of a report.
    """
    figures = folder / FIGURES
    drawn = [path for path in figures.glob("*") if FIGURE.fullmatch(path.name)]
    for path in (*drawn, *(folder / name for name in FILES)):
        path.unlink(missing_ok=True)
    if figures.is_dir() and not any(figures.iterdir()):
        figures.rmdir()


def _lead(results: Mapping[str, Any]) -> str:
    test = [each for each in results["stream_sets"] if each["split"] == "test"]
    named = ", ".join(
        f"{each['condition']} ({each['events']} events in {each['hours']:.1f} h)" for each in test
    )
    return (
        f"Is it good enough, and what would make it better? On {named}, at the threshold chosen "
        f"on other recordings for at most {describe_budget(results)}, or shipped; in brackets the "
        f"exact {100 * results['level']:g} % intervals."
    )


def _system_card(system: Mapping[str, Any], budget: float) -> dict[str, Any]:
    """The figures of a system at the top of the page."""
    conditions = []
    for name, scored in system["conditions"].items():
        point = scored["at_threshold"]
        if not point:
            continue
        frr = interval(point["intervals"]["frr"].get("exact"), "{:.1f}", 100)
        alarms = interval(point["intervals"]["fa_per_hour"].get("exact"))
        late = [short_number(point[f"latency_p{q}_s"], "{:.0f} ms", 1000) for q in (50, 90)]
        figures = [
            ("missed", short_number(point["frr"], "{:.1f} %", 100), frr),
            ("false alarms", short_number(point["fa_per_hour"], "{:.2f}/h"), alarms),
            ("latency P50", late[0], f"P90 {late[1]}"),
        ]
        conditions.append((name, figures))
    return {"name": system["name"], "conditions": conditions, "verdict": judge(system, budget)}


def _systems_section(results: Mapping[str, Any]) -> Section:
    title = "Systems compared" if len(results["systems"]) > 1 else "The system"
    compared = [
        table(results)
        for key, table in (("differences", tables.differences), ("parity", tables.parity))
        if results[key]
    ]
    return Section("systems", title, tables=[*compared, tables.footprint(results)])


def _words_section(results: Mapping[str, Any]) -> Section:
    return Section(
        "words",
        "What triggers falsely",
        "What was being said, or which recording was playing, when a system fired at its threshold "
        "outside all hit windows.",
        tables=tables.triggered_by(results),
    )


def _reproduction_section(results: Mapping[str, Any]) -> Section:
    return Section(
        "reproduce",
        "How to reproduce this",
        tables=[tables.triggers(results), tables.stream_sets(results), tables.provenance(results)],
        command=results["provenance"].get("command", ""),
    )
