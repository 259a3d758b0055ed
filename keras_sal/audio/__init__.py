"""Sound as a detector hears it: samples and the features of the front-end.

Samples are mono `float32` in `[-1, 1]` at 16 kHz, and `read_audio` makes them of any sound file.
Features are the 40 channels that the TensorFlow Lite Micro micro front-end computes every 10 ms, so
a detector is trained on what the device will compute. Frame `t` is complete
`FRAME_OFFSET_S + t * FRAME_STEP_S` seconds after the first sample: its window covers the 30 ms
before that moment. `LogMel` is another front-end on the same clock, as a Keras layer, for those who
train on a GPU from sound and don't ship to microcontrollers.
"""

from keras_sal.audio.energy import energy_db
from keras_sal.audio.log_mel import LogMel, LogMelFrontend
from keras_sal.audio.micro_frontend import (
    FEATURES,
    FRAME_OFFSET_S,
    FRAME_STEP_S,
    HIGHEST_HZ,
    LOWEST_HZ,
    MicroFrontend,
    answer_times,
    features,
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
    "MicroFrontend",
    "answer_times",
    "audio_info",
    "check_format",
    "energy_db",
    "features",
    "read_audio",
    "read_pcm",
    "resample",
    "to_pcm16",
]
