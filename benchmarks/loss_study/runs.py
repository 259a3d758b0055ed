"""One run of the study, a training and its figures, and the files that keep runs."""

import json
import shlex
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_sal import files, models, provenance
from keras_sal.data import StreamBatches
from keras_sal.runtime import open_runner, predict
from loss_study.ablations import NONE, Change
from loss_study.losses import DEFAULT, default_parameters, make_loss
from loss_study.tasks import FEATURE_MAX, FRAMES_PER_OUTPUT, EventStream, Streams, Task

NETWORKS = {"gru": models.gru_detector, "conv": models.conv_detector}
EPOCHS, BATCH_SIZE, WEIGHT_DECAY = 4, 32, 0.01
CURVE_POINTS = 25
INPUTS = {"both": slice(0, 0), "sound": slice(40, None), "motion": slice(0, 40)}  # what is silent


@dataclass(frozen=True)
class Cell:
    """What all losses are compared on: a task, its labels, a network and its size."""

    task: str
    labels: str
    network: str
    size: str

    @property
    def name(self) -> str:
        """The name of the cell in paths."""
        return f"{self.task}-{self.labels}-{self.network}-{self.size}"


class RunFiles:
    """The runs of a study, each in a small file that is written when it is finished.

    Args:
        folder: Folder of the files.
        settings: Function of a task and a phase that returns what its runs share. Runs with other
            settings are refused.
    """

    def __init__(self, folder: Path, settings: Callable[[str, str], dict[str, Any]]) -> None:
        self.folder, self.settings = folder, settings

    def path(self, cell: Cell, phase: str, key: dict[str, Any]) -> Path:
        """Return the file of a run."""
        name = "-".join(str(value).replace(" ", "_") for value in key.values())
        return self.folder / cell.name / phase / f"{name}.json"

    def read(self, cell_name: str, phase: str) -> list[dict[str, Any]]:
        """Return the runs of a phase."""
        expected = files.json_ready(self.settings(cell_name.split("-")[0], phase))
        found = []
        for path in sorted((self.folder / cell_name / phase).glob("*.json")):
            run = json.loads(path.read_text(encoding="utf-8"))
            if run["settings"] != expected:
                raise SystemExit(
                    f"{path} was written with other settings: {run['settings']}, not "
                    f"{expected}. Give another --results, or remove it."
                )
            default = {**default_parameters(), **run.get("change", NONE.describe())["parameters"]}
            if DEFAULT in run["key"].values() and run["parameters"] != files.json_ready(default):
                raise SystemExit(
                    f"{path} was written with the default {run['parameters']}, not {default}. "
                    "Remove it, and run the study again."
                )
            found.append(run)
        return found

    def add(self, cell: Cell, phase: str, key: dict[str, Any], found: dict[str, Any]) -> None:
        """Write a run."""
        path = self.path(cell, phase, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "key": {**vars(cell), **key},
            "settings": self.settings(cell.task, phase),
            "command": shlex.join(["python", *without_folders(sys.argv)]),
            "backend": keras.backend.backend(),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
            **found,
        }
        compact = json.dumps(files.json_ready(content), separators=(",", ":"))
        files.write_atomically(path, compact + "\n")


def without_folders(arguments: list[str]) -> list[str]:
    """Leave out the options that say where files are on a machine."""
    kept = arguments.copy()
    for option in ("--recordings", "--cache", "--results"):
        if option in kept:
            at = kept.index(option)
            del kept[at : at + 2]
    return kept


def best_trial(trials: list[dict[str, Any]], loss: str) -> dict[str, Any]:
    """Return the trial of a loss with the best criterion on dev."""
    of_loss = [trial for trial in trials if trial["key"]["loss"] == loss]
    return min(of_loss, key=lambda trial: trial["dev"]["criterion"])


@dataclass(frozen=True)
class Setting:
    """A loss with its hyper-parameters and learning rate."""

    loss: str
    learning_rate: float
    parameters: dict[str, Any]

    @classmethod
    def of(cls, loss: str, trial: dict[str, float]) -> "Setting":
        """Split a trial into its learning rate and the hyper-parameters of the loss."""
        parameters = dict(trial)
        return cls(loss, parameters.pop("learning_rate"), parameters)


def train(
    task: Task, streams: list[EventStream], cell: Cell, setting: Setting, steps: int, seed: int
) -> keras.Model:
    """Train a network from the weights and on the crops of a seed."""
    keras.utils.clear_session()  # of the run before
    keras.utils.set_random_seed(seed)
    model = NETWORKS[cell.network](
        features=task.features,
        size=cell.size,
        frames_per_output=FRAMES_PER_OUTPUT,
        feature_max=FEATURE_MAX,
    )
    batches = StreamBatches(
        streams,
        task.targets(cell.labels),
        batch_size=BATCH_SIZE,
        batches=max(1, steps // EPOCHS),
        seed=seed,
    )
    rate = keras.optimizers.schedules.CosineDecay(setting.learning_rate, len(batches) * EPOCHS)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY, clipnorm=1.0),
        loss=make_loss(setting.loss, setting.parameters),
    )
    model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=0)
    return model


def run(
    task: Task,
    streams: Streams,
    cell: Cell,
    setting: Setting,
    *,
    steps: int,
    seed: int,
    test: bool = True,
    inputs: str = "both",
    change: Change = NONE,
) -> dict[str, Any]:
    """Train a detector and return its figures on dev, and on test if `test`."""
    started = time.monotonic()
    seen = [_without(stream, inputs) for stream in change.streams(streams.train, seed)]
    seen = [replace(stream, features=np.asarray(stream.features)) for stream in seen]
    model = train(change.task(task), seen, cell, setting, round(change.steps * steps), seed)
    train_s = time.monotonic() - started
    posteriors = {
        part: _predict(model, [_without(stream, inputs) for stream in held_out])
        for part, held_out in streams.held_out.items()
        if test or part[0] == "dev"
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the few hours, which the figures give
        figures = {"dev": _dev_figures(task, posteriors, streams)}
        if test:
            figures["test"] = _test_figures(task, posteriors, streams)
    return {
        "learning_rate": setting.learning_rate,
        "parameters": setting.parameters,
        **({} if change == NONE else {"change": change.describe()}),
        "train_s": round(train_s, 1),
        "total_s": round(time.monotonic() - started, 1),
        **figures,
    }


def _without(stream: EventStream, inputs: str) -> EventStream:
    """The stream with the features of one input set to 0."""
    if inputs == "both":
        return stream
    features = np.array(stream.features)
    features[:, INPUTS[inputs]] = 0.0
    return replace(stream, features=features)


def _predict(model: keras.Model, streams: list[EventStream]) -> list[Any]:
    found = predict(open_runner(model), [stream.features for stream in streams])
    return [posterior[:, 0] for posterior in found]


def _dev_figures(task: Task, posteriors: dict[Any, Any], streams: Streams) -> dict[str, Any]:
    """The criterion by condition, its mean, and the thresholds that dev gives for the budgets."""
    [window, *_] = task.windows
    by_condition = {
        condition: task.curve(
            posteriors["dev", condition], streams.held_out["dev", condition], window
        ).mean_frr(task.criterion_fa_per_hour)
        for condition in task.conditions
    }
    every = [("dev", condition) for condition in task.conditions]
    curve = task.curve(
        [posterior for part in every for posterior in posteriors[part]],
        [stream for part in every for stream in streams.held_out[part]],
        window,
    )
    return {
        "mean_frr": by_condition,
        "criterion": float(np.mean(list(by_condition.values()))),
        "thresholds": {f"{budget:g}": curve.threshold_at(budget) for budget in task.budgets},
    }


def _test_figures(task: Task, posteriors: dict[Any, Any], streams: Streams) -> dict[str, Any]:
    """The figures of each condition and hit window at matched rates of false alarms."""
    thresholds = _dev_figures(task, posteriors, streams)["thresholds"]
    grid = np.geomspace(0.01, 1, CURVE_POINTS) * 2 * task.criterion_fa_per_hour
    found: dict[str, Any] = {}
    for condition in task.conditions:
        held_out, answers = streams.held_out["test", condition], posteriors["test", condition]
        for window in task.windows:
            curve = task.curve(answers, held_out, window)
            rates = {}
            for budget in task.budgets:
                matched = curve.threshold_at(budget)
                chosen = curve.point(max(thresholds[f"{budget:g}"], np.nextafter(curve.floor, 2)))
                rates[f"{budget:g}"] = {
                    "threshold": matched,
                    "latencies_ms": task.latencies_ms(answers, held_out, window, matched),
                    "at_dev_threshold": {
                        "threshold": chosen.threshold,
                        "frr": chosen.frr,
                        "fa_per_hour": chosen.fa_per_hour,
                        "latency_p50_s": chosen.latency_p50_s,
                    },
                }
            found.setdefault(condition, {})[window] = {
                "hours": curve.hours,
                "events": curve.events,
                "mean_frr": curve.mean_frr(task.criterion_fa_per_hour),
                "curve": [round(curve.frr_at(rate), 4) for rate in grid],
                "rates": rates,
            }
    return found


def speakers(streams: list[EventStream]) -> list[str]:
    """Return the speaker of each event, in the order of `Task.latencies_ms`."""
    return [speaker for stream in streams for speaker in stream.speakers]
