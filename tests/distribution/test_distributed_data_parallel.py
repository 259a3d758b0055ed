"""Two processes under PyTorch's `DistributedDataParallel` train what one trains.

`fit` of Keras is for one process, so each process has a training loop. It gathers the predictions
and computes the loss of the whole batch.
"""

import signal

import keras
import numpy as np
import pytest
from distributed_training import assert_same, on_clips, on_streams, result, start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "torch", reason="DistributedDataParallel is of PyTorch"
    ),
]

PROGRAM = """
import json, sys, torch_processes
[_, rank, meeting] = sys.argv
torch_processes.join(meeting, int(rank), 2)
print(json.dumps([torch_processes.on_clips(gathers) for gathers in (True, False)]))
torch_processes.distributed.destroy_process_group()
"""
RESTARTED = """
import json, sys, torch_processes
[_, rank, meeting, state, kills] = sys.argv
torch_processes.join(meeting, int(rank), 2)
print(json.dumps(torch_processes.on_streams_with_a_kill(state, kills == "kills")))
torch_processes.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    meeting = tmp_path_factory.mktemp("processes") / "meeting"
    processes = [start("-c", PROGRAM, str(rank), str(meeting)) for rank in range(2)]
    return [result(process) for process in processes]


@pytest.fixture(scope="module")
def expected():
    return on_clips()


def test_clips(two, expected):
    """All losses with weights, the metrics, and a schedule, in both processes."""
    for gathered, _ in two:
        assert_same(gathered, expected)


def test_losses_of_shards_are_others(two, expected):
    """Without gathering, the gradient is that of a mean of means."""
    [_, shards], _ = two
    assert np.abs(np.subtract(shards["weights"], expected["weights"])).max() > 0.01


def test_a_killed_process_starts_again(tmp_path):
    """Both go on from the last epoch and end in the weights of one process that is not killed."""

    def processes(name):
        shared = str(tmp_path / name), str(tmp_path / "state.npz"), name
        return [start("-c", RESTARTED, str(rank), *shared) for rank in range(2)]

    waiting, killed = processes("kills")
    killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL
    waiting.kill()
    waiting.communicate()
    expected = on_streams()["weights"]
    for found in map(result, processes("restarted")):
        assert found["done"] == 1  # of two epochs
        np.testing.assert_allclose(found["weights"], expected, rtol=1e-5, atol=1e-5)
