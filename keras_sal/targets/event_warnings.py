"""Warnings of event lists in NumPy arrays that are legal and mostly mistakes, each given once."""

from __future__ import annotations

import warnings

import numpy as np

from keras_sal.typing import Array


class EventWarnings:
    """Warnings of the event lists that a layer is given, each once for the layer.

    Args:
        frames: Frames of a clip.
        anchor: `"onset"` or `"offset"`, the end of an event that its anchor is at.
        frame_step_s: Seconds between frames if the times are seconds, else `None`.
        frame_offset_s: Seconds at which frame 0 is complete.
    """

    def __init__(
        self, frames: int, anchor: str, frame_step_s: float | None, frame_offset_s: float
    ) -> None:
        self._frames = frames
        self._anchor = anchor
        self._frame_step_s = frame_step_s
        self._frame_offset_s = frame_offset_s
        self._given: set[str] = set()

    def warn(self, events: Array, *, cropped: bool, anchored: bool) -> None:
        """Warn of swapped rows, and of events that a clip has no frame for.

        Args:
            events: Rows `(onset, offset[, class])`, `(clips, events, 2 or 3)`.
            cropped: Whether the clips are crops, whose other events lie outside.
            anchored: Whether anchors are given, which replace those at the ends of events.
        """
        if events.ndim != 3 or events.shape[-1] not in (2, 3):
            return
        onset, offset = (events[..., index] for index in (0, 1))
        self._warn_of_swapped(events[(onset > offset) & (offset >= 0) & np.isfinite(onset)])
        times = events[onset <= offset][:, :2].astype("float64")
        if cropped:
            return
        at_frames, first, last = times, 0, self._frames - 1
        if self._frame_step_s is not None:
            at_frames = np.round((times - self._frame_offset_s) / self._frame_step_s)
            first = round(-self._frame_offset_s / self._frame_step_s)
            last = self._frames  # at its end, where an event may end
        outside = (at_frames[:, 0] >= self._frames) | (at_frames[:, 1] < 0)
        self._warn_of_outside(times[outside], len(times))
        at_anchors = at_frames[:, 0 if self._anchor == "onset" else 1]
        if not anchored:
            lacking = ~outside & ((at_anchors < first) | (at_anchors > last))
            self._warn_of_lacking_anchors(times[lacking], len(times))

    def _warn_of_swapped(self, rows: Array) -> None:
        if len(rows):
            self._once(
                "swapped",
                f"{len(rows)} rows of events have an onset after their offset, the first from "
                f"{rows[0, 0]:g} to {rows[0, 1]:g}, and are left out like padding. Are onset and "
                "offset swapped? Give rows (onset, offset[, class]), and padding a negative "
                "offset, as `keras_sal.pad_events` does, or NaN.",
            )

    def _warn_of_outside(self, outside: Array, events: int) -> None:
        if len(outside):
            self._once(
                "outside",
                f"{len(outside)} of {events} events lie wholly outside the {self._frames} frames "
                "of their clip, so that no frame is positive for them; the first "
                f"{self._described(outside[0])}. Raise `frames`, or leave them out; if the clips "
                "are crops of longer recordings, call with `cropped=True`.",
            )

    def _warn_of_lacking_anchors(self, lacking: Array, events: int) -> None:
        if len(lacking):
            self._once(
                "lacking",
                f"{len(lacking)} of {events} events have their anchor, the {self._anchor}, outside "
                f"the {self._frames} frames of their clip, so that no frame is at it; the first "
                f"{self._described(lacking[0])}. Raise `frames`, or mend the times; if the clips "
                "are crops of longer recordings, call with `cropped=True`.",
            )

    def _described(self, times: Array) -> str:
        unit = "frames" if self._frame_step_s is None else "seconds"
        return f"from {times[0]:g} to {times[1]:g} {unit}"

    def _once(self, kind: str, message: str) -> None:
        if kind not in self._given:
            self._given.add(kind)
            warnings.warn(message, stacklevel=5)
