"""The recipe's own choices: what `recipe.train` hands on to the batches and the model."""

from pathlib import Path

import keras
import numpy as np

from keras_sal import AnchorTargets, FrameCrossEntropy, recipe
from keras_sal.audio import answer_times
from keras_sal.recordings import Recording
from keras_sal.streams import Clip, Stream

WORD = Recording(Path("word.wav"), "train", "computer", 1.0, onset_s=0.2, offset_s=0.8)


def streams():
    """Two streams of 3 s, whose one feature is 1 while the word is said, from 1.2 to 1.8 s."""
    said = np.zeros((298, 1), "float32")
    said[118:178] = 1
    clip = Clip(WORD, 1.0, class_index=0)
    return [Stream(name, (clip,), 3.0, features=said) for name in "ab"]


def test_trains_on_other_targets():
    """Labels are 1 while the word is said: the sign of the one weight says so."""
    asked = []

    def spans(frames, frames_per_answer):
        asked.append((frames, frames_per_answer))
        return AnchorTargets(frames, anchor="offset", **answer_times(frames_per_answer))

    def trained(**targets):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((None, 1)), keras.layers.Dense(1, "sigmoid")])
        loss = FrameCrossEntropy()
        options = {"steps": 60, "crop_frames": 200, "rate": 0.1, "augment": None}
        return recipe.train(model, loss, streams(), hard_negatives=False, **options, **targets)

    def contrast(model):
        silent, said = model(np.array([[[0.0], [1.0]]], "float32"))[0, :, 0]
        return float(said) - float(silent)

    assert contrast(trained(targets=spans)) > 0.5
    assert asked == [(200, 1)]
    assert contrast(trained()) < 0.3  # of the recipe's label 60 ms are in the word, 250 ms after it
