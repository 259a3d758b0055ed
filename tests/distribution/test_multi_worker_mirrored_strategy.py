"""Two processes under `tf.distribute.MultiWorkerMirroredStrategy` train what one trains."""

import keras
import pytest
from distributed_training import assert_same, on_clips, result, start
from process_tasks import worker_tasks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="tf.distribute is of TensorFlow"
    ),
]
PROGRAM = """
import json, tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else
import tensorflow_workers
found = tensorflow_workers.on_clips(strategy), tensorflow_workers.error_of_fit(strategy)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def two():
    processes = [start("-c", PROGRAM, TF_CONFIG=task) for task in worker_tasks(2)]
    return [result(process) for process in processes]


def test_clips(two):
    """All losses with masks and weights, the metrics, and a schedule, in both processes."""
    expected = on_clips()
    for found, _ in two:
        assert_same(found, expected)


def test_fit_of_keras_fails(two):
    """As long as it does (keras-team/keras, issue 20585), each process has a training loop."""
    for _, error in two:
        assert "PerReplica" in error
