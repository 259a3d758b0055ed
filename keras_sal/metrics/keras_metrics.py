"""The figures of `keras_sal.detection`, and frame metrics, as Keras metrics over packed targets.

Stock Keras metrics can't read packed targets: `metrics=["accuracy"]` compares the distance channel
as if it were a label and reports a number that means nothing, and `keras.metrics.AUC` fails. Those
here read the label channels, leave out frames with label -1 and those that the Keras mask excludes,
and are otherwise the metrics that they replace:

    FrameAccuracy   FrameAUC   FramePrecision   FrameRecall

The others count events, over clips that each are a short stream: misses, false alarms an hour,
misses at a false-alarm budget, latency. Their definitions are those of `keras_sal.detection`, to
which a test holds them, at thresholds from a fixed vector. They are what to watch while training,
and what to stop by (`EarlyStopping("val_frr", mode="min")`). For figures to publish, score whole
streams with `keras_sal.detection`.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_sal.anchors import IGNORE, pack, unpack
from keras_sal.losses.frame_weights import expand_weight, kept_frames
from keras_sal.metrics.threshold_counts import Rule, count

THRESHOLDS = tuple(float(1.0 / (1.0 + math.exp(-z))) for z in np.linspace(-9.0, 9.0, 181))
"""From 0.0001 to 0.9999, even in the logit: detectors live close to 0 and 1."""


def read(y_true, y_pred, sample_weight=None):
    """Returns packed targets, predictions `(batch, time, classes)` and weights `(batch, time)`.

    Masked frames are labelled -1, and weigh 0 like all that are.
    """
    y_true = ops.convert_to_tensor(y_true, dtype="float32")
    y_true = ignore(y_true, kept_frames(y_true, y_pred) > 0)
    y_pred = ops.convert_to_tensor(y_pred, dtype="float32")
    if len(y_pred.shape) == 2:
        y_pred = ops.expand_dims(y_pred, -1)
    labels, _ = unpack(y_true)
    weight = ops.cast(ops.any(labels != IGNORE, axis=-1), "float32")
    if sample_weight is not None:
        weight = weight * expand_weight(sample_weight, weight)
    return y_true, y_pred, weight


def ignore(y_true, kept):
    """Labels -1 the frames that aren't `kept (batch, time)`."""
    labels, distance = unpack(y_true)
    return pack(ops.where(kept[..., None], labels, IGNORE), distance)


class FrameMetric:
    """Mixin: hands the labels of packed targets to a stock metric, a column per class."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: Packed targets `(batch, time, channels + 1)`.
            y_pred: Posteriors `(batch, time, classes)`.
            sample_weight: Optional, `(batch,)`, `(batch, 1)` or `(batch, time)`.
        """
        y_true, y_pred, weight = read(y_true, y_pred, sample_weight)
        labels, _ = unpack(y_true)
        classes = y_pred.shape[-1]
        if labels.shape[-1] == 1 and classes > 1:
            labels = ops.one_hot(ops.cast(labels[..., 0], "int32"), classes)
        known = ops.cast(labels >= 0, "float32")
        return super().update_state(labels * known, y_pred, weight[..., None] * known)


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameAUC(FrameMetric, keras.metrics.AUC):
    """Area under the ROC or PR curve over frames; `keras.metrics.AUC` for packed targets."""


@keras.saving.register_keras_serializable(package="keras_sal")
class FramePrecision(FrameMetric, keras.metrics.Precision):
    """Precision over frames; `keras.metrics.Precision` for packed targets."""


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameRecall(FrameMetric, keras.metrics.Recall):
    """Recall over frames; `keras.metrics.Recall` for packed targets."""


@keras.saving.register_keras_serializable(package="keras_sal")
class FrameAccuracy(keras.metrics.Mean):
    """Share of frames answered rightly.

    A binary or multi-label output is right where it lies on the label's side of `threshold`; a
    softmax where its largest class is the label's.

    Args:
        threshold: In (0, 1), for binary and multi-label outputs. Defaults to 0.5.
        multi_label: Whether several classes may be on at once. Defaults to `False`.
        name: Name of the metric.
        dtype: Dtype of the metric.

    Example:

    >>> import numpy as np
    >>> metric = FrameAccuracy()
    >>> y_true = np.array([[[0.0, -1.0], [1.0, 0.0], [-1.0, 1.0]]])  # the last is ignored
    >>> metric.update_state(y_true, np.array([[[0.2], [0.4], [0.9]]]))
    >>> float(metric.result())
    0.5
    """

    def __init__(self, threshold=0.5, multi_label=False, name="frame_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.threshold = in_0_1("threshold", threshold)
        self.multi_label = multi_label

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; see `FrameMetric.update_state`."""
        y_true, y_pred, weight = read(y_true, y_pred, sample_weight)
        labels, _ = unpack(y_true)
        if y_pred.shape[-1] == 1 or self.multi_label:
            right = (y_pred >= self.threshold) == (labels > 0.5)
            known = ops.cast(labels >= 0, "float32")
            return super().update_state(ops.cast(right, "float32"), weight[..., None] * known)
        label = labels[..., 0] if labels.shape[-1] == 1 else ops.argmax(labels, axis=-1)
        right = ops.cast(label, "int32") == ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        return super().update_state(ops.cast(right, "float32"), weight)

    def get_config(self):  # noqa: D102
        config = {"threshold": self.threshold, "multi_label": self.multi_label}
        return {"name": self.name, "dtype": self.dtype, **config}


class StreamingMetric(keras.metrics.Metric):
    """Base of the metrics that count events: accumulates hits, false alarms and latencies.

    A trigger fires where the mean posterior of the last `smooth_frames` frames has been at least
    the threshold for `on_frames` frames, and not again within `refractory_s`. A detection inside
    `[anchor - early_s, anchor + max_delay_s]` of a free event is a hit; one outside all such
    windows is a false alarm. Each clip is a stream of its own. Frames that are ignored, masked or
    have `sample_weight` 0 are silence, and no negative audio; other weights aren't read.

    Events of the clip are frames at distance 0. Around one that a crop has cut off nothing counts
    as a false alarm.

    Args:
        thresholds: Thresholds in (0, 1].
        frame_step_s: Seconds between frames. Defaults to 0.01.
        smooth_frames: >= 1. Defaults to 1.
        on_frames: >= 1. Defaults to 1.
        refractory_s: Seconds >= 0. Defaults to 1.
        early_s: Seconds >= 0. Defaults to 0.5.
        max_delay_s: Seconds >= 0. Defaults to 1.
        class_index: Output to score, and the class of its events; `None` for a binary detector.
        name: Name of the metric.
        dtype: Dtype of the result.
    """

    def __init__(
        self,
        thresholds,
        frame_step_s=0.01,
        smooth_frames=1,
        on_frames=1,
        refractory_s=1.0,
        early_s=0.5,
        max_delay_s=1.0,
        class_index=None,
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        if not frame_step_s > 0:
            raise ValueError(
                "`frame_step_s` must be seconds > 0; it is the time from one frame to the next. "
                f"Received: frame_step_s={frame_step_s}. A frame every 10 ms is 0.01."
            )
        times = {"refractory_s": refractory_s, "early_s": early_s, "max_delay_s": max_delay_s}
        for argument, value in times.items():
            if not 0 <= value <= 3600 * frame_step_s * 100:
                raise ValueError(
                    f"`{argument}` must be seconds >= 0, and not hours; it is a part of the "
                    f"trigger. Received: {argument}={value}. Did you give milliseconds?"
                )
        self.thresholds = [in_0_1("threshold", threshold) for threshold in thresholds]
        self.arguments = {
            "frame_step_s": frame_step_s,
            "smooth_frames": at_least_1("smooth_frames", smooth_frames),
            "on_frames": at_least_1("on_frames", on_frames),
            **times,
            "class_index": class_index,
        }
        frames = {argument: value / frame_step_s for argument, value in times.items()}
        self.rule = Rule(
            smooth_frames,
            on_frames,
            max(1, math.ceil(frames["refractory_s"] - 1e-6)),
            math.floor(frames["early_s"] + 1e-6),
            math.floor(frames["max_delay_s"] + 1e-6),
        )
        size = len(self.thresholds)
        width = self.rule.early_frames + self.rule.delay_frames + 1
        self.latencies = self._counter((size, width), "latencies")
        self.false_alarms = self._counter((size,), "false_alarms")
        self.events = self._counter((), "events")
        self.negative_frames = self._counter((), "negative_frames")

    def _counter(self, shape, name):
        return self.add_variable(shape, "zeros", dtype="int32", name=name)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of clips; see `FrameMetric.update_state`."""
        y_true, y_pred, weight = read(y_true, y_pred, sample_weight)
        y_true = ignore(y_true, weight > 0)
        index = self.arguments["class_index"]
        posterior = y_pred[..., 0 if index is None else index]
        counts = count(y_true, posterior, ops.convert_to_tensor(self.thresholds), self.rule, index)
        for name, counted in counts._asdict().items():
            getattr(self, name).assign_add(counted)

    def get_config(self):  # noqa: D102
        return {"name": self.name, "dtype": self.dtype, **self.arguments}

    @property
    def hits(self):
        """Hits at each threshold."""
        return ops.sum(ops.convert_to_tensor(self.latencies), axis=1)

    @property
    def frr(self):
        """Share of events missed at each threshold; `nan` without events."""
        return 1.0 - ratio(self.hits, self.events)

    @property
    def fa_per_hour(self):
        """False alarms an hour at each threshold; `nan` without negative audio."""
        hours = ops.cast(self.negative_frames, "float32") * (self.arguments["frame_step_s"] / 3600)
        return ratio(self.false_alarms, hours)

    def _best(self, fa_per_hour):
        """Marks the threshold with most hits, then fewest false alarms, within a budget."""
        within = ops.cast(self.fa_per_hour <= fa_per_hour * (1 + 1e-6), "int32")
        hits = ops.where(within > 0, self.hits, -1)
        best = hits == ops.max(hits)
        alarms = ops.where(best, ops.convert_to_tensor(self.false_alarms), 2**30)
        first = ops.argmin(alarms)
        chosen = ops.one_hot(first, len(self.thresholds)) > 0
        return chosen & (within > 0)


def ratio(numerator, denominator):
    """Returns the quotient, `nan` over 0."""
    numerator, denominator = (ops.cast(x, "float32") for x in (numerator, denominator))
    return ops.where(denominator > 0, numerator / ops.maximum(denominator, 1e-30), math.nan)


def quantile(latencies, share):
    """Returns the column of the observed quantile of a row of counts; `nan` of none."""
    passed = ops.cumsum(ops.cast(latencies, "float32"))
    wanted = ops.maximum(ops.ceil(share * passed[-1] - 1e-4), 1.0)
    column = ops.sum(ops.cast(passed < wanted, "float32"))
    return ops.where(passed[-1] > 0, column, math.nan)


@keras.saving.register_keras_serializable(package="keras_sal")
class StreamingFRR(StreamingMetric):
    """Share of events that a trigger misses at one threshold: FRR = misses / events.

    Args:
        threshold: In (0, 1]. Defaults to 0.5.
        name: Name of the metric.
        **kwargs: See `StreamingMetric`.

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

    def __init__(self, threshold=0.5, name="frr", **kwargs):
        super().__init__([threshold], name=name, **kwargs)

    def result(self):
        """Returns the FRR; `nan` without events."""
        return self.frr[0]

    def get_config(self):  # noqa: D102
        return {**super().get_config(), "threshold": self.thresholds[0]}


@keras.saving.register_keras_serializable(package="keras_sal")
class FalseAlarmsPerHour(StreamingMetric):
    """False alarms at one threshold, in an hour of audio outside the hit windows.

    Args:
        threshold: In (0, 1]. Defaults to 0.5.
        name: Name of the metric.
        **kwargs: See `StreamingMetric`.
    """

    def __init__(self, threshold=0.5, name="fa_per_hour", **kwargs):
        super().__init__([threshold], name=name, **kwargs)

    def result(self):
        """Returns the rate; `nan` without negative audio."""
        return self.fa_per_hour[0]

    def get_config(self):  # noqa: D102
        return {**super().get_config(), "threshold": self.thresholds[0]}


@keras.saving.register_keras_serializable(package="keras_sal")
class FRRAtFalseAlarms(StreamingMetric):
    """The least FRR over the thresholds with at most so many false alarms an hour.

    Args:
        fa_per_hour: The budget, >= 0. Defaults to 1.
        thresholds: Thresholds to look at. Defaults to 181, even in the logit.
        name: Name of the metric.
        **kwargs: See `StreamingMetric`.
    """

    def __init__(self, fa_per_hour=1.0, thresholds=THRESHOLDS, name="frr_at_fa", **kwargs):
        super().__init__(thresholds, name=name, **kwargs)
        self.budget = at_least_0("fa_per_hour", fa_per_hour)

    def result(self):
        """Returns the FRR; 1 where no threshold keeps the budget, `nan` without events."""
        hits = ops.sum(ops.where(self._best(self.budget), self.hits, 0))
        undefined = ops.convert_to_tensor(self.negative_frames) == 0
        return ops.where(undefined, math.nan, 1.0 - ratio(hits, self.events))

    def get_config(self):  # noqa: D102
        config = {"fa_per_hour": self.budget, "thresholds": self.thresholds}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="keras_sal")
class LatencyAtFalseAlarms(StreamingMetric):
    """A quantile of the latency of hits, in seconds, at the threshold for a false-alarm budget.

    Look at it beside the FRR: a detector that misses all late events is quick.

    Args:
        quantile: In (0, 1): 0.5 is the median. Defaults to 0.5.
        fa_per_hour: The budget, >= 0. Defaults to 1.
        thresholds: Thresholds to look at. Defaults to 181, even in the logit.
        name: Name of the metric.
        **kwargs: See `StreamingMetric`.
    """

    def __init__(
        self, quantile=0.5, fa_per_hour=1.0, thresholds=THRESHOLDS, name="latency_s", **kwargs
    ):
        super().__init__(thresholds, name=name, **kwargs)
        self.quantile = in_0_1("quantile", quantile)
        self.budget = at_least_0("fa_per_hour", fa_per_hour)

    def result(self):
        """Returns seconds after the anchor, negative before it; `nan` without hits."""
        chosen = ops.cast(self._best(self.budget), "int32")[:, None]
        column = quantile(ops.sum(chosen * self.latencies, axis=0), self.quantile)
        return (column - self.rule.early_frames) * self.arguments["frame_step_s"]

    def get_config(self):  # noqa: D102
        config = {"quantile": self.quantile, "fa_per_hour": self.budget}
        return {**super().get_config(), **config, "thresholds": self.thresholds}


def in_0_1(argument, value):
    """Checks a share or threshold."""
    if not 0.0 < value <= 1.0:
        raise ValueError(
            f"`{argument}` must lie in (0, 1]; it is compared with posteriors or shares of them. "
            f"Received: {argument}={value}. For logits, add a sigmoid to the model."
        )
    return float(value)


def at_least_0(argument, value):
    """Checks a rate."""
    if not value >= 0.0:
        raise ValueError(
            f"`{argument}` must be at least 0; it is a rate. Received: {argument}={value}."
        )
    return float(value)


def at_least_1(argument, value):
    """Checks a number of frames."""
    if not isinstance(value, int) or value < 1:
        raise ValueError(
            f"`{argument}` must be a whole number of frames, at least 1. Received: "
            f"{argument}={value}. 1 switches it off."
        )
    return value
