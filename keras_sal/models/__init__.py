"""Reference detectors: GRU, convolutional, convolutional-recurrent and of two streams.

Each is an ordinary functional model: clips `(batch, time, features)` in, one posterior per frame
out, `(batch, time, classes)`, any number of frames. Train it with `fit`;
`keras_sal.streaming.step_model` then runs it frame by frame, and `keras_sal.export` exports it. All
of them become pure int8 files for TensorFlow Lite Micro.

Each comes in three sizes, `"nano"`, `"micro"` and `"small"`, for about 8, 20 and 60 KB of int8
flash; the tables in their docstrings list the costs. Flash and arena there are those of
`keras_sal.export.micro` on a 64-bit computer; the arena of a 32-bit device is smaller. State bytes
are those of int8, and four times as many in float32; multiply-adds are those of 100 frames a
second. `keras_sal.streaming.costs(model)` gives these figures for any model.

They read any sensor: features are divided by `feature_max`, the largest reading that matters. Only
the 40 features of the front-end of TensorFlow Lite Micro need no `feature_max`.

Which one? `gru_detector` remembers without limit in the least memory: start with it.
`conv_detector` suits hardware that favours convolutions, and forgets after a known time.
`conv_gru_detector` reads several frames at once before its GRU, and can give fewer outputs than it
reads frames, which saves power. `multimodal_detector` reads two streams of different rates.
"""

from keras_sal.models.conv import conv_detector
from keras_sal.models.conv_gru import conv_gru_detector
from keras_sal.models.gru import gru_detector
from keras_sal.models.multimodal import multimodal_detector

__all__ = ["conv_detector", "conv_gru_detector", "gru_detector", "multimodal_detector"]
