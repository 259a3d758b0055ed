"""Shards: training streams of many hours, made on many cores, kept in files.

`write_shards` deals recordings out to shards, and has worker processes of Ray make them, one task a
shard: drawing of streams, augmentation, features. `load_shards` gives the streams back, whose
features are read from the files as they are needed. `keras-sal shard` is the command.

A folder of shards holds

- `train-00000-<hash>.arrayrecord` and so on: files of `keras_sal.data.features_file`, each with
  several streams, whose notes are their plans. The name has a hash of all that the shard follows
  from: the settings, and names, contents and events of its recordings.
- `shards.csv`, the table of them, with the SHA-256 of each; it is written when all are there.
- `job.json`: the settings, and the folder of the recordings.

    write_shards(recordings, "computer", "shards", hours=1000, workers=32)
    streams = load_shards("shards")
    model.fit(StreamBatches(streams, targets), epochs=20, shuffle=False)
"""

from keras_sal.data.shards.loading import describe_shards, load_shards, words_of_shards
from keras_sal.data.shards.shard_plan import StreamSettings
from keras_sal.data.shards.shard_table import Shard
from keras_sal.data.shards.writing import write_shards

__all__ = [
    "Shard",
    "StreamSettings",
    "describe_shards",
    "load_shards",
    "words_of_shards",
    "write_shards",
]
