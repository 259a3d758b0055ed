"""Resampling of live sound: any chunks give what the whole gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal import audio
from keras_sal.runtime.stream_resampler import StreamResampler

pytest.importorskip("soxr", reason="needs the audio extra")
pytestmark = pytest.mark.any_backend

SAMPLES = np.random.default_rng(0).normal(scale=0.2, size=9_001).clip(-1, 1).astype("float32")


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_any_chunks_give_the_whole(rate):
    expected = audio.resample(SAMPLES, rate, audio.SAMPLE_RATE)
    resampler = StreamResampler(rate, audio.SAMPLE_RATE)

    @settings(max_examples=5)
    @given(st.lists(st.integers(0, len(SAMPLES)), max_size=9))
    def any_chunks(cuts):
        resampler.reset()
        chunks = np.split(SAMPLES, sorted(cuts))
        parts = [resampler(chunk) for chunk in chunks]
        parts.append(resampler(SAMPLES[:0], last=True))
        found = np.concatenate(parts)
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, expected, atol=1e-6)

    any_chunks()


def test_integers_are_taken_as_16_bits():
    integers = audio.to_pcm16(SAMPLES)
    first, second = (StreamResampler(48_000, 16_000) for _ in range(2))
    np.testing.assert_array_equal(
        first(integers, last=True), second(integers / np.float32(32_768), last=True)
    )


def test_a_refused_chunk_is_left_out():
    resampler = StreamResampler(48_000, 16_000)
    for bad, message in ((np.full(9, np.nan), "finite"), (np.zeros((9, 2)), "shape")):
        with pytest.raises(ValueError, match=f"`samples` must .*{message}"):
            resampler(bad)
    found = resampler(SAMPLES, last=True)
    np.testing.assert_allclose(found, audio.resample(SAMPLES, 48_000, 16_000), atol=1e-6)
    with pytest.raises(ValueError, match="this one ended with its last chunk"):
        resampler(SAMPLES)


@pytest.mark.parametrize("rate", [0, -1, 16, 44.1, np.nan, np.inf, 1e7, "44100", True])
def test_rejects_rates(rate):
    with pytest.raises(ValueError, match="`rate` must be at least 1000 and at most 768000"):
        StreamResampler(rate, 16_000)
