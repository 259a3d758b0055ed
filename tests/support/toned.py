"""Recordings of tones for words, and detectors of them that take no training."""

import keras
import numpy as np
from recording_folders import tone, write_folder

from keras_sal.data import evaluation_streams, load_recordings

ODD = 'odd & <b class="injected">'  # a name that must not become markup


def tones(folder):
    """A "word" of 900 Hz among others of 300 Hz; in test one of these is of 900 Hz, too."""
    rows = []
    for split in ("train", "dev", "test"):
        for number in range(8):
            for word, hertz in (("computer", 900.0), ("alexa", 300.0)):
                odd = (split, number, word) == ("test", 3, "alexa")
                name = ODD.replace('"', "'") if odd else f"{split}{number}"
                rows.append(
                    tone(
                        f"keywords/{word}/{name}.flac",
                        word,
                        900.0 if odd else hertz,
                        1.0,
                        1.5,
                        duration_s=3.0,
                        seed=number,
                        split=split,
                        speaker=f"{split}{number % 4}",
                    )
                )
    return write_folder(folder, rows)


def tone_weights(folder):
    """Weights and bias of a logistic regression on single frames, from the train split."""
    streams = evaluation_streams(load_recordings(folder), "computer", "train")
    x = np.concatenate([stream.features for stream in streams])
    times_s = [0.03 + 0.01 * np.arange(len(stream.features)) for stream in streams]
    y = np.concatenate(
        [
            np.any([(t >= on) & (t <= off) for on, off, _ in stream.events], axis=0)
            for t, stream in zip(times_s, streams, strict=True)
        ]
    )
    a = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    w = np.linalg.lstsq(a, 6.0 * y - 3.0, rcond=None)[0]
    return w[:-1, None], w[-1:]


def tone_detector(folder, shift=0.0):
    """That regression as a Keras model, whose logits are higher by `shift`."""
    weights, bias = tone_weights(folder)
    model = keras.Sequential(
        [keras.Input((None, 40)), keras.layers.Dense(1, "sigmoid", name="posterior")]
    )
    model.layers[-1].set_weights([weights, bias + shift])
    return model
