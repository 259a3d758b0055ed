"""Streams of which every frame tells where it is from, and targets for crops of them."""

import numpy as np

from keras_sal.audio import FRAME_OFFSET_S, FRAME_STEP_S
from keras_sal.data import PlacedRecording, Stream
from keras_sal.targets import AnchorTargets, pad_events

FRAMES = 97


class Said:
    """A recording that need not exist: one second, its word from 0.2 to 0.6 s."""

    path = None
    duration_s, onset_s, offset_s = 1.0, 0.2, 0.6


def numbered(index, frames, starts_s=(), width=40):
    """Features whose column 0 is the stream and column 1 the frame, with words."""
    features = np.zeros((frames, width), "float32")
    features[:, 0], features[:, 1] = index, np.arange(frames)
    placed = tuple(PlacedRecording(Said, start_s, class_index=0) for start_s in starts_s)
    return Stream(str(index), placed, frames * FRAME_STEP_S, features=features)


def three_streams():
    return [numbered(0, 701, [1.003, 2.1, 5.5]), numbered(1, FRAMES), numbered(2, 1303, [7.0])]


def word_targets(**change):
    known = {
        "frames": FRAMES,
        "anchor": "offset",
        "before_frames": 3,
        "after_frames": 25,
        "frame_step_s": FRAME_STEP_S,
        "frame_offset_s": FRAME_OFFSET_S,
    }
    return AnchorTargets(**known | change)


def whole_targets(stream, targets):
    """The targets of a stream as one clip."""
    whole = AnchorTargets(**targets.get_config() | {"frames": len(stream.features)})
    return whole(pad_events([stream.events]))[0]


def noisy_streams(frames, features=3):
    """Streams of these numbers of frames, with noise from column 2 on and a word every 0.6 s."""
    rng = np.random.default_rng(0)
    streams = []
    for index, length in enumerate(frames):
        stream = numbered(index, length, np.arange(-0.15, length / 100 - 0.5, 0.6), features)
        stream.features[:, 2:] = rng.standard_normal((length, features - 2))
        streams.append(stream)
    return streams


def two_inputs(seconds=20.0, ratio=4):
    """Sound at 100 Hz, motion at 25 Hz, both counting their frames; a word at 5 s."""
    sound, motion = round(seconds * 100), round(seconds * 100) // ratio
    features = {
        "sound": np.arange(sound + 3, dtype="float32")[:, None] + np.zeros(2, "float32"),
        "motion": np.arange(motion, dtype="float32")[:, None],
    }
    return Stream("both", (numbered(0, 1, [5.0]).placed[0],), seconds, features=features)
