"""Refinement of anchors by the model under training."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_folders import burst, write_folder

from keras_sal import AnchorTargets, StreamingAnchorLoss
from keras_sal.data import (
    PlacedRecording,
    Recording,
    Stream,
    StreamAugmentation,
    StreamBatches,
    load_recordings,
    training_streams,
)
from keras_sal.training.anchor_refinement import (
    AnchorRefinement,
    RefinedBatches,
    anchors_s,
    likeliest_anchors,
)
from keras_sal.training.recipe import refine_anchors, word_targets

STEP_S, OFFSET_S = 0.01, 0.03


def slow_likeliest(posterior, before, after, allowed):
    best, best_score = -1, -np.inf
    for anchor in range(len(posterior)):
        score = sum(
            float(np.clip(np.log(posterior[t] / (1 - posterior[t])), -8, 8))
            for t in range(max(0, anchor - before), min(len(posterior), anchor + after + 1))
        )
        if allowed[anchor] and score > best_score + 1e-9:
            best, best_score = anchor, score
    return best


@given(
    seed=st.integers(0, 1000),
    time=st.integers(1, 23),
    before=st.integers(0, 5),
    after=st.integers(0, 7),
)
def test_likeliest_anchor_equals_a_slow_search(seed, time, before, after):
    rng = np.random.default_rng(seed)
    posteriors, allowed = rng.uniform(0.01, 0.99, (3, time)), rng.random((3, time)) < 0.7
    found = likeliest_anchors(posteriors, before_frames=before, after_frames=after, allowed=allowed)
    expected = [
        slow_likeliest(p, before, after, a) for p, a in zip(posteriors, allowed, strict=True)
    ]
    assert found.tolist() == expected


@given(anchor=st.integers(3, 40), before=st.integers(0, 3), after=st.integers(0, 9))
def test_perfect_posteriors_give_the_anchor_back(anchor, before, after):
    frames = np.arange(60)
    posterior = ((frames >= anchor - before) & (frames <= anchor + after)).astype(float)
    found = likeliest_anchors(posterior[None], before_frames=before, after_frames=after)
    assert found.tolist() == [anchor]


@pytest.mark.parametrize("posterior", [0.7, 0.9, 0.99])
def test_the_earliest_of_equally_likely_anchors(posterior):
    posteriors = np.full((1, 400), 0.1)
    posteriors[:, 100:200] = posterior
    assert likeliest_anchors(posteriors, before_frames=6, after_frames=25).tolist() == [106]


def test_likeliest_anchors_rejects():
    with pytest.raises(ValueError, match=r"`posteriors` must be finite and of shape.*\(3,\)"):
        likeliest_anchors([0.1, 0.2, 0.3], before_frames=0, after_frames=1)
    with pytest.raises(ValueError, match=r"before_frames=-1"):
        likeliest_anchors([[0.1, 0.2]], before_frames=-1, after_frames=1)


def made_streams(count=6, positives=12, jitter_s=0.12, seed=0):
    """Streams of 60 s whose positives are a rising and a falling edge on three channels.

    Returns them and the true end of each positive in its recording.
    """
    rng = np.random.default_rng(seed)
    streams, truth = [], {}
    for index in range(count):
        clips, end_s = [], 1.0
        frames = round(4.0 * positives / STEP_S)
        features = 0.3 * rng.standard_normal((frames, 5)).astype("float32")
        for number in range(positives):
            path = Path(f"{index}-{number}.wav")
            true_s = round(rng.uniform(1.0, 1.4), 2)
            truth[path] = true_s
            said_s = true_s + rng.uniform(-jitter_s, jitter_s)
            recording = Recording(path, "train", "yes", 2.0, said_s - 0.4, said_s)
            clips.append(PlacedRecording(recording, round(end_s, 2), class_index=0))
            end = round((end_s + true_s - OFFSET_S) / STEP_S)
            features[end - 40 : end, 0] += 1.5
            features[end - 20 : end, 1] += 1.5
            features[end - 4 : end + 1, 2] += 1.5
            end_s += 3.5
        streams.append(Stream(f"made{index}", tuple(clips), frames * STEP_S, features=features))
    return streams, truth


def made_targets():
    return AnchorTargets(
        frames=300,
        anchor="offset",
        before_frames=3,
        after_frames=15,
        frame_step_s=STEP_S,
        frame_offset_s=OFFSET_S,
    )


class Oracle:
    """Answers at the true ends, all `late` frames late, whatever it is given."""

    def __init__(self, streams, truth, late=0):
        self.late, self.windows = late, {}
        for stream in streams:
            for clip in stream.placed:
                start = max(0, round((clip.start_s - 1.0) / STEP_S))
                end_s = clip.start_s + truth[clip.recording.path]
                key = stream.features[start].tobytes()
                self.windows[key] = round((end_s - OFFSET_S) / STEP_S) - start

    def predict(self, windows, **_):
        answers = np.full((*windows.shape[:2], 1), 0.01)
        for answer, window in zip(answers, windows, strict=True):
            end = self.windows[window[0].tobytes()] + self.late
            answer[end - 3 : end + 16] = 0.99
        return answers


def errors_s(batches, truth):
    found = batches.anchors_s()
    return np.array([found[path] - true_s for path, true_s in truth.items()])


@pytest.mark.parametrize("late", [0, 7])
def test_anchors_go_where_the_model_finds_them_but_do_not_drift(late):
    streams, truth = made_streams(count=2)
    batches = RefinedBatches(streams, made_targets(), batches=2)
    before = errors_s(batches, truth)
    move = batches.refine(Oracle(streams, truth, late))
    after = errors_s(batches, truth)
    assert move["common_s"] == pytest.approx(late * STEP_S - np.median(before), abs=0.011)
    np.testing.assert_allclose(after, np.median(before), atol=0.011)
    for _ in range(3):
        batches.refine(Oracle(streams, truth, late))
    np.testing.assert_allclose(errors_s(batches, truth), after, atol=0.011)
    free = RefinedBatches(streams, made_targets(), keep_mean=False)
    free.refine(Oracle(streams, truth, late))
    np.testing.assert_allclose(errors_s(free, truth), late * STEP_S, atol=0.011)


def test_each_class_keeps_its_mean():
    """A model late by 0 frames for one class and by 12 for the other moves neither."""
    streams, truth = made_streams(count=2, jitter_s=0.0)
    first, second = streams
    placed = tuple(replace(each, class_index=1) for each in second.placed)
    streams = [first, replace(second, placed=placed)]
    targets = AnchorTargets(**made_targets().get_config() | {"classes": 2, "encoding": "multi_hot"})
    batches = RefinedBatches(streams, targets, batches=2)
    oracles = [Oracle([first], truth, late=0), Oracle([second], truth, late=12)]

    class Both:
        def predict(self, windows, **_):
            keys = [window[0].tobytes() for window in windows]
            answers = np.full((*windows.shape[:2], 2), 0.01)
            for index, oracle in enumerate(oracles):
                own = [n for n, key in enumerate(keys) if key in oracle.windows]
                answers[own, :, index] = oracle.predict(windows[own])[..., 0]
            return answers

    move = batches.refine(Both())
    np.testing.assert_allclose(errors_s(batches, truth), 0.0, atol=0.011)
    assert move["spread_s"] < 0.011


def test_max_shift_and_step_size_bound_the_moves():
    streams, truth = made_streams(count=2)
    first = errors_s(RefinedBatches(streams, made_targets()), truth)
    bounded = RefinedBatches(streams, made_targets(), max_shift_s=0.02, keep_mean=False)
    bounded.refine(Oracle(streams, truth))
    assert np.abs(errors_s(bounded, truth) - first).max() <= 0.02 + 1e-9
    half = RefinedBatches(streams, made_targets(), step_size=0.5, keep_mean=False)
    half.refine(Oracle(streams, truth))
    np.testing.assert_allclose(errors_s(half, truth), first / 2, atol=0.006)


def test_a_recording_in_several_clips_has_one_anchor():
    streams, truth = made_streams(count=1, positives=2)
    [stream] = streams
    one, two = stream.placed
    same = one.recording
    again = PlacedRecording(same, two.start_s, class_index=0)
    twice = [Stream("twice", (one, again), stream.duration_s, features=stream.features)]
    batches = RefinedBatches(twice, made_targets(), keep_mean=False)
    batches.refine(Oracle(streams, truth))
    ends = {clip.recording.offset_s for clip in batches.streams[0].placed}
    assert len(ends) == 1
    assert ends.pop() == pytest.approx(np.mean(list(truth.values())), abs=0.011)


def test_faster_clips_and_targets_follow():
    recording = Recording(Path("a.wav"), "train", "yes", 2.0, 0.5, 1.0)
    clip = PlacedRecording(recording, 2.0, speed=1.25, class_index=0)
    features = np.random.default_rng(0).standard_normal((998, 5)).astype("float32")
    streams = [Stream("fast", (clip,), 10.0, features=features)]
    batches = RefinedBatches(streams, made_targets(), keep_mean=False, batch_size=4, batches=3)
    batches.on_epoch_end()
    batches.refine(Oracle(streams, {Path("a.wav"): 1.2 / 1.25}))
    [moved] = batches.streams[0].placed
    assert moved.recording.offset_s == pytest.approx(1.2, abs=0.013)
    assert moved.recording.offset_s - moved.recording.onset_s == pytest.approx(0.5)
    assert len(batches) == 3
    assert batches.streams[0].events[0, 1] == pytest.approx(2 + 1.2 / 1.25, abs=0.011)
    features, packed = batches[0]
    assert features.shape == (4, 300, 5)
    assert packed.shape == (4, 300, 2)


def test_a_part_of_a_recording_has_its_anchor_where_the_recording_has():
    """From 0.3 s on, twice as fast: what ends at 1.2 s is heard to end 0.45 s after the start."""
    recording = Recording(Path("a.wav"), "train", "yes", 2.0, 0.6, 1.1)
    clip = PlacedRecording(recording, 2.0, speed=2.0, class_index=0, part_s=(0.3, 1.9))
    assert clip.event == pytest.approx((2.15, 2.4, 0))
    features = np.random.default_rng(0).standard_normal((998, 5)).astype("float32")
    streams = [Stream("part", (clip,), 10.0, features=features)]
    batches = RefinedBatches(streams, made_targets(), keep_mean=False)
    batches.refine(Oracle(streams, {Path("a.wav"): 0.45}))
    assert batches.anchors_s()[Path("a.wav")] == pytest.approx(1.2, abs=0.021)


def test_the_crops_of_the_epoch_go_on_after_a_refinement():
    """Those of the next epoch come after it, and none of an earlier one again."""
    streams, truth = made_streams(count=2)
    options = {"batch_size": 4, "batches": 2}
    batches = RefinedBatches(streams, made_targets(), **options)
    for _ in range(3):
        batches.on_epoch_end()
    batches.refine(Oracle(streams, truth))
    batches.on_epoch_end()
    fourth = StreamBatches(batches.streams, made_targets(), **options)
    for _ in range(4):
        fourth.on_epoch_end()
    for index in range(2):
        for found, expected in zip(batches[index], fourth[index], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_rejects():
    streams, _ = made_streams(count=1)
    whole = AnchorTargets(frames=300, frame_step_s=STEP_S, frame_offset_s=OFFSET_S)
    with pytest.raises(ValueError, match=r"`targets` must have `before_frames` or `after_frames`"):
        RefinedBatches(streams, whole)
    with pytest.raises(ValueError, match=r"`max_shift_s` must be greater than 0.*step_size=0"):
        RefinedBatches(streams, made_targets(), step_size=0)
    empty = [Stream("empty", (), 10.0, features=np.zeros((998, 5), "float32"))]
    with pytest.raises(ValueError, match=r"`streams` must hold positives.*none in 1 streams"):
        RefinedBatches(empty, made_targets())
    with pytest.raises(ValueError, match=r"`first`, `every` and `last` must be at least 1"):
        AnchorRefinement(None, every=0)


@pytest.mark.parametrize("last", [5, 6])
def test_callback_refines_on_the_epochs_it_is_told(last):
    class Counting:
        def __init__(self):
            self.models = []

        def refine(self, model):
            self.models.append(model)
            return {"common_s": 0.0, "spread_s": 0.5}

    counting, logs = Counting(), {}
    callback = AnchorRefinement(counting, first=2, every=3, last=last)
    callback.set_model("model")
    refined = []
    for epoch in range(10):
        before = len(counting.models)
        callback.on_epoch_end(epoch, logs)
        if len(counting.models) > before:
            refined.append(epoch + 1)
    assert refined == [2, 5]
    assert counting.models == ["model", "model"]
    assert logs == {"anchor_spread_s": 0.5}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Streams from a folder for each word: no table, no times."""
    folder = tmp_path_factory.mktemp("words")
    rows = [
        {"file": f"{word}/{n}.flac", "samples": burst(1.0, 0.3, 0.5 + 0.03 * n, hertz=hertz)}
        for word, hertz in (("computer", 500), ("alexa", 2500))
        for n in range(10)
    ]
    write_folder(folder, rows)
    (folder / "recordings.csv").unlink()
    recordings = load_recordings(folder, layout="words")
    assert all(np.isnan(recording.offset_s) for recording in recordings)
    return training_streams(
        recordings,
        "computer",
        hours=1 / 60,
        stream_s=30,
        augmentation=StreamAugmentation(rooms=0),
    )


@pytest.mark.filterwarnings("error", "ignore:__array__ implementation:DeprecationWarning")
def test_from_clip_labels_alone(words):
    """Training, refinement, new streams."""
    batches = RefinedBatches(
        words, word_targets(frames=200), batch_size=2, batches=2, workers=2, max_shift_s=0.2
    )
    first_s = batches.anchors_s()
    for path, anchor_s in first_s.items():
        assert anchor_s == pytest.approx(0.5 + 0.03 * int(path.stem), abs=0.06)
    inputs = keras.Input((None, 40))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs))
    model.compile("adam", StreamingAnchorLoss())
    callback = AnchorRefinement(batches, first=1)
    model.fit(batches, epochs=2, shuffle=False, verbose=0, callbacks=[callback])
    assert len(batches.moves) == 2
    last_s = batches.anchors_s()
    assert last_s.keys() == first_s.keys()
    assert last_s != first_s
    assert all(abs(last_s[path] - first_s[path]) <= 0.2 + 1e-6 for path in first_s)
    for stream, before in zip(batches.streams, words, strict=True):
        assert stream.features is before.features
        assert (stream.events[:, 1] <= stream.duration_s).all()


@pytest.mark.parametrize("classes", [1, pytest.param(2, marks=pytest.mark.any_backend)])
def test_the_recipe_refines(words, classes):
    streams = [
        replace(stream, placed=tuple(with_class(each, classes) for each in stream.placed))
        for stream in words
    ]
    before_s = anchors_s(streams)
    after_s = anchors_s(refine_anchors(streams, steps=5, max_shift_s=0.1, classes=classes))
    assert after_s.keys() == before_s.keys()
    for index in range(classes):
        own = [path for path in before_s if int(path.stem) % classes == index]
        moves_s = [abs(after_s[path] - before_s[path]) for path in own]
        assert 0 < max(moves_s) <= 0.1 + 1e-6
    assert anchors_s(streams) == before_s


def with_class(placed, classes):
    """The word of a class by the number of its recording."""
    if placed.class_index is None:
        return placed
    return replace(placed, class_index=int(placed.recording.path.stem) % classes)


@pytest.mark.any_backend  # test_the_recipe_refines trains on each
@pytest.mark.slow
def test_training_puts_jittered_anchors_right():
    """Anchors off by up to 120 ms each end up within a third of that, and the mean stays."""
    keras.utils.set_random_seed(0)
    streams, truth = made_streams()
    batches = RefinedBatches(streams, made_targets(), batch_size=16, batches=12)
    before = errors_s(batches, truth)
    inputs = keras.Input((None, 5))
    x = keras.layers.GRU(12, return_sequences=True)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(0.02), StreamingAnchorLoss())
    history = model.fit(
        batches,
        epochs=8,
        shuffle=False,
        verbose=0,
        callbacks=[AnchorRefinement(batches, first=3)],
    )
    after = errors_s(batches, truth)
    assert len(batches.moves) == 6
    assert len(history.history["anchor_spread_s"]) == 6
    assert np.std(after) < np.std(before) / 3
    assert np.mean(after) == pytest.approx(np.mean(before), abs=0.03)
