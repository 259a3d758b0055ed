"""The criterion on dev, by which the trials of a tuning are compared."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

import numpy as np

from keras_sal.audio import output_times
from keras_sal.data import Stream
from keras_sal.detection import NegativeHoursWarning, det_curve, tune
from keras_sal.runtime import runner_steps, runners
from keras_sal.training.recipe import TRIGGER_OPTIONS
from keras_sal.typing import Array

AREA = 10  # the highest budget, as a multiple of the false-alarm budget
SMOOTH_FRAMES = (1, 2, 3, 5)
ON_FRAMES = (1, 2, 3)


class DevCriterion:
    """The mean FRR on dev over all false-alarm budgets up to ten times the one of the job.

    No threshold decides it, so a detector can't improve it by firing always or never: both have 1.
    Of several words it is their mean. `keras_sal.metrics.MeanFRR` is the same figure over clips;
    this one is of whole streams, with and without noise, at every threshold.

    Args:
        conditions: Streams of the dev split by condition.
        classes: Number of words.
        fa_per_hour: False-alarm budget per hour.
    """

    def __init__(
        self, conditions: Mapping[str, Sequence[Stream]], classes: int, fa_per_hour: float
    ):
        self.fa_per_hour, self.highest = fa_per_hour, AREA * fa_per_hour
        streams = [stream for streams in conditions.values() for stream in streams]
        self._features = [stream.features for stream in streams]
        self._anchors_s = [
            [stream.only_class(index).events[:, 1] for stream in streams]
            for index in range(classes)
        ]

    def predict(self, runner: Any) -> list[Array]:
        """Run a detector over dev.

        Args:
            runner: Its runner, from `keras_sal.runtime.open_runner`.

        Returns:
            Posteriors of each stream, `(frames, classes)`.
        """
        return list(runners.predict(runner, self._features))

    def score(self, posteriors: Sequence[Array], runner: Any) -> float:
        """Return the criterion, in [0, 1]; `nan` for a training that diverged.

        Args:
            posteriors: What `predict` returned.
            runner: The runner.
        """
        if not all(np.isfinite(each).all() for each in posteriors):
            return math.nan
        return fmean(
            self._mean_frr([each[:, index] for each in posteriors], anchors_s, runner)
            for index, anchors_s in enumerate(self._anchors_s)
        )

    def tune_triggers(self, posteriors: Sequence[Array], runner: Any) -> list[dict[str, Any]]:
        """Return the best trigger of each word at the budget, and the misses with that of `train`.

        Args:
            posteriors: What `predict` returned.
            runner: The runner.

        Returns:
            A dict for each word: `smooth_frames`, `on_frames`, `frr`, and `default_frr`.
        """
        found = []
        with _without_warning():
            for index, anchors_s in enumerate(self._anchors_s):
                trials = tune(
                    [each[:, index] for each in posteriors],
                    anchors_s,
                    fa_per_hour=self.fa_per_hour,
                    smooth_frames=SMOOTH_FRAMES,
                    on_frames=ON_FRAMES,
                    **_times(runner),
                ).trials
                [default] = (t for t in trials if t["smooth_frames"] == t["on_frames"] == 1)
                best = {name: trials[0][name] for name in ("smooth_frames", "on_frames", "frr")}
                found.append(best | {"default_frr": default["frr"]})
        return found

    def _mean_frr(
        self, posteriors: Sequence[Array], anchors_s: Sequence[Array], runner: Any
    ) -> float:
        curve = det_curve(
            posteriors,
            anchors_s,
            max_fa_per_hour=self.highest,
            **_times(runner),
            **TRIGGER_OPTIONS,
        )
        with _without_warning():
            return curve.mean_frr(self.highest)


@contextmanager
def _without_warning() -> Iterator[None]:
    """Leave out that hours are few: the budget was chosen for them, and said so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NegativeHoursWarning)
        yield


def _times(runner: Any) -> dict[str, Any]:
    return dict(output_times(runner_steps.frames_per_output(runner)))
