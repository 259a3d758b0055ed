"""Augmentation: changes of recordings and features that keep events and anchors true.

Augmentation of sound is closer to what varies in life; augmentation of features is cheap enough to
be drawn anew for every batch.

1. Another voice or pace: `change_speed`, `change_pitch`, `change_tempo`, `shift_time`.
2. Another place: `add_room`, `add_noise`, `amplify`.
3. Another microphone or line: `tilt`, `limit_band`, `through_codec`.
4. Features and packed targets: `SpecAugment`, `FrequencyWarp`, `TimeStretch`, `Scramble`, and
   `Chain` for several of them.

Functions on sound take what was drawn as arguments, so that the plan of a stream can hold it. Only
those that change times take and return events; the others leave events where they are.

Augmentations of features are called as `augment(features, targets, rng)`, with arrays of shapes
`(batch, time, features)` and `(batch, time, channels + 1)` and a `numpy.random.Generator`, and
return both. The result follows from the arguments and the state of `rng` alone. They hold no state
and can be pickled, so that workers of a `keras.utils.PyDataset` can have them.

>>> import numpy as np
>>> augment = Chain(FrequencyWarp(), SpecAugment(time_masks=1))
>>> features, targets = np.ones((8, 400, 40), "float32"), np.zeros((8, 400, 2), "float32")
>>> features, targets = augment(features, targets, np.random.default_rng(0))
>>> features.shape, targets.shape
((8, 400, 40), (8, 400, 2))
"""

from keras_sal.augmentation.chain import Chain
from keras_sal.augmentation.codecs import CODECS, through_codec
from keras_sal.augmentation.filters import limit_band, tilt
from keras_sal.augmentation.frequency_warp import FrequencyWarp
from keras_sal.augmentation.levels import (
    amplify,
    db_to_amplitude,
    scale_to_unit_power,
    speech_level_db,
)
from keras_sal.augmentation.noise import add_noise, pink_noise
from keras_sal.augmentation.pitch import change_pitch
from keras_sal.augmentation.rooms import add_room, room_response
from keras_sal.augmentation.scramble import Scramble
from keras_sal.augmentation.spec_augment import SpecAugment
from keras_sal.augmentation.time_scale import change_speed, change_tempo, shift_time
from keras_sal.augmentation.time_stretch import TimeStretch

__all__ = [
    "CODECS",
    "Chain",
    "FrequencyWarp",
    "Scramble",
    "SpecAugment",
    "TimeStretch",
    "add_noise",
    "add_room",
    "amplify",
    "change_pitch",
    "change_speed",
    "change_tempo",
    "db_to_amplitude",
    "limit_band",
    "pink_noise",
    "room_response",
    "scale_to_unit_power",
    "shift_time",
    "speech_level_db",
    "through_codec",
    "tilt",
]
