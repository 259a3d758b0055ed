"""Eight devices under `keras.distribution.DataParallel` train what one trains."""

import os

import keras
import pytest
from distributed_training import assert_same, on_chunks, on_clips, on_hard_negatives, result, start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "jax", reason="keras.distribution spreads over devices on JAX"
    ),
]

PROGRAM = """
import json, keras
from distributed_training import *
assert len(keras.distribution.list_devices()) == 8
keras.distribution.set_distribution(keras.distribution.DataParallel())
print(json.dumps([on_clips(), on_hard_negatives(), on_chunks()]))
"""


@pytest.fixture(scope="module")
def eight():
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    return result(start("-c", PROGRAM, JAX_PLATFORMS="cpu", XLA_FLAGS=flags))


def test_clips(eight):
    """All losses with masks and weights, the metrics, and a schedule."""
    expected = on_clips()
    assert expected["sa_fl_strength"] == [1.0, 2.0]
    assert_same(eight[0], expected)


def test_hard_negatives(eight):
    expected = on_hard_negatives()
    assert min(expected["false_alarms_per_hour"]) > 0
    assert_same(eight[1], expected)


def test_stateful_chunks(eight):
    assert_same(eight[2], on_chunks())
