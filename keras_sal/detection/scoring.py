"""Settings of scoring: the trigger, and the window in which a detection is a hit."""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import overload

import numpy as np

from keras_sal.checks import require
from keras_sal.typing import Array

TIME_TOLERANCE_S = 1e-6  # so that the ends of windows are included whatever rounding does to them


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scoring:
    """How posteriors become detections, and detections become hits and false alarms.

    The functions of `keras_sal.detection` take these fields as keywords. A `DetCurve` keeps them in
    `.scoring`, so that a test set is scored as the development set was:
    `operating_point(posteriors, anchors_s, threshold, **vars(curve.scoring))`.

    Args:
        frame_step_s: float > 0, seconds from one frame to the next.
        frame_offset_s: float >= 0, time of frame 0 in seconds, e.g. the length of the first window
            of the front-end. Defaults to 0.0.
        smooth_frames: int >= 1, number of frames over which the posterior is averaged to give the
            score; before the stream begins, posteriors are 0. Defaults to 1, no smoothing.
        on_frames: int >= 1, number of frames in a row in which the score must reach the threshold.
            Defaults to 1.
        hysteresis: float in [0, 1), or `None` (default). If given, the trigger can fire again only
            after the score has fallen below `threshold - hysteresis`, so that one long alarm is one
            detection.
        refractory_s: float >= 0, seconds from a detection in which there is no other. Defaults to
            1.0.
        early_s: float >= 0, seconds by which a hit may precede its anchor. Defaults to 0.5.
        max_delay_s: float >= 0, seconds by which a hit may follow its anchor. Defaults to 1.0.

    Raises:
        ValueError: If a value is out of range.

    Example:

    >>> Scoring(frame_step_s=0.01, refractory_s=0.255).refractory_frames
    26
    """

    frame_step_s: float = math.nan  # must be given
    frame_offset_s: float = 0.0
    smooth_frames: int = 1
    on_frames: int = 1
    hysteresis: float | None = None
    refractory_s: float = 1.0
    early_s: float = 0.5
    max_delay_s: float = 1.0

    def __post_init__(self) -> None:
        require(
            not math.isnan(self.frame_step_s),
            "`frame_step_s` must be given; posteriors don't say how far apart in time they are. "
            "Received: none. Give the seconds from one output of the model to the next, such as "
            "frame_step_s=0.01.",
        )
        require(
            0 < self.frame_step_s < math.inf and not _is_flag(self.frame_step_s),
            "`frame_step_s` must be a positive number of seconds; it is the time from one "
            f"frame to the next. Received: frame_step_s={self.frame_step_s}. "
            "A 10 ms step is 0.01.",
        )
        for name in ("frame_offset_s", "refractory_s", "early_s", "max_delay_s"):
            require_seconds(name, getattr(self, name))
        for name in ("smooth_frames", "on_frames"):
            value = getattr(self, name)
            require(
                not _is_flag(value) and hasattr(value, "__index__") and value >= 1,
                f"`{name}` must be an integer >= 1; it counts frames. "
                f"Received: {name}={value}. 1 switches it off.",
            )
        require_step_within_window(self.frame_step_s, self.early_s + self.max_delay_s)
        require(
            self.hysteresis is None or (0 <= self.hysteresis < 1 and not _is_flag(self.hysteresis)),
            "`hysteresis` must be in [0, 1) or None; it is a distance between posteriors. "
            f"Received: hysteresis={self.hysteresis}. None switches it off.",
        )
        for name, value in vars(self).items():  # numbers of NumPy can't be written as JSON
            number = operator.index if name in ("smooth_frames", "on_frames") else float
            object.__setattr__(self, name, None if value is None else number(value))

    @property
    def refractory_frames(self) -> int:
        """The least number of frames from one detection to the next."""
        return max(1, math.ceil(self.refractory_s / self.frame_step_s - 1e-6))

    @overload
    def time_s(self, frame: int) -> float: ...

    @overload
    def time_s(self, frame: Array) -> Array: ...

    def time_s(self, frame: int | Array) -> float | Array:
        """Convert frames to times.

        Args:
            frame: int or array of ints, indices of frames.

        Returns:
            float or array, seconds from the start of the stream.
        """
        return self.frame_offset_s + frame * self.frame_step_s

    def scores(self, posterior: Array) -> tuple[Array, Array]:
        """Smooth a posterior, and take the minimum over the last `on_frames` frames.

        A trigger is on exactly where the second array reaches the threshold.

        Args:
            posterior: array `(frames,)` or `(frames, classes)` in [0, 1].

        Returns:
            Two arrays of the shape of `posterior`: the smoothed posterior, and its minimum over
            the last `on_frames` frames, `-inf` where there are fewer.
        """
        smoothed = posterior
        if self.smooth_frames > 1:
            smoothed = posterior.copy()
            for lag in range(1, min(self.smooth_frames, len(posterior))):
                smoothed[lag:] += posterior[:-lag]
            smoothed /= self.smooth_frames
        lasting = smoothed
        if self.on_frames > 1:
            lasting = smoothed.copy()
            for lag in range(1, min(self.on_frames, len(posterior))):
                np.minimum(lasting[lag:], smoothed[:-lag], out=lasting[lag:])
            lasting[: self.on_frames - 1] = -np.inf
        return smoothed, lasting


def require_seconds(name: str, value: float) -> None:
    """Check a length of time.

    Args:
        name: str, name of the argument, for the message.
        value: float, seconds.

    Raises:
        ValueError: If it is not a finite number of at least 0.
    """
    require(
        0 <= value < math.inf and not _is_flag(value),
        f"`{name}` must be a number of seconds, 0 or more. Received: {name}={value}.",
    )


def require_step_within_window(frame_step_s: float, window_s: float) -> None:
    """Refuse a frame step that is longer than the hit window, as one in milliseconds is.

    Args:
        frame_step_s: Seconds from one output to the next.
        window_s: Length of the hit window in seconds, `early_s` + `max_delay_s`.

    Raises:
        ValueError: If the step is longer than both 1 s and the window.
    """
    require(
        frame_step_s <= max(1.0, window_s),
        "`frame_step_s` must not be longer than 1 s and the hit window, `early_s` + "
        "`max_delay_s`; hardly a frame lies in a window then. Received: "
        f"frame_step_s={frame_step_s}, a window of {window_s:g} s. Did you give milliseconds? A "
        "10 ms step is 0.01.",
    )


def _is_flag(value: object) -> bool:
    """Whether a value is `True` or `False`, which Python takes for 1 and 0."""
    return isinstance(value, bool | np.bool_)
