"""Two processes under PyTorch's `DistributedDataParallel` train what one trains.

`fit` of Keras is for one process, so each process has a training loop. It gathers the predictions
and computes the loss of the whole batch.
"""

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
RESTARTED = "import sys, torch_processes; torch_processes.on_streams_with_a_kill(sys.argv[1])"


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
    """They go on from the last epoch and end in the weights of one process that is not killed."""
    program, path = tmp_path / "program.py", tmp_path / "state.npz"
    program.write_text(RESTARTED)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    arguments = ("--max-restarts=1", str(program), str(path))
    found = result(start(*torchrun, *arguments, TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1"))
    assert found["done"] == 1  # of two epochs
    np.testing.assert_allclose(found["weights"], on_streams()["weights"], rtol=1e-5, atol=1e-5)
