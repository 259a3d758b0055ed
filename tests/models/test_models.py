"""Reference detectors: sizes, training, streaming."""

import keras
import numpy as np
import pytest
from stepping import randomise

from keras_sal.models import conv_detector, conv_gru_detector, gru_detector, multimodal_detector
from keras_sal.streaming import initial_state, step_model


def micro_features(frames=11, features=40, seed=0):
    """Random features in the range of the front-end of TensorFlow Lite Micro."""
    return np.random.default_rng(seed).uniform(0, 26, (2, frames, features)).astype("float32")


DETECTORS = [gru_detector, conv_detector, conv_gru_detector]


@pytest.mark.parametrize("detector", DETECTORS)
class TestEveryDetector:
    def test_any_number_of_frames(self, detector):
        model = detector()
        assert model.output_shape == (None, None, 1)
        for frames in (1, 11):
            assert model(micro_features(frames)).shape == (2, frames, 1)

    def test_posteriors(self, detector):
        one = keras.ops.convert_to_numpy(detector()(micro_features()))
        assert ((one > 0) & (one < 1)).all()
        three = keras.ops.convert_to_numpy(detector(classes=3)(micro_features()))
        np.testing.assert_allclose(three.sum(axis=-1), 1, atol=1e-6)

    def test_last_layer_is_named_posterior(self, detector):
        assert detector().output_names == ["posterior"]

    def test_streams(self, detector):
        model = detector(dropout=0.2)
        step = step_model(model)
        clip = micro_features()
        state = initial_state(step, 2)
        for t, expected in enumerate(model.predict(clip, verbose=0).swapaxes(0, 1)):
            result = step.predict_on_batch({"frame": clip[:, t], **state})
            state = {name: result[f"{name}_next"] for name in state}
            np.testing.assert_allclose(result["posterior"], expected, atol=1e-5)

    def test_learns_under_jit(self, detector):
        """The label of a frame is whether the first feature of the last one was high."""
        keras.utils.set_random_seed(1)
        model = detector(5, 8, feature_max=26)
        model.compile(keras.optimizers.Adam(0.03), "binary_crossentropy", jit_compile="auto")
        clips = np.random.default_rng(1).uniform(0, 26, (32, 10, 5)).astype("float32")
        labels = np.roll(clips[..., :1] > 13, 1, axis=1)
        history = model.fit(clips, labels, epochs=25, batch_size=32, verbose=0)
        assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]

    def test_saves(self, detector, tmp_path):
        model = detector()
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        clip = micro_features()
        np.testing.assert_allclose(
            loaded.predict(clip, verbose=0), model.predict(clip, verbose=0), atol=1e-6
        )

    def test_rejects_feature_max_out_of_range(self, detector):
        with pytest.raises(ValueError, match=r"`feature_max` must be positive.*feature_max=-1"):
            detector(feature_max=-1)

    def test_asks_for_the_range_of_other_sensors(self, detector):
        """26 is that of a front-end with 40 features; readings of 2 g would be near 0."""
        with pytest.raises(ValueError, match=r"`feature_max` must be given for 3 features.*99.9"):
            detector(features=3)
        scale = {
            each: detector(features=each[0], feature_max=each[1]).get_layer("scale").scale
            for each in ((3, 4.0), (40, None), (40, 1.0))
        }
        assert scale == {(3, 4.0): 1 / 4, (40, None): 1 / 26, (40, 1.0): 1.0}


@pytest.mark.parametrize("detector", [*DETECTORS, multimodal_detector])
class TestSizes:
    def test_grow(self, detector):
        sizes = [detector(size=size).count_params() for size in ("nano", "micro", "small")]
        assert 3 * sizes[0] < 2 * sizes[1] < sizes[2]
        assert detector().count_params() == sizes[1]

    def test_docstring_says_the_parameters(self, detector):
        for size in ("nano", "micro", "small"):
            row = f'| `"{size}"` | {detector(size=size).count_params():,} |'
            assert row in detector.__doc__

    def test_rejects_unknown_size(self, detector):
        with pytest.raises(ValueError, match=r"`size` must be one of .*Received: size='huge'"):
            detector(size="huge")


@pytest.mark.parametrize("frames_per_output", [2, 3])
@pytest.mark.parametrize("detector", [gru_detector, conv_detector])
def test_answers_less_often(detector, frames_per_output):
    model = detector(frames_per_output=frames_per_output)
    clip = micro_features(12)
    expected = model.predict(clip, verbose=0)
    assert expected.shape == (2, 12 // frames_per_output, 1)
    step = step_model(model)
    state = initial_state(step, 2)
    for t in range(expected.shape[1]):
        frames = clip[:, t * frames_per_output : (t + 1) * frames_per_output]
        result = step.predict_on_batch({"frame": frames, **state})
        state = {name: result[f"{name}_next"] for name in state}
        np.testing.assert_allclose(result["posterior"], expected[:, t], atol=1e-5)


class TestGRUDetector:
    def test_joins_frames_in_the_dense_layer(self):
        more = gru_detector(frames_per_output=3).count_params() - gru_detector().count_params()
        assert more == 2 * 40 * 32

    def test_rejects_several_frames_without_dense(self):
        with pytest.raises(
            ValueError, match=r"`dense_units` must be at least 1.*frames_per_output=2"
        ):
            gru_detector(dense_units=0, frames_per_output=2)

    def test_parameters(self):
        # Dense 40 * 32 + 32; GRU 3 gates of (32 + 48) * 48 weights, 2 * 48 biases; Dense 48 + 1.
        expected = (40 * 32 + 32) + 3 * ((32 + 48) * 48 + 2 * 48) + (48 + 1)
        assert gru_detector().count_params() == expected == 13_169

    def test_without_dense(self):
        assert gru_detector(dense_units=0).get_layer("gru").input.shape == (None, None, 40)

    @pytest.mark.parametrize("argument", ["features", "dense_units", "gru_units", "classes"])
    def test_rejects_size_out_of_range(self, argument):
        with pytest.raises(ValueError, match=f"`{argument}` must be .*Received: {argument}=-1"):
            gru_detector(**{argument: -1})


class TestConvDetector:
    def test_parameters(self):
        # Dense 40 * 40 and its norm; 3 blocks of 9 taps, 40 * 40 weights, 2 norms; Dense 40 + 1.
        norm = 4 * 40
        expected = (40 * 40 + norm) + 3 * (9 * 40 + 40 * 40 + 2 * norm) + (40 + 1)
        assert conv_detector().count_params() == expected == 8_641

    def test_state_is_the_past_of_each_block(self):
        state = initial_state(step_model(conv_detector()))
        assert [x.shape for x in state.values()] == [(1, 8 * d, 40) for d in (1, 2, 4)]

    def test_receptive_field(self):
        """The posterior depends on the last 1 + 4 * (1 + 2) = 13 frames."""
        model = conv_detector(kernel_frames=5, dilations=(1, 2))
        clip = micro_features(frames=20)
        changed = clip.copy()
        changed[:, 3] = 26 - changed[:, 3]
        before, after = (model.predict(x, verbose=0)[..., 0] for x in (clip, changed))
        moved = abs(after - before).max(axis=0) > 0
        assert not moved[:3].any()
        assert moved[3]
        assert not moved[3 + 13 :].any()

    @pytest.mark.parametrize("argument", ["features", "channels", "kernel_frames", "classes"])
    def test_rejects_size_out_of_range(self, argument):
        with pytest.raises(ValueError, match=f"`{argument}` must be .*Received: {argument}=-1"):
            conv_detector(**{argument: -1})

    @pytest.mark.parametrize("dilations", [(), (1, 0), (1.5,)])
    def test_rejects_dilations(self, dilations):
        with pytest.raises(ValueError, match=r"`dilations` must be positive integers.*Received"):
            conv_detector(dilations=dilations)


class TestConvGRUDetector:
    def test_parameters(self):
        norm = 4 * 32
        # Dense and its norm; 5 taps and their norm; pointwise and its norm; GRU; Dense.
        conv = (40 * 32 + norm) + (5 * 32 + norm) + (32 * 32 + norm)
        expected = conv + 3 * ((32 + 40) * 40 + 2 * 40) + (40 + 1)
        assert conv_gru_detector().count_params() == expected == 11_769

    @pytest.mark.parametrize("frames_per_output", [2, 3, 5])
    def test_answers_less_often(self, frames_per_output):
        """Every answer is the one that a detector of every frame's convolution leads to."""
        model = conv_gru_detector(frames_per_output=frames_per_output)
        clip = micro_features(frames=6 * frames_per_output)
        whole = model.predict(clip, verbose=0)
        assert whole.shape == (2, 6, 1)
        step = step_model(model)
        state = initial_state(step, 2)
        for t in range(6):
            frames = clip[:, t * frames_per_output : (t + 1) * frames_per_output]
            result = step.predict_on_batch({"frame": frames, **state})
            state = {name: result[f"{name}_next"] for name in state}
            np.testing.assert_allclose(result["posterior"], whole[:, t], atol=1e-5)

    def test_rejects_outputs_that_skip_frames(self):
        with pytest.raises(
            ValueError, match=r"`frames_per_output` must be at most.*frames_per_output=6"
        ):
            conv_gru_detector(frames_per_output=6)

    @pytest.mark.parametrize(
        "argument", ["features", "channels", "kernel_frames", "gru_units", "frames_per_output"]
    )
    def test_rejects_size_out_of_range(self, argument):
        with pytest.raises(ValueError, match=f"`{argument}` must be .*Received: {argument}=-1"):
            conv_gru_detector(**{argument: -1})


class TestMultimodalDetector:
    def test_parameters(self):
        norm = 4 * 24
        fast = (40 * 24 + norm) + (4 * 24 * 24 + norm)
        slow = 6 * 16 + 16
        expected = fast + slow + 3 * ((24 + 16 + 40) * 40 + 2 * 40) + (40 + 1)
        assert multimodal_detector().count_params() == expected == 13_449

    @pytest.mark.parametrize("rate_ratio", [1, 3])
    def test_streams(self, rate_ratio):
        model = multimodal_detector(rate_ratio=rate_ratio, slow_features=2, size="nano")
        fast = micro_features(frames=5 * rate_ratio)
        slow = np.random.default_rng(1).uniform(-1, 1, (2, 5, 2)).astype("float32")
        whole = model.predict({"fast": fast, "slow": slow}, verbose=0)
        assert whole.shape == (2, 5, 1)
        step = step_model(model)
        state = initial_state(step, 2)
        for t in range(5):
            now = fast[:, t * rate_ratio : (t + 1) * rate_ratio]
            frames = {"frame_fast": now[:, 0] if rate_ratio == 1 else now, "frame_slow": slow[:, t]}
            result = step.predict_on_batch(frames | state)
            state = {name: result[f"{name}_next"] for name in state}
            np.testing.assert_allclose(result["posterior"], whole[:, t], atol=1e-5)

    def test_hears_both(self):
        model = multimodal_detector(size="nano")
        fast, slow = micro_features(frames=8), np.zeros((2, 2, 6), "float32")
        answer = model.predict({"fast": fast, "slow": slow}, verbose=0)
        for other in ({"fast": fast / 2, "slow": slow}, {"fast": fast, "slow": slow + 1}):
            assert abs(model.predict(other, verbose=0) - answer).max() > 1e-4

    @pytest.mark.parametrize("argument", ["fast_features", "slow_features", "rate_ratio"])
    def test_rejects_size_out_of_range(self, argument):
        with pytest.raises(ValueError, match=f"`{argument}` must be .*Received: {argument}=-1"):
            multimodal_detector(**{argument: -1})


# Flash, arena: what each size was chosen for. That of the 64-bit interpreter, in bytes.
BUDGETS = {
    gru_detector: {"nano": (8_000, 6_656), "micro": (19_000, 6_656), "small": (57_000, 6_656)},
    conv_detector: {"nano": (7_500, 7_000), "micro": (17_000, 11_264), "small": (55_500, 26_500)},
    conv_gru_detector: {
        "nano": (10_000, 9_200),
        "micro": (20_000, 9_300),
        "small": (59_000, 9_500),
    },
    multimodal_detector: {
        "nano": (9_800, 8_800),
        "micro": (21_000, 8_900),
        "small": (67_000, 9_100),
    },
}


@pytest.mark.any_backend
@pytest.mark.slow
@pytest.mark.parametrize("size", ["nano", "micro", "small"])
@pytest.mark.parametrize("detector", BUDGETS)
def test_exports_within_its_budget(detector, size, tmp_path):
    micro = pytest.importorskip("keras_sal.export.micro")
    pytest.importorskip("tflite_micro")
    keras.utils.set_random_seed(0)
    model = randomise(detector(size=size), scale=0.15)  # zero biases would be left out of the file
    clip = micro_features(frames=200)[0]
    if detector is multimodal_detector:
        slow = np.random.default_rng(1).uniform(-1, 1, (50, 6)).astype("float32")
        whole = model.predict({"fast": clip[None], "slow": slow[None]}, verbose=0)
        clip = {"frame_fast": clip, "frame_slow": slow}
    else:
        whole = model.predict(clip[None], verbose=0)
    exported = micro.convert(model, tmp_path / "model.tflite", [clip], min_posterior=0.0)
    flash_bytes, arena_bytes = BUDGETS[detector][size]
    assert 0.8 * flash_bytes < exported.flash_bytes <= flash_bytes
    assert 0.8 * arena_bytes < exported.arena_bytes <= arena_bytes
    assert {info.dtype for info in (*exported.inputs, *exported.outputs)} == {"int8"}
    assert np.mean(abs(exported.stream(clip) - whole[0])) < 0.01
