"""The false-alarm budget of a command: the one given, else what the hours of negatives support."""

from __future__ import annotations

import argparse
import warnings
from typing import TYPE_CHECKING

from keras_sal.cli.console import Console

if TYPE_CHECKING:
    from keras_sal.cli.feature_streams import FeatureStreams
    from keras_sal.evaluation.predictions import Predictions


def choose_budget(predictions: Predictions, options: argparse.Namespace, console: Console) -> float:
    """Choose the budget for predictions, by the rule of `keras_sal.detection.choose_budget`.

    Args:
        predictions: `Predictions`; dev and test count.
        options: Parsed arguments: `fa_per_hour`.
        console: Shows the budget and what the hours can show.
    """
    from keras_sal.evaluation.results import least_negatives, summarise

    hours, split = least_negatives([summarise(each) for each in predictions.stream_sets])
    return _chosen(hours, split, options, console)


def choose_stream_budget(
    streams: FeatureStreams, split: str, options: argparse.Namespace, console: Console
) -> float:
    """Choose the budget for streams of one split, by the same rule; say where others may differ.

    Args:
        streams: Streams of `held_out_streams`.
        split: Their split.
        options: Parsed arguments: `fa_per_hour`.
        console: Shows the budget and what the hours can show.
    """
    budget = _chosen(streams.negative_hours, split, options, console)
    if options.fa_per_hour is None and budget > 1:
        console.say(
            f"It counts {split} alone. `train` and `evaluate` take the lesser hours of dev and "
            "test, and may choose a higher one; give that with --fa-per-hour for the same"
        )
    return budget


def _chosen(hours: float, split: str, options: argparse.Namespace, console: Console) -> float:
    from keras_sal import detection
    from keras_sal.detection.false_alarm_budget import NegativeHoursWarning, describe_budget

    console.say(describe_budget(hours, split, options.fa_per_hour))
    warnings.simplefilter("ignore", NegativeHoursWarning)  # the line says it
    return detection.choose_budget(hours, options.fa_per_hour)
