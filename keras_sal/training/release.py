"""The release of a trained detector: firmware with its threshold, figures and a report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_sal.checks import require
from keras_sal.data import SplitRecord, Stream
from keras_sal.data.split_record import RECORD
from keras_sal.data.synthesis import PACKAGES as SYNTHESIS
from keras_sal.detection import DetCurve, threshold_record
from keras_sal.evaluation.labels import read_word_times
from keras_sal.evaluation.predictions import Predictions, collect_predictions
from keras_sal.evaluation.protocol import ScoringProtocol
from keras_sal.evaluation.results import evaluate
from keras_sal.export import bundle, micro
from keras_sal.extras import require_packages
from keras_sal.files import temporary_sibling
from keras_sal.progress import Reporter, SilentReporter
from keras_sal.provenance import machine, versions
from keras_sal.runtime import drop_remainder, open_runner
from keras_sal.training.recipe import TRIGGER_OPTIONS
from keras_sal.training.split_streams import SplitStreams
from keras_sal.training.temperature import apply_temperature
from keras_sal.typing import Array, PathLike

CALIBRATION_STREAMS = 12
FIRMWARE = "firmware"
COMPLETE = ".release"  # folder of a release whose artefacts are being moved to their places
_FOOTPRINT = ("flash_bytes", "arena_bytes", "macs", "operators")
PACKAGES = (
    *("soundfile", "soxr", "pymicro_features", "python_stretch", "pyroomacoustics"),
    *("tensorflow", "tflite_micro", "flatbuffers", "matplotlib", "jinja2"),
)


@dataclass(frozen=True)
class ReleasePlan:
    """What a release is made from, and how.

    Args:
        word: The wake word.
        folder: Folder of its recordings.
        streams: Streams of the three splits.
        splits: Record of the splits of its recordings, for `splits.json`.
        quantization: `"int8"`, `"int16x8"` or `"float32"`, of the firmware.
        fa_per_hour: False-alarm budget per hour, > 0.
        command: Command line, for the results.
        options: Options of the training, for the results.
        seed: Seed of the bootstrap. Defaults to 0.
    """

    word: str
    folder: Path
    streams: SplitStreams
    splits: SplitRecord
    quantization: str
    fa_per_hour: float
    command: str
    options: dict[str, Any]
    seed: int = 0


def check_packages(*, synthesis: bool = False) -> None:
    """Refuse to begin if a package is missing that the job needs, and name all that are.

    Args:
        synthesis: Whether speech is to be synthesised. Defaults to `False`.

    Raises:
        ImportError: If one is missing.
    """
    if synthesis:
        require_packages((*PACKAGES, *SYNTHESIS), "train on synthetic speech", extra="demo")
    require_packages(PACKAGES, "train a detector and release it", extra="train")


def prepare_output(output: PathLike) -> None:
    """Refuse an output that a release can't be written to, and complete one that was interrupted.

    A release that was made when its process was killed is put in its place.

    Args:
        output: The folder to write to.

    Raises:
        NotADirectoryError: If it is a file.
        ValueError: If it holds something else than a bundle under the name `firmware`.
    """
    if Path(output).exists() and not Path(output).is_dir():
        raise NotADirectoryError(
            "`output` must be a folder, or nothing yet; the artefacts are written into it. "
            f"Received: {output}, a file. Name another one."
        )
    _put_in_place(Path(output))
    firmware = Path(output) / FIRMWARE
    if firmware.is_dir() and any(firmware.iterdir()):
        bundle.read_manifest(firmware)


def calibration_sequences(streams: Sequence[Stream]) -> list[Array]:
    """Return the features of the streams with most events, to calibrate the states of a model.

    Args:
        streams: Training streams with features.

    Returns:
        Features of at most 12 streams, most events first.
    """
    ranked = sorted(streams, key=lambda stream: -len(stream.events))
    return [stream.features for stream in ranked[:CALIBRATION_STREAMS]]


def write_release(
    models: Mapping[str, keras.Model],
    plan: ReleasePlan,
    output: PathLike,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Evaluate models, make firmware of the best one, and write a report.

    The best model has the fewest misses on dev at the budget. The threshold is chosen on dev with
    the converted model. For int8, logits are divided by a temperature, see
    `keras_sal.training.apply_temperature`. The artefacts appear together once all are made, and
    replace those of an earlier release.

    Args:
        models: Trained detectors by name.
        plan: What the release is made from.
        output: Folder to write to: `model.keras`, the bundle `firmware`, `report.html` with its
            figures, `results.json`, `posteriors.npz` and `splits.json`.
        reporter: Receiver of the progress. Defaults to `None`, for none.

    Returns:
        The results as written to `results.json`; see `keras_sal.evaluation`.

    Raises:
        ValueError: If there are no models, or `output` holds something else than a bundle under the
            name `firmware`.
    """
    require(
        bool(models),
        "`models` must hold at least one; one of them is released. Received: none. Train one.",
    )
    prepare_output(output)
    with temporary_sibling(Path(output) / "release") as made:
        made.mkdir()
        results = _Release(plan, made, reporter or SilentReporter()).write(models)
        made.replace(Path(output) / COMPLETE)
        _put_in_place(Path(output))
    return results


class _Release:
    """A release under way, written to a folder of its own."""

    def __init__(self, plan: ReleasePlan, folder: Path, reporter: Reporter):
        self.plan, self.folder, self.reporter = plan, folder, reporter
        self.protocol = ScoringProtocol(
            plan.fa_per_hour,
            scoring=TRIGGER_OPTIONS,
            word_times=read_word_times(plan.folder),
            seed=plan.seed,
        )

    def write(self, models: Mapping[str, keras.Model]) -> dict[str, Any]:
        """Write all artefacts, and return the results."""
        quantization = self.plan.quantization
        if quantization == "int8":
            models = {name: apply_temperature(model) for name, model in models.items()}
        runners = {name: open_runner(model) for name, model in models.items()}
        predictions = self._predict(runners)
        best = min(
            models,
            key=lambda name: self._dev_curve(predictions, name).frr_at(self.plan.fa_per_hour),
        )
        released = f"{best}, {quantization}"
        models[best].save(self.folder / "model.keras")
        with self.reporter.stage(f"Convert {best} to {quantization} TensorFlow Lite Micro"):
            detector = self._convert(models[best], runners[best])
        predictions = predictions.merge(self._predict({released: detector}))
        firmware = self._write_firmware(detector, self._dev_curve(predictions, released))
        footprint = {name: firmware.manifest[name] for name in _FOOTPRINT}
        results = self._evaluate(predictions, {released: footprint})
        self.plan.splits.write(self.folder / RECORD)
        self._write_report(predictions, results)
        return results

    def _predict(self, systems: Mapping[str, Any]) -> Predictions:
        with self.reporter.stage(f"{' and '.join(systems)}: predict") as stage:
            return collect_predictions(
                systems,
                self.plan.word,
                self.plan.streams.held_out,
                root=self.plan.folder,
                progress=lambda name, done, total: stage.progress(done, total),
            )

    def _dev_curve(self, predictions: Predictions, name: str) -> DetCurve:
        return predictions.curve(
            name, "dev", max_fa_per_hour=self.protocol.max_fa_per_hour, **self.protocol.scoring
        )

    def _convert(self, model: keras.Model, runner: Any) -> Any:
        sequences = drop_remainder(runner, calibration_sequences(self.plan.streams.train))
        return micro.convert(
            model,
            self.folder / "cache.tflite",
            sequences,
            quantization=self.plan.quantization,
        )

    def _write_firmware(self, detector: Any, curve: DetCurve) -> Any:
        firmware = bundle.write(
            detector,
            self.folder / FIRMWARE,
            threshold=threshold_record(
                curve,
                self.plan.fa_per_hour,
                data=f"dev, {self.plan.quantization} model in TensorFlow Lite Micro",
            ),
            class_names=[self.plan.word],
            frontend="micro",
        )
        (self.folder / "cache.tflite").unlink()
        return firmware

    def _evaluate(
        self, predictions: Predictions, details: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        provenance = {
            "command": self.plan.command,
            "recordings": self.plan.folder.name,
            "options": self.plan.options,
            "backend": keras.backend.backend(),
            "versions": versions(),
            "machine": machine(),
        }
        with self.reporter.stage("Score") as stage:
            return evaluate(
                predictions,
                self.protocol,
                details=details,
                provenance=provenance,
                progress=stage.progress,
            )

    def _write_report(self, predictions: Predictions, results: Mapping[str, Any]) -> None:
        from keras_sal.evaluation import report

        with self.reporter.stage("Draw the report") as stage:
            report.write(
                self.folder,
                predictions,
                results,
                streams=self.plan.streams.test,
                word_times=self.protocol.word_times,
                progress=stage.progress,
            )


def _put_in_place(output: Path) -> None:
    """Move the artefacts of a complete release to their places, if there is one.

    A process that is killed on the way leaves the rest for the next one to move.
    """
    complete = output / COMPLETE
    if not complete.is_dir():
        return
    for artefact in list(complete.iterdir()):
        place = output / artefact.name
        if place.is_dir():
            shutil.rmtree(place)
        artefact.replace(place)
    complete.rmdir()
