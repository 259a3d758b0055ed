"""`keras-sal export` of a bundle or a pretrained detector, whose integers stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sal.cli.arguments import TRIGGER
from keras_sal.cli.export import PACKAGES, Export

if TYPE_CHECKING:
    from keras_sal.export.bundle import Bundle

TARGETS = ("micro", *PACKAGES, "litert", "web", "android")


@dataclass(frozen=True)
class BundleExport(Export):
    """One run of the command for a bundle: no recordings are needed, nothing is converted.

    Threshold, trigger, classes and front-end are those of the bundle, unless others are given.
    """

    bundle: Bundle

    def check(self) -> None:
        """Refuse what can't be made of a bundle, and options that would have no effect.

        Raises:
            ValueError: If there is such an option.
        """
        options, quantization = self.options, self.bundle.manifest["quantization"]
        defaults = {"state": "explicit", "quantization": quantization}
        if options.to not in TARGETS:
            raise ValueError(
                f"`MODEL` must be a .keras file for `--to {options.to}`; a bundle holds integers, "
                f"from which {', '.join(TARGETS)} can be made. Received: {options.model!r}. "
                "Choose one of them."
            )
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

    def _write_file(self, path: Path, name: str | None = None) -> str:
        from keras_sal.export import detector_file, litert

        with self.console.stage(f"Rewrite for {self.options.to}"):
            litert.from_micro(self.bundle.model_path, path, frontend=self._frontend())
        detector_file.write(path, name=name, **self._settings())
        return f"{path.stat().st_size:,} bytes, {self._described()}"

    def firmware(self) -> str:
        """Write the sources anew; return a summary."""
        from keras_sal.export import bundle

        target = self.options.to
        written = bundle.write(
            self.bundle.model_path,
            Path(self.options.output),
            package=None if target == "micro" else target,
            **self._settings(),
        )
        flash_bytes, arena_bytes = (
            written.manifest[name] for name in ("flash_bytes", "arena_bytes")
        )
        return (
            f"{self.options.output}: {flash_bytes:,} bytes of flash, {arena_bytes:,} bytes of "
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
        listed = ", ".join(f"{each:.6g}" for each in thresholds)
        return f"{self.bundle.manifest['quantization']}, threshold {listed}"
