"""The smallest arena of a model."""

import subprocess
import sys

import pytest
from export_task import need

from keras_sal.export import arena
from keras_sal.export.micro import MicroModel

pytestmark = pytest.mark.any_backend


def runs_in(path, arena_bytes):
    program = (
        "import sys; from tflite_micro import runtime; "
        "content = open(sys.argv[1], 'rb').read(); "
        "runtime.Interpreter.from_bytes(content, arena_size=int(sys.argv[2])).invoke()"
    )
    command = [sys.executable, "-c", program, str(path), str(arena_bytes)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_arena_is_the_minimum(gru_int8):
    assert gru_int8.arena_bytes % 16 == 0
    assert runs_in(gru_int8.path, gru_int8.arena_bytes)
    assert not runs_in(gru_int8.path, gru_int8.arena_bytes - 16)


def test_arena_of_a_file_is_found_on_demand(gru_int8):
    assert MicroModel(gru_int8.path).arena_bytes == gru_int8.arena_bytes


@pytest.mark.parametrize("smallest", [16, 32, 1008, 65536])
def test_bisection_finds_every_threshold(smallest):
    probes = []

    def runs(size):
        probes.append(size)
        return size >= smallest

    assert arena.bisect(runs, 65536) == smallest
    assert len(probes) <= 12


def test_arena_survives_a_broken_model():
    need("tflite_micro")
    assert "failure" in arena.measure(b"\x00" * 4 + b"TFL3" + b"\x07" * 200)
