"""Where event times come from.

An anchor needs a time. In the order of how far to trust them, times come from

* people: `read_events` reads the files of annotation tools, aligners and subtitles, and
  `find_events` picks the words wanted;
* a transcript: `align_words` finds when each word of it is said, by forced alignment;
* the sound alone, where a recording holds one word: `energy_events` and `speech_events`, from its
  energy or from a voice activity detector;
* the model itself, where it is only known *that* a clip holds the event:
  `keras_sal.training.anchor_refinement` moves the anchors to where the model under training finds them.

`keras-sal align` writes such times into the table of a folder of recordings. What can't be trusted
is left out and named, or refused: a wrong anchor trains a detector that fires at the wrong time,
and nothing else tells.
"""

from keras_sal.data.alignment.energy import energy_events
from keras_sal.data.alignment.event_files import FORMATS, read_events
from keras_sal.data.alignment.events import Event, Events, find_events
from keras_sal.data.alignment.forced import AlignmentError, align_words
from keras_sal.data.alignment.voice_activity import speech_events

__all__ = [
    "FORMATS",
    "AlignmentError",
    "Event",
    "Events",
    "align_words",
    "energy_events",
    "find_events",
    "read_events",
    "speech_events",
]
