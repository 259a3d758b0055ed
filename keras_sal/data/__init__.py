"""Recordings, their events, and the streams and batches that are made of them.

In the order of use:

1. `load_recordings` reads a folder of recordings; `keras_sal.data.recordings` describes its layout.
   `find_recordings` and `require_recordings` locate it. `partition` separates the recordings of a
   word from the others. `load_word_recordings` does all of this in the way of the commands.
   `load_negatives` adds hours of speech and music without the word.
   `tabulate_folders` makes a table of folders of the word and of other sound.
2. `split_by_speaker` and `check_splits` prepare the splits train, dev and test; `find_duplicates`
   and `group_duplicates` find recordings of one utterance. A `SplitRecord` keeps the splits that a
   detector was made with, so that it is never tested on what it was trained on.
3. `training_streams` lays augmented recordings (`StreamAugmentation`, `NoiseVariety`) into streams
   to train on, and `evaluation_streams` unaltered ones into streams to score on. Both return
   `Stream`s of `PlacedRecording`s; `compute_features` does the same for streams that you lay out.
   Where a list of words is given in place of a word, each is a class of the events.
4. `StreamBatches` cuts random crops from streams for `model.fit`, and `StreamChunks` cuts chunks
   that continue from batch to batch, for stateful detectors. `keras_sal.data.sources` turns either
   into a `tf.data` or `grain` data set.

Subpackages: `keras_sal.data.alignment` finds event times, `keras_sal.data.downloads` fetches public
data sets, `keras_sal.data.synthesis` makes recordings with synthetic voices, and
`keras_sal.data.shards` makes training streams of many hours on many cores.

    recordings = load_recordings("recordings")
    streams = training_streams(recordings, "computer", hours=8)
    targets = AnchorTargets(frames=400, anchor="offset", frame_step_s=0.01, frame_offset_s=0.03)
    model.fit(StreamBatches(streams, targets), epochs=20, shuffle=False)
"""

from keras_sal.data.duplicates import find_duplicates, group_duplicates
from keras_sal.data.evaluation_set import evaluation_streams
from keras_sal.data.folder_table import tabulate_folders
from keras_sal.data.location import find_recordings, require_recordings
from keras_sal.data.noise_tracks import NoiseVariety
from keras_sal.data.placed_recording import PlacedRecording
from keras_sal.data.recordings import Recording, load_recordings
from keras_sal.data.selection import partition
from keras_sal.data.split_record import SplitRecord, copy_split_record, find_split_record
from keras_sal.data.splits import check_splits, split_by_speaker
from keras_sal.data.stream_augmentation import StreamAugmentation
from keras_sal.data.stream_batches import StreamBatches
from keras_sal.data.stream_chunks import StreamChunks
from keras_sal.data.streams import Stream, compute_features
from keras_sal.data.training_set import training_streams
from keras_sal.data.word_recordings import load_negatives, load_word_recordings

__all__ = [
    "NoiseVariety",
    "PlacedRecording",
    "Recording",
    "SplitRecord",
    "Stream",
    "StreamAugmentation",
    "StreamBatches",
    "StreamChunks",
    "check_splits",
    "compute_features",
    "copy_split_record",
    "evaluation_streams",
    "find_duplicates",
    "find_recordings",
    "find_split_record",
    "group_duplicates",
    "load_negatives",
    "load_recordings",
    "load_word_recordings",
    "partition",
    "require_recordings",
    "split_by_speaker",
    "tabulate_folders",
    "training_streams",
]
