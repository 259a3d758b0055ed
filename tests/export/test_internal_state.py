"""Internal state: the same bits from a file that keeps its state in resource variables."""

import numpy as np
import pytest
from export_task import need, streams_with_events
from firmware_programs import PROGRAMS, compile_only, needs_compiler

from keras_sal.export import bundle, internal_state, micro
from keras_sal.export.internal_state import InternalLiteModel, InternalModel
from keras_sal.export.litert import LiteModel
from keras_sal.export.micro import MicroModel
from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.export.verify import verify

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def streams():
    return streams_with_events(3, 80, seed=2)[0]


@pytest.fixture(scope="module")
def explicit(two_states_int8):
    return two_states_int8


@pytest.fixture(scope="module")
def inside(explicit, exports):
    return internal_state.from_file(explicit.path, exports / "internal.tflite")


def test_inputs_are_frames_and_outputs_posteriors_alone(explicit, inside):
    assert len(explicit.inputs) == 3, "the model must have two states"
    assert inside.inputs == explicit.inputs[:1]
    assert inside.outputs == explicit.outputs[:1]
    assert set(inside.operators) - set(explicit.operators) == {
        "ASSIGN_VARIABLE",
        "CALL_ONCE",
        "READ_VARIABLE",
        "VAR_HANDLE",
    }


@pytest.mark.parametrize(
    ("outside", "within"), [(MicroModel, InternalModel), (LiteModel, InternalLiteModel)]
)
def test_same_bits_as_with_explicit_state(explicit, inside, streams, outside, within):
    need("ai_edge_litert")
    theirs, ours = outside(explicit.path), within(inside.path)
    for stream in streams:  # a state left over from the one before would be heard
        theirs.reset()
        ours.reset()
        np.testing.assert_array_equal(ours.stream(stream), theirs.stream(stream))
    carried = ours.stream(streams[0])
    ours.reset()
    assert not np.array_equal(ours.stream(streams[0]), carried)


def test_states_start_at_their_zero_points(explicit, inside):
    zero_points = [info.zero_point for info in explicit.inputs[1:]]
    assert any(zero_points), "a state must have a zero point other than 0"
    file = Flatbuffer(inside.path.read_bytes())
    constants = [t for t in file.tree.subgraphs[1].tensors if t.name.endswith(b"/zero")]
    for tensor, zero_point in zip(constants, zero_points, strict=True):
        data = file.tree.buffers[tensor.buffer].data
        assert set(np.asarray(data, "uint8").view("int8").tolist()) == {zero_point}


def test_costs_little_more(explicit, inside):
    assert explicit.flash_bytes < inside.flash_bytes < explicit.flash_bytes + 1500
    assert explicit.arena_bytes < inside.arena_bytes < explicit.arena_bytes + 1500


def test_verification_runs_it_in_every_runtime(two_states, inside, streams):
    need("ai_edge_litert")
    report = verify(two_states, inside.path, streams)
    assert [row.runtime for row in report.rows] == ["TensorFlow Lite Micro", "LiteRT"]


def test_bundle_of_it(inside, tmp_path, streams):
    written = bundle.write(inside.path, tmp_path / "bundle", threshold=0.5, frame_step_s=0.01)
    assert written.manifest["state"] == "internal"
    assert written.manifest["states"] == []
    assert written.manifest["resource_variables"] == 2
    assert "kNumResourceVariables = 2;" in (written.folder / "op_resolver.h").read_text()
    opened = bundle.read(written.folder).open()
    first = opened.stream(streams[0])
    opened.reset()
    np.testing.assert_array_equal(opened.stream(streams[0]), first)


@needs_compiler
def test_cpp_of_it_compiles(inside, tmp_path):
    written = bundle.write(inside.path, tmp_path / "compiled", threshold=0.5, frame_step_s=0.01)
    for source in written.folder.glob("*.cc"):
        compile_only(source, include=[PROGRAMS])


def test_same_inputs_give_the_same_bytes(gru, gru_int8, calibration, tmp_path, monkeypatch):
    """A second conversion, on the way to internal state."""
    convert, contents = micro.convert, []

    def recording_convert(*arguments, **options):
        made = convert(*arguments, **options)
        contents.append(made.path.read_bytes())
        return made

    monkeypatch.setattr(micro, "convert", recording_convert)
    made = internal_state.from_model(gru, tmp_path / "direct.tflite", iter(calibration))
    assert isinstance(made, InternalModel)
    assert contents == [gru_int8.path.read_bytes()]
    inside = internal_state.from_file(gru_int8.path, tmp_path / "internal.tflite")
    assert made.path.read_bytes() == inside.path.read_bytes()


def test_rejects_a_file_without_a_state(inside, tmp_path):
    with pytest.raises(ValueError, match="`source` must have explicit states to move inside"):
        internal_state.from_file(inside.path, tmp_path / "never.tflite")
    assert not (tmp_path / "never.tflite").exists()
