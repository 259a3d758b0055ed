"""Sound: samples, and the features that detectors take.

1. `read_audio` reads any sound file, and `read_pcm` raw samples, as mono `float32` in `[-1, 1]` at
   16 kHz. `audio_info` reads a header alone; `resample` and `to_pcm16` convert samples.
2. `MicroFrontend` computes the 40 features of the TensorFlow Lite Micro front-end every 10 ms, in
   chunks of any size, and `features` those of a whole recording. A detector is trained on exactly
   the features that the device computes.
3. `MicroFeatures` computes the same features in a Keras layer, to train from sound or to have the
   front-end in the model.
4. `LogMel` is another front-end at the same frame times: a Keras layer for training on a GPU from
   sound, for detectors that don't run on microcontrollers. `LogMelFrontend` feeds it with chunks.
5. `output_times` gives the times of a detector's outputs, and `energy_db` the short-time energy.

Frame `t` is complete `FRAME_OFFSET_S + t * FRAME_STEP_S` seconds after the first sample: its window
covers the 30 ms before that moment.

>>> import numpy as np
>>> features(np.zeros(16_000, "float32")).shape  # of one second
(98, 40)
"""

from keras_sal.audio.energy import energy_db
from keras_sal.audio.log_mel import LogMel, LogMelFrontend
from keras_sal.audio.micro_features import MicroFeatures
from keras_sal.audio.micro_frontend import (
    FEATURES,
    FRAME_OFFSET_S,
    FRAME_STEP_S,
    HIGHEST_HZ,
    LOWEST_HZ,
    MicroFrontend,
    features,
    output_times,
)
from keras_sal.audio.reading import ENCODINGS, audio_info, check_format, read_audio, read_pcm
from keras_sal.audio.samples import SAMPLE_RATE, resample, to_pcm16

__all__ = [
    "ENCODINGS",
    "FEATURES",
    "FRAME_OFFSET_S",
    "FRAME_STEP_S",
    "HIGHEST_HZ",
    "LOWEST_HZ",
    "SAMPLE_RATE",
    "LogMel",
    "LogMelFrontend",
    "MicroFeatures",
    "MicroFrontend",
    "audio_info",
    "check_format",
    "energy_db",
    "features",
    "output_times",
    "read_audio",
    "read_pcm",
    "resample",
    "to_pcm16",
]
