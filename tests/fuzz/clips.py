"""Edits of clips, against the distances of every frame to every anchor after the edit."""

from __future__ import annotations

from collections import Counter

import numpy as np
from messages import check_message

from keras_sal.anchors import IGNORE, NO_ANCHOR
from keras_sal.targets import clips

MOST_FRAMES = 24
EDITS = ("crop", "pad", "shift", "stretch", "concatenate")


def attempt(random, folder):
    """Edit a batch of clips, or refuse to, as the oracle does."""
    rng = np.random.default_rng(random.getrandbits(64))
    count = random.randint(1, 48)
    edit = random.choice(EDITS)
    return globals()[f"_{edit}"](random, rng, count)


def _clips(random, rng, count, frames=None):
    """Features, packed targets, and the marks of anchors `(clips, frames)`."""
    frames = frames or random.randint(1, MOST_FRAMES)
    channels = random.choice((1, 1, 3))
    marks = rng.random((count, frames)) < random.choice((0.0, 0.05, 0.3))
    labels = rng.integers(0, 2, (count, frames, channels)).astype("float32")
    features = rng.normal(size=(count, frames, 2)).astype("float32")
    return features, _pack(labels, _distances(marks)), marks


def _distances(marks):
    """The distance of each frame to the nearest anchor, the earlier where two are as near."""
    time = np.arange(marks.shape[1])
    away = np.where(marks[:, None, :], time[:, None] - time[None, :], 10**6)
    at = (2 * abs(away) - (away > 0)).argmin(axis=-1)[..., None]
    nearest = np.take_along_axis(away, at, axis=-1)[..., 0]
    return np.where(nearest == 10**6, NO_ANCHOR, nearest)


def _pack(labels, distances):
    return np.concatenate([labels, distances[..., None]], axis=-1).astype("float32")


def _compare(made, features, targets, name):
    """Compare the edited batch, whose clips must be as if edited one by one."""
    np.testing.assert_array_equal(made[0], features, f"features after {name}")
    np.testing.assert_array_equal(made[1], targets, f"targets after {name}")
    return Counter(agreed=len(targets))


def _crop(random, rng, count):
    features, targets, _ = _clips(random, rng, count)
    frames = targets.shape[1]
    start, kept = random.randint(-1, frames), random.randint(0, frames + 1)
    if not (start >= 0 and kept >= 1 and start + kept <= frames):
        return _refused(lambda: clips.crop(features, targets, start, kept), count)
    expected = [x[:, list(range(start, start + kept))] for x in (features, targets)]
    return _compare(clips.crop(features, targets, start, kept), *expected, "crop")


def _pad(random, rng, count):
    features, targets, marks = _clips(random, rng, count)
    before, after, fill = random.randint(-1, 9), random.randint(-1, 9), random.choice((0.0, -7.5))
    if min(before, after) < 0:
        return _refused(lambda: clips.pad(features, targets, before, after), count)
    expected = _padded(features, targets, marks, before, after, fill)
    return _compare(clips.pad(features, targets, before, after, fill), *expected, "pad")


def _padded(features, targets, marks, before, after, fill):
    """What a longer clip has, whose first and last frames are unknown."""
    count, frames, channels = targets.shape
    longer = np.zeros((count, before + frames + after), bool)
    longer[:, before : before + frames] = marks
    heard = np.full((*longer.shape, features.shape[-1]), fill, "float32")
    heard[:, before : before + frames] = features
    labels = np.full((*longer.shape, channels - 1), IGNORE, "float32")
    labels[:, before : before + frames] = targets[..., :-1]
    return heard, _pack(labels, _distances(longer))


def _shift(random, rng, count):
    features, targets, marks = _clips(random, rng, count)
    by, frames = random.randint(-40, 40), targets.shape[1]
    if random.random() < 0.05:
        return _refused(lambda: clips.shift(features, targets, by + 0.5), count)
    longer = _padded(features, targets, marks, max(by, 0), max(-by, 0), 0.0)
    start = max(-by, 0)
    expected = [x[:, start : start + frames] for x in longer]
    return _compare(clips.shift(features, targets, by), *expected, "shift")


def _concatenate(random, rng, count):
    channels, parts = None, []
    for _ in range(random.randint(0, 4)):
        part = _clips(random, rng, count)
        if channels in (None, part[1].shape[-1]):
            channels = part[1].shape[-1]
            parts.append(part)
    if not parts:
        return _refused(lambda: clips.concatenate([]), count)
    features, targets, marks = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
    expected = _pack(targets[..., :-1], _distances(marks))
    made = clips.concatenate([part[:2] for part in parts])
    return _compare(made, features, expected, "concatenate")


def _stretch(random, rng, count):
    features, targets, marks = _clips(random, rng, count)
    factor = random.choice((0.5, 1.0, 2.0, random.uniform(0.2, 4), 0.0, -1.0, float("nan")))
    if not factor > 0:
        return _refused(lambda: clips.stretch(features, targets, factor), count)
    heard, stretched = clips.stretch(features, targets, factor)
    length = round((targets.shape[1] - 1) * factor) + 1
    assert heard.shape[1] == stretched.shape[1] == length
    place = np.minimum(np.arange(length) / factor, targets.shape[1] - 1)
    for clip in range(count):
        expected = [np.interp(place, np.arange(targets.shape[1]), x) for x in features[clip].T]
        np.testing.assert_allclose(heard[clip].T, expected, atol=1e-5)
        _check_stretched(stretched[clip], targets[clip], np.flatnonzero(marks[clip]), factor)
    return Counter(agreed=count)


def _check_stretched(stretched, targets, anchors, factor):
    """Anchors move with their frames; distances are to one of them, at most a frame farther."""
    moved = [round(anchor * factor) for anchor in anchors.tolist()]
    at = np.flatnonzero(stretched[:, -1] == 0).tolist()
    assert at == sorted(set(moved)), (at, moved)
    time = np.arange(len(stretched))
    if not moved:
        assert (stretched[:, -1] == NO_ANCHOR).all()
        return
    assert np.isin(time - stretched[:, -1], moved).all()
    nearest = abs(time[:, None] - np.array(moved)).min(axis=1)
    assert (abs(stretched[:, -1]) <= nearest + 1).all()
    for anchor, frame in zip(anchors.tolist(), moved, strict=True):
        if moved.count(frame) == 1:
            np.testing.assert_array_equal(stretched[frame, :-1], targets[anchor, :-1])


def _refused(edit, count):
    """Count the clips of an edit that must be refused."""
    try:
        edit()
    except ValueError as error:
        check_message(error)
        return Counter(refused=count)
    raise AssertionError("it must be refused")
