"""Evaluation of detectors on the same streams: figures with intervals, comparison, report.

In the order in which an evaluation meets them:

- `keras_sal.evaluation.annotations`: `StreamAnnotation`, the recordings and events of a stream
  without its sound; `StreamSet`, the streams of one split under one condition.
- `keras_sal.evaluation.predictions`: `Predictions` holds the posteriors of systems for streams, and
  reads and writes `posteriors.npz`.
- `keras_sal.evaluation.collection`: `collect_predictions` runs systems over streams, and
  `collect_word_predictions` does so for systems that tell several words apart.
- `keras_sal.evaluation.posteriors`: `predictions_from_posteriors`, for posteriors of your own.
- `keras_sal.evaluation.protocol`: `ScoringProtocol`, the rules of scoring: the false-alarm budget,
  the trigger, the hit window, the intervals.
- `keras_sal.evaluation.results`: `evaluate`, which applies a protocol to predictions and returns
  what `results.json` holds; the module describes this file.
- `keras_sal.evaluation.comparison`: `differences` and `parity` of each system and the first.
- `keras_sal.evaluation.outcomes`: `find_outcomes`, single hits, misses and false alarms.
- `keras_sal.evaluation.labels`: `label_at`, what was heard at a false alarm; `read_word_times`.
- `keras_sal.evaluation.plots`: `plot_det` and `plot_posteriors`, into axes of your own.
- `keras_sal.evaluation.report`: the page that shows the results and plays their mistakes.

A typical evaluation:

    predictions = collect_predictions({"mine": open_runner("model.tflite")}, "computer", material)
    results = evaluate(predictions, ScoringProtocol(fa_per_hour=0.5))
    print(results["systems"][0]["conditions"]["clean"]["at_threshold"]["frr"])
"""

from keras_sal.evaluation.annotations import RecordingAnnotation, StreamAnnotation, StreamSet
from keras_sal.evaluation.collection import collect_predictions, collect_word_predictions
from keras_sal.evaluation.comparison import differences, parity
from keras_sal.evaluation.labels import WordTimes, count_labels, label_at, read_word_times
from keras_sal.evaluation.outcomes import Outcome, find_outcomes
from keras_sal.evaluation.plots import plot_det, plot_posteriors
from keras_sal.evaluation.posteriors import predictions_from_posteriors
from keras_sal.evaluation.predictions import Predictions
from keras_sal.evaluation.protocol import ScoringProtocol
from keras_sal.evaluation.results import evaluate

__all__ = [
    "Outcome",
    "Predictions",
    "RecordingAnnotation",
    "ScoringProtocol",
    "StreamAnnotation",
    "StreamSet",
    "WordTimes",
    "collect_predictions",
    "collect_word_predictions",
    "count_labels",
    "differences",
    "evaluate",
    "find_outcomes",
    "label_at",
    "parity",
    "plot_det",
    "plot_posteriors",
    "predictions_from_posteriors",
    "read_word_times",
]
