import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal import AnchorTargets, StreamingDetector
from keras_sal.audio import FRAME_OFFSET_S, FRAME_STEP_S, LogMel, LogMelFrontend, features, to_pcm16
from keras_sal.augmentation import FrequencyWarp

RATE = 16_000
SMALL = {"channels": 7, "frame_step_s": 0.011, "window_s": 0.023, "lowest_hz": 60.0, "floor": 1e-6}


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def noise(batch=2, samples=1100, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (batch, samples)).astype("float32")


def tone(hertz, amplitude=1.0, samples=4000):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)[None]


def by_hand(samples, channels=40, frame_step_s=0.01, window_s=0.03, lowest_hz=125.0, floor=1e-8):
    """One clip, bin by bin and band by band, in double precision."""
    step, size = round(frame_step_s * RATE), round(window_s * RATE)
    fourier = 1 << (size - 1).bit_length()
    window = [0.5 - 0.5 * np.cos(2 * np.pi * n / size) for n in range(size)]
    edges = np.linspace(mel(lowest_hz), mel(7500), channels + 2)
    frames = []
    for start in range(0, len(samples) - size + 1, step):
        heard = [w * x for w, x in zip(window, samples[start : start + size], strict=True)]
        power = np.abs(np.fft.fft(heard, fourier)[: fourier // 2 + 1]) ** 2
        power *= (2 / sum(window)) ** 2
        frame = []
        for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
            energy = 0.0
            for b, p in enumerate(power):
                m = mel(b * RATE / fourier)
                if low < m < high:
                    slope = (
                        (m - low) / (middle - low) if m < middle else (high - m) / (high - middle)
                    )
                    energy += slope * p
            frame.append(np.log1p(energy / floor))
        frames.append(frame)
    return np.array(frames)


def mel(hertz):
    return 1127 * np.log(1 + hertz / 700)


@pytest.mark.parametrize("given", [{}, SMALL], ids=["defaults", "small"])
def test_equals_a_slow_reference(given):
    samples = noise()
    computed = numpy_of(LogMel(**given)(samples))
    expected = np.stack([by_hand(clip.astype("float64"), **given) for clip in samples])
    assert computed.shape == expected.shape
    np.testing.assert_allclose(computed, expected, atol=2e-4)


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (1, 0), (479, 0), (480, 1), (639, 1), (640, 2), (16_000, 98)]
)
def test_frame_count_is_that_of_the_micro_frontend(samples, frames):
    layer = LogMel()
    computed = layer(np.zeros((3, samples), "float32"))
    assert tuple(computed.shape) == (3, frames, 40) == layer.compute_output_shape((3, samples))
    assert len(features(np.zeros(samples))) == frames
    assert layer.compute_output_shape((None, None)) == (None, None, 40)


@pytest.mark.parametrize("frame", [0, 1, 17])
def test_clock_is_that_of_the_micro_frontend(frame):
    """The first frame to hear a click is the one whose window it has just entered."""
    layer, quiet = LogMel(), 1e-3 * noise(1, 8000)
    assert (layer.frame_step_s, layer.frame_offset_s) == (FRAME_STEP_S, FRAME_OFFSET_S)
    end = round((layer.frame_offset_s + frame * layer.frame_step_s) * RATE)

    def first_frame_to_hear(sample):
        clicked = quiet.copy()
        clicked[0, sample] = 0.9
        return np.flatnonzero((numpy_of(layer(clicked)) != numpy_of(layer(quiet)))[0].any(-1))[0]

    assert first_frame_to_hear(end - 80) == frame
    assert first_frame_to_hear(end) == frame + 1


def test_a_click_at_the_anchor_is_loudest_around_it():
    """The window is 30 ms long: its middle, 15 ms before its end, hears best."""
    layer, events_s = LogMel(), np.array([[[0.1, 0.2]]])
    samples = np.zeros((1, 8000), "float32")
    samples[0, round(0.2 * RATE)] = 1
    targets = AnchorTargets(
        48, "offset", frame_step_s=layer.frame_step_s, frame_offset_s=layer.frame_offset_s
    )(events_s)
    loudest = numpy_of(layer(samples))[0].mean(axis=-1).argmax()
    assert targets[0, loudest, -1] in (1, 2)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 1600), max_size=6))
def test_chunks_give_what_the_whole_gives(cuts):
    samples, frontend = noise(1, 1600)[0], LogMelFrontend()
    streamed = np.concatenate([frontend(chunk) for chunk in np.split(samples, sorted(cuts))])
    whole = numpy_of(frontend.layer(to_pcm16(samples)[None]))[0]
    np.testing.assert_allclose(streamed, whole, atol=1e-4)
    assert streamed.dtype == np.float32
    frontend.reset()
    np.testing.assert_allclose(frontend(samples), whole, atol=1e-4)


def test_int16_equals_float():
    pcm = to_pcm16(noise(1)[0])[None]
    np.testing.assert_allclose(
        numpy_of(LogMel()(pcm)), numpy_of(LogMel()(pcm / np.float32(32_768))), atol=1e-5
    )


def test_range():
    """0 for silence, and a full-scale tone in the middle of a band near the greatest."""
    layer = LogMel()
    assert not numpy_of(layer(np.zeros((1, 4000), "float32"))).any()
    middle_hz = 700 * np.expm1(np.linspace(mel(125), mel(7500), 42)[25] / 1127)
    loudest = numpy_of(layer(tone(middle_hz))).max()
    assert loudest == pytest.approx(layer.feature_max, abs=0.2)
    assert numpy_of(layer(np.sign(noise()))).max() < layer.feature_max + 0.5


def test_bands_are_those_of_the_micro_frontend():
    """So that what is known of channels holds of both, such as the warp of frequencies."""
    for channel in (8, 20, 33):
        hertz = 700 * np.expm1(np.linspace(mel(125), mel(7500), 42)[channel + 1] / 1127)
        assert numpy_of(LogMel()(tone(hertz)))[0, 3].argmax() == channel
        warped, _ = FrequencyWarp((1.1, 1.1))(
            numpy_of(LogMel()(tone(hertz))), None, np.random.default_rng(0)
        )
        other = numpy_of(LogMel()(tone(hertz / 1.1)))
        assert abs(warped[0, 3].argmax() - other[0, 3].argmax()) <= 1


def test_compiles_and_trains_from_sound(tmp_path):
    """`jit_compile=True` inside `fit`, on whatever backend."""
    model = keras.Sequential([LogMel(**SMALL), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", jit_compile=keras.backend.backend() != "torch")
    samples, frames = noise(4, 2000), LogMel(**SMALL).compute_output_shape((4, 2000))[1]
    model.fit(samples, np.ones((4, frames, 1)), epochs=1, verbose=0)
    predicted = model.predict(samples, verbose=0)
    assert predicted.shape == (4, frames, 1)
    assert np.isfinite(predicted).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(samples, verbose=0), predicted, atol=1e-5)


def test_config():
    layer = LogMel(**SMALL, name="ears")
    again = LogMel.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.name == "ears"
    np.testing.assert_array_equal(numpy_of(again(noise())), numpy_of(layer(noise())))


def test_half_precision_outside_leaves_single_inside():
    samples = noise()
    half = LogMel(dtype="mixed_float16")(samples)
    assert keras.backend.standardize_dtype(half.dtype) == "float16"
    np.testing.assert_allclose(numpy_of(half), numpy_of(LogMel()(samples)), atol=0.01)


def test_a_detector_can_hear_through_it():
    model = keras.Sequential(
        [keras.Input((None, 40)), keras.layers.Dense(1, activation="sigmoid", name="posterior")]
    )
    detector = StreamingDetector(
        model, threshold=0.5, frontend=LogMelFrontend(), frame_step_s=0.01, frame_offset_s=0.03
    )
    samples = noise(1, 4000)[0]
    heard = [detector.process(chunk) for chunk in np.split(samples, [1234, 3000])]
    assert sum(len(posteriors) for posteriors, _ in heard) == 23


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lowest_hz": 8000}, "`lowest_hz` and `highest_hz` must lie in order.*lowest_hz=8000"),
        ({"highest_hz": 9000}, "below half of `sample_rate`.*highest_hz=9000"),
        ({"floor": 0}, "`floor` above 0.*floor=0"),
        ({"frame_step_s": 0}, "`frame_step_s` and `window_s` must be at least a sample"),
        ({"channels": 0}, "`channels` must be at least 1"),
        ({"channels": 200}, "each filter to cover a frequency.*channels=200.*transform of 512"),
    ],
)
def test_rejects(given, message):
    with pytest.raises(ValueError, match=message):
        LogMel(**given)
