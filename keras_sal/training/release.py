"""The release of a trained detector: firmware with its threshold, figures and a report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import keras
import numpy as np

from keras_sal.checks import require
from keras_sal.data import SplitRecord, Stream
from keras_sal.data.split_record import RECORD
from keras_sal.data.synthesis import PACKAGES as SYNTHESIS
from keras_sal.data.wake_words import Words, folder_name, list_words
from keras_sal.detection import DetCurve, join_threshold_records, threshold_record
from keras_sal.evaluation.collection import collect_word_predictions
from keras_sal.evaluation.labels import read_word_times
from keras_sal.evaluation.predictions import Predictions
from keras_sal.evaluation.protocol import ScoringProtocol
from keras_sal.evaluation.report import report
from keras_sal.evaluation.results import evaluate
from keras_sal.export import bundle, micro
from keras_sal.export.kept_files import check_places, copy_files, kept_files
from keras_sal.extras import require_packages
from keras_sal.files import temporary_sibling
from keras_sal.memory import release_freed_memory
from keras_sal.progress import Reporter, SilentReporter
from keras_sal.provenance import machine, versions
from keras_sal.runtime import drop_remainder, open_runner
from keras_sal.training.recipe import TRIGGER_OPTIONS
from keras_sal.training.split_streams import SplitStreams
from keras_sal.training.temperature import apply_temperature
from keras_sal.typing import Array, PathLike

CALIBRATION_STREAMS = 12
FIRMWARE = "firmware"
REPORTS = "reports"  # folder with a folder for the report of each of several words
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
        word: The wake word, or a list of several in the order of the classes of the model.
        folder: Folder of its recordings.
        streams: Streams of the three splits.
        splits: Record of the splits of its recordings, for `splits.json`.
        quantization: `"int8"`, `"int16x8"` or `"float32"`, of the firmware.
        fa_per_hour: False-alarm budget per hour, > 0.
        command: Command line, for the results.
        options: Options of the training, for the results.
        seed: Seed of the bootstrap. Defaults to 0.
    """

    word: Words
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
        ValueError: If it holds something else than a bundle under the name `firmware`, or other
            reports than those of an earlier release or evaluation.
    """
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(
            "`output` must be a folder, or nothing yet; the artefacts are written into it. "
            f"Received: {output}, a file. Name another one."
        )
    if (output / COMPLETE).is_dir():
        _put_in_place(output)  # the reports were checked before it was made
    else:
        _check_reports(output)
    _read_former(output / FIRMWARE)


def calibration_sequences(streams: Sequence[Stream]) -> list[Array]:
    """Return the features of the streams with most events, to calibrate the states of a model.

    Args:
        streams: Training streams with features.

    Returns:
        Features of at most 12 streams, most events first.
    """
    ranked = sorted(streams, key=lambda stream: -len(stream.events))
    return [np.asarray(stream.features) for stream in ranked[:CALIBRATION_STREAMS]]


def write_release(
    models: Mapping[str, keras.Model],
    plan: ReleasePlan,
    output: PathLike,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Evaluate models, make firmware of the best one, and write a report.

    The best model has the fewest misses on dev at the budget, in the mean of several words. The
    threshold of each word is chosen on dev with the converted model. For int8, logits are divided
    by a temperature, see `keras_sal.training.apply_temperature`. The artefacts appear together once
    all are made, and replace those of an earlier release. Your own files beside its figures stay,
    and so do those in `firmware` that `keras_sal.export.bundle.write` keeps.

    Args:
        models: Trained detectors by name, which stay as they are.
        plan: What the release is made from.
        output: Folder to write to: `model.keras`, the bundle `firmware`, `report.html` with its
            figures, `results.json`, `posteriors.npz` and `splits.json`. The report and the results
            of each of several words are in `reports/`, in a folder named after it.
        reporter: Receiver of the progress. Defaults to `None`, for none.

    Returns:
        The results as written to `results.json`; see `keras_sal.evaluation`. For a list of words a
        dict of them by word.

    Raises:
        ValueError: If there are no models, or `output` holds something else than a bundle under the
            name `firmware`, or other reports than those of an earlier release or evaluation.
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
    return results[plan.word] if isinstance(plan.word, str) else results


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

    def write(self, models: Mapping[str, keras.Model]) -> dict[str, dict[str, Any]]:
        """Write all artefacts, and return the results by word."""
        quantization = self.plan.quantization
        if quantization == "int8":
            models = {name: apply_temperature(_copy(model)) for name, model in models.items()}
        runners = {name: open_runner(model) for name, model in models.items()}
        predictions = self._predict(runners)
        best = min(
            models,
            key=lambda name: fmean(
                self._dev_curve(each, name).frr_at(self.plan.fa_per_hour) for each in predictions
            ),
        )
        released = f"{best}, {quantization}"
        models[best].save(self.folder / "model.keras")
        with self.reporter.stage(f"Convert {best} to {quantization} TensorFlow Lite Micro"):
            detector = self._convert(models[best], runners[best])
        converted = self._predict({released: detector})
        predictions = [a.merge(b) for a, b in zip(predictions, converted, strict=True)]
        firmware = self._write_firmware(detector, predictions, released)
        footprint = {name: firmware.manifest[name] for name in _FOOTPRINT}
        self.plan.splits.write(self.folder / RECORD)
        results = {}
        for index, each in enumerate(predictions):
            results[each.word] = self._evaluate(each, {released: footprint})
            self._write_report(index, each, results[each.word])
        return results

    def _predict(self, systems: Mapping[str, Any]) -> list[Predictions]:
        with self.reporter.stage(f"{' and '.join(systems)}: predict") as stage:
            return collect_word_predictions(
                systems,
                list_words(self.plan.word),
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
        release_freed_memory()  # the converter is a process of its own
        return micro.convert(
            model,
            self.folder / "cache.tflite",
            sequences,
            quantization=self.plan.quantization,
        )

    def _write_firmware(
        self, detector: Any, predictions: Sequence[Predictions], name: str
    ) -> bundle.Bundle:
        data = f"dev, {self.plan.quantization} model in TensorFlow Lite Micro"
        records = [
            threshold_record(self._dev_curve(each, name), self.plan.fa_per_hour, data=data)
            for each in predictions
        ]
        one = isinstance(self.plan.word, str)
        firmware = bundle.write(
            detector,
            self.folder / FIRMWARE,
            threshold=records[0] if one else join_threshold_records(records),
            class_names=list_words(self.plan.word),
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

    def _write_report(
        self, index: int, predictions: Predictions, results: Mapping[str, Any]
    ) -> None:
        folder = self.folder
        if not isinstance(self.plan.word, str):
            folder = folder / REPORTS / folder_name(predictions.word)
        streams = {
            condition: [stream.only_class(index) for stream in streams]
            for condition, streams in self.plan.streams.test.items()
        }
        with self.reporter.stage("Draw the report") as stage:
            report.write(
                folder,
                predictions,
                results,
                streams=streams,
                word_times=self.protocol.word_times,
                progress=stage.progress,
            )


def _copy(model: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _check_reports(output: Path) -> None:
    """Check that what a release replaces as reports are reports."""
    reports = output / REPORTS
    inside = reports.glob("[!.]*") if reports.is_dir() else [reports]
    others = [path for path in inside if path.exists() and not report.is_report(path)]
    if not report.is_report(output):
        others += [output / name for name in report.FILES if (output / name).exists()]
    require(
        not others,
        f"`output` must hold no `{REPORTS}`, {', '.join(report.FILES)} but those of an earlier "
        f"release or evaluation, with a {report.RESULTS} that keras_sal wrote; they are replaced. "
        f"Received: {[str(path) for path in others]}. Move them, or name another folder.",
    )


def _read_former(firmware: Path) -> dict[str, Any]:
    """Read the manifest of the bundle in a folder, or none if the folder is missing or empty."""
    free = not firmware.exists() or (firmware.is_dir() and not any(firmware.iterdir()))
    return {} if free else bundle.read_manifest(firmware)


def _put_in_place(output: Path) -> None:
    """Move the artefacts of a complete release to their places.

    A process that is killed on the way leaves the rest for the next one to move.
    """
    complete = output / COMPLETE
    if (complete / REPORTS).is_dir():
        report.remove(output)
    elif (complete / report.PAGE).is_file() and (output / REPORTS).is_dir():
        shutil.rmtree(output / REPORTS)
    for artefact in list(complete.iterdir()):
        place = output / artefact.name
        with temporary_sibling(place) as former:
            if place.is_dir():
                copy_files(_kept(place, artefact), place, artefact)
                place.replace(former)
            artefact.replace(place)
    complete.rmdir()


def _kept(place: Path, new: Path) -> list[str]:
    """Return what stays in a folder when a new one takes its place."""
    if place.name == report.FIGURES:
        return report.other_files(place)
    if place.name != FIRMWARE:
        return []
    kept = kept_files(place, _read_former(place), own={bundle.MANIFEST})
    check_places(place, kept, bundle.read_manifest(new)["sha256"])
    return kept
