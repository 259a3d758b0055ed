"""`keras-sal export` of a bundle or a pretrained detector, whose integers stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.cli.command_parser import GIVEN
from keras_sal.cli.export_target import Export
from keras_sal.cli.model_export import list_thresholds

if TYPE_CHECKING:
    from keras_sal.export.bundle import Bundle

OF_RECORDINGS = ("recordings", "word", "splits", "cache", "fa_per_hour", "calibration")


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
        options, manifest = self.options, self.bundle.manifest
        own = {name: manifest[name] for name in ("quantization", "state")} | self.bundle.scoring
        if manifest["frontend"] is None:
            own["frontend"] = "none"
        given = {name: getattr(options, name) for name in own if name in getattr(options, GIVEN)}
        refused = {name: value for name, value in given.items() if value != own[name]}
        of_recordings = {name: getattr(options, name) for name in OF_RECORDINGS}
        refused |= {name: value for name, value in of_recordings.items() if value}
        for name, value in refused.items():
            option = f"--{name.replace('_', '-')}"
            raise ValueError(
                f"`{option}` must be left out for a bundle; its {manifest['quantization']} model, "
                "its features and its trigger stay as they are, and no recordings are read. "
                f"Received: {option} {value} for {options.model!r}. Export the .keras file for "
                "another one."
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
