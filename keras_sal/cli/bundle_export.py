"""`keras-sal export` of a bundle or a pretrained detector, whose integers stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.cli.arguments import TRIGGER
from keras_sal.cli.export_target import Export
from keras_sal.cli.model_export import list_thresholds

if TYPE_CHECKING:
    from keras_sal.export.bundle import Bundle


@dataclass(frozen=True)
class BundleExport(Export):
    """One run of the command for a bundle: no recordings are needed, nothing is converted.

    Threshold, trigger, classes and front-end are those of the bundle, unless others are given.

    Args:
        target: The target.
        options: Parsed arguments.
        console: Shows the progress.
        bundle: The bundle.
    """

    bundle: Bundle

    def check(self) -> None:
        """Refuse options that would have no effect.

        Raises:
            ValueError: If there is such an option.
        """
        options, quantization = self.options, self.bundle.manifest["quantization"]
        defaults = {"state": "explicit", "quantization": quantization}
        given = {
            "--recordings": options.recordings,
            "--word": options.word,
            "--fa-per-hour": options.fa_per_hour,
            "--calibration": options.calibration,
            **{
                f"--{name}": getattr(options, name)
                for name, default in defaults.items()
                if getattr(options, name) != default
            },
        }
        trigger = self.bundle.manifest["trigger"]
        for name, number in TRIGGER.items():
            value = getattr(options, name)
            if value not in (number.default, trigger[name]):
                given[f"--{name.replace('_', '-')}"] = value
        for option, value in given.items():
            if value is not None:
                raise ValueError(
                    f"`{option}` must be left out for a bundle; its model is {quantization} and "
                    "stays as it is, and so does its trigger. Received: "
                    f"{option} {value} for {options.model!r}. Export the .keras file for another "
                    "one."
                )

    def write_file(self, path: Path, name: str | None = None) -> str:
        """Rewrite as a file for LiteRT, and describe it; return a summary."""
        from keras_sal.export import detector_file, litert

        with self.console.stage(f"Rewrite for {self.target.name}"):
            litert.from_micro(self.bundle.model_path, path, frontend=self._frontend())
        detector_file.write(path, name=name, **self._settings())
        return f"{path.stat().st_size:,} bytes, {self._described()}"

    def write_firmware(self) -> str:
        """Write the sources anew; return a summary."""
        from keras_sal.export import bundle

        written = bundle.write(
            self.bundle.model_path,
            Path(self.options.output),
            package=self.target.package,
            **self._settings(),
        )
        manifest = written.manifest
        return (
            f"{manifest['flash_bytes']:,} bytes of flash, {manifest['arena_bytes']:,} bytes of "
            f"arena, {self._described()}"
        )

    def _settings(self) -> dict[str, Any]:
        """Return what a writer is told besides the model."""
        manifest, threshold = self.bundle.manifest, self.options.threshold
        record = manifest["threshold"] or {}
        if threshold is not None or "scoring" not in record:
            scoring = self.bundle.scoring
            threshold = self.bundle.threshold if threshold is None else threshold
        else:  # the record has its trigger
            scoring, threshold = {}, record
        return {
            "threshold": threshold,
            "class_names": self._class_names(),
            "frontend": self._frontend(),
            "delay_frames": manifest["delay_frames"],
            **scoring,
        }

    def _class_names(self) -> list[str]:
        return self.options.class_names or self.bundle.manifest["classes"]

    def _frontend(self) -> str | None:
        known = self.bundle.manifest["frontend"] is not None
        return "micro" if known and self.options.frontend != "none" else None

    def _described(self) -> str:
        given = self.options.threshold
        thresholds = self.bundle.thresholds if given is None else [given]
        return f"{self.bundle.manifest['quantization']}, threshold {list_thresholds(thresholds)}"
