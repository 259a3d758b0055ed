"""Runners: models of all kinds, opened and run alike."""

import keras
import numpy as np
import pytest
import small_gru
import stepping
from keras import layers

from keras_sal.runtime import keras_runner, open_runner, predict
from keras_sal.runtime.keras_runner import KerasRunner
from keras_sal.runtime.runner_steps import frames_per_output
from keras_sal.streaming import step_model

FRAMES = 10  # a piece of 8, two of 1


def features(frames=FRAMES, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, small_gru.FEATURES)).astype("float32")


def whole(model, clip):
    return stepping.outputs_of(model, clip[None])[0]


def strided():
    """Two frames a step; two classes."""
    return stepping.randomise(
        keras.Sequential(
            [
                keras.Input((None, small_gru.FEATURES)),
                layers.Conv1D(4, 3, strides=2, padding="causal"),
                layers.GRU(5, return_sequences=True),
                layers.Dense(2, activation="softmax"),
            ]
        )
    )


def two_ears():
    """Two inputs, two outputs."""
    left, right = (keras.Input((None, small_gru.FEATURES), name=name) for name in "lr")
    x = layers.GRU(4, return_sequences=True)(layers.Concatenate()([left, right]))
    heads = {name: layers.Dense(1, "sigmoid", name=name)(x) for name in ("word", "speech")}
    return stepping.randomise(keras.Model([left, right], heads))


@pytest.fixture(params=["clip model", "step model"])
def model(request):
    gru = small_gru.model()
    return gru, gru if request.param == "clip model" else step_model(gru)


class TestKerasRunner:
    def test_streams_what_the_whole_clip_gives(self, model):
        gru, given = model
        clip = features()
        posteriors = open_runner(given).stream(clip)
        assert posteriors.shape == (FRAMES, 1)
        assert posteriors.dtype == "float32"
        assert posteriors.std() > 0.01
        np.testing.assert_allclose(posteriors, whole(gru, clip), atol=1e-5)

    def test_carries_the_state_from_call_to_call(self, model):
        gru, given = model
        clip = features()
        runner = open_runner(given)
        posteriors = [runner.stream(chunk) for chunk in np.split(clip, [1, 9])]
        np.testing.assert_allclose(np.concatenate(posteriors), whole(gru, clip), atol=1e-5)

    def test_reset_starts_a_new_stream(self):
        runner = open_runner(small_gru.model())
        first = runner.stream(features(9))
        assert np.abs(runner.stream(features(9)) - first).max() > 1e-3
        runner.reset()
        np.testing.assert_array_equal(runner.stream(features(9)), first)

    def test_strides(self):
        gru, clip = strided(), features(24)
        runner = open_runner(gru)
        assert frames_per_output(runner) == 2
        posteriors = [runner.stream(chunk) for chunk in np.split(clip, [2, 10, 16])]
        np.testing.assert_allclose(np.concatenate(posteriors), whole(gru, clip), atol=1e-5)

    def test_several_inputs_and_outputs(self):
        gru = two_ears()
        left, right = features(8, seed=1), features(8, seed=2)
        runner = open_runner(gru)
        given = runner.stream({"frame_l": left, "frame_r": right})
        expected = stepping.outputs_of(gru, [left[None], right[None]])
        assert set(given) == {"posterior_word", "posterior_speech"}
        for name in expected:
            np.testing.assert_allclose(given[f"posterior_{name}"], expected[name][0], atol=1e-5)
        [alone] = predict(runner, [{"frame_l": left, "frame_r": right}])
        np.testing.assert_allclose(alone["posterior_word"], given["posterior_word"], atol=1e-5)

    @pytest.mark.parametrize("form", [lambda model: model, step_model], ids=["clip", "step"])
    def test_mixed_precision(self, form):
        """Computed in float16; states and posteriors are float32."""
        layer = layers.GRU(4, return_sequences=True, dtype="mixed_float16")
        gru = stepping.randomise(
            keras.Sequential([keras.Input((None, 3)), layer, layers.Dense(1, "sigmoid")])
        )
        posteriors = open_runner(form(gru)).stream(features())
        assert posteriors.dtype == "float32"
        np.testing.assert_allclose(posteriors, whole(gru, features()), atol=5e-3)

    def test_follows_the_weights_of_the_model(self):
        gru = small_gru.model()
        runner = open_runner(gru)
        runner.stream(features(8))
        gru.set_weights([2 * w for w in gru.get_weights()])
        runner.reset()
        clip = features(8)
        np.testing.assert_allclose(runner.stream(clip), whole(gru, clip), atol=1e-5)

    @pytest.mark.skipif(
        keras.backend.backend() == "torch", reason="torch.compile unrolls the loop for minutes"
    )
    def test_compiled_by_xla(self):
        gru, clip = small_gru.model(), features(8)
        runner = open_runner(gru, jit_compile=True)
        np.testing.assert_allclose(runner.stream(clip), whole(gru, clip), atol=1e-5)

    def test_rejects_bad_features(self):
        runner = open_runner(small_gru.model())
        with pytest.raises(ValueError, match=r"`features` must have shape \(frames, 3\)"):
            runner.stream(np.zeros((4, 5)))
        with pytest.raises(ValueError, match="`features` must be finite"):
            runner.stream(np.full((4, 3), np.nan))
        with pytest.raises(ValueError, match="`features` must have a multiple of 2 frames"):
            open_runner(strided()).stream(features(3))

    def test_rejects_a_model_that_cannot_stream(self):
        backwards = keras.Sequential(
            [keras.Input((None, 3)), layers.GRU(4, return_sequences=True, go_backwards=True)]
        )
        with pytest.raises(ValueError, match="go_backwards"):
            open_runner(backwards)


class TestPredict:
    def test_each_stream_by_itself(self, model):
        """More streams than run side by side, of all lengths, in the order given."""
        gru, given = model
        streams = [features(length, seed=length) for length in [3, 9, 1, 8, 2]]
        several = open_runner(given)
        several.stream(features(5))
        predictions = predict(several, streams)
        for posteriors, clip in zip(predictions, streams, strict=True):
            assert posteriors.shape == (len(clip), 1)
            np.testing.assert_allclose(posteriors, whole(gru, clip), atol=1e-5)
        np.testing.assert_allclose(several.stream(streams[1]), whole(gru, streams[1]), atol=1e-5)

    def test_longer_than_a_chunk_and_more_than_a_batch(self, monkeypatch):
        monkeypatch.setattr(keras_runner, "CHUNK_STEPS", (16, 4, 1))
        monkeypatch.setattr(keras_runner, "STREAMS_PER_BATCH", 3)
        gru = small_gru.model()
        streams = [features(length, seed=length) for length in [3, 41, 9, 16]]
        for posteriors, clip in zip(predict(open_runner(gru), streams), streams, strict=True):
            np.testing.assert_allclose(posteriors, whole(gru, clip), atol=1e-5)

    def test_frames_that_fill_no_step_are_dropped(self):
        gru = strided()
        [posteriors] = predict(open_runner(gru), [features(11)])
        np.testing.assert_allclose(posteriors, whole(gru, features(11)[:10]), atol=1e-5)

    def test_none(self):
        assert predict(open_runner(small_gru.model()), []) == []

    def test_other_runners_one_after_the_other(self):
        runner = Counter()
        runner.stream(features(3))
        first, second = predict(runner, [features(4), features(2)])
        assert first.tolist() == [[0.0], [1.0], [2.0], [3.0]]
        assert second.tolist() == [[0.0], [1.0]]
        assert runner.count == 0


class Counter:
    """A runner of one's own."""

    def __init__(self):
        self.count = 0

    def reset(self):
        self.count = 0

    def stream(self, features):
        self.count += len(features)
        return np.arange(self.count - len(features), self.count, dtype="float32")[:, None]


class TestOpenRunner:
    def test_a_runner_is_returned_as_it_is(self):
        runner = Counter()
        assert open_runner(runner) is runner
        assert frames_per_output(runner) == 1

    @pytest.mark.parametrize("kind", ["clip", "step"])
    def test_a_keras_file(self, tmp_path, kind):
        gru = small_gru.model()
        path = tmp_path / "model.keras"
        (gru if kind == "clip" else step_model(gru)).save(path)
        for name in (path, str(path)):
            runner = open_runner(name)
            assert isinstance(runner, KerasRunner)
            np.testing.assert_allclose(
                runner.stream(features(8)), whole(gru, features(8)), atol=1e-5
            )

    def test_rejects_what_is_no_model(self, tmp_path):
        with pytest.raises(ValueError, match="`model` must be a Keras model, the path of"):
            open_runner(3)
        with pytest.raises(FileNotFoundError, match="`model` must name a file or a bundle"):
            open_runner(tmp_path / "lost.keras")
        (tmp_path / "model.h5").touch()
        with pytest.raises(ValueError, match=r"`model` must name a \.keras, \.tflite or \.onnx"):
            open_runner(tmp_path / "model.h5")

    def test_rejects_a_runtime_that_does_not_run_it(self, tmp_path):
        with pytest.raises(ValueError, match="`runtime` must be one of 'keras', 'micro'"):
            open_runner(small_gru.model(), "tflm")
        wrong = "`runtime` must be one that runs the model. Received: runtime="
        with pytest.raises(ValueError, match=wrong + "'micro' for model='Sequential'. Convert"):
            open_runner(small_gru.model(), "micro")
        with pytest.raises(ValueError, match=wrong + "'onnx' for model='Counter'"):
            open_runner(Counter(), "onnx")
        for name, runtime in [("a.onnx", "micro"), ("a.tflite", "keras"), ("a.keras", "litert")]:
            (tmp_path / name).touch()
            with pytest.raises(ValueError, match=wrong):
                open_runner(tmp_path / name, runtime)
