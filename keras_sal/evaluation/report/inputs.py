"""Inputs: everything that a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keras_sal.evaluation.labels import WordTimes
from keras_sal.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from keras_sal.data import Stream

KERNEL = {"kernel": "exponential", "reach": 15.0}  # the defaults of StreamingAnchorLoss


@dataclass(frozen=True)
class ReportInputs:
    """Everything that a report is made from.

    Args:
        predictions: Predictions of the systems.
        results: Their results, as read from `results.json`.
        streams: By condition, the streams of the test split; may be empty.
        word_times: Times of words; may be empty.
        kernel: Keyword arguments of `keras_sal.anchors.anchor_kernel`.
    """

    predictions: Predictions
    results: Mapping[str, Any]
    streams: Mapping[str, Sequence[Stream]] = field(default_factory=dict)
    word_times: WordTimes = field(default_factory=dict)
    kernel: Mapping[str, Any] = field(default_factory=lambda: KERNEL)
