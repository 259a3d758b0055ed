"""Detection metrics over packed targets: misses, false alarms an hour, latency.

They count events, over clips that each are a short stream, at thresholds from a fixed vector. Their
definitions are those of `keras_sal.detection`, and a test compares the two. Use them to watch a
training; to publish figures, score whole streams with `keras_sal.detection`.

To stop a training early or to keep its best model, monitor `MeanFRR`. The FRR at one threshold is
best for a model that always fires, and the FRR at a budget is 1 for every model where the hours of
negative audio are too few for the budget.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sal.checks import frame_count, positive, rate, require, share
from keras_sal.detection.false_alarm_budget import warn_of_few_hours
from keras_sal.detection.scoring import require_step_within_window
from keras_sal.losses.packed_values import to_numpy
from keras_sal.metrics.packed_inputs import ignore_frames, read_inputs
from keras_sal.metrics.threshold_counts import ScoringFrames, count_detections
from keras_sal.typing import Tensor

THRESHOLDS = tuple(float(1.0 / (1.0 + math.exp(-z))) for z in np.linspace(-9.0, 9.0, 181))
"""From 0.0001 to 0.9999, evenly spaced in the logit: posteriors lie mostly close to 0 and 1."""


class DetectionMetric(keras.metrics.Metric):
    """Base class of the metrics that count events: hits, false alarms and latencies.

    A trigger fires where the mean posterior of the last `smooth_frames` frames has been at least
    the threshold for `on_frames` frames, and not again within `refractory_s`. A detection inside
    `[anchor - early_s, anchor + max_delay_s]` of an unmatched event is a hit; one outside all such
    windows is a false alarm. Each clip is a stream of its own. Frames that are ignored, masked or
    have `sample_weight` 0 count as silence and not as negative audio; other weights aren't read.

    With `lasting_events` an event lasts while its label is positive: firing again until then is no
    false alarm, and these frames are no negative audio, as with `event_ends_s` of
    `keras_sal.detection.det_curve`. It is meant for labels that span events, as those of speech
    onset do.

    Events of the clip are frames at distance 0. Nothing counts as a false alarm around an event
    that a crop has cut off, unless there is a `class_index`: packed targets don't hold the class of
    such an event. Nor do they hold whose anchor a frame is, and where events of several classes
    overlap (`encoding="multi_hot"`), it counts for each class that is on.

    Args:
        thresholds: Sequence of thresholds in (0, 1].
        frame_step_s: Seconds between frames. Defaults to 0.01.
        smooth_frames: Integer >= 1, frames of the mean. Defaults to 1.
        on_frames: Integer >= 1, frames above the threshold. Defaults to 1.
        refractory_s: Seconds >= 0 after a detection without another. Defaults to 1.
        early_s: Seconds >= 0 that a hit may come before its anchor. Defaults to 0.5.
        max_delay_s: Seconds >= 0 that a hit may come after its anchor. Defaults to 1.
        class_index: Output to score, and the class of its events; `None` for a binary detector.
            Defaults to `None`.
        lasting_events: Whether an event lasts while its label is positive. Defaults to `False`.
        name: Name of the metric. Defaults to `None`.
        dtype: Dtype of the result. Defaults to `None`, float32.
    """

    def __init__(
        self,
        thresholds: Sequence[float],
        frame_step_s: float = 0.01,
        smooth_frames: int = 1,
        on_frames: int = 1,
        refractory_s: float = 1.0,
        early_s: float = 0.5,
        max_delay_s: float = 1.0,
        class_index: int | None = None,
        lasting_events: bool = False,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        require(
            frame_step_s > 0,
            "`frame_step_s` must be seconds > 0; it is the time from one frame to the next. "
            f"Received: frame_step_s={frame_step_s}. A frame every 10 ms is 0.01.",
        )
        require_step_within_window(frame_step_s, early_s + max_delay_s)
        times = {"refractory_s": refractory_s, "early_s": early_s, "max_delay_s": max_delay_s}
        for argument, value in times.items():
            require(
                0 <= value <= 3600 * frame_step_s * 100,
                f"`{argument}` must be seconds >= 0, and not hours; it is a part of the "
                f"trigger. Received: {argument}={value}. Did you give milliseconds?",
            )
        self.thresholds = [share("threshold", threshold) for threshold in thresholds]
        self.arguments: dict[str, Any] = {
            "frame_step_s": frame_step_s,
            "smooth_frames": frame_count("smooth_frames", smooth_frames),
            "on_frames": frame_count("on_frames", on_frames),
            **times,
            "class_index": class_index,
            "lasting_events": bool(lasting_events),
        }
        frames = {argument: value / frame_step_s for argument, value in times.items()}
        self.scoring = ScoringFrames(
            smooth_frames,
            on_frames,
            max(1, math.ceil(frames["refractory_s"] - 1e-6)),
            math.floor(frames["early_s"] + 1e-6),
            math.floor(frames["max_delay_s"] + 1e-6),
        )
        size = len(self.thresholds)
        width = self.scoring.early_frames + self.scoring.delay_frames + 1
        self.latencies = self._counter((size, width), "latencies")
        self.false_alarms = self._counter((size,), "false_alarms")
        self.events = self._counter((), "events")
        self.negative_frames = self._counter((), "negative_frames")

    def _counter(self, shape: tuple[int, ...], name: str) -> Any:
        return self.add_variable(shape, "zeros", dtype="int32", name=name)

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Any:
        """Add a batch of clips.

        Args:
            y_true: Packed targets `(batch, time, channels + 1)`.
            y_pred: Posteriors `(batch, time, classes)`.
            sample_weight: Optional, `(batch,)`, `(batch, 1)` or `(batch, time)`; 0 leaves out.
        """
        y_true, y_pred, weight = read_inputs(y_true, y_pred, sample_weight)
        y_true = ignore_frames(y_true, weight > 0)
        index, classes = self.arguments["class_index"], y_pred.shape[-1]
        require(
            classes == 1 if index is None else 0 <= index < classes,
            "`class_index` must be the number of the output to score, from 0, or None for a model "
            f"with one output. Received: class_index={index}, {classes} outputs. Give one metric "
            "for each class.",
        )
        posterior = y_pred[..., index or 0]
        counts = count_detections(
            y_true,
            posterior,
            ops.convert_to_tensor(self.thresholds),
            self.scoring,
            index,
            lasting_events=self.arguments["lasting_events"],
        )
        for name, counted in counts._asdict().items():
            getattr(self, name).assign_add(counted)

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {"name": self.name, "dtype": self.dtype, **self.arguments}

    @property
    def hits(self) -> Tensor:
        """Hits at each threshold."""
        return ops.sum(ops.convert_to_tensor(self.latencies), axis=1)

    @property
    def frr(self) -> Tensor:
        """Share of events missed at each threshold; `nan` without events."""
        return 1.0 - _ratio(self.hits, self.events)

    @property
    def fa_per_hour(self) -> Tensor:
        """False alarms an hour at each threshold; `nan` without negative audio."""
        hours = ops.cast(self.negative_frames, "float32") * (self.arguments["frame_step_s"] / 3600)
        return _ratio(self.false_alarms, hours)

    def _frr_within(self, fa_per_hour: Tensor) -> Tensor:
        """Return the lowest FRR within each of several budgets; 1 where nothing is within one."""
        within = self.fa_per_hour[None] <= fa_per_hour[:, None] * (1 + 1e-6)
        return ops.min(ops.where(within, self.frr[None], 1.0), axis=1)

    def _best(self, fa_per_hour: float) -> Tensor:
        """Mark the threshold with most hits, fewest false alarms, the middle one of a budget."""
        within = ops.cast(self.fa_per_hour <= fa_per_hour * (1 + 1e-6), "int32")
        hits = ops.where(within > 0, self.hits, -1)
        best = hits == ops.max(hits)
        alarms = ops.where(best, ops.convert_to_tensor(self.false_alarms), 2**30)
        tied = ops.cast(alarms == ops.min(alarms), "int32")
        middle = ops.cumsum(tied) == (ops.sum(tied) + 1) // 2
        return middle & (tied * within > 0)


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return the quotient, `nan` over 0."""
    numerator, denominator = (ops.cast(x, "float32") for x in (numerator, denominator))
    return ops.where(denominator > 0, numerator / ops.maximum(denominator, 1e-30), math.nan)


def _quantile(latencies: Tensor, level: float) -> Tensor:
    """Return the column of the observed quantile of a row of counts; `nan` of none."""
    passed = ops.cumsum(ops.cast(latencies, "float32"))
    wanted = ops.maximum(ops.ceil(level * passed[-1] - 1e-4), 1.0)
    column = ops.sum(ops.cast(passed < wanted, "float32"))
    return ops.where(passed[-1] > 0, column, math.nan)


@keras.saving.register_keras_serializable(package="keras_sal")
class StreamingFRR(DetectionMetric):
    """Share of events that a trigger misses at one threshold: FRR = misses / events.

    A model that always fires misses nothing: read it beside `FalseAlarmsPerHour`, and stop a
    training by `MeanFRR`.

    Args:
        threshold: In (0, 1]. Defaults to 0.5.
        name: Name of the metric. Defaults to `"frr"`.
        **kwargs: `frame_step_s`, `smooth_frames`, `on_frames`, `refractory_s`, `early_s`,
            `max_delay_s`, `class_index`, `lasting_events`, `dtype`; see `DetectionMetric`.

    Example:

    >>> import keras_sal
    >>> import numpy as np
    >>> y_true = keras_sal.AnchorTargets(frames=400)(np.array([[[100, 150]], [[200, 250]]]))
    >>> y_pred = np.zeros((2, 400, 1))
    >>> y_pred[0, 110] = 0.9  # the first event, 0.1 s late; nothing for the second
    >>> metric = StreamingFRR()
    >>> metric.update_state(y_true, y_pred)
    >>> float(metric.result())
    0.5
    """

    def __init__(self, threshold: float = 0.5, name: str = "frr", **kwargs: Any) -> None:
        super().__init__([threshold], name=name, **kwargs)

    def result(self) -> Tensor:
        """Return the FRR; `nan` without events."""
        return self.frr[0]

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {**super().get_config(), "threshold": self.thresholds[0]}


@keras.saving.register_keras_serializable(package="keras_sal")
class FalseAlarmsPerHour(DetectionMetric):
    """False alarms at one threshold, an hour of negative audio.

    Args:
        threshold: In (0, 1]. Defaults to 0.5.
        name: Name of the metric. Defaults to `"fa_per_hour"`.
        **kwargs: `frame_step_s`, `smooth_frames`, `on_frames`, `refractory_s`, `early_s`,
            `max_delay_s`, `class_index`, `lasting_events`, `dtype`; see `DetectionMetric`.

    Example:

    >>> import keras_sal
    >>> import numpy as np
    >>> y_true = keras_sal.AnchorTargets(frames=1000)(np.array([[[100, 600]]]))  # a sentence
    >>> y_pred = np.zeros((1, 1000, 1))
    >>> y_pred[0, [110, 400]] = 0.9  # its onset, and again before it ends
    >>> for metric in (FalseAlarmsPerHour(), FalseAlarmsPerHour(lasting_events=True)):
    ...     metric.update_state(y_true, y_pred)
    ...     print(int(metric.false_alarms[0]), int(metric.negative_frames))
    1 849
    0 449
    """

    def __init__(self, threshold: float = 0.5, name: str = "fa_per_hour", **kwargs: Any) -> None:
        super().__init__([threshold], name=name, **kwargs)

    def result(self) -> Tensor:
        """Return the rate; `nan` without negative audio."""
        return self.fa_per_hour[0]

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {**super().get_config(), "threshold": self.thresholds[0]}


class _BudgetMetric(DetectionMetric):
    """Metric of a false-alarm budget, which warns once if the hours can't support it."""

    def __init__(self, fa_per_hour: float, thresholds: Sequence[float], **kwargs: Any) -> None:
        super().__init__(thresholds, **kwargs)
        self.budget = rate("fa_per_hour", fa_per_hour)
        self._warned = False

    def reset_state(self) -> None:
        """Begin anew, after a warning if the hours counted so far are too few for the budget."""
        if not self._warned:
            counted = to_numpy(self.negative_frames)
            hours = float(counted or 0) * self.arguments["frame_step_s"] / 3600
            if hours:
                self._warned = warn_of_few_hours(hours, self.budget, stacklevel=2)
        super().reset_state()

    def get_config(self) -> dict[str, Any]:
        config = {"fa_per_hour": self.budget, "thresholds": self.thresholds}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="keras_sal")
class FRRAtFalseAlarms(_BudgetMetric):
    """Lowest FRR over the thresholds that keep a false-alarm budget.

    With fewer than `3 / fa_per_hour` hours of negative audio it says little, and a
    `keras_sal.detection.NegativeHoursWarning` says so. Monitor `MeanFRR` then.

    Args:
        fa_per_hour: The budget, >= 0. Defaults to 1.
        thresholds: Thresholds to choose from. Defaults to 181, even in the logit.
        name: Name of the metric. Defaults to `"frr_at_fa"`.
        **kwargs: `frame_step_s`, `smooth_frames`, `on_frames`, `refractory_s`, `early_s`,
            `max_delay_s`, `class_index`, `lasting_events`, `dtype`; see `DetectionMetric`.
    """

    def __init__(
        self,
        fa_per_hour: float = 1.0,
        thresholds: Sequence[float] = THRESHOLDS,
        name: str = "frr_at_fa",
        **kwargs: Any,
    ) -> None:
        super().__init__(fa_per_hour, thresholds, name=name, **kwargs)

    def result(self) -> Tensor:
        """Return the FRR; 1 where no threshold keeps the budget, `nan` without events."""
        hits = ops.sum(ops.where(self._best(self.budget), self.hits, 0))
        undefined = ops.convert_to_tensor(self.negative_frames) == 0
        return ops.where(undefined, math.nan, 1.0 - _ratio(hits, self.events))


@keras.saving.register_keras_serializable(package="keras_sal")
class MeanFRR(_BudgetMetric):
    """Mean FRR over all false-alarm budgets up to a rate: what to monitor in a training.

    It is the mean of `FRRAtFalseAlarms` over the budgets from 0 to `fa_per_hour`, as
    `keras_sal.detection.DetCurve.mean_frr`. No single threshold decides it: a model that always
    fires has 1, as one that never does, and a better model has less even where none keeps a low
    budget.

    Args:
        fa_per_hour: The highest budget, > 0. Defaults to 10.
        thresholds: Thresholds to choose from. Defaults to 181, even in the logit.
        name: Name of the metric. Defaults to `"mean_frr"`.
        **kwargs: `frame_step_s`, `smooth_frames`, `on_frames`, `refractory_s`, `early_s`,
            `max_delay_s`, `class_index`, `lasting_events`, `dtype`; see `DetectionMetric`.

    Example:

    >>> import keras
    >>> metric = MeanFRR(frame_step_s=0.03)  # given to `compile(metrics=[...])`
    >>> stop = keras.callbacks.EarlyStopping("val_mean_frr", mode="min", patience=5)
    """

    def __init__(
        self,
        fa_per_hour: float = 10.0,
        thresholds: Sequence[float] = THRESHOLDS,
        name: str = "mean_frr",
        **kwargs: Any,
    ) -> None:
        super().__init__(positive("fa_per_hour", fa_per_hour), thresholds, name=name, **kwargs)

    def result(self) -> Tensor:
        """Return the mean; `nan` without events or without negative audio."""
        rates = ops.sort(ops.minimum(self.fa_per_hour, self.budget))
        bounds = ops.concatenate([ops.zeros_like(rates[:1]), rates, rates[:1] * 0.0 + self.budget])
        mean = ops.sum(ops.diff(bounds) * self._frr_within(bounds[:-1])) / self.budget
        undefined = ops.isnan(self.frr[0]) | ops.isnan(self.fa_per_hour[0])
        return ops.where(undefined, math.nan, mean)


@keras.saving.register_keras_serializable(package="keras_sal")
class LatencyAtFalseAlarms(_BudgetMetric):
    """A quantile of the latency of hits, in seconds, at the threshold for a false-alarm budget.

    Read it beside the FRR: a detector that misses all late events has a low latency.

    Args:
        quantile: In (0, 1]: 0.5 is the median. Defaults to 0.5.
        fa_per_hour: The budget, >= 0. Defaults to 1.
        thresholds: Thresholds to choose from. Defaults to 181, even in the logit.
        name: Name of the metric. Defaults to `"latency_s"`.
        **kwargs: `frame_step_s`, `smooth_frames`, `on_frames`, `refractory_s`, `early_s`,
            `max_delay_s`, `class_index`, `lasting_events`, `dtype`; see `DetectionMetric`.
    """

    def __init__(
        self,
        quantile: float = 0.5,
        fa_per_hour: float = 1.0,
        thresholds: Sequence[float] = THRESHOLDS,
        name: str = "latency_s",
        **kwargs: Any,
    ) -> None:
        super().__init__(fa_per_hour, thresholds, name=name, **kwargs)
        self.quantile = share("quantile", quantile)

    def result(self) -> Tensor:
        """Return seconds after the anchor, negative before it; `nan` without hits."""
        chosen = ops.cast(self._best(self.budget), "int32")[:, None]
        column = _quantile(ops.sum(chosen * self.latencies, axis=0), self.quantile)
        return (column - self.scoring.early_frames) * self.arguments["frame_step_s"]

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {**super().get_config(), "quantile": self.quantile}
