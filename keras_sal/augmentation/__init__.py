"""Augmentation: recordings louder, noisier, faster, in other rooms, with their events moved along.

Waves first, features last, because sound is what differs in life:

* `change_speed`, `change_tempo`: another voice, another pace;
* `add_room`, `add_noise`, `tilt`, `amplify`: another place, another microphone;
* `SpecAugment`, `FrequencyWarp`, `TimeStretch`: what is cheap enough to be drawn anew for every
  batch, on features and packed targets.

Functions on waves take what was drawn as arguments, so that a plan of a stream can hold it. Only
what changes times takes and returns events; the rest leaves them where they are.
"""

from keras_sal.augmentation.channels import tilt
from keras_sal.augmentation.features import Chain, FrequencyWarp, SpecAugment, TimeStretch
from keras_sal.augmentation.levels import amplify, amplify_to_unit, decibels, speech_level_db
from keras_sal.augmentation.noise import add_noise, pink_noise
from keras_sal.augmentation.rooms import add_room, room_response
from keras_sal.augmentation.times import change_speed, change_tempo

__all__ = [
    "Chain",
    "FrequencyWarp",
    "SpecAugment",
    "TimeStretch",
    "add_noise",
    "add_room",
    "amplify",
    "amplify_to_unit",
    "change_speed",
    "change_tempo",
    "decibels",
    "pink_noise",
    "room_response",
    "speech_level_db",
    "tilt",
]
