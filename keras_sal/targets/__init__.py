"""Packed targets from event times or frame labels, and edits of clips that keep them right."""

from keras_sal.targets import clips
from keras_sal.targets.anchor_targets import AnchorTargets
from keras_sal.targets.event_lists import pad_events

__all__ = ["AnchorTargets", "clips", "pad_events"]
