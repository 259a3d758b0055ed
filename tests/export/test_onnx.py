"""Conversion to ONNX, and the files in ONNX Runtime."""

import keras
import numpy as np
import pytest
import registered_layers
from export_task import FEATURES, need, streams_with_events, untrained
from keras import layers

from keras_sal.export import ExportError, onnx

pytestmark = [pytest.mark.any_backend, pytest.mark.usefixtures("exports")]
UNITS = 24  # of `gru`


@pytest.fixture(autouse=True)
def runtime():
    need("tf2onnx", "onnxruntime")


def test_onnx_step_equals_keras(gru, gru_onnx, test_streams):
    stream = test_streams[0]
    expected = np.asarray(gru.predict(stream[None], verbose=0))[0]
    gru_onnx.reset()
    np.testing.assert_allclose(gru_onnx.stream(stream), expected, atol=1e-5)
    assert [info.name for info in gru_onnx.outputs] == ["posterior", "state_0_next"]


def test_onnx_step_takes_many_streams(gru_onnx):
    import onnxruntime

    session = onnxruntime.InferenceSession(gru_onnx.path)
    rng = np.random.default_rng(0)
    frames = rng.uniform(0, 26, (3, FEATURES)).astype("float32")
    states = rng.uniform(-1, 1, (3, UNITS)).astype("float32")
    names = ["posterior", "state_0_next"]
    together = session.run(names, {"frame": frames, "state_0": states})
    for row in range(3):
        alone = session.run(
            names, {"frame": frames[row : row + 1], "state_0": states[row : row + 1]}
        )
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many[row : row + 1], one, atol=1e-6)


def test_onnx_clip_takes_any_length(gru, tmp_path):
    import onnxruntime

    path = onnx.convert(gru, tmp_path / "clip.onnx", form="clip", opset=13)
    session = onnxruntime.InferenceSession(path)
    (name,) = (end.name for end in session.get_inputs())
    assert name == "features"
    assert [end.name for end in session.get_outputs()] == ["posterior"]
    for clips, frames in [(1, 7), (3, 53)]:
        features = streams_with_events(clips, frames + 20, seed=frames)[0][:, :frames]
        expected = np.asarray(gru.predict(features, verbose=0))
        np.testing.assert_allclose(session.run(None, {name: features})[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "chunk"}, r"`form` must be one of \('step', 'clip'\).*'chunk'"),
        ({"opset": 7}, r"`opset` must be one of .*opset=7"),
    ],
)
def test_onnx_rejects(gru, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        onnx.convert(gru, tmp_path / "x.onnx", **arguments)


def test_names_that_tensorflow_does_not_take_are_refused(tmp_path):
    clips = keras.Input((None, 40), name="my audio")
    for name in ("my head", "k\u00f6pf"):
        model = keras.Model(clips, layers.Dense(1, "sigmoid", name=name)(clips))
        with pytest.raises(ValueError, match=rf"names TensorFlow takes.*\['{name}'\]"):
            onnx.convert(model, tmp_path / "x.onnx", form="clip")
    assert not [*tmp_path.iterdir()]


def test_onnx_clip_rejects_a_model_without_inputs(tmp_path):
    with pytest.raises(ValueError, match="`model` must be a built functional or Sequential model"):
        onnx.convert(keras.Sequential([layers.Dense(1)]), tmp_path / "x.onnx", form="clip")


@pytest.mark.parametrize("activation", ["gelu", registered_layers.half_tanh])
def test_onnx_has_gelu_and_registered_functions(tmp_path, activation):
    model = untrained([layers.Dense(4, activation=activation)])
    (stream,) = streams_with_events(1, 20, seed=2)[0]
    posteriors = onnx.convert(model, tmp_path / "x.onnx").stream(stream)
    np.testing.assert_allclose(posteriors, model.predict(stream[None], verbose=0)[0], atol=1e-5)


def test_onnx_refuses_an_unknown_operator_by_layer(tmp_path):
    frame = keras.Input((FEATURES,), name="frame")
    x = keras.ops.erfinv(layers.Dense(4, name="known")(frame))
    step = keras.Model(frame, {"posterior": layers.Dense(1)(x)})
    with pytest.raises(
        ExportError, match=r"holds \w+ from layer `erfinv.*ONNX has no such operator"
    ):
        onnx.convert(step, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [0, 10, 200])
def test_onnx_refuses_a_damaged_file_by_name(gru_onnx, tmp_path, length):
    path = tmp_path / "short.onnx"
    path.write_bytes(gru_onnx.path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"`path` must be an .onnx file.*'.*short\.onnx'"):
        onnx.OnnxModel(path)
