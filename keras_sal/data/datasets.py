"""Data sets: streams to score on and to train on, made from recordings.

Start with `load_recordings` (the layout of a folder is described in `keras_sal.data.recordings`), score
on `evaluation_streams`, train on `training_streams`:

- `keras_sal.data.StreamBatches`: random crops of them, for `model.fit`;
- `keras_sal.training.hard_negatives`: what the model fires on comes back in a share of each batch;
- `keras_sal.data.stream_chunks`: chunks that carry on, for detectors that remember;
- `keras_sal.data.sources`: the same for `tf.data` and `grain`.
"""

import warnings
from dataclasses import replace

import numpy as np

from keras_sal.audio import SAMPLE_RATE
from keras_sal.checks import in_range, positive
from keras_sal.data.duplicates import utterances
from keras_sal.data.excerpts import Excerpts, mean_s
from keras_sal.data.noise_tracks import NoiseVariety, deck
from keras_sal.data.recordings import Recording, load_recordings, partition, select
from keras_sal.data.recordings_table import SPLITS
from keras_sal.data.stream_batches import StreamBatches
from keras_sal.data.streams import Clip, Stream, compute_features

__all__ = [
    "NoiseVariety",
    "Recording",
    "Stream",
    "StreamBatches",
    "evaluation_streams",
    "load_recordings",
    "partition",
    "training_streams",
]

ROOMS = 200
PARTIAL = (0.2, 0.6)


def evaluation_streams(
    recordings,
    word,
    split,
    *,
    snr_db=None,
    stream_s=300.0,
    pause_s=(0.2, 1.0),
    seed=0,
    workers=2,
    cache=None,
    progress=None,
):
    """A split as streams to score a detector on: each recording once, shuffled, unaltered.

    Where recordings of the word are copies of others, a warning says how many utterances there are:
    an interval that takes each of them for itself is too narrow.

    Args:
        recordings: A sequence of `Recording`, from `load_recordings`.
        word: The wake word; its recordings are the events, all others negatives.
        split: `"train"`, `"dev"` or `"test"`; only recordings of this split are used.
        snr_db: Signal-to-noise ratio in dB at which the split's noise (pink noise, if it has none)
            is played under every recording; `None` (default) adds none.
        stream_s: Length of a stream in seconds, roughly. Default 300.
        pause_s: Least and greatest pause between recordings, in seconds. Default `(0.2, 1.0)`.
        seed: What order, pauses and noise are drawn from. Default 0.
        workers: Threads that compute the features. Default 2.
        cache: A folder to keep the features in, or `None`.
        progress: Called as `progress(done, total)` after each stream, or `None`.

    Returns:
        A list of `Stream` with features.

    Raises:
        ValueError: If `word` or `split` fits no recordings, or a parameter is out of range.

    Example:
        >>> import pathlib, tempfile, numpy as np, soundfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> soundfile.write(folder / "a.wav", np.sin(np.arange(16_000)), 16_000)
        >>> soundfile.write(folder / "b.wav", np.cos(np.arange(32_000)), 16_000)
        >>> recordings = [
        ...     Recording(folder / "a.wav", "test", "computer", 1.0, onset_s=0.2, offset_s=0.8),
        ...     Recording(folder / "b.wav", "test", "alexa", 2.0),
        ... ]
        >>> [stream] = evaluation_streams(recordings, "computer", "test", pause_s=(0.5, 0.5))
        >>> stream.duration_s, len(stream.events), stream.features.shape
        (4.5, 1, (448, 40))
    """
    in_range("pause_s", pause_s, 0)
    positive("stream_s", stream_s)
    positives, negatives, noise = select(recordings, word, split, workers=workers)
    _warn_of_copies(positives, utterances(positives, workers=workers), split)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    clips = [(recording, 0) for recording in positives]
    clips += [(recording, None) for recording in negatives]
    order = rng.permutation(len(clips))
    total_s = sum(recording.duration_s + np.mean(pause_s) for recording, _ in clips)
    count = min(len(clips), max(1, round(total_s / stream_s)))
    condition = "clean" if snr_db is None else f"{snr_db:g}dB"
    streams = []
    for index, part in enumerate(np.array_split(order, count)):
        placed, end_s = [], 0.0
        for choice in part:
            recording, class_index = clips[choice]
            start_s = _on_sample(end_s + rng.uniform(*pause_s))
            placed.append(Clip(recording, start_s, class_index=class_index))
            end_s = placed[-1].end_s
        name = f"{split}-{condition}-{index:02d}"
        streams.append(_finish(name, placed, rng, pause_s, noise, snr_db))
    return compute_features(streams, workers=workers, cache=cache, progress=progress)


def training_streams(
    recordings,
    word,
    *,
    split="train",
    hours=3.0,
    events_per_minute=8.0,
    stream_s=60.0,
    pause_s=(0.1, 1.5),
    gain_db=(-12.0, 6.0),
    speed=(0.8, 1.4),
    tempo=(0.7, 1.2),
    tilt_db=(-3.0, 3.0),
    rooms=0.5,
    snr_db=(0.0, 30.0),
    clean=0.25,
    noise_variety=None,
    partial_words=0.0,
    excerpts=0.0,
    seed=0,
    workers=2,
    cache=None,
    progress=None,
):
    """Augmented streams to train on: recordings in random order, as often as `hours` needs.

    Each recording is drawn about as often as the others of its kind, each time with another gain,
    speed and place. Other wake words come up as often as their share of the negatives: they are the
    confusable ones.

    Args:
        recordings: A sequence of `Recording`, from `load_recordings`.
        word: The wake word; its recordings are the events, all others negatives.
        split: The split to draw from, default `"train"`; no other is touched.
        hours: Length of all streams together. Default 3.
        events_per_minute: Mean rate of events. Default 8.
        stream_s: Length of a stream in seconds, roughly. Default 60.
        pause_s: Least and greatest pause between recordings, in seconds. Default `(0.1, 1.5)`.
        gain_db: Least and greatest gain of a recording, in dB. Default `(-12, 6)`.
        speed: Least and greatest speed of a recording, whose pitch goes with it. Default
            `(0.8, 1.4)`: few collections have voices as high as those of children.
        tempo: Least and greatest tempo of a recording, its pitch kept. Default `(0.7, 1.2)`, more
            slower than faster, as `speed` makes more faster than slower.
        tilt_db: Least and greatest tilt of a recording's spectrum, in dB per octave. Default
            `(-3, 3)`.
        rooms: Share of recordings heard across a simulated room, in `[0, 1]`. Default 0.5.
        snr_db: Least and greatest signal-to-noise ratio of a stream, in dB. Default `(0, 30)`.
        clean: Share of streams without added noise, in `[0, 1]`. Default 0.25.
        noise_variety: A `NoiseVariety`, which plays the noise at other speeds and levels, two at
            once, and babble; `None` (default) plays it as it was recorded.
        partial_words: Share of the clips that are the first or last 20 to 60 % of a positive
            recording's word, as negatives; at least 0, default 0. They confuse a detector that
            knows the word by a part of it.
        excerpts: Share of the negatives of which only a part is heard, in `[0, 1]`, default 0; see
            `keras_sal.data.excerpts`. Noise is heard whole. Our detectors were none the better for it.
        seed: What everything random is drawn from. Default 0.
        workers: Threads that compute the features. Default 2.
        cache: A folder to keep the features in, or `None`.
        progress: Called as `progress(done, total)` after each stream, or `None`.

    Returns:
        A list of `Stream` with features.

    Raises:
        ValueError: If `word` or `split` fits no recordings, or a parameter is out of range.

    Example:
        >>> import pathlib, tempfile, numpy as np, soundfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> soundfile.write(folder / "a.wav", np.sin(np.arange(16_000)), 16_000)
        >>> soundfile.write(folder / "b.wav", np.cos(np.arange(32_000)), 16_000)
        >>> recordings = [
        ...     Recording(folder / "a.wav", "train", "computer", 1.0, onset_s=0.2, offset_s=0.8),
        ...     Recording(folder / "b.wav", "train", "alexa", 2.0),
        ... ]
        >>> streams = training_streams(recordings, "computer", hours=2 / 60, stream_s=60)
        >>> [stream.name for stream in streams], streams[0].features.shape[1]
        (['train-0000', 'train-0001'], 40)
    """
    in_range("pause_s", pause_s, 0)
    in_range("speed", speed, 0.5, 2)
    in_range("tempo", tempo, 0.5, 2)
    in_range("tilt_db", tilt_db, -20, 20)
    in_range("rooms", (0, rooms), 0, 1)
    in_range("gain_db", gain_db, -100, 100)
    in_range("snr_db", snr_db, -100, 100)
    in_range("clean", (0, clean), 0, 1)
    in_range("partial_words", (0, partial_words), 0, 1)
    in_range("excerpts", (0, excerpts), 0, 1)
    count = max(1, round(positive("hours", hours) * 3600 / positive("stream_s", stream_s)))
    positives, negatives, noise = select(recordings, word, split, workers=workers)
    share = _share_of_positives(
        positives, negatives, pause_s, events_per_minute, partial_words, excerpts
    )
    excerpt = Excerpts()
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    words, parts, others = (deck(r, rng) for r in (positives, positives, negatives))
    streams = []
    for index in range(count):
        placed, end_s = [], 0.0
        while end_s < stream_s:
            kind, part_s = rng.random(), None
            start_s = _on_sample(end_s + rng.uniform(*pause_s))
            if kind < share:
                recording = next(words)
            elif kind < share + partial_words:
                recording = next(parts)
                part_s = _part_of_word(recording, rng)
            else:
                recording = next(others)
                if excerpts and not recording.noise and rng.random() < excerpts:
                    part_s = excerpt.part_s(recording, rng)
            clip = Clip(
                recording,
                start_s,
                gain_db=rng.uniform(*gain_db),
                speed=rng.uniform(*speed),
                tempo=rng.uniform(*tempo),
                tilt_db=rng.uniform(*tilt_db),
                room=int(rng.integers(ROOMS)) if rng.random() < rooms else None,
                class_index=0 if kind < share else None,
                part_s=part_s,
            )
            placed.append(clip)
            end_s = clip.end_s
        snr = None if rng.random() < clean else rng.uniform(*snr_db)
        stream = _finish(f"{split}-{index:04d}", placed, rng, pause_s, noise, snr)
        if noise_variety is not None and snr is not None:
            speech = [recording for recording in negatives if not recording.noise]
            own = np.random.default_rng([stream.seed, 1])
            track = noise_variety.track(noise, speech, stream.duration_s, own)
            stream = replace(stream, noise=track)
        streams.append(stream)
    return compute_features(streams, workers=workers, cache=cache, progress=progress)


def _warn_of_copies(recordings, groups, split):
    if len(groups) < len(recordings):
        warnings.warn(
            f"{len(recordings)} recordings of the word in {split} are {len(groups)} utterances; one"
            f" is there {max(map(len, groups))} times. What becomes of one copy becomes of all.",
            stacklevel=3,
        )


def _share_of_positives(positives, negatives, pause_s, events_per_minute, partial_words, excerpts):
    """The probability of a positive that gives the event rate on average."""
    pause = np.mean(pause_s)
    positive_s = np.mean([recording.duration_s for recording in positives]) + pause
    negative_s = np.mean([_mean_heard_s(recording, excerpts) for recording in negatives]) + pause
    part_s = np.mean([_mean_part_s(recording) for recording in positives]) + pause
    others_s = partial_words * part_s + (1 - partial_words) * negative_s
    rate = positive("events_per_minute", events_per_minute) / 60
    share = rate * others_s / (1 - rate * (positive_s - negative_s))
    if not 0 < share < 1 - partial_words:
        raise ValueError(
            f"`events_per_minute` must leave room for negatives; recordings of the word last "
            f"{positive_s:.1f} s with their pause. Received: events_per_minute="
            f"{events_per_minute}, partial_words={partial_words}. Stay below "
            f"{60 / positive_s:.0f}."
        )
    return share


def _part_of_word(recording, rng):
    """When the first or the last part of the word is said, with what is before or after it."""
    part_s = rng.uniform(*PARTIAL) * (recording.offset_s - recording.onset_s)
    if rng.random() < 0.5:
        return 0.0, recording.onset_s + part_s
    return recording.offset_s - part_s, recording.duration_s


def _mean_part_s(recording):
    """How long the parts of a recording last on average."""
    around_s = recording.onset_s + recording.duration_s - recording.offset_s
    return np.mean(PARTIAL) * (recording.offset_s - recording.onset_s) + around_s / 2


def _mean_heard_s(recording, excerpts):
    """How long a negative is heard on average."""
    if recording.noise:
        return recording.duration_s
    return excerpts * mean_s(recording) + (1 - excerpts) * recording.duration_s


def _finish(name, placed, rng, pause_s, noise, snr_db):
    """The stream of these clips, planned from the same draws of `rng` with and without noise."""
    duration_s = _on_sample(placed[-1].end_s + rng.uniform(*pause_s))
    seed = int(rng.integers(2**32))
    under, under_s, drawn = [], 0.0, deck(noise, np.random.default_rng(seed))
    while snr_db is not None and noise and under_s < duration_s:
        under.append(next(drawn))
        under_s += under[-1].duration_s
    return Stream(name, tuple(placed), duration_s, seed, tuple(under), snr_db)


def _on_sample(time_s):
    return round(time_s * SAMPLE_RATE) / SAMPLE_RATE
