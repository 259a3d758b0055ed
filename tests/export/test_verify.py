"""Phones, ONNX Runtime, and the verification of every file against the float model."""

import json
import math

import keras
import numpy as np
import pytest
from export_task import FEATURES, same_on_every_backend, streams_with_events, trained
from keras import layers

pytest.importorskip("tflite_micro", reason="needs the export extra")
pytest.importorskip("ai_edge_litert", reason="needs the export extra")
pytest.importorskip("onnxruntime", reason="needs the export extra")

from keras_sal.export import litert, micro, onnx
from keras_sal.export.footprint import footprint
from keras_sal.export.litert import LiteModel
from keras_sal.export.verification_report import VerificationError
from keras_sal.export.verify import verify

STEP_S = 0.01


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runtimes")


@pytest.fixture(scope="module")
def model():
    return trained([layers.GRU(16, return_sequences=True, name="memory")])


@pytest.fixture(scope="module")
def streams():
    """Streams of different lengths, and the times of their events."""
    features, labels = streams_with_events(5, 130, seed=2)
    rises = [np.flatnonzero(np.diff(label[:, 0], prepend=0) > 0) for label in labels]
    lengths = [130, 128, 97, 130, 71]
    return (
        [stream[:length] for stream, length in zip(features, lengths, strict=True)],
        [STEP_S * rise[rise < length - 2] for rise, length in zip(rises, lengths, strict=True)],
    )


@pytest.fixture(scope="module")
def calibration():
    return list(streams_with_events(16, 60, seed=1)[0])


@pytest.fixture(scope="module")
def int8(model, calibration, folder):
    return micro.convert(model, folder / "int8.tflite", calibration)


@pytest.fixture(scope="module")
def onnx_step(model, folder):
    return onnx.convert(model, folder / "step.onnx")


@pytest.fixture(scope="module")
def report(model, int8, onnx_step, streams):
    features, anchors_s = streams
    return verify(
        model,
        [int8, onnx_step.path],
        features,
        anchors_s=anchors_s,
        frame_step_s=STEP_S,
        fa_per_hour=3600.0,
        max_fa_per_hour=math.inf,
        refractory_s=0.1,
        early_s=0.05,
        max_delay_s=0.1,
    )


# --- LiteRT ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantization", "error", "bound"),
    [
        ("float32", np.max, 1e-5),
        pytest.param("float16", np.mean, 1e-4, marks=same_on_every_backend),
        pytest.param("int8", np.mean, 5e-3, marks=same_on_every_backend),
    ],
)
def test_litert_equals_keras(model, calibration, streams, folder, quantization, error, bound):
    lite = litert.convert(
        model, folder / f"{quantization}.tflite", calibration, quantization=quantization
    )
    assert [info.name for info in lite.inputs] == ["frame", "state_0"]
    assert {info.dtype for info in lite.inputs + lite.outputs} == {"float32"}
    stream = streams[0][0]
    expected = np.asarray(model.predict(stream[None], verbose=0))[0]
    assert error(np.abs(lite.stream(stream) - expected)) <= bound


def test_litert_rejects_quantization(model, folder):
    with pytest.raises(ValueError, match=r"`quantization` must be one of .*'int16x8'"):
        litert.convert(model, folder / "x.tflite", quantization="int16x8")


def test_a_micro_file_runs_in_litert(int8, streams):
    lite, stream = LiteModel(int8.path), streams[0][0]
    assert lite.inputs == int8.inputs
    int8.reset()
    assert np.abs(lite.stream(stream) - int8.stream(stream)).mean() <= 2e-3


# --- ONNX ------------------------------------------------------------------------------------


def test_onnx_step_equals_keras(model, onnx_step, streams):
    stream = streams[0][0]
    expected = np.asarray(model.predict(stream[None], verbose=0))[0]
    onnx_step.reset()
    np.testing.assert_allclose(onnx_step.stream(stream), expected, atol=1e-5)
    assert [info.name for info in onnx_step.outputs] == ["posterior", "state_0_next"]


def test_onnx_step_takes_many_streams(onnx_step):
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_step.path)
    rng = np.random.default_rng(0)
    frames = rng.uniform(0, 26, (3, FEATURES)).astype("float32")
    states = rng.uniform(-1, 1, (3, 16)).astype("float32")
    names = ["posterior", "state_0_next"]
    together = session.run(names, {"frame": frames, "state_0": states})
    for row in range(3):
        alone = session.run(
            names, {"frame": frames[row : row + 1], "state_0": states[row : row + 1]}
        )
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many[row : row + 1], one, atol=1e-6)


@same_on_every_backend
def test_onnx_clip_takes_any_length(model, folder):
    import onnxruntime

    path = onnx.convert(model, folder / "clip.onnx", form="clip", opset=13)
    session = onnxruntime.InferenceSession(path)
    (name,) = (end.name for end in session.get_inputs())
    assert name == "features"
    assert [end.name for end in session.get_outputs()] == ["posterior"]
    for clips, frames in [(1, 7), (3, 53)]:
        features = streams_with_events(clips, frames + 20, seed=frames)[0][:, :frames]
        expected = np.asarray(model.predict(features, verbose=0))
        np.testing.assert_allclose(session.run(None, {name: features})[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "chunk"}, r"`form` must be one of \('step', 'clip'\).*'chunk'"),
        ({"opset": 7}, r"`opset` must be one of .*opset=7"),
    ],
)
def test_onnx_rejects(model, folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        onnx.convert(model, folder / "x.onnx", **arguments)


def test_onnx_clip_rejects_a_model_without_inputs(folder):
    with pytest.raises(ValueError, match="`model` must be a built functional or Sequential model"):
        onnx.convert(keras.Sequential([layers.Dense(1)]), folder / "x.onnx", form="clip")


# --- verification ----------------------------------------------------------------------------


def test_report_has_every_file_in_every_runtime(report, int8):
    assert [(row.file, row.runtime, row.quantization) for row in report.rows] == [
        ("int8.tflite", "TensorFlow Lite Micro", "int8"),
        ("int8.tflite", "LiteRT", "int8"),
        ("step.onnx", "ONNX Runtime", "float32"),
    ]
    assert (report.streams, report.frames) == (5, 130 + 128 + 97 + 130 + 71)
    assert report.failures == ()
    in_micro, in_lite, in_onnx = report.rows
    assert 0 < in_micro.mean_error <= 5e-3
    assert in_micro.mean_error <= in_micro.max_error
    assert 0 < in_lite.mean_error <= 5e-3
    assert in_onnx.max_error <= 1e-5
    assert in_micro.footprint.flash_bytes == int8.flash_bytes
    assert in_onnx.footprint is None


def test_errors_are_those_of_a_plain_loop(report, model, int8, streams):
    errors = []
    for stream in streams[0]:
        int8.reset()
        expected = np.asarray(model.predict(stream[None], verbose=0))[0]
        errors.extend(np.abs(int8.stream(stream) - expected).ravel())
    assert report.rows[0].mean_error == pytest.approx(np.mean(errors), abs=1e-7)
    assert report.rows[0].max_error == pytest.approx(np.max(errors), abs=1e-6)


def test_detections_are_scored(report, streams):
    events = sum(map(len, streams[1]))
    assert report.detections.events == events
    assert [row.detections.events for row in report.rows] == [events] * 3
    assert report.detections.frr <= 0.2
    assert abs(report.rows[0].detections.frr - report.detections.frr) <= 1 / events


def test_report_is_a_table_and_json(report, tmp_path):
    text = str(report)
    assert "556 frames in 5 streams" in text
    assert "TensorFlow Lite Micro  int8" in text
    assert "operators    ADD FULLY_CONNECTED" in text
    assert "FAILED" not in text
    report.write_json(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["rows"][0]["mean_error"] == report.rows[0].mean_error
    assert content["rows"][0]["footprint"]["operators"][0] == "ADD"
    assert content["frames"] == 556


def test_undefined_figures_are_null_in_json(report):
    point = vars(report.detections) | {"latency_p50_s": math.nan, "threshold": math.inf}
    nothing_hit = type(report)(1, 1, type(report.detections)(**point), ())
    assert json.loads(nothing_hit.to_json())["detections"]["latency_p50_s"] is None
    assert json.loads(nothing_hit.to_json())["detections"]["threshold"] is None


@pytest.fixture(scope="module")
def another_model():
    return trained([layers.GRU(16, return_sequences=True, reset_after=False)])


def test_a_file_of_another_model_fails(another_model, onnx_step, streams):
    with pytest.raises(
        VerificationError, match=r"(?s)step\.onnx in ONNX Runtime: max error 0\.\d+ exceeds 1e-05"
    ) as caught:
        verify(another_model, onnx_step, streams[0])
    assert caught.value.report.rows[0].max_error > 1e-3
    assert "FAILED step.onnx" in str(caught.value)
    report = verify(another_model, onnx_step, streams[0], must_pass=False)
    assert len(report.failures) == 1


@pytest.mark.filterwarnings("ignore:.*hours of negative audio")
def test_lost_events_fail(model, onnx_step, streams, monkeypatch):
    """A file that hears nothing is out of bounds in posteriors and in misses."""
    monkeypatch.setattr(type(onnx_step), "stream", lambda self, x: np.zeros((len(x["frame"]), 1)))
    report = verify(
        model,
        onnx_step,
        streams[0],
        anchors_s=streams[1],
        frame_step_s=STEP_S,
        fa_per_hour=3600.0,
        max_fa_per_hour=math.inf,
        must_pass=False,
    )
    assert any("points higher" in failure for failure in report.failures)


@pytest.mark.parametrize(
    ("exports", "message"),
    [
        ([], "`exports` must hold at least one exported file"),
        ("model.keras", r"`exports` must be \.tflite or \.onnx files.*'model\.keras'"),
    ],
)
def test_verify_rejects_exports(model, streams, exports, message):
    with pytest.raises(ValueError, match=message):
        verify(model, exports, streams[0])


def test_verify_rejects_streams(model, onnx_step):
    with pytest.raises(ValueError, match="`streams` must hold at least one feature sequence"):
        verify(model, onnx_step, [])


# --- footprint -------------------------------------------------------------------------------


def test_footprint_adds_up(int8):
    found = footprint(int8.path)
    assert found.weights_bytes == 16 * FEATURES + 3 * 16 * (16 + 16) + 16
    assert found.flash_bytes == int8.flash_bytes
    assert found.flash_bytes == (found.weights_bytes + found.constants_bytes + found.graph_bytes)
    assert (found.arena_bytes, found.macs) == (int8.arena_bytes, found.weights_bytes)
    assert "MACs a frame 2,192" in str(found)


def test_footprint_has_an_estimate_for_an_npu(int8):
    pytest.importorskip("ethosu", reason="needs ethos-u-vela")
    estimate = footprint(int8.path).ethos_u55
    assert 1_000 < estimate.cycles < 100_000
    assert estimate.time_us == pytest.approx(estimate.cycles / 500, rel=0.01)
    assert 0 < estimate.flash_bytes < int8.flash_bytes


# --- every kind of memory at once ------------------------------------------------------------


@pytest.mark.slow
def test_two_inputs_two_outputs_convolution_stride_lstm(folder):
    audio, motion = keras.Input((None, 12), name="audio"), keras.Input((None, 6), name="motion")
    x = layers.ZeroPadding1D((2, 0))(audio)
    x = layers.Conv1D(8, 4, strides=2, activation="relu")(x)
    y = layers.Conv1D(4, 2, strides=2, activation="tanh")(motion)
    x = layers.LSTM(8, return_sequences=True)(layers.Concatenate()([x, y]))
    wake = layers.Dense(1, activation="sigmoid", name="wake")(x)
    word = layers.Dense(3, activation="softmax", name="word")(x)
    model = keras.Model([audio, motion], [wake, word])

    def streams(count, frames):
        rng = np.random.default_rng(count)
        return [
            {
                "frame_audio": rng.uniform(0, 1, (frames, 12)),
                "frame_motion": rng.normal(size=(frames, 6)),
            }
            for _ in range(count)
        ]

    exact = micro.convert(model, folder / "all.tflite", quantization="float32")
    coarse = micro.convert(model, folder / "all8.tflite", streams(9, 40), min_posterior=0.0)
    report = verify(model, [exact, coarse], streams(3, 26))
    assert len(report.rows) == 4
    posteriors = coarse.stream(streams(1, 26)[0])
    assert {name: value.shape for name, value in posteriors.items()} == {
        "posterior_wake": (13, 1),
        "posterior_word": (13, 3),
    }
    with pytest.raises(ValueError, match="`features` must have a multiple of 2 frames"):
        coarse.stream(streams(1, 25)[0])
