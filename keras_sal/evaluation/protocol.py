"""The judge: by which rules systems are scored, the same for all of them."""

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np

from keras_sal.detection import DetCurve, Scoring, operating_point, threshold_record, tune
from keras_sal.evaluation.outcomes import Words

TRIGGER = ("smooth_frames", "on_frames", "hysteresis", "refractory_s")


@dataclasses.dataclass(frozen=True)
class Judge:
    """How systems are scored.

    Args:
        fa_per_hour: The false-alarm budget.
        scoring: Fields of `keras_sal.detection.Scoring` other than the frame times.
        tuned: Whether smoothing and on-frames are chosen on dev, for each system.
        level: Of the intervals. Default 0.95.
        replicates: Of the bootstrap. Default 1000.
        seed: Of the bootstrap. Default 0.
        words: When each word is said, from `keras_sal.evaluation.outcomes.read_words`.
    """

    fa_per_hour: float
    scoring: Mapping = dataclasses.field(default_factory=dict)
    tuned: bool = False
    level: float = 0.95
    replicates: int = 1000
    seed: int = 0
    words: Words = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if not 0 < self.fa_per_hour < math.inf:
            raise ValueError(
                "`fa_per_hour` must be a positive number of false alarms an hour; it is the "
                f"budget. Received: fa_per_hour={self.fa_per_hour}. 0.5 is what users accept."
            )

    @property
    def max_fa_per_hour(self) -> float:
        """Up to which curves are computed: room for replicates with fewer alarms."""
        return max(100.0, 20 * self.fa_per_hour)

    @property
    def area_fa_per_hour(self) -> float:
        """Up to which the area under the curve is taken."""
        return 10 * self.fa_per_hour

    def settings(self, answers, name: str, given: Mapping) -> tuple[Scoring, dict]:
        """The trigger of a system, and its threshold: given, or chosen on dev."""
        scoring = {**self.scoring, **given.get("scoring", {})}
        if "threshold" in given:
            return Scoring(**answers.times[name], **scoring), dict(given["threshold"])
        if self.tuned:
            free = {key: value for key, value in scoring.items() if key not in TRIGGER[:2]}
            fixed = {key: [free.pop(key)] for key in TRIGGER[2:] if key in free}
            curve = tune(
                answers.of(name, "dev"),
                [track.anchors_s for track in answers.tracks("dev")],
                fa_per_hour=self.fa_per_hour,
                **fixed,
                **free,
                **answers.times[name],
            ).curve
        else:
            curve = answers.curve(name, "dev", max_fa_per_hour=self.max_fa_per_hour, **scoring)
        conditions = ", ".join(part.condition for part in answers.parts if part.split == "dev")
        try:
            record = threshold_record(curve, self.fa_per_hour, data=f"dev: {conditions}")
            record.pop("scoring")
        except ValueError as error:
            record = {"threshold": None, "rule": str(error)}
        return curve.scoring, record

    def curve(self, answers, system: dict, condition: str) -> DetCurve:
        """The curve of a system of the results, down to its threshold."""
        name, rule = system["name"], untimed(system["scoring"])
        threshold = system["threshold"]["threshold"]
        curve = answers.curve(name, "test", condition, max_fa_per_hour=self.max_fa_per_hour, **rule)
        if threshold is None or threshold > curve.floor:
            return curve
        rate = operating_point(
            answers.of(name, "test", condition),
            [track.anchors_s for track in answers.tracks("test", condition)],
            threshold,
            **system["scoring"],
        ).fa_per_hour
        bound = max(self.max_fa_per_hour, 1.01 * rate)
        longer = answers.curve(name, "test", condition, max_fa_per_hour=bound, **rule)
        if threshold > longer.floor:
            return longer
        return answers.curve(name, "test", condition, max_fa_per_hour=math.inf, **rule)

    def intervals(self, resample: Callable, *arguments, groups=None) -> list | None:
        """Intervals `[low, high]`, one for each figure; `None` with fewer than two groups."""
        pieces = len(arguments[0].piece_events)
        if len(set(range(pieces) if groups is None else groups)) < 2:
            return None
        keywords = {"replicates": self.replicates, "level": self.level, "seed": self.seed}
        _, low, high = resample(*arguments, groups=groups, **keywords)
        return np.stack([low, high], axis=1).tolist()


def untimed(scoring: Mapping) -> dict:
    """The fields of a `Scoring` other than the frame times, which `Answers` knows."""
    return {name: value for name, value in scoring.items() if not name.startswith("frame_")}
