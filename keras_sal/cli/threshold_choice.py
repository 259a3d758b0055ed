"""The choice of a threshold for a false-alarm budget, with the model that ships."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_sal.cli.feature_streams import FeatureStreams
    from keras_sal.typing import Array

MAX_FA_PER_HOUR = 100.0


def choose_threshold(
    model: Any,
    streams: FeatureStreams,
    fa_per_hour: float,
    *,
    data: str,
    words: Sequence[str] | None = None,
    track: Callable[[list[Array]], Iterable[Array]] = iter,
    score: Callable[[Array], Array] | None = None,
    **scoring: Any,
) -> dict[str, Any]:
    """Choose the threshold for a false-alarm budget, with the model that ships.

    Args:
        model: Runner.
        streams: Streams with anchors.
        fa_per_hour: The budget.
        data: Description of the streams, for the record.
        words: The words that the model tells apart, in the order of its classes. Defaults to
            `None`, for one class.
        track: Iterates over a list, such as `Stage.track`. Defaults to `iter`.
        score: Makes the scores that are compared with the threshold from the posteriors of a
            stream. Defaults to `None`: the posteriors, as `scoring` smooths them.
        **scoring: Fields of `keras_sal.detection.Scoring`.

    Returns:
        The record of `keras_sal.detection.threshold_record`; of several words, those of
        `keras_sal.detection.join_threshold_records`.
    """
    import numpy as np

    from keras_sal.detection import (
        class_curves,
        det_curve,
        join_threshold_records,
        threshold_record,
    )
    from keras_sal.runtime import predict

    posteriors = [predict(model, [features])[0] for features in track(streams.features)]
    if score is not None:
        posteriors = [score(stream) for stream in posteriors]
    reach = max(MAX_FA_PER_HOUR, fa_per_hour)
    if words is None:
        curve = det_curve(posteriors, streams.anchors_s or [], max_fa_per_hour=reach, **scoring)
        return threshold_record(curve, fa_per_hour, data=data)
    events = [
        np.stack([anchors_s, classes], axis=1)
        for anchors_s, classes in zip(streams.anchors_s or [], streams.classes or [], strict=True)
    ]
    curves = class_curves(posteriors, events, max_fa_per_hour=reach, **scoring)
    return join_threshold_records(
        [threshold_record(curve, fa_per_hour, data=data) for curve in curves]
    )
