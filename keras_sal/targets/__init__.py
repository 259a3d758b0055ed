"""Packed targets from event times or frame labels, and edits of clips that keep them right.

* `AnchorTargets` makes packed targets (see `keras_sal.anchors`) from event lists or frame labels,
  on NumPy arrays, on backend tensors, inside a model and in `tf.data`.
* `pad_events` stacks event lists of several lengths into one array for it.
* `events_from_dataframe` reads the events of several recordings from a table.
* `clips` crops, pads, shifts, stretches and joins clips, with their anchors on their frames;
  `clips.windows` cuts long recordings into clips of equal length.
"""

from keras_sal.targets import clips
from keras_sal.targets.anchor_targets import AnchorTargets
from keras_sal.targets.event_lists import pad_events
from keras_sal.targets.recording_events import RecordingEvents, events_from_dataframe

__all__ = ["AnchorTargets", "RecordingEvents", "clips", "events_from_dataframe", "pad_events"]
