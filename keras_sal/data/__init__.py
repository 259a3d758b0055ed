"""Recordings, their events, and the streams and batches that are made of them."""

from keras_sal.data.datasets import evaluation_streams, training_streams
from keras_sal.data.duplicates import find_copies, utterances
from keras_sal.data.location import find_recordings, require_recordings
from keras_sal.data.noise_tracks import NoiseVariety
from keras_sal.data.recordings import Recording, load_recordings, partition
from keras_sal.data.splits import check_splits, split_by_speaker
from keras_sal.data.stream_batches import StreamBatches
from keras_sal.data.stream_chunks import StreamChunks
from keras_sal.data.streams import Stream

__all__ = [
    "NoiseVariety",
    "Recording",
    "Stream",
    "StreamBatches",
    "StreamChunks",
    "check_splits",
    "evaluation_streams",
    "find_copies",
    "find_recordings",
    "load_recordings",
    "partition",
    "require_recordings",
    "split_by_speaker",
    "training_streams",
    "utterances",
]
