"""Verification of exported files against the float model."""

import json
import math

import keras
import numpy as np
import pytest
from export_task import need, streams_with_events, trained, untrained
from keras import layers

from keras_sal.export import bundle, micro
from keras_sal.export.verification_report import VerificationError
from keras_sal.export.verify import verify
from keras_sal.streaming import step_model

pytestmark = [pytest.mark.any_backend, pytest.mark.usefixtures("exports")]

STEP_S = 0.01


@pytest.fixture(scope="module", autouse=True)
def runtimes():
    need("ai_edge_litert", "onnxruntime")


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
def report(gru, gru_int8, gru_onnx, streams):
    features, anchors_s = streams
    return verify(
        gru,
        [gru_int8, gru_onnx.path],
        features,
        anchors_s=anchors_s,
        frame_step_s=STEP_S,
        fa_per_hour=3600.0,
        max_fa_per_hour=math.inf,
        refractory_s=0.1,
        early_s=0.05,
        max_delay_s=0.1,
    )


def test_report_has_every_file_in_every_runtime(report, gru_int8):
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
    assert in_micro.footprint.flash_bytes == gru_int8.flash_bytes
    assert in_onnx.footprint is None


def test_errors_are_those_of_a_plain_loop(report, gru, gru_int8, streams):
    errors = []
    for stream in streams[0]:
        gru_int8.reset()
        expected = np.asarray(gru.predict(stream[None], verbose=0))[0]
        errors.extend(np.abs(gru_int8.stream(stream) - expected).ravel())
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


def test_a_file_of_another_model_fails(another_model, gru_onnx, streams):
    with pytest.raises(
        VerificationError, match=r"(?s)step\.onnx in ONNX Runtime: max error 0\.\d+ exceeds 1e-05"
    ) as caught:
        verify(another_model, gru_onnx, streams[0])
    assert caught.value.report.rows[0].max_error > 1e-3
    assert "FAILED step.onnx" in str(caught.value)
    report = verify(another_model, gru_onnx, streams[0], must_pass=False)
    assert len(report.failures) == 1


@pytest.mark.filterwarnings("ignore:.*hours of negative audio")
def test_lost_events_fail(gru, gru_onnx, streams, monkeypatch):
    """A file that hears nothing is out of bounds in posteriors and in misses."""
    monkeypatch.setattr(type(gru_onnx), "stream", lambda self, x: np.zeros((len(x["frame"]), 1)))
    report = verify(
        gru,
        gru_onnx,
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
def test_verify_rejects_exports(gru, streams, exports, message):
    with pytest.raises(ValueError, match=message):
        verify(gru, exports, streams[0])


def test_verify_rejects_streams(gru, gru_onnx):
    with pytest.raises(ValueError, match="`streams` must hold at least one feature sequence"):
        verify(gru, gru_onnx, [])


@pytest.mark.parametrize("channel", [-1, 1])
def test_verify_rejects_a_channel_before_it_runs_streams(gru, gru_onnx, channel):
    def streams():
        pytest.fail("it read streams")
        yield

    with pytest.raises(ValueError, match=r"`channel` \(`--class-index`\) must be in \[0, 0\]"):
        verify(gru, gru_onnx, streams(), channel=channel)


@pytest.mark.slow
def test_two_inputs_two_outputs_convolution_stride_lstm(tmp_path):
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

    exact = micro.convert(model, tmp_path / "all.tflite", quantization="float32")
    coarse = micro.convert(model, tmp_path / "all8.tflite", streams(9, 40), min_posterior=0.0)
    report = verify(model, [exact, coarse], streams(3, 26))
    assert len(report.rows) == 4
    posteriors = coarse.stream(streams(1, 26)[0])
    assert {name: value.shape for name, value in posteriors.items()} == {
        "posterior_wake": (13, 1),
        "posterior_word": (13, 3),
    }
    with pytest.raises(ValueError, match="`features` must have a multiple of 2 frames"):
        coarse.stream(streams(1, 25)[0])


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """A model that looks two frames ahead, and the file of its step model."""
    model = untrained([layers.Conv1D(4, 5, padding="same", activation="tanh")])
    step = step_model(model, max_delay_frames=2)
    path = tmp_path_factory.mktemp("late") / "late.tflite"
    return model, micro.convert(step, path, quantization="float32")


def test_a_late_output_is_compared_with_the_frame_it_belongs_to(late, streams):
    model, file = late
    report = verify(model, file, streams[0], must_pass=False)
    assert report.failures == ()
    assert report.rows[0].max_error <= 1e-5


@pytest.mark.filterwarnings("ignore:.*hours of negative audio")
def test_late_detections_have_the_time_at_which_they_come(late, streams):
    model, file = late
    arguments = {"anchors_s": streams[1], "frame_step_s": STEP_S, "fa_per_hour": 36000.0}
    arguments |= {"max_fa_per_hour": math.inf, "refractory_s": 0.0, "max_delay_s": 0.3}
    report = verify(model, file, streams[0], **arguments)
    on_time = verify(model, file, streams[0], delay_frames=0, must_pass=False, **arguments)
    of_file, of_keras = report.rows[0].detections, report.detections
    assert of_file.latency_p50_s == pytest.approx(of_keras.latency_p50_s, abs=STEP_S)
    assert of_file.frr == pytest.approx(of_keras.frr, abs=1 / of_keras.events)
    late_s = report.detections.latency_p50_s - on_time.detections.latency_p50_s
    assert late_s == pytest.approx(2 * STEP_S, abs=STEP_S)


@pytest.mark.parametrize("delay", [0, 2])
def test_a_bundle_must_state_the_delay_of_its_model(late, streams, tmp_path, delay):
    model, file = late
    written = bundle.write(
        file, tmp_path / "late", threshold=0.5, delay_frames=delay, frame_step_s=STEP_S
    )
    failures = verify(model, [written], streams[0], must_pass=False).failures
    stated = [f for f in failures if "states a delay of 0 output frames, the model has 2" in f]
    assert len(stated) == len(failures) == (2 if delay == 0 else 0)  # in two runtimes
    assert verify(model, written.folder, streams[0], must_pass=False).failures == failures


def test_rejects_streams_that_end_before_the_first_late_output(late, streams):
    model, file = late
    with pytest.raises(ValueError, match=r"`streams` sequence 1 must have more than 2 output fra"):
        verify(model, file, [streams[0][0], streams[0][0][:2]])
    with pytest.raises(ValueError, match=r"`delay_frames` must be an integer >= 0"):
        verify(model, file, streams[0], delay_frames=-1)
