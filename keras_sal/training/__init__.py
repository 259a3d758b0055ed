"""Training of detectors: the recipe, its parts, and the jobs of the command line.

The recipe, in the order of use:

* `make_streams`: recordings of a wake word to the streams of the three splits, `SplitStreams`.
* `keras_sal.training.recipe`: a detector, its loss and its targets; `refine_anchors`, `train` with
  `TrainingOptions`, `predict` and `score`.
* `apply_temperature`: spreads the posteriors of a trained detector before an export to int8.

Parts that work with any Keras model and loss, as callbacks of `fit`:

* `AnchorRefinement` with `RefinedBatches`: anchors move to where the model finds them.
* `HardNegatives`: batches cover the false alarms of the model; `find_false_alarms` returns them.
* `EpochCheckpoint`: an interrupted training goes on, and ends in the same weights.
* `ResetStates` with `StatefulDetector`: states carry over from batch to batch of `StreamChunks`.

The jobs of the command line:

* `train_wake_word` with a `WakeWordJob`: `keras-sal train`.
* `tune_wake_word` with a `WakeWordJob` and a `SearchSpace`: `keras-sal tune`.
* `run_demo` with a `DemoJob`: `keras-sal demo`.
* `write_release` with a `ReleasePlan`: the end of both, from trained models to firmware, threshold,
  figures and a report.

    >>> from keras_sal.training import recipe
    >>> model = recipe.detector("conv", size="nano")
    >>> loss = recipe.make_loss("sal", strength=3)
    >>> options = recipe.TrainingOptions(steps=1000, seed=1)

`recipe.train(model, loss, streams.train, options)` then trains it. Functions that take long take a
`keras_sal.progress.Reporter`, and report nothing without one.
"""

from keras_sal.training import recipe
from keras_sal.training.anchor_refinement import AnchorRefinement, RefinedBatches
from keras_sal.training.demo import DemoJob, run_demo
from keras_sal.training.epoch_checkpoint import EpochCheckpoint
from keras_sal.training.hard_negatives import FalseAlarm, HardNegatives, find_false_alarms
from keras_sal.training.job_recordings import SyntheticSpeech
from keras_sal.training.recipe import TrainingOptions
from keras_sal.training.release import ReleasePlan, calibration_sequences, write_release
from keras_sal.training.search_space import SearchSpace
from keras_sal.training.split_streams import SplitStreams, make_streams
from keras_sal.training.stateful import ResetStates, StatefulDetector
from keras_sal.training.temperature import apply_temperature
from keras_sal.training.tuning import TunedTrial, TuningResult, tune_wake_word
from keras_sal.training.wake_word import train_wake_word
from keras_sal.training.wake_word_job import WakeWordJob

__all__ = [
    "AnchorRefinement",
    "DemoJob",
    "EpochCheckpoint",
    "FalseAlarm",
    "HardNegatives",
    "RefinedBatches",
    "ReleasePlan",
    "ResetStates",
    "SearchSpace",
    "SplitStreams",
    "StatefulDetector",
    "SyntheticSpeech",
    "TrainingOptions",
    "TunedTrial",
    "TuningResult",
    "WakeWordJob",
    "apply_temperature",
    "calibration_sequences",
    "find_false_alarms",
    "make_streams",
    "recipe",
    "run_demo",
    "train_wake_word",
    "tune_wake_word",
    "write_release",
]
