"""Posteriors from anywhere, as predictions that can be evaluated and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from keras_sal.checks import require
from keras_sal.detection.validation import validate_anchors, without_class_axis
from keras_sal.evaluation.annotations import RecordingAnnotation, StreamAnnotation, StreamSet
from keras_sal.evaluation.predictions import Predictions
from keras_sal.typing import Array, ArrayLike

CONDITION = "as given"

BySplit: TypeAlias = Mapping[str, Sequence[ArrayLike]]
"""By split, `"dev"` or `"test"`, one array for each recording."""


def predictions_from_posteriors(
    posteriors: Mapping[str, BySplit],
    anchors_s: BySplit,
    *,
    frame_step_s: float,
    frame_offset_s: float = 0.0,
    event: str = "event",
    names: Mapping[str, Sequence[str]] | None = None,
    speakers: Mapping[str, Sequence[str]] | None = None,
) -> Predictions:
    """Make `Predictions` of posteriors of your own, from any framework and of any sensor.

    `evaluate` scores them, and `keras_sal.evaluation.report.write` writes the page. Thresholds are
    chosen on the split `"dev"` and figures come from `"test"`. Without `"dev"`, give `evaluate` the
    thresholds as `shipped`.

    Args:
        posteriors: dict, by system and split a list of arrays `(frames,)` or `(frames, 1)` in
            [0, 1], one for each recording.
        anchors_s: dict, by split a list of arrays `(events,)`, the anchors of each recording in
            seconds from its start; empty where it has no event.
        frame_step_s: float > 0, seconds from one posterior to the next.
        frame_offset_s: float >= 0, time of the first posterior in seconds. Defaults to 0.
        event: str, what is detected, for the title of the page. Defaults to `"event"`.
        names: dict, by split the name of each recording. Defaults to `None`: its number.
        speakers: dict, by split the person in each recording, `""` if unknown. Intervals by speaker
            draw all recordings of a person together. Defaults to `None`: unknown.

    Returns:
        `Predictions`.

    Raises:
        ValueError: If a split is neither `"dev"` nor `"test"`, its lists differ in length, names
            repeat, or anchors are no times.

    Example:

    >>> from keras_sal.evaluation import ScoringProtocol, evaluate
    >>> posterior = np.zeros((2, 1800))  # two recordings of half an hour, a frame a second
    >>> posterior[0, [1001, 1500]] = 0.9, 0.6
    >>> predictions = predictions_from_posteriors(
    ...     {"ours": {"dev": posterior, "test": posterior}},
    ...     {"dev": [[1000.0], []], "test": [[1000.0], []]},
    ...     frame_step_s=1.0,
    ...     event="gesture",
    ... )
    >>> results = evaluate(predictions, ScoringProtocol(fa_per_hour=4.0, replicates=10))
    >>> results["systems"][0]["conditions"]["as given"]["at_threshold"]["frr"]
    0.0

    The page, with `results.json` and `posteriors.npz` beside it:

    ```python
    from keras_sal.evaluation import report

    report.write("my_report", predictions, results)
    ```
    """
    columns = {
        system: {split: [_column(each) for each in arrays] for split, arrays in by_split.items()}
        for system, by_split in posteriors.items()
    }
    times = {"frame_step_s": frame_step_s, "frame_offset_s": frame_offset_s}
    stream_sets = []
    for split, anchors in anchors_s.items():
        lengths = _lengths(columns, split, len(anchors))
        labels = (names or {}).get(split, [f"{split} {i}" for i in range(len(anchors))])
        people = (speakers or {}).get(split, [""] * len(anchors))
        _require_one_each(split, len(anchors), names=labels, speakers=people)
        require(
            len({*labels}) == len(labels),
            "`names` must differ within a split; a missed event is known by the name of its "
            f"recording. Received: {[*labels][:10]} of {split!r}. Number them.",
        )
        times_s = [validate_anchors(each, f"anchors_s[{split!r}]") for each in anchors]
        streams = tuple(
            _stream(label, frame_offset_s + frames * frame_step_s, each, person)
            for label, frames, each, person in zip(labels, lengths, times_s, people, strict=True)
        )
        stream_sets.append(StreamSet(split, CONDITION, streams))
    return Predictions(
        event,
        tuple(stream_sets),
        {system: [of_one[split] for split in anchors_s] for system, of_one in columns.items()},
        dict.fromkeys(columns, times),
    )


def _column(posterior: ArrayLike) -> np.ndarray:
    posterior = without_class_axis(np.asarray(posterior, "float32"))
    require(
        posterior.ndim == 1,
        "`posteriors` must hold arrays (frames,) or (frames, 1), one for each recording; they are "
        f"of one class. Received: an array of shape {posterior.shape}. Evaluate each class by "
        "itself.",
    )
    return posterior


def _lengths(columns: Mapping[str, BySplit], split: str, recordings: int) -> list[int]:
    """The frames of each recording of a split, the same for all systems."""
    require(
        split in ("dev", "test"),
        '`anchors_s` must have the keys "dev" and "test": thresholds come from dev, figures from '
        f"test. Received: the key {split!r}.",
    )
    found = {
        name: [len(each) for each in splits.get(split, ())] for name, splits in columns.items()
    }
    require(
        bool(found) and all(len(lengths) == recordings for lengths in found.values()),
        "`posteriors` must have an array of each system for each recording of `anchors_s`. "
        f"Received: {recordings} recordings of {split!r}, and "
        f"{ {name: len(lengths) for name, lengths in found.items()} } arrays.",
    )
    first, *others = found.values()
    require(
        all(lengths == first for lengths in others),
        "`posteriors` must have the same frames for all systems, to be compared in pairs. "
        f"Received: frames of {split!r} {found}. Evaluate systems of other frame steps by "
        "themselves.",
    )
    return first


def _require_one_each(split: str, recordings: int, **lists: Sequence[str]) -> None:
    for name, given in lists.items():
        require(
            len(given) == recordings,
            f"`{name}` must have one entry for each recording of `anchors_s`. Received: "
            f"{len(given)} for {recordings} recordings of {split!r}.",
        )


def _stream(name: str, duration_s: float, anchors_s: Array, speaker: str) -> StreamAnnotation:
    recording = RecordingAnnotation(name, 0.0, duration_s, text=name, speaker=speaker)
    return StreamAnnotation(name, duration_s, tuple(anchors_s.tolist()), (recording,))
