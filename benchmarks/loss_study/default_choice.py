"""The choice of the defaults of `StreamingAnchorLoss`: one setting over all cells, by dev alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from loss_study.losses import ANCHORED, BASE
from loss_study.runs import best_trial


@dataclass(frozen=True)
class Judged:
    """A setting of an anchor loss, and what it does in each cell.

    Args:
        loss: Name of the loss.
        trial: Number of the trial, the same in all cells.
        parameters: Learning rate and hyper-parameters.
        ratios: The criterion on dev over that of the best trial of cross entropy, by cell.
    """

    loss: str
    trial: int
    parameters: dict[str, float]
    ratios: dict[str, float]

    @property
    def mean_ratio(self) -> float:
        """The geometric mean over cells: below 1 where the setting is better on the whole."""
        return float(np.exp(np.mean(np.log(list(self.ratios.values())))))


def judge_settings(trials: dict[str, list[dict[str, Any]]]) -> list[Judged]:
    """Return the settings that all cells have tried, the best mean ratio first.

    Args:
        trials: The trials of each cell by its name.
    """
    base = {cell: best_trial(runs, BASE)["dev"]["criterion"] for cell, runs in trials.items()}
    tried: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for cell, runs in trials.items():
        for run in runs:
            if run["key"]["loss"] in ANCHORED:
                tried.setdefault((run["key"]["loss"], run["key"]["trial"]), {})[cell] = run
    judged = [
        Judged(
            loss,
            trial,
            {"learning_rate": run["learning_rate"], **run["parameters"]},
            {cell: runs[cell]["dev"]["criterion"] / base[cell] for cell in trials},
        )
        for (loss, trial), runs in tried.items()
        if len(runs) == len(trials)
        for run in [next(iter(runs.values()))]
    ]
    return sorted(judged, key=lambda each: each.mean_ratio)
