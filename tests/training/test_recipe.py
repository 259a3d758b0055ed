"""The recipe: what `recipe.train` passes to batches and model."""

from pathlib import Path

import keras
import numpy as np

from keras_sal import AnchorTargets, FrameCrossEntropy
from keras_sal.audio import output_times
from keras_sal.data import PlacedRecording, Recording, Stream
from keras_sal.training import recipe

WORD = Recording(Path("word.wav"), "train", "computer", 1.0, onset_s=0.2, offset_s=0.8)


def streams():
    """Two streams of 3 s, whose one feature is 1 while the word is said, from 1.2 to 1.8 s."""
    said = np.zeros((298, 1), "float32")
    said[118:178] = 1
    clip = PlacedRecording(WORD, 1.0, class_index=0)
    return [Stream(name, (clip,), 3.0, features=said) for name in "ab"]


def dense():
    """A detector that hears nothing but the one frame, from the same weights each time."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((None, 1)), keras.layers.Dense(1, "sigmoid")])


def contrast(model):
    """How much more a model says while the word is said."""
    silent, said = model(np.array([[[0.0], [1.0]]], "float32"))[0, :, 0]
    return float(said) - float(silent)


def spans(frames, frames_per_output):
    """Labels of 1 while the word is said."""
    return AnchorTargets(frames, anchor="offset", **output_times(frames_per_output))


def trained(**options):
    """A detector that the recipe trained for 60 steps."""
    training = recipe.TrainingOptions(
        steps=60, crop_frames=200, learning_rate=0.1, augment=None, hard_negatives=False
    )
    return recipe.train(dense(), FrameCrossEntropy(), streams(), training, **options)


def test_trains_on_other_targets():
    """Labels are 1 while the word is said: the sign of the one weight says so."""
    asked = []

    def targets(*frames):
        asked.append(frames)
        return spans(*frames)

    assert contrast(trained(targets=targets)) > 0.5
    assert asked == [(200, 1)]
    assert contrast(trained()) < 0.3  # of the recipe's label 60 ms are in the word, 250 ms after it
