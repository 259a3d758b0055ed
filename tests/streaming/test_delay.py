"""Models that look ahead: their outputs are late, and then those of the clip model."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops
from slope import Slope
from stepping import (
    BLOCKS,
    CONVOLUTIONS,
    RECURRENT,
    WIDTH,
    assert_close,
    outputs_of,
    random_clip,
    randomise,
    run,
    run_chunks,
    sequential,
)

from keras_sal.layers import CumulativeMaxPooling1D
from keras_sal.streaming import chunk_model, delay_frames, initial_state, step_model

ANY = 100

LOOKS_AHEAD = {
    "odd window": (lambda: [layers.Conv1D(WIDTH, 3, padding="same")], 1),
    # Of 3 zeros, 1 comes before the clip and 2 after it.
    "even window": (lambda: [layers.Conv1D(WIDTH, 4, padding="same", activation="tanh")], 2),
    "dilated": (lambda: [layers.Conv1D(WIDTH, 3, padding="same", dilation_rate=2)], 2),
    "depthwise": (lambda: [layers.DepthwiseConv1D(5, padding="same")], 2),
    "separable": (lambda: [layers.SeparableConv1D(WIDTH, 3, padding="same")], 1),
    "2d": (
        lambda: [
            layers.Reshape((-1, WIDTH, 1)),
            layers.Conv2D(2, (3, 2), strides=(1, 3), padding="same"),
            layers.SeparableConv2D(2, 3, padding="same"),
            layers.DepthwiseConv2D((1, 3), padding="same"),
            layers.TimeDistributed(layers.Flatten()),
        ],
        2,
    ),
    "zeros at both ends": (lambda: [layers.ZeroPadding1D((3, 1)), layers.Conv1D(WIDTH, 5)], 1),
    "no zeros": (lambda: [layers.Conv1D(WIDTH, 3)], 2),
    "zeros that come too late": (lambda: [layers.Conv1D(3, 4), layers.ZeroPadding1D((3, 0))], 0),
    "zeros that come a little too late": (
        lambda: [layers.Conv1D(3, 4), layers.ZeroPadding1D((2, 1))],
        1,
    ),
    "centred pooling": (
        lambda: [layers.ZeroPadding1D((1, 1)), layers.AveragePooling1D(3, strides=1)],
        1,
    ),
    "twice": (lambda: [layers.Conv1D(WIDTH, 3, padding="same") for _ in "ab"], 2),
    "before causal convolution": (
        lambda: [layers.Conv1D(WIDTH, 3, padding="same"), *CONVOLUTIONS["causal conv"]()],
        1,
    ),
    "before explicit padding": (
        lambda: [layers.Conv1D(WIDTH, 5, padding="same"), *CONVOLUTIONS["depthwise conv"]()],
        2,
    ),
    "before memory": (
        lambda: [layers.Conv1D(WIDTH, 3, padding="same"), *RECURRENT["lstm"]()],
        1,
    ),
    "before masked memory": (
        lambda: [
            layers.Conv1D(WIDTH, 3, padding="same", activation="relu"),
            *RECURRENT["masked stack of cells"](),
        ],
        1,
    ),
    "before own layer": (
        lambda: [layers.Conv1D(WIDTH, 5, padding="same"), Slope()],
        2,
    ),
    "before cumulative maximum": (
        lambda: [layers.Conv1D(WIDTH, 3, padding="same"), CumulativeMaxPooling1D()],
        1,
    ),
    "cropped start": (lambda: [layers.Cropping1D((2, 0))], 2),
    "after memory": (lambda: [*RECURRENT["gru"](), layers.Conv1D(WIDTH, 3, padding="same")], 1),
}


def assert_late(model, delay, clip=None, frames_per_step=1, sizes=(2, 0, 3, 1)):
    """Posterior n of the stream is posterior n - delay of the clip, by steps and by chunks."""
    clip = random_clip(frames=9 * frames_per_step) if clip is None else clip
    whole = outputs_of(model, clip)
    step = step_model(model, max_delay_frames=ANY)
    assert delay_frames(step) == delay
    by_step, _ = run(step, clip, frames_per_step=frames_per_step)
    chunk = chunk_model(model, max_delay_frames=ANY)
    by_chunk = run_chunks(step, chunk, clip, sizes, frames_per_step=frames_per_step)
    for streamed in (by_step, by_chunk):
        late = streamed[:, delay:]
        assert_close(late, whole[:, : late.shape[1]])
    return by_step, whole


@pytest.mark.parametrize("case", LOOKS_AHEAD)
def test_equals_whole_clip(case):
    stack, delay = LOOKS_AHEAD[case]
    assert_late(sequential(*stack()), delay)


class TestBranches:
    def test_residual_waits(self):
        clips = keras.Input((None, WIDTH))
        x = clips + layers.Conv1D(WIDTH, 3, padding="same")(clips)
        x = x + layers.Conv1D(WIDTH, 5, padding="same")(x)
        model = randomise(keras.Model(clips, layers.GRU(WIDTH, return_sequences=True)(x)))
        assert_late(model, 3)
        # Of the residual branches, and of the past of both convolutions; of the GRU; the marks.
        shapes = [
            x.shape[1:] for x in initial_state(step_model(model, max_delay_frames=3)).values()
        ]
        assert sorted(shapes) == sorted(
            [
                (1, 1),
                (1, WIDTH),
                (2, WIDTH),
                (2, WIDTH),
                (3, 1),
                (4, WIDTH),
                (4,),
            ]
        )

    def test_every_output_waits_for_the_latest(self):
        clips = keras.Input((None, WIDTH))
        ends = {"now": layers.Dense(2)(clips), "late": layers.Conv1D(2, 5, padding="same")(clips)}
        model = randomise(keras.Model(clips, ends))
        step = step_model(model, max_delay_frames=2)
        assert delay_frames(step) == 2
        clip, state = random_clip(), initial_state(step, 2)
        whole = outputs_of(model, clip)
        for t in range(clip.shape[1]):
            result = outputs_of(step, {"frame": clip[:, t], **state})
            state = {name: result[f"{name}_next"] for name in state}
            for name, expected in whole.items():
                if t >= 2:
                    np.testing.assert_allclose(
                        result[f"posterior_{name}"], expected[:, t - 2], atol=1e-5
                    )

    @pytest.mark.parametrize(
        ("slow_kernel", "fast_kernel", "steps"),
        [
            # A step is one frame of the slow output and two of the fast one.
            (7, 9, 3),  # 3 frames late, 3 steps; 4 frames late, 2 steps
            (3, 11, 3),  # 1 frame late, 1 step; 5 frames late, 2.5 steps
        ],
    )
    def test_outputs_of_different_rates(self, slow_kernel, fast_kernel, steps):
        clips = keras.Input((None, WIDTH))
        halved = layers.Conv1D(3, 2, strides=2, padding="causal")(clips)
        ends = {
            "slow": layers.Conv1D(2, slow_kernel, padding="same")(halved),
            "fast": layers.Conv1D(2, fast_kernel, padding="same")(clips),
        }
        model = randomise(keras.Model(clips, ends))
        with pytest.raises(ValueError, match=f"{steps} frames late"):
            step_model(model, max_delay_frames=steps - 1)
        step = step_model(model, max_delay_frames=steps)
        assert delay_frames(step) == steps
        clip, state, results = random_clip(frames=20), initial_state(step, 2), []
        for t in range(0, 20, 2):
            results.append(outputs_of(step, {"frame": clip[:, t : t + 2], **state}))
            state = {name: results[-1][f"{name}_next"] for name in state}
        whole = outputs_of(model, clip)
        slow = np.stack([result["posterior_slow"] for result in results], axis=1)
        fast = np.concatenate([result["posterior_fast"] for result in results], axis=1)
        assert_close(slow[:, steps:], whole["slow"][:, : 10 - steps])
        assert_close(fast[:, 2 * steps :], whole["fast"][:, : 20 - 2 * steps])

    def test_mask_waits(self):
        """The convolution looks ahead, the mask of its input does not."""
        clips = keras.Input((None, WIDTH))
        mask = ops.any(clips != 0, axis=-1)
        x = layers.Conv1D(WIDTH, 3, padding="same")(clips)
        x = layers.LSTM(WIDTH, return_sequences=True)(x, mask=mask)
        clip = random_clip(frames=12)
        clip[:, [0, 4, 5]] = 0
        assert_late(randomise(keras.Model(clips, x)), 1, clip)

    def test_nested_model(self):
        inner = keras.Sequential(
            [keras.Input((None, WIDTH)), layers.Conv1D(WIDTH, 3, padding="same")]
        )
        clips = keras.Input((None, WIDTH))
        x = inner(clips) + clips
        model = randomise(keras.Model(clips, inner(x) + x))
        assert_late(model, 2)

    def test_branches_late_before_the_clip(self):
        """Both are a frame longer: one before the start, the other after the end."""
        clips = keras.Input((None, WIDTH))
        x = layers.ZeroPadding1D((1, 0))(clips) + layers.ZeroPadding1D((0, 1))(clips)
        model = randomise(keras.Model(clips, layers.Conv1D(WIDTH, 2)(x)))
        assert_late(model, 1)


class TestStrides:
    @pytest.mark.parametrize(
        ("stack", "frames_per_step", "delay"),
        [
            # Of 3 zeros 2 come after the end: one output of two frames late.
            ([layers.Conv1D(WIDTH, 5, strides=2, padding="same")], 2, 1),
            ([layers.Conv1D(WIDTH, 2, strides=2, padding="same")], 2, 0),
            # Frame 2t of the late input is there in time for output t, which needs none later.
            (
                [
                    layers.Conv1D(WIDTH, 3, padding="same"),
                    layers.Conv1D(WIDTH, 3, strides=2, padding="causal"),
                ],
                2,
                0,
            ),
            ([layers.Conv1D(WIDTH, 3, padding="same"), layers.AveragePooling1D(3)], 3, 1),
            (
                [
                    layers.Conv1D(WIDTH, 3, padding="same"),
                    *RECURRENT["gru"](),
                    layers.Conv1D(WIDTH, 1, strides=3),
                    layers.Conv1D(WIDTH, 3, padding="same"),
                ],
                3,
                1,
            ),
        ],
    )
    def test_equals_whole_clip(self, stack, frames_per_step, delay):
        assert_late(sequential(*stack), delay, frames_per_step=frames_per_step)


@st.composite
def models_that_look_ahead(draw):
    clips = x = keras.Input((None, WIDTH))
    causal = st.sampled_from([lambda name=name: BLOCKS[name]() for name in sorted(BLOCKS)])
    kernel = st.integers(2, 5)
    for _ in range(draw(st.integers(1, 3))):
        ahead = layers.Conv1D(WIDTH, draw(kernel), padding="same")
        y = ahead(x)
        for layer in draw(causal)():
            y = layer(y)
        x = layers.Add()([x, y]) if draw(st.booleans()) else y
    return randomise(keras.Model(clips, x))


@pytest.mark.slow
class TestRandomStacks:
    @settings(max_examples=5, deadline=None)
    @given(models_that_look_ahead())
    def test_equal_whole_clip(self, model):
        delay = delay_frames(step_model(model, max_delay_frames=ANY))
        clip = random_clip(frames=14)
        _, whole = assert_late(model, delay, clip, sizes=(3, 0))
        later = clip.copy()
        later[:, 12] += 1
        np.testing.assert_array_equal(
            outputs_of(model, later)[:, : 12 - delay], whole[:, : 12 - delay]
        )


class TestDelay:
    def test_fresh_state_is_a_reset(self):
        """The marks of the first frame are part of the state."""
        model = sequential(*LOOKS_AHEAD["before memory"][0]())
        step = step_model(model, max_delay_frames=1)
        run(step, random_clip())
        streamed, _ = run(step, random_clip(seed=1))
        assert_close(streamed[:, 1:], outputs_of(model, random_clip(seed=1))[:, :-1])

    def test_is_stated_in_the_saved_model(self, tmp_path):
        model = sequential(*LOOKS_AHEAD["before memory"][0]())
        step_model(model, max_delay_frames=1).save(tmp_path / "step.keras")
        loaded = keras.models.load_model(tmp_path / "step.keras")
        assert delay_frames(loaded) == 1
        streamed, _ = run(loaded, random_clip())
        assert_close(streamed[:, 1:], outputs_of(model, random_clip())[:, :-1])

    def test_is_zero_for_causal_models(self):
        step = step_model(sequential(*RECURRENT["gru"]()), max_delay_frames=5)
        assert delay_frames(step) == 0

    def test_longer_than_allowed(self):
        model = sequential(layers.Conv1D(2, 7, padding="same", name="centred"))
        with pytest.raises(ValueError, match=r"layer 'centred'.*max_delay_frames=3"):
            step_model(model, max_delay_frames=2)

    def test_names_the_first_layer_that_looks_ahead(self):
        stack = [layers.Conv1D(2, 3, padding="same", name=name) for name in ("first", "second")]
        with pytest.raises(ValueError, match=r"layer 'first'.*max_delay_frames=2"):
            step_model(sequential(*stack))

    @pytest.mark.parametrize("delay", [-1, 1.5])
    def test_rejects_max_delay(self, delay):
        with pytest.raises(ValueError, match=rf"`max_delay_frames` must be .*={delay}"):
            step_model(sequential(layers.Dense(1)), max_delay_frames=delay)
