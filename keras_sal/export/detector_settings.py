"""The settings of an exported detector: its classes, thresholds, trigger and times.

The manifest of a bundle and the description of a detector file hold them under the same names.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.detection import Scoring
from keras_sal.detection.validation import validate_delay_frames, validate_thresholds

TRIGGER = ("smooth_frames", "on_frames", "hysteresis", "refractory_s")
Threshold = float | Sequence[float] | Mapping[str, Any]
"""A threshold, one for each class, or the record of how they were chosen."""


@dataclasses.dataclass(frozen=True)
class DetectorSettings:
    """The settings of an exported detector.

    Attributes:
        class_names: Name of each class.
        thresholds: Threshold of each class.
        threshold_record: How the threshold was chosen.
        scoring: The trigger.
        delay_frames: By how many outputs the model is late.
    """

    class_names: list[str]
    thresholds: list[float]
    threshold_record: Mapping[str, Any]
    scoring: Scoring
    delay_frames: int

    @classmethod
    def checked(
        cls,
        classes: int,
        *,
        threshold: Threshold,
        class_names: str | Sequence[str] | None,
        delay_frames: int,
        scoring: Mapping[str, Any],
    ) -> DetectorSettings:
        """Return the settings that a caller gave, checked.

        Args:
            classes: Number of classes of the model.
            threshold: Float in [0, 1], or one for each class, or a record by
                `keras_sal.detection.threshold_record` or `join_threshold_records`.
            class_names: Names of the classes, or `None`.
            delay_frames: By how many outputs the model is late.
            scoring: Fields of `keras_sal.detection.Scoring`.

        Raises:
            ValueError: If one is unusable.
        """
        level, record, trigger = _check_trigger(threshold, scoring)
        return cls(
            _check_names(class_names, classes),
            _check_thresholds(level, classes),
            record,
            trigger,
            validate_delay_frames(delay_frames),
        )

    def entries(self) -> dict[str, Any]:
        """Return the settings as entries of a manifest."""
        several = len(self.thresholds) > 1
        return {
            "frame_step_s": self.scoring.frame_step_s,
            "frame_offset_s": self.scoring.frame_offset_s,
            "delay_frames": self.delay_frames,
            "classes": self.class_names,
            "trigger": {"threshold": self.thresholds if several else self.thresholds[0]}
            | {name: getattr(self.scoring, name) for name in TRIGGER},
            "threshold": self.threshold_record,
        }


@dataclasses.dataclass(frozen=True)
class WrittenDetector:
    """A detector as it was read from disk.

    Attributes:
        folder: The folder that holds its files.
        manifest: What `manifest.json` of a bundle holds, or the description of a detector file.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def model_path(self) -> Path:
        """The file of the model."""
        return self.folder / self.manifest["model"]

    @property
    def threshold(self) -> float | list[float]:
        """The trigger's threshold; a list for several classes."""
        return self.manifest["trigger"]["threshold"]

    @property
    def thresholds(self) -> list[float]:
        """The threshold of each class."""
        threshold = self.threshold
        return threshold if isinstance(threshold, list) else [threshold]

    @property
    def scoring(self) -> dict[str, Any]:
        """The other arguments of `keras_sal.detection.detect`."""
        times = {name: self.manifest[name] for name in ("frame_step_s", "frame_offset_s")}
        return times | {name: self.manifest["trigger"][name] for name in TRIGGER}


def _check_trigger(
    threshold: Threshold, scoring: Mapping[str, Any]
) -> tuple[Any, Mapping[str, Any], Scoring]:
    """Return the threshold, how it was chosen, and the trigger that belongs to it."""
    if not isinstance(threshold, Mapping):
        require(
            "frame_step_s" in scoring,
            "`frame_step_s` must be given: seconds from one output to the next. "
            "Received: none. Give it, or a record by `keras_sal.detection.threshold_record`.",
        )
        _check_step(scoring["frame_step_s"])
        return threshold, {"rule": "set by hand", "threshold": threshold}, Scoring(**scoring)
    chosen = threshold.get("scoring")
    if chosen is None or "threshold" not in threshold:
        raise ValueError(
            "`threshold` must be a number, one for each class, or a record by "
            "`keras_sal.detection.threshold_record`. "
            f"Received: a dict with the keys {sorted(threshold)}. Give the whole record."
        )
    others = {name for name, value in scoring.items() if chosen.get(name, value) != value}
    if others:
        name = min(others)
        raise ValueError(
            f"`{name}` must be the one the threshold was chosen with: another trigger has another "
            f"threshold. Received: {name}={scoring[name]}, in the record {chosen[name]}. "
            "Leave it out, or choose the threshold again."
        )
    together = {**scoring, **chosen}
    _check_step(together.get("frame_step_s"))
    return threshold["threshold"], threshold, Scoring(**together)


def _check_step(frame_step_s: object) -> None:
    require(
        isinstance(frame_step_s, Real) and not isinstance(frame_step_s, bool),
        "`frame_step_s` must be a positive number of seconds; it is the time from one output to "
        f"the next. Received: frame_step_s={frame_step_s!r}. A 10 ms step is 0.01.",
    )


def default_class_names(classes: int) -> list[str]:
    """Return the names of classes that were given none.

    Args:
        classes: Number of classes.

    Example:
        >>> default_class_names(1), default_class_names(2)
        (['detection'], ['class_0', 'class_1'])
    """
    return ["detection"] if classes == 1 else [f"class_{c}" for c in range(classes)]


def is_class_name(name: object) -> bool:
    r"""Return whether a value can name a class in a UTF-8 file and in a string of C.

    Args:
        name: Any value.

    Example:
        >>> [is_class_name(name) for name in ("señor", "", "a\0b", "\ud800", 3)]
        [True, False, False, False, False]
    """
    return isinstance(name, str) and bool(name) and re.search("[\0\ud800-\udfff]", name) is None


def _check_names(names: str | Sequence[str] | None, classes: int) -> list[str]:
    if names is None:
        return default_class_names(classes)
    found = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
    require(
        len(found) == classes and all(map(is_class_name, found)),
        f"`class_names` must name each of the {classes} classes of the model, by texts that can be "
        "written as UTF-8 and have no character U+0000, which ends a string in C. "
        f"Received: class_names={found}. Give them in the order of the output's channels.",
    )
    return found


def _check_thresholds(threshold: Any, classes: int) -> list[float]:
    thresholds: list[float] = np.broadcast_to(
        validate_thresholds(threshold, classes), classes
    ).tolist()
    require(
        all(map(math.isfinite, thresholds)),
        "`threshold` must be in [0, 1]; a detector that never fires needs no export. "
        f"Received: threshold={thresholds}. Choose it on development data.",
    )
    return thresholds
