"""Shards that one process writes, without Ray."""

from keras_sal.data.shards.job_file import begin_job
from keras_sal.data.shards.shard_plan import plan_shards
from keras_sal.data.shards.writing import ShardTask, end_job, write_shard


def write_alone(recordings, settings, root, folder):
    """Write the shards of recordings below `root` into a folder, and return it."""
    begin_job(folder, settings, root)
    plans = plan_shards(recordings, settings, root)
    end_job(folder, [write_shard(ShardTask(plan, folder)).shard for plan in plans])
    return folder
