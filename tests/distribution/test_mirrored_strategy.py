"""Two devices under `tf.distribute.MirroredStrategy` train what one trains."""

import keras
import numpy as np
import pytest
from distributed_training import (
    assert_same,
    on_chunks,
    on_clips,
    on_few_clips,
    on_hard_negatives,
    result,
    start,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="tf.distribute is of TensorFlow"
    ),
]
UNEVEN = 13  # the last batch gives four clips to the first device, and one to the second

PROGRAM = f"""
import json, tensorflow as tf
[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from distributed_training import *
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    found = [on_clips(), on_hard_negatives(), on_chunks(BATCH // 2)]
    found += [on_few_clips({UNEVEN}), on_few_clips(clipnorm=0.05)]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def two():
    return result(start("-c", PROGRAM))


def test_clips(two):
    """All losses with masks and weights, the metrics, and a schedule."""
    assert_same(two[0], on_clips())


def test_hard_negatives(two):
    assert_same(two[1], on_hard_negatives())


def test_stateful_chunks(two):
    """Each replica keeps the states of its rows."""
    assert_same(two[2], on_chunks())


def test_a_last_batch_that_is_not_even(two):
    """The weights are the same; Keras weights what it logs with the clips of each replica."""
    expected = on_few_clips(UNEVEN)
    np.testing.assert_allclose(two[3]["weights"], expected["weights"], rtol=1e-5, atol=1e-5)
    assert 1e-3 < abs(two[3]["loss"][0] - expected["loss"][0]) < 0.1


def test_keras_clips_the_gradients_of_each_replica(two):
    """So weights differ with `clipnorm`, whatever the loss."""
    expected = on_few_clips(clipnorm=0.05)
    assert np.abs(np.subtract(two[4]["weights"], expected["weights"])).max() > 1e-4
