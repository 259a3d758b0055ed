"""The losses in `compile`, `fit`, `jit_compile`, several outputs, dtype policies, and on disk."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import small_gru
from keras import layers

import keras_sal
from keras_sal import AnchorTargets, StreamingAnchorLoss

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "fit.json").read_text())
LOSSES = {
    "sal": StreamingAnchorLoss("safl", "gaussian", reach=(3, 7), strength=(1, 2), from_logits=True),
    "cross_entropy": keras_sal.FrameCrossEntropy(class_weight=(1, 3), label_smoothing=0.1),
    "focal": keras_sal.FrameFocalLoss(gamma=1.5, reduction="sum"),
    "max_pooling": keras_sal.MaxPoolingLoss(from_logits=True, name="mine"),
    "smoothing": keras_sal.TemporalLabelSmoothing(
        StreamingAnchorLoss("sa+fl", dtype="float64"), 2, 30, 0.1, dtype="float64"
    ),
}


@keras.saving.register_keras_serializable(package="keras_sal_tests")
def hyperbolic(u):
    return 1.0 / (1.0 + u)


def example(batch=4, time=11, features=3):
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(batch, time, features)).astype("float32")
    onset = rng.integers(0, time - 3, batch)
    events = np.stack([onset, onset + 3], axis=-1)[:, None]
    return clips, AnchorTargets(frames=time, anchor="offset", after_frames=2)(events)


def dense_model(**options):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((None, 3)),
            layers.Conv1D(5, 3, padding="causal", activation="relu", **options),
            layers.Dense(1, activation="sigmoid", **options),
        ]
    )


class TestFit:
    @pytest.mark.parametrize("variant", GOLDEN)
    def test_ten_steps_follow_the_golden_curve(self, variant):
        curve = small_gru.loss_curve(StreamingAnchorLoss(variant, reach=3))
        np.testing.assert_allclose(curve, GOLDEN[variant], atol=1e-4)
        assert curve[-1] < 0.95 * curve[0]

    def test_evaluate_and_train_on_batch(self):
        clips, y_true = example()
        model = dense_model()
        loss = StreamingAnchorLoss()
        model.compile("sgd", loss=loss)
        expected = float(loss(y_true, model.predict(clips, verbose=0)))
        assert model.evaluate(clips, y_true, verbose=0) == pytest.approx(expected, rel=1e-5)
        assert model.test_on_batch(clips, y_true) == pytest.approx(expected, rel=1e-5)
        assert model.train_on_batch(clips, y_true) == pytest.approx(expected, rel=1e-5)
        assert model.evaluate(clips, y_true, verbose=0) < expected

    @pytest.mark.slow
    def test_jit_compile(self):
        if keras.backend.backend() == "torch" and not shutil.which("g++"):
            pytest.skip("torch.compile calls a C++ compiler")
        clips, y_true = example()
        values = []
        for jit_compile in (True, False):
            model = dense_model()
            model.compile(
                "sgd",
                loss=StreamingAnchorLoss("safl", normalize=True),
                jit_compile=jit_compile,
                run_eagerly=not jit_compile,
            )
            assert model.jit_compile == jit_compile
            values.append([model.train_on_batch(clips, y_true) for _ in range(3)])
        np.testing.assert_allclose(*values, rtol=1e-5)

    def test_beside_another_loss(self):
        clips, y_true = example()
        loudness = np.abs(clips).mean(axis=-1, keepdims=True)
        inputs = keras.Input((None, 3))
        hidden = layers.Dense(5, activation="relu")(inputs)
        outputs = {
            "event": layers.Dense(1, activation="sigmoid", name="event")(hidden),
            "loudness": layers.Dense(1, name="loudness")(hidden),
        }
        model = keras.Model(inputs, outputs)
        sal = StreamingAnchorLoss()
        model.compile(
            "sgd",
            loss={"event": sal, "loudness": "mean_squared_error"},
            loss_weights={"event": 1.0, "loudness": 0.25},
        )
        targets = {"event": y_true, "loudness": loudness}
        predicted = model.predict(clips, verbose=0)
        event = float(sal(y_true, predicted["event"]))
        square = float(np.square(predicted["loudness"] - loudness).mean())
        values = model.evaluate(clips, targets, verbose=0, return_dict=True)
        assert values["loss"] == pytest.approx(event + 0.25 * square, rel=1e-5)
        assert values["event_loss"] == pytest.approx(event, rel=1e-5)
        history = model.fit(clips, targets, epochs=3, verbose=0)
        assert history.history["event_loss"][-1] < event

    def test_unknown_numbers_of_clips_and_frames(self):
        clips, y_true = example()
        model = dense_model()
        model.compile("sgd", loss=StreamingAnchorLoss(normalize=True))
        for batch, time in ((4, 11), (3, 7), (2, 5)):
            model.reset_metrics()
            value = model.test_on_batch(clips[:batch, :time], y_true[:batch, :time])
            expected = StreamingAnchorLoss(normalize=True)(
                y_true[:batch, :time], model.predict(clips[:batch, :time], verbose=0)
            )
            assert value == pytest.approx(float(expected), rel=1e-5)

    @pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
    def test_dtype_policies(self, policy):
        """The loss is that of the predictions as they are, computed in float32."""
        clips, y_true = example()
        y_true[..., 1] += 4096  # a distance that float16 and bfloat16 would round
        loss = StreamingAnchorLoss("safl", "triangular", reach=8192.0)
        model = dense_model(dtype=policy)
        model.compile("sgd", loss=loss)
        predicted = np.asarray(model.predict(clips, verbose=0)).astype("float32")
        assert not np.isin(predicted, (0.0, 1.0)).any()
        value = model.evaluate(clips, y_true, verbose=0)
        assert value == pytest.approx(float(loss(y_true, predicted)), rel=2e-3)
        values = [model.train_on_batch(clips, y_true) for _ in range(5)]
        assert np.isfinite(values).all()
        assert values[-1] < values[0]

    @pytest.mark.parametrize("policy", ["float16", "bfloat16"])
    def test_predictions_in_half_precision(self, policy):
        _, y_true = example()
        rng = np.random.default_rng(1)
        y_pred = keras.ops.cast(rng.uniform(0.1, 0.9, (*y_true.shape[:2], 1)), policy)
        rounded = keras.ops.convert_to_numpy(keras.ops.cast(y_pred, "float32"))
        value = StreamingAnchorLoss("sa+fl")(y_true, y_pred)
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
        assert float(value) == float(StreamingAnchorLoss("sa+fl")(y_true, rounded))


class TestSaving:
    @pytest.mark.parametrize("name", LOSSES)
    def test_serialize(self, name):
        loss = LOSSES[name]
        text = json.dumps(keras.losses.serialize(loss))
        again = keras.losses.deserialize(json.loads(text))
        assert type(again) is type(loss)
        assert again.get_config() == loss.get_config()
        assert again.dtype == loss.dtype

    def test_own_kernel(self):
        loss = StreamingAnchorLoss(kernel=hyperbolic, reach=4)
        again = keras.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(loss))))
        assert again.kernel is hyperbolic

    def test_load_without_custom_objects(self, tmp_path):
        """In a process of its own, so that only `import keras_sal` can have registered it.

        It runs on JAX, which is imported fastest.
        """
        clips, y_true = example()
        model = small_gru.model()
        model.compile("sgd", loss=keras_sal.TemporalLabelSmoothing(StreamingAnchorLoss("safl")))
        model.fit(clips, y_true, verbose=0)
        model.save(tmp_path / "model.keras")
        np.savez(tmp_path / "data.npz", clips=clips, y_true=y_true)
        value = model.evaluate(clips, y_true, verbose=0)
        script = (
            "import keras, numpy, keras_sal\n"
            "model = keras.saving.load_model('model.keras')\n"
            "data = numpy.load('data.npz')\n"
            "print(model.loss.loss.variant, model.loss.dtype)\n"
            "print(model.evaluate(data['clips'], data['y_true'], verbose=0))\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=os.environ | {"KERAS_BACKEND": "jax"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        loss, loaded = run.stdout.strip().splitlines()[-2:]
        assert loss == "safl float32"
        assert float(loaded) == pytest.approx(value, rel=1e-5)
