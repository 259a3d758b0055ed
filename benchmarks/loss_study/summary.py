"""The figures of a cell over its runs: means over seeds, and paired intervals against baselines."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from keras_sal.typing import Array
from loss_study.ablations import NOTHING, ablations
from loss_study.losses import BASE, DEFAULT, FOCAL, LOSSES

REPLICATES = 2000
NAMES = (*LOSSES, DEFAULT)


@dataclass(frozen=True)
class Outcomes:
    """What became of each event of test under one loss, at a matched rate of false alarms.

    Args:
        latency_ms: Array `(seeds, events)`, `nan` for a miss.
        voices: Integer array `(events,)`, the voice of each event.
        mean_frr: Array `(seeds,)`, the area under the curve divided by its width.
    """

    latency_ms: Array
    voices: Array
    mean_frr: Array

    @property
    def frr(self) -> Array:
        """FRR by seed."""
        return np.isnan(self.latency_ms).mean(axis=1)

    def figures(self) -> dict[str, Any]:
        """Return mean and standard deviation over seeds, and the latency of all hits."""
        return {
            "frr": _mean_and_deviation(self.frr),
            "mean_frr": _mean_and_deviation(self.mean_frr),
            "latency_ms": {
                name: _quantile(self.latency_ms, share)
                for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
            },
        }

    def differences(self, other: "Outcomes") -> dict[str, list[float]]:
        """Return the difference to another loss with its 95 % interval.

        Seeds and voices are drawn together: a replicate has some seeds more than once, and all
        events of some voices more than once, the same for both losses.
        """
        return {
            name: _interval(self._replicates[name] - other._replicates[name])
            for name in ("frr", "p50_ms")
        }

    @cached_property
    def _replicates(self) -> dict[str, Array]:
        """Each figure, first of all events once, then of each replicate."""
        rng = np.random.default_rng(0)
        seeds, voices = len(self.latency_ms), int(self.voices.max()) + 1
        by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), REPLICATES)
        by_voice = rng.multinomial(voices, np.full(voices, 1 / voices), REPLICATES)
        weights = by_voice[:, self.voices]
        keep = weights.sum(axis=1) > 0
        by_seed = np.concatenate([np.ones((1, seeds), int), by_seed[keep]])
        weights = np.concatenate([np.ones((1, len(self.voices)), int), weights[keep]])
        return {"frr": _frr(self, by_seed, weights), "p50_ms": _median(self, by_seed, weights)}


def _frr(outcomes: Outcomes, by_seed: Array, weights: Array) -> Array:
    missed = weights @ np.isnan(outcomes.latency_ms).T.astype(float)
    return (by_seed * missed).sum(axis=1) / (by_seed.sum(axis=1) * weights.sum(axis=1))


def _median(outcomes: Outcomes, by_seed: Array, weights: Array) -> Array:
    """The median latency of the hits of each replicate."""
    latency = outcomes.latency_ms.ravel()
    order = np.argsort(latency)[: np.isfinite(latency).sum()]
    seed, event = np.divmod(order, outcomes.latency_ms.shape[1])
    passed = np.cumsum(by_seed[:, seed] * weights[:, event], axis=1)
    if not len(order):
        return np.full(len(by_seed), np.nan)
    half = (passed >= passed[:, -1:] / 2).argmax(axis=1)
    return latency[order][half]


def _interval(replicates: Array) -> list[float]:
    value, *drawn = replicates
    return [float(value), *map(float, np.nanpercentile(drawn, [2.5, 97.5]))]


def _mean_and_deviation(values: Array) -> list[float]:
    return [float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0]


def _quantile(latency_ms: Array, share: float) -> float | None:
    known = np.sort(latency_ms[np.isfinite(latency_ms)])
    return float(known[int(np.ceil(share * len(known))) - 1]) if len(known) else None


class CellSummary:
    """The figures of one cell.

    Args:
        runs: Runs of phase `test`.
        speakers: The speakers of the events by variant and condition.
        names: Names of losses, in the order of the rows. Defaults to those of the study.
    """

    def __init__(
        self,
        runs: list[dict[str, Any]],
        speakers: dict[str, dict[str, Any]],
        names: tuple[str, ...] = NAMES,
    ) -> None:
        self.runs, self.speakers = runs, speakers
        backends = {run["backend"] for run in runs}
        if len(backends) > 1:
            raise SystemExit(f"Runs of a cell must share a backend. Received: {sorted(backends)}.")
        self.losses = [name for name in names if self._of(name)]
        complete = [{self._place(run) for run in self._of(name)} for name in self.losses]
        self.places = sorted(set.intersection(*complete)) if complete else []
        self.variants = sorted({variant for variant, _ in self.places})
        seeds = [{seed for v, seed in self.places if v == variant} for variant in self.variants]
        self.seeds = sorted(set.intersection(*seeds)) if seeds else []
        [first, *_] = runs
        self.conditions = list(first["test"])
        self.windows = list(first["test"][self.conditions[0]])
        self.budgets = list(first["test"][self.conditions[0]][self.windows[0]]["rates"])

    def outcomes(self, loss: str, condition: str, window: str, budget: str) -> Outcomes:
        """Return the outcomes of a loss over all variants and the seeds that all losses have."""
        found = {self._place(run): run["test"][condition][window] for run in self._of(loss)}
        latency = [
            [
                np.nan if each is None else each
                for variant in self.variants
                for each in found[variant, seed]["rates"][budget]["latencies_ms"]
            ]
            for seed in self.seeds
        ]
        names = [
            (variant, speaker)
            for variant in self.variants
            for speaker in self.speakers[variant][condition]
        ]
        places = {name: index for index, name in enumerate(dict.fromkeys(names))}
        areas = [
            [found[variant, seed]["mean_frr"] for variant in self.variants] for seed in self.seeds
        ]
        return Outcomes(
            np.array(latency, float),
            np.array([places[name] for name in names]),
            np.mean(areas, axis=1),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each loss, condition, hit window and budget."""
        found = []
        for condition in self.conditions:
            for window in self.windows:
                for budget in self.budgets:
                    all_outcomes = {
                        loss: self.outcomes(loss, condition, window, budget) for loss in self.losses
                    }
                    for loss, outcomes in all_outcomes.items():
                        row = {"condition": condition, "window": window, "fa_per_hour": budget}
                        row |= {"loss": loss, **outcomes.figures()}
                        for base in (BASE, FOCAL):
                            if loss != base and base in all_outcomes:
                                row[f"against {base}"] = outcomes.differences(all_outcomes[base])
                        row["at_dev_threshold"] = self._at_dev_threshold(
                            loss, condition, window, budget
                        )
                        found.append(row)
        return found

    def curves(self, loss: str, condition: str) -> Array:
        """Return the FRR over the grid of rates, `(seeds, points)`, in the main window."""
        window = self.windows[0]
        found = {self._place(run): run["test"][condition][window] for run in self._of(loss)}
        return np.array(
            [
                np.mean([found[v, seed]["curve"] for v in self.variants], axis=0)
                for seed in self.seeds
            ]
        )

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the learning rate and the hyper-parameters that each loss was tested with."""
        return {
            name: {"learning_rate": run["learning_rate"], **run["parameters"]}
            for name in self.losses
            for run in self._of(name)[:1]
        }

    def _at_dev_threshold(self, loss: str, condition: str, window: str, budget: str) -> Any:
        points = [
            run["test"][condition][window]["rates"][budget]["at_dev_threshold"]
            for run in self._of(loss)
            if self._place(run)[1] in self.seeds
        ]
        return {
            name: _mean_and_deviation(np.array([point[name] for point in points], float))
            for name in ("frr", "fa_per_hour")
        }

    def _of(self, loss: str) -> list[dict[str, Any]]:
        return [run for run in self.runs if run["key"]["loss"] == loss]

    @staticmethod
    def _place(run: dict[str, Any]) -> tuple[str, int]:
        return run["key"]["variant"], run["key"]["seed"]


def ablation_rows(runs: list[dict[str, Any]], summary: CellSummary) -> list[dict[str, Any]]:
    """Return a row for each ablation and condition, against the same seeds without the change.

    Args:
        runs: Runs of phase `ablations`.
        summary: The summary of their cell.
    """
    window, budget = summary.windows[0], summary.budgets[0]
    named = [run | {"key": run["key"] | {"loss": run["key"]["change"]}} for run in runs]
    found = []
    for loss, name, _ in ablations():
        changes = [
            run
            for run in named
            if run["key"]["of"] == loss and run["key"]["loss"] in (NOTHING, name)
        ]
        if name not in {run["key"]["loss"] for run in changes}:
            continue
        pair = CellSummary(changes, summary.speakers, (NOTHING, name))
        if not pair.seeds:
            continue
        for condition in summary.conditions:
            before, after = (
                pair.outcomes(each, condition, window, budget) for each in (NOTHING, name)
            )
            row = {"loss": loss, "change": name, "condition": condition}
            row |= {"seeds": len(pair.seeds), **after.figures()}
            against = {} if name == NOTHING else {"against nothing": after.differences(before)}
            found.append(row | against)
    return found
