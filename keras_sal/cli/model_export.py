"""`keras-sal export` of a trained model, which is converted."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.cli import feature_streams
from keras_sal.cli.arguments import FRAME_TIMES, TRIGGER, values
from keras_sal.cli.budget import choose_stream_budget
from keras_sal.cli.export_target import Export
from keras_sal.cli.threshold_choice import choose_threshold

if TYPE_CHECKING:
    import keras

    from keras_sal.data import Recording
    from keras_sal.typing import Array

SCORING = FRAME_TIMES | TRIGGER


@dataclass(frozen=True)
class ModelExport(Export):
    """One run of the command for a trained model.

    Args:
        target: The target.
        options: Parsed arguments.
        console: Shows the progress.
        model: The trained model.
        runner: Its runner.
        recordings: Recordings to calibrate with and to choose the threshold on, or `None`.
    """

    model: keras.Model | None
    runner: Any
    recordings: list[Recording] | None

    def write_file(self, path: Path, name: str | None = None) -> str:
        """Convert to a file, and describe it where a threshold is known; return a summary.

        The threshold is chosen with the file without a front-end, which takes features.
        """
        from keras_sal.export import detector_file
        from keras_sal.files import write_atomically

        target, options, frontend = self.target, self.options, self._frontend()
        calibration, threshold = self._calibration(), options.threshold
        choose = threshold is None and bool(self.recordings)
        if choose or frontend is None:
            with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
                with self.console.stage(f"Convert to {target.name}"):
                    converted = target.convert(
                        self.model, Path(folder) / path.name, calibration, options
                    )
                if choose:
                    threshold = self._choose_threshold(converted)
                if frontend is None:
                    write_atomically(path, converted.path.read_bytes())
        if frontend is not None:
            with self.console.stage(f"Convert to {target.name} with the front-end"):
                target.convert(self.model, path, calibration, options, frontend)
        taken = "features" if frontend is None else "sound"
        summary = f"{path.stat().st_size:,} bytes, {options.quantization}, from {taken}"
        if threshold is None:
            path.with_suffix(".json").unlink(missing_ok=True)  # that of a former file
            unheard = "" if frontend is None else ", and `detect` can't open it"
            return (
                f"{summary}. It has no .json file beside it, for want of a threshold{unheard}: "
                "give --threshold or --recordings"
            )
        written = detector_file.write(path, name=name, **self._settings(threshold))
        return f"{summary}, threshold {list_thresholds(written.thresholds)}"

    def write_firmware(self) -> str:
        """Convert, choose the threshold with the converted model, and write; return a summary."""
        target, options, calibration = self.target, self.options, self._calibration()
        with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
            with self.console.stage(f"Convert to {options.quantization} {target.runtime}"):
                converted = target.convert(
                    self.model, Path(folder) / "model.tflite", calibration, options
                )
            threshold = options.threshold
            if threshold is None:
                threshold = self._choose_threshold(converted)
            return self._write_converted(converted, threshold)

    def _write_converted(self, converted: Any, threshold: Any) -> str:
        """Write the folder around a converted model; return a summary."""
        from keras_sal.export import bundle

        written = bundle.write(
            converted,
            Path(self.options.output),
            package=self.target.package,
            **self._settings(threshold),
        )
        manifest = written.manifest
        return (
            f"{manifest['quantization']}, {manifest['flash_bytes']:,} bytes of flash, "
            f"{manifest['arena_bytes']:,} bytes of arena, "
            f"threshold {list_thresholds(written.thresholds)}"
        )

    def _settings(self, threshold: Any) -> dict[str, Any]:
        """Return what a writer is told besides the model."""
        return {
            "threshold": threshold,
            "class_names": self._class_names(),
            "frontend": self._frontend(),
            **values(self.options, SCORING),
        }

    def _class_names(self) -> list[str] | None:
        """Return the names of the classes, if they are known."""
        from keras_sal.data.wake_words import list_words

        options = self.options
        return options.class_names or (list(list_words(options.word)) if options.word else None)

    def _frontend(self) -> str | None:
        """Return the front-end of the detector, by default that of its features."""
        from keras_sal.export.frontend import takes_micro_features

        options = self.options
        hears_sound = bool(options.recordings) or self.target.hears_sound
        if options.frontend is None:
            return "micro" if hears_sound or takes_micro_features(self.model) else None
        return None if options.frontend == "none" else options.frontend

    def _calibration(self) -> list[Array] | None:
        """Return the streams that an integer model is calibrated with."""
        options = self.options
        if "int" not in options.quantization:
            return None
        if options.calibration:
            return feature_streams.read_feature_streams(options.calibration).features
        if self.recordings is None:
            raise ValueError(
                "`--calibration` or `--recordings` must be given for an integer model: its ranges "
                "come from real streams. Received neither. `--quantization float32` needs none."
            )
        with self.console.stage("Make train streams") as stage:
            return feature_streams.calibration_streams(
                self.runner,
                self.recordings,
                options.word,
                cache=options.cache,
                progress=stage.progress,
            )

    def _choose_threshold(self, converted: Any) -> dict[str, Any]:
        """Choose the threshold on dev streams, with the converted model."""
        options = self.options
        with self.console.stage("Make dev streams") as stage:
            streams = feature_streams.held_out_streams(
                *(converted, self.recordings or [], options.word, "dev"),
                cache=options.cache,
                progress=stage.progress,
            )
        budget = choose_stream_budget(streams, "dev", options, self.console)
        with self.console.stage("Choose the threshold") as stage:
            return choose_threshold(
                converted,
                streams,
                budget,
                data=f"dev, {options.quantization} model in {self.target.runtime}",
                words=None if isinstance(options.word, str) else options.word,
                track=stage.track,
                **self._scoring(),
            )

    def _scoring(self) -> dict[str, Any]:
        """Return how posteriors become detections on the device, as `choose_threshold` takes it."""
        return values(self.options, SCORING)


def list_thresholds(thresholds: list[float]) -> str:
    """Write one or several thresholds out.

    Args:
        thresholds: The thresholds, in the order of the classes.

    Example:

    >>> list_thresholds([0.5, 0.75])
    '0.5, 0.75'
    """
    return ", ".join(f"{each:.6g}" for each in thresholds)
