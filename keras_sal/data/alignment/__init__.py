"""Event times of recordings, from people, from a transcript, from the sound or from the model.

An anchor needs a time. In the order of how far they can be trusted, times come from

1. people: `read_events` reads the files of annotation tools, aligners and subtitles, and
   `find_events` finds a word or phrase among their events;
2. a transcript: `align_words` finds when each word of it is said, by forced alignment;
3. the sound alone, where a recording holds one word: `energy_events` finds it by its energy,
   `speech_events` by a voice activity detector;
4. the model itself, where it is only known *that* a clip holds the event:
   `keras_sal.training.anchor_refinement` moves the anchors during training.

`keras_sal.data.alignment.folder.align_folder` and `keras-sal align` write such times into the table
of a folder of recordings. Entries that can't be trusted are left out and named in a warning, or
refused: a detector that is trained on a wrong anchor fires at the wrong time, without any error.

    >>> from keras_sal.data.alignment import Event, find_events
    >>> words = [Event(0.2, 0.5, "Hey"), Event(0.6, 1.1, "robot!"), Event(1.3, 1.4, "on")]
    >>> [(event.onset_s, event.offset_s) for event in find_events(words, "hey robot")]
    [(0.2, 1.1)]
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
