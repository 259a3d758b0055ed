"""Streaming Anchor Loss against other losses: three tasks, two networks, five seeds.

    python benchmarks/study.py onset --network gru

runs one cell, a task with a kind of labels and a network, in two phases. In `trials` each loss is
trained with the same number of settings (learning rate and its own hyper-parameters, the same Sobol
design in all cells) and scored on dev. In `test` the setting with the best criterion on dev is
trained from five seeds and scored on test, with thresholds from dev, and so is
`StreamingAnchorLoss()`, the default, at the learning rate of cross entropy. Within a cell all
losses start from the same weights and see the same crops for the same seed. A third phase,
`--phases ablations`, trains the default and cross entropy with one thing changed; see
`loss_study/ablations.py`.

Each run is a small file in `benchmarks/results/study`, written when it is finished and not
repeated, so that the study can be stopped at any time, and processes can share the work:
`--share 1/2` does every other run. `--quick` gives the shape of each table in minutes, with a
hundredth of the work, in `build/study`.

    python benchmarks/study_report.py

makes the tables and figures of `docs/results/study.md` from the files.

Convolutions train faster on TensorFlow than on JAX on a CPU, and recurrent networks the other way
round: set KERAS_BACKEND. A cell must be trained on one backend.
"""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loss_study.ablations import NONE, Change, ablations
from loss_study.losses import BASE, DEFAULT, LOSSES, default_parameters
from loss_study.runs import NETWORKS, Cell, RunFiles, Setting, best_trial, run, speakers
from loss_study.tasks import TASKS, Streams, Task

from keras_sal.cli.console import Console
from keras_sal.data import require_recordings

RESULTS = Path(__file__).parent / "results" / "study"
QUICK_RESULTS = Path(__file__).parents[1] / "build" / "study"


@dataclass(frozen=True)
class Scale:
    """How much work the study is.

    Args:
        steps: Train steps of a trial.
        hours: Hours of streams to train on.
        trials: Trials of each loss.
        seeds: Seeds of each loss in the test.
    """

    steps: int
    hours: float
    trials: int
    seeds: int

    def steps_of(self, task: str, phase: str) -> int:
        """Return the train steps of a run."""
        return self.steps if phase in ("trials", "speakers") else self.steps * TASKS[task].longer

    def settings(self, task: str, phase: str) -> dict[str, Any]:
        """Return what all runs of a phase must share."""
        steps = self.steps_of(task, phase)
        return {"steps": steps, "hours": self.hours, "trials": self.trials}


FULL = Scale(steps=2000, hours=3.0, trials=6, seeds=5)
QUICK = Scale(steps=100, hours=0.3, trials=2, seeds=2)


@dataclass(frozen=True)
class Job:
    """One run that is still to be made."""

    variant: str
    phase: str
    key: dict[str, Any]
    setting: Setting
    seed: int
    inputs: str = "both"
    change: Change = NONE


def trial_jobs(task: Task, scale: Scale) -> Iterator[Job]:
    """Yield a job for each setting of each loss, on the first variant of the task."""
    for number in range(scale.trials):
        for name, candidate in LOSSES.items():
            trial = candidate.trials(name, scale.trials)[number]
            key = {"loss": name, "trial": number}
            yield Job(task.variants[0], "trials", key, Setting.of(name, trial), seed=0)


def chosen_settings(trials: list[dict[str, Any]]) -> dict[str, Setting]:
    """Return the setting of each loss with the best criterion on dev, and that of the default."""
    chosen = {}
    for name in LOSSES:
        best = best_trial(trials, name)
        chosen[name] = Setting(name, best["learning_rate"], best["parameters"])
    chosen[DEFAULT] = Setting(DEFAULT, chosen[BASE].learning_rate, default_parameters())
    return chosen


def test_jobs(
    task: Task, scale: Scale, chosen: dict[str, Setting], variants: tuple[str, ...]
) -> Iterator[Job]:
    """Yield a job for each variant, seed and loss; for two inputs, also with one of them alone."""
    for variant, seed in itertools.product(variants, range(scale.seeds)):
        for name, setting in chosen.items():
            key = {"variant": variant, "loss": name, "seed": seed}
            yield Job(variant, "test", key, setting, seed)
        for inputs in ("sound", "motion") if task.name == "gesture" else ():
            key = {"variant": variant, "loss": BASE, "seed": seed, "inputs": inputs}
            yield Job(variant, "inputs", key, chosen[BASE], seed, inputs)


def ablation_jobs(task: Task, scale: Scale, chosen: dict[str, Setting]) -> Iterator[Job]:
    """Yield a job for each ablation and seed, on the first variant of the task."""
    [variant, *_] = task.variants
    for (loss, name, change), seed in itertools.product(ablations(), range(scale.seeds)):
        given = chosen[loss]
        setting = replace(given, parameters={**given.parameters, **change.parameters})
        key = {"variant": variant, "of": loss, "change": name, "seed": seed}
        yield Job(variant, "ablations", key, setting, seed, change=change)


class Study:
    """The runs of one cell.

    Args:
        cell: The cell.
        options: Options of the command line.
    """

    def __init__(self, cell: Cell, options: argparse.Namespace) -> None:
        self.cell, self.task, self.options = cell, TASKS[cell.task], options
        self.scale = QUICK if options.quick else FULL
        self.files = RunFiles(
            options.results or (QUICK_RESULTS if options.quick else RESULTS), self.scale.settings
        )
        self.folder = require_recordings(options.recordings)
        self.console = Console()
        self._streams: tuple[str, Streams] | None = None

    def run(self) -> None:
        """Make all runs of the phases that were asked for."""
        if "trials" in self.options.phases:
            self._run(list(trial_jobs(self.task, self.scale)))
        if set(self.options.phases) == {"trials"}:
            return
        trials = self.files.read(self.cell.name, "trials")
        missing = len(LOSSES) * self.scale.trials - len(trials)
        if missing:
            raise SystemExit(f"{missing} trials of {self.cell.name} are still to be made.")
        self.files.read(self.cell.name, "test")  # which refuses what doesn't belong together
        variants = tuple(self.options.variants or self.task.variants)
        chosen = chosen_settings(trials)
        if "test" in self.options.phases:
            self._run(list(test_jobs(self.task, self.scale, chosen, variants)))
        if "ablations" in self.options.phases:
            self._run(list(ablation_jobs(self.task, self.scale, chosen)))

    def _run(self, jobs: list[Job]) -> None:
        part, parts = map(int, self.options.share.split("/"))
        todo = [
            job
            for job in jobs[part - 1 :: parts]
            if not self.files.path(self.cell, job.phase, job.key).is_file()
        ]
        for number, job in enumerate(todo, 1):
            streams = self._streams_of(job.variant)
            found = run(
                self.task,
                streams,
                self.cell,
                job.setting,
                steps=self.scale.steps_of(self.task.name, job.phase),
                seed=job.seed,
                test=job.phase != "trials",
                inputs=job.inputs,
                change=job.change,
            )
            self.files.add(self.cell, job.phase, job.key, found)
            self.console.say(
                f"{self.cell.name} {job.phase} {number}/{len(todo)} {job.key}: criterion "
                f"{found['dev']['criterion']:.3f}, {found['total_s']:.0f} s"
            )

    def _streams_of(self, variant: str) -> Streams:
        if self._streams is None or self._streams[0] != variant:
            streams = self.task.streams(
                self.folder, variant, hours=self.scale.hours, cache=self.options.cache
            )
            self._streams = variant, streams
            key = {"variant": variant}
            found = {
                condition: speakers(streams.held_out["test", condition])
                for condition in self.task.conditions
            }
            self.files.add(self.cell, "speakers", key, {"speakers": found})
        return self._streams[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--network", choices=NETWORKS, default="gru", help="(%(default)s)")
    parser.add_argument("--size", default="micro", help="size of the network (%(default)s)")
    parser.add_argument("--labels", default="span", help="span or window (%(default)s)")
    parser.add_argument("--variants", nargs="+", help="words (default: all of the task)")
    parser.add_argument(
        "--phases",
        nargs="+",
        choices=("trials", "test", "ablations"),
        default=("trials", "test"),
        help="(trials and test)",
    )
    parser.add_argument("--share", default="1/1", help="part of the runs, such as 1/2")
    parser.add_argument("--recordings", help="folder of recordings")
    parser.add_argument("--cache", help="folder for features")
    parser.add_argument("--results", type=Path, help="folder of the files")
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_true", help="a hundredth of the work")
    scale.add_argument("--full", action="store_true", help="all of it (default)")
    options = parser.parse_args()
    if options.labels not in TASKS[options.task].labels:
        parser.error(f"--labels must be one of {', '.join(TASKS[options.task].labels)}.")
    Study(Cell(options.task, options.labels, options.network, options.size), options).run()


if __name__ == "__main__":
    main()
