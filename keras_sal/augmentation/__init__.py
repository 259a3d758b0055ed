"""Augmentation: recordings louder, noisier, faster, in other rooms, with their events moved along.

Waves first, features last, because sound is what differs in life:

* `change_speed`, `change_pitch`, `change_tempo`, `shift_time`: another voice, another pace;
* `add_room`, `add_noise`, `amplify`: another place;
* `tilt`, `limit_band`, `through_codec`: another microphone, another line;
* `SpecAugment`, `FrequencyWarp`, `TimeStretch`, `Scramble`: what is cheap enough to be drawn anew
  for every batch, on features and packed targets.

Functions on waves take what was drawn as arguments, so that a plan of a stream can hold it. Only
what changes times takes and returns events; the rest leaves them where they are.
"""

from keras_sal.augmentation.codecs import CODECS, through_codec
from keras_sal.augmentation.features import Chain, FrequencyWarp, Scramble, SpecAugment, TimeStretch
from keras_sal.augmentation.filters import limit_band, tilt
from keras_sal.augmentation.loudness import amplify, amplify_to_unit, decibels, speech_level_db
from keras_sal.augmentation.noise import add_noise, pink_noise
from keras_sal.augmentation.pitch import change_pitch
from keras_sal.augmentation.rooms import add_room, room_response
from keras_sal.augmentation.time_scale import change_speed, change_tempo, shift_time

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
    "amplify_to_unit",
    "change_pitch",
    "change_speed",
    "change_tempo",
    "decibels",
    "limit_band",
    "pink_noise",
    "room_response",
    "shift_time",
    "speech_level_db",
    "through_codec",
    "tilt",
]
