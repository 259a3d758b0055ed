"""The protocol of an evaluation: the rules by which all its systems are scored."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_sal.checks import require
from keras_sal.detection import (
    DetCurve,
    Scoring,
    bootstrap,
    operating_point,
    paired_bootstrap,
    threshold_record,
    tune,
)
from keras_sal.evaluation.labels import WordTimes
from keras_sal.evaluation.predictions import Predictions
from keras_sal.typing import Array

_TUNED = ("smooth_frames", "on_frames")
_FIXED_IN_TUNING = ("hysteresis", "refractory_s")
HIT_WINDOW = ("early_s", "max_delay_s")


@dataclasses.dataclass(frozen=True)
class ScoringProtocol:
    """The rules by which the systems of an evaluation are scored, the same for all of them.

    Args:
        fa_per_hour: float > 0, the false-alarm budget.
        scoring: dict, fields of `keras_sal.detection.Scoring` other than the frame times.
            Defaults to none.
        tuned: bool, whether `smooth_frames` and `on_frames` are chosen on dev for each system.
            Defaults to `False`.
        level: float in (0, 1), confidence level of all intervals. Defaults to 0.95.
        replicates: int >= 1, replicates of the bootstrap. Defaults to 1000.
        seed: int, seed of the bootstrap. Defaults to 0.
        word_times: `WordTimes`, as from `read_word_times`. Defaults to none.

    Raises:
        ValueError: If the budget is not a positive number, or `scoring` has what is tuned.

    Example:

    >>> protocol = ScoringProtocol(fa_per_hour=0.5, scoring={"refractory_s": 2.0})
    >>> protocol.max_fa_per_hour, protocol.area_fa_per_hour
    (100.0, 5.0)
    """

    fa_per_hour: float
    scoring: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tuned: bool = False
    level: float = 0.95
    replicates: int = 1000
    seed: int = 0
    word_times: WordTimes = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        require(
            0 < self.fa_per_hour < math.inf,
            "`fa_per_hour` must be a positive number of false alarms an hour; it is the "
            f"budget. Received: fa_per_hour={self.fa_per_hour}. 0.5 is what users accept.",
        )
        fixed = [name for name in _TUNED if self.tuned and name in self.scoring]
        require(
            not fixed,
            "`scoring` must not have what is tuned, which is chosen on dev for each system. "
            f"Received: {fixed} with tuned=True. Leave one of them out.",
        )

    @property
    def max_fa_per_hour(self) -> float:
        """End of the DET curves, with room for replicates that have fewer false alarms."""
        return max(100.0, 20 * self.fa_per_hour)

    @property
    def area_fa_per_hour(self) -> float:
        """End of the area under the DET curve."""
        return 10 * self.fa_per_hour

    def choose_trigger(
        self, predictions: Predictions, system: str, shipped: Mapping[str, Any]
    ) -> tuple[Scoring, dict[str, Any]]:
        """Choose the trigger of a system and its threshold: those it ships with, or from dev.

        Args:
            predictions: `Predictions`.
            system: str, name of the system.
            shipped: dict, what the system ships with: `"scoring"` and `"threshold"`; either may
                be missing.

        Returns:
            `keras_sal.detection.Scoring`, and a dict as from `keras_sal.detection.threshold_record`
            whose `"threshold"` is `None` where nothing within the budget hits an event.

        Raises:
            ValueError: If a field is out of range, there are no dev streams, or the system ships
                with another hit window.
        """
        shipped_trigger = without_frame_times(shipped.get("scoring", {}))
        self._require_own_window(system, shipped_trigger)
        scoring = {**self.scoring, **shipped_trigger}
        if "threshold" in shipped:
            timed = {**predictions.times[system], **scoring}
            return Scoring(**timed), dict(shipped["threshold"])
        curve = self._dev_curve(predictions, system, scoring)
        conditions = [each.condition for each in predictions.stream_sets if each.split == "dev"]
        try:
            record = threshold_record(curve, self.fa_per_hour, data=f"dev: {', '.join(conditions)}")
            record.pop("scoring")
        except ValueError as error:
            record = {"threshold": None, "rule": str(error)}
        return curve.scoring, record

    def curve(
        self, predictions: Predictions, system: Mapping[str, Any], condition: str
    ) -> DetCurve:
        """Compute the test curve of a system, down to its threshold at least.

        Args:
            predictions: `Predictions`.
            system: dict, one of the `systems` of the results; `"name"`, `"scoring"` and
                `"threshold"` are used.
            condition: str, condition of the test split.

        Returns:
            `keras_sal.detection.DetCurve`.
        """
        name, rule = system["name"], without_frame_times(system["scoring"])
        threshold = system["threshold"]["threshold"]

        def curve_up_to(max_fa_per_hour: float) -> DetCurve:
            return predictions.curve(
                name, "test", condition, max_fa_per_hour=max_fa_per_hour, **rule
            )

        curve = curve_up_to(self.max_fa_per_hour)
        if threshold is None or threshold > curve.floor:
            return curve
        rate = operating_point(
            predictions.posteriors_of(name, "test", condition),
            [stream.anchors_s for stream in predictions.streams("test", condition)],
            threshold,
            **system["scoring"],
        ).fa_per_hour
        longer = curve_up_to(max(self.max_fa_per_hour, 1.01 * rate))
        return longer if threshold > longer.floor else curve_up_to(math.inf)

    def intervals(
        self,
        curve: DetCurve,
        figures: Callable[[DetCurve], Array],
        *,
        groups: Sequence[Any] | None = None,
    ) -> list[list[float]] | None:
        """Compute the bootstrap interval of each figure of a curve.

        Args:
            curve: `keras_sal.detection.DetCurve`.
            figures: Function `DetCurve -> array (figures,)`.
            groups: Sequence with a group for each recording of the curve. Defaults to `None`:
                each recording is a group.

        Returns:
            List of `[low, high]`, one for each figure; `None` with fewer than two groups.
        """
        if not self._can_resample(curve, groups):
            return None
        return _ends(bootstrap(curve, figures, groups=groups, **self._resampling))

    def paired_intervals(
        self,
        curves: tuple[DetCurve, DetCurve],
        figures: tuple[Callable[[DetCurve], Array], Callable[[DetCurve], Array]],
        *,
        groups: Sequence[Any] | None = None,
    ) -> list[list[float]] | None:
        """Compute the paired bootstrap interval of each difference between two systems.

        Args:
            curves: pair of `keras_sal.detection.DetCurve` of the same streams.
            figures: pair of functions `DetCurve -> array (figures,)`, one for each system.
            groups: as for `intervals`.

        Returns:
            List of `[low, high]` of first - second; `None` with fewer than two groups.
        """
        if not self._can_resample(curves[0], groups):
            return None
        return _ends(paired_bootstrap(*curves, figures, groups=groups, **self._resampling))

    @property
    def _resampling(self) -> dict[str, Any]:
        return {"replicates": self.replicates, "level": self.level, "seed": self.seed}

    @staticmethod
    def _can_resample(curve: DetCurve, groups: Sequence[Any] | None) -> bool:
        return len(set(range(len(curve.recording_events)) if groups is None else groups)) >= 2

    def _require_own_window(self, system: str, shipped: Mapping[str, Any]) -> None:
        """Refuse a hit window that only one of the systems has."""
        for name in HIT_WINDOW:
            own = self.scoring.get(name, getattr(Scoring, name))
            require(
                shipped.get(name, own) == own,
                f"`scoring` must have the `{name}` of the protocol; a hit is the same for all "
                f"systems. Received: {name}={shipped.get(name)} of {system!r}, {own} of the "
                "protocol. Give it in `scoring` of `ScoringProtocol`.",
            )

    def _dev_curve(
        self, predictions: Predictions, system: str, scoring: Mapping[str, Any]
    ) -> DetCurve:
        """The curve of all dev streams, of the tuned trigger if there is tuning."""
        if not self.tuned:
            return predictions.curve(system, "dev", max_fa_per_hour=self.max_fa_per_hour, **scoring)
        settings: dict[str, Any] = {**predictions.times[system]}
        for name, value in scoring.items():
            if name not in _TUNED:
                settings[name] = [value] if name in _FIXED_IN_TUNING else value
        return tune(
            predictions.posteriors_of(system, "dev"),
            [stream.anchors_s for stream in predictions.streams("dev")],
            fa_per_hour=self.fa_per_hour,
            **settings,
        ).curve


def without_frame_times(scoring: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the frame times from the fields of a `Scoring`; `Predictions` knows them.

    Args:
        scoring: dict, fields of `keras_sal.detection.Scoring`.

    Returns:
        dict without `frame_step_s` and `frame_offset_s`.
    """
    return {name: value for name, value in scoring.items() if not name.startswith("frame_")}


def _ends(interval: tuple[Any, Any, Any]) -> list[list[float]]:
    """The ends of intervals, `[[low, high], ...]`."""
    _, low, high = interval
    return np.stack([low, high], axis=1).tolist()
