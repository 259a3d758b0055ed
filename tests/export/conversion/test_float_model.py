"""The float32 model that the converter process gets."""

import keras
import numpy as np
import pytest
import registered_layers
from keras import layers

from keras_sal.export.conversion.float_model import (
    as_clip_model,
    as_step_model,
    layer_modules,
    parts_of,
)
from keras_sal.export.signature import Signature


@keras.saving.register_keras_serializable(package="test_export_conversion")
class Doubling(layers.Layer):
    def call(self, x):
        return 2 * x


def detector(policy):
    clips = keras.Input((None, 6))
    x = layers.Dense(5, activation="relu", dtype=policy)(clips)
    x = layers.GRU(4, return_sequences=True, dtype=policy, recurrent_initializer="glorot_uniform")(
        x
    )
    return keras.Model(clips, layers.Dense(1, activation="sigmoid", dtype=policy)(x))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_mixed_precision_is_converted_in_float32(policy):
    """The step model of half-precision weights equals the float32 model that has them."""
    half, exact = detector(policy), detector("float32")
    exact.set_weights([np.asarray(w, "float32") for w in half.get_weights()])
    step = as_step_model(half)
    assert {tensor.dtype for tensor in step.inputs} == {"float32"}
    assert {layer.compute_dtype for layer in step.layers} == {"float32"}

    rng = np.random.default_rng(0)
    clip, state = rng.normal(size=(1, 5, 6)).astype("float32"), np.zeros((1, 4), "float32")
    posteriors = []
    for frame in clip[0]:
        now = step.predict_on_batch({"frame": frame[None], "state_0": state})
        state = now["state_0_next"]
        posteriors.append(now["posterior"])
    expected = exact.predict(clip, verbose=0)[0]
    np.testing.assert_allclose(np.concatenate(posteriors), expected, atol=1e-5)


@pytest.mark.parametrize("recurrent", [layers.GRU, layers.LSTM])
def test_half_precision_below_a_float32_head_is_converted_in_float32(recurrent):
    """As Keras advises for mixed precision; a layer may be inside another, too."""
    clips = keras.Input((None, 6))
    x = recurrent(4, return_sequences=True, dtype="mixed_float16")(clips)
    x = layers.TimeDistributed(layers.Dense(3, dtype="mixed_float16"), dtype="float32")(x)
    inside = keras.Sequential(
        [keras.Input((None, 3)), layers.Conv1D(3, 2, padding="causal", dtype="mixed_float16")]
    )
    model = keras.Model(clips, layers.Dense(1, "sigmoid", dtype="float32")(inside(x)))
    for exact in (as_step_model(model), as_clip_model(model)):
        assert {part.compute_dtype for part in parts_of(exact)} == {"float32"}


def test_a_policy_of_the_program_does_not_reach_the_file():
    model, policy = detector("float32"), keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        step = as_step_model(model)
    finally:
        keras.config.set_dtype_policy(policy)
    assert {part.compute_dtype for part in parts_of(step)} == {"float32"}


def test_outputs_of_a_clip_model_keep_their_keys_and_are_not_lost():
    first, second = keras.Input((None, 4), name="a"), keras.Input((None, 4), name="b")
    head = layers.Dense(1, name="head")
    named = as_clip_model(
        keras.Model([first, second], {"wake": head(first), "alarm": head(second)})
    )
    assert [*named.output] == ["wake", "alarm"]
    with pytest.raises(ValueError, match=r"must have outputs of different .*\['head', 'head'\]"):
        as_clip_model(keras.Model([first, second], [head(first), head(second)]))


def test_float32_models_are_left_alone():
    step = as_step_model(detector("float32"))
    assert as_step_model(step) is step
    assert Signature.from_names([t.name for t in step.inputs], step.output).states == ("state_0",)


def test_modules_of_own_layers_are_known_to_the_converter():
    frame = keras.Input((4,), name="frame")
    inner = keras.Sequential([keras.Input((4,)), Doubling()])
    model = keras.Model(frame, {"posterior": layers.Dense(1)(inner(frame))})
    assert layer_modules(model) == [__name__]


@keras.saving.register_keras_serializable(package="test_export_conversion")
class Halving(layers.Layer):
    def call(self, x):
        return x / 2

    def streaming_state_spec(self):
        return []

    def stream_step(self, frame, states):
        return frame / 2, []


def test_modules_of_own_layers_are_known_when_they_stream():
    clips = keras.Input((None, 4))
    step = as_step_model(keras.Model(clips, layers.Dense(1)(Halving()(clips))))
    assert __name__ in layer_modules(step)


def test_rejects_layers_of_the_running_script():
    class Here(layers.Layer):
        def call(self, x):
            return x

    Here.__module__ = "__main__"
    frame = keras.Input((4,), name="frame")
    local = keras.Model(frame, {"posterior": Here(name="mine")(frame)})
    with pytest.raises(
        ValueError, match="layer `mine` of class `Here`, defined in the running script"
    ):
        layer_modules(local)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Dense(8, activation=registered_layers.half_tanh),
        lambda: layers.Activation(registered_layers.half_tanh),
        lambda: layers.Dense(8, kernel_constraint=registered_layers.AtMostOne()),
        lambda: layers.TimeDistributed(layers.Dense(8, activation=registered_layers.half_tanh)),
        lambda: keras.Sequential([layers.Dense(8, activation=registered_layers.half_tanh)]),
    ],
    ids=["activation", "layer", "constraint", "wrapped", "nested"],
)
def test_modules_of_registered_functions_are_known(layer):
    clips = keras.Input((None, 4))
    assert layer_modules(keras.Model(clips, layer()(clips))) == ["registered_layers"]


def test_rejects_functions_of_the_running_script(monkeypatch):
    clips = keras.Input((None, 4))
    model = keras.Model(clips, layers.Dense(8, activation=registered_layers.half_tanh)(clips))
    monkeypatch.setattr(registered_layers.half_tanh, "__module__", "__main__")
    with pytest.raises(ValueError, match=r"Received: `tests>half_tanh`, defined in the running sc"):
        layer_modules(model)


def test_float64_becomes_float32():
    model = detector("float64")
    step = as_step_model(model)
    assert {layer.compute_dtype for layer in step.layers} == {"float32"}
    assert {tensor.dtype for tensor in step.inputs} == {"float32"}
    kernel = np.asarray(model.get_weights()[0])
    assert any(w.shape == kernel.shape and np.allclose(w, kernel) for w in step.get_weights())


@pytest.mark.parametrize("whole", [as_step_model, as_clip_model])
@pytest.mark.parametrize("mode", ["int8", "float8"])
def test_rejects_quantized_weights(mode, whole):
    clips = keras.Input((None, 6))
    inner = keras.Sequential([keras.Input((None, 6)), layers.Dense(4, name="inner")])
    model = keras.Model(clips, layers.Activation("sigmoid")(inner(clips)))
    model.quantize(mode)
    with pytest.raises(ValueError, match=f'`model` must have float weights.*`inner`.*"{mode}"'):
        whole(model)
