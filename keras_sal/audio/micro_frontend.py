"""The micro front-end: the features that the device computes."""

from __future__ import annotations

import numpy as np

from keras_sal.audio.samples import SAMPLE_RATE, to_pcm16
from keras_sal.extras import import_package
from keras_sal.typing import Array, ArrayLike

FRAME_STEP_S = 0.01
FRAME_OFFSET_S = 0.03
FEATURES = 40
LOWEST_HZ = 125.0  # lower edge of the lowest filter
HIGHEST_HZ = 7500.0  # upper edge of the highest filter

_STEP = round(FRAME_STEP_S * SAMPLE_RATE)
_WINDOW = round(FRAME_OFFSET_S * SAMPLE_RATE)


def output_times(
    frames_per_output: int = 1,
    *,
    delay_frames: int = 0,
    frame_step_s: float = FRAME_STEP_S,
    frame_offset_s: float = FRAME_OFFSET_S,
) -> dict[str, float]:
    """Return the times of the output frames of a detector.

    An output frame is complete with the last of the frames that it takes.

    Args:
        frames_per_output: Frames for each output frame, at least 1. Defaults to 1.
        delay_frames: Output frames by which the detector is late because it looks ahead. Defaults
            to 0.
        frame_step_s: Seconds from one frame to the next. Defaults to 0.01.
        frame_offset_s: Time at which frame 0 is complete, in seconds. Defaults to 0.03.

    Returns:
        A dict of `frame_step_s` and `frame_offset_s` of the output frames, as
        `keras_sal.detection.Scoring` and `keras_sal.AnchorTargets` take them.

    Example:
        >>> {name: round(time, 2) for name, time in output_times(3).items()}
        {'frame_step_s': 0.03, 'frame_offset_s': 0.05}
    """
    last_frame = frames_per_output * (1 + delay_frames) - 1
    return {
        "frame_step_s": frames_per_output * frame_step_s,
        "frame_offset_s": frame_offset_s + last_frame * frame_step_s,
    }


class MicroFrontend:
    """The TensorFlow Lite Micro front-end, fed with chunks of any size.

    Use it to stream audio into a detector exactly as the device does: a 30 ms window every 10 ms,
    a 40-channel mel filter bank, noise suppression, automatic gain control (PCAN) and a logarithm,
    all in integer arithmetic. The features are multiples of 0.0390625 between 0 and about 26. The
    front-end is stateful: its noise estimate and the window's overlap carry over from call to call,
    and the features do not depend on how the samples were cut into chunks.

    Reference: TensorFlow Lite Micro, `tensorflow/lite/experimental/microfrontend`, as packaged in
    `pymicro-features`.

    Raises:
        ImportError: If `pymicro-features` is missing.

    Example:
        >>> import numpy as np
        >>> frontend = MicroFrontend()
        >>> frontend(np.zeros(479, "float32")).shape, frontend(np.zeros(161, "float32")).shape
        ((0, 40), (2, 40))
    """

    def __init__(self) -> None:
        package = import_package("pymicro_features", "hear as the device does", "audio")
        self._frontend = package.MicroFrontend()
        self._rest = np.zeros(0, "<i2")

    def __call__(self, samples: ArrayLike) -> Array:
        """Return the frames that are complete with these samples.

        Args:
            samples: Array of shape `(samples,)`, any length: float in `[-1, 1]`, or `int16`.

        Returns:
            A `float32` array of shape `(frames, 40)`; the first frame takes 480 samples, each
            further one 160.

        Raises:
            ValueError: If `samples` is not one channel in range.
        """
        pending = np.concatenate([self._rest, to_pcm16(samples)])
        steps = len(pending) // _STEP
        self._rest = pending[steps * _STEP :]
        data, size, frames = pending.tobytes(), 2 * _STEP, []
        for start in range(0, steps * size, size):
            output = self._frontend.process_samples(data[start : start + size])
            if output.features:
                frames.append(output.features)
        return np.array(frames, "float32").reshape(-1, FEATURES)

    def reset(self) -> None:
        """Reset the state to that of a new front-end."""
        self._frontend.reset()
        self._rest = self._rest[:0]


def count_frames(samples: int) -> int:
    """Compute the number of frames of a recording.

    Args:
        samples: Number of samples at 16 kHz, at least 0.

    Returns:
        The number of frames: 0 below 480 samples, then one more for every 160.

    Example:
        >>> count_frames(479), count_frames(480), count_frames(16_000)
        (0, 1, 98)
    """
    return max(0, (samples - _WINDOW) // _STEP + 1)


def features(samples: ArrayLike) -> Array:
    """Compute the features of a whole recording by a new front-end.

    Args:
        samples: Array of shape `(samples,)`: float in `[-1, 1]`, or `int16`; 16 kHz.

    Returns:
        A `float32` array of shape `(frames, 40)`, with
        `frames = (samples - 480) // 160 + 1` from 480 samples on, else 0.

    Raises:
        ValueError: If `samples` is not one channel in range.

    Example:
        >>> import numpy as np
        >>> features(np.zeros(16_000, "float32")).shape
        (98, 40)
    """
    return MicroFrontend()(samples)
