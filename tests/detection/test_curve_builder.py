"""Builders of curves: merged shards equal all streams at once, to the bit, in bounded memory."""

import dataclasses
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from detection_reference import RULES, SEEDS, random_case, random_ends
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal.detection import (
    DetCurveBuilder,
    bootstrap,
    class_curves,
    curve_builder,
    det_curve,
    operating_point,
    threshold_record,
)

pytestmark = pytest.mark.any_backend

STEP = {"frame_step_s": 1.0}
FIGURES = ("threshold", "hits", "false_alarms", "frr", "fa_per_hour", "events", "hours", "complete")


def assert_same_curve(curve, whole):
    """Every field and every figure, to the bit."""
    for field in dataclasses.fields(whole):
        ours, theirs = getattr(curve, field.name), getattr(whole, field.name)
        if not dataclasses.is_dataclass(theirs) or field.name == "scoring":
            ours, theirs = {"": ours}, {"": theirs}
        else:
            ours, theirs = vars(ours), vars(theirs)
        for name in theirs:
            if name != "_ends":
                np.testing.assert_array_equal(ours[name], theirs[name], f"{field.name}.{name}")
                assert np.asarray(ours[name]).dtype == np.asarray(theirs[name]).dtype
    for figure in FIGURES:
        np.testing.assert_array_equal(getattr(curve, figure), getattr(whole, figure), figure)
    for threshold in curve.threshold[:: len(curve.threshold) // 5 + 1]:
        assert repr(curve.point(threshold)) == repr(whole.point(threshold))


def random_streams(seed, rule, levels):
    """Streams with ends and cuts, of both dtypes, in a random order."""
    rng = np.random.default_rng(seed)
    streams = []
    for more in range(3):
        posteriors, anchors = random_case(seed + more, levels, **rule)
        for posterior, times, ends in zip(
            posteriors, anchors, random_ends(seed, anchors), strict=True
        ):
            cuts = np.sort(rng.uniform(0, 0.5, rng.integers(0, 3)))
            streams.append((posterior.astype(rng.choice(["f4", "f8"])), times, ends, cuts))
    return [streams[index] for index in rng.permutation(len(streams))]


def columns(streams, lasting):
    posteriors, anchors, ends, cuts = zip(*streams, strict=True)
    keywords = {"boundaries_s": cuts, "event_ends_s": ends if lasting else None}
    return (posteriors, anchors), keywords


def through_a_file(builder):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard.npz"
        builder.save(path)
        return DetCurveBuilder.load(path)


@given(
    seed=SEEDS,
    rule=RULES,
    levels=st.sampled_from([2, 7, 64, 10**6]),
    bound=st.sampled_from([1.0, 4e3, 2e4, 1e5, math.inf]),
    more_hours=st.sampled_from([1.0, 1.5, math.inf]),
    lasting=st.booleans(),
    saved=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_merged_shards_equal_all_streams_at_once(
    seed, rule, levels, bound, more_hours, lasting, saved
):
    streams = random_streams(seed, rule, levels)
    arguments, keywords = columns(streams, lasting)
    whole = det_curve(*arguments, max_fa_per_hour=bound, **keywords, **rule)

    def empty():
        total = whole.hours * more_hours if whole.hours else 0.0
        return DetCurveBuilder(max_fa_per_hour=bound, total_hours=total, **rule)

    rng = np.random.default_rng(seed)
    merged = empty()
    ends = np.sort(rng.integers(0, len(streams) + 1, 3)).tolist()  # shards may be empty
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curve_builder, "RARELY", math.inf)
        for begin, end in zip([0, *ends], [*ends, len(streams)], strict=True):
            shard = empty()
            while begin < end:
                size = int(rng.integers(1, 4))
                arguments, keywords = columns(streams[begin : min(end, begin + size)], lasting)
                shard.update(*arguments, **keywords)
                begin += size
            merged.merge(through_a_file(shard) if saved else shard)
    assert_same_curve(merged.curve(), whole)
    lower = bound / 3 if bound < math.inf else 3e3
    arguments, keywords = columns(streams, lasting)
    assert_same_curve(
        merged.curve(lower), det_curve(*arguments, max_fa_per_hour=lower, **keywords, **rule)
    )


def hours_of_noise(levels, seed=0, frames=3600):
    """An hour of noise for each level, which it stays below, with an event in each."""
    rng = np.random.default_rng(seed)
    streams = []
    for level in levels:
        posterior = rng.uniform(0, level, frames)
        posterior[1000] = rng.uniform(0.3, 1)
        streams.append((posterior, [1000.0]))
    return streams


@pytest.mark.parametrize("loud", [0, 3, 7])
def test_false_alarms_of_all_hours_may_lie_in_one(loud):
    """The loud hour reaches below what its own hours allow, and shards are merged in any order."""
    levels = np.full(8, 0.1)
    levels[loud] = 0.9
    streams = hours_of_noise(levels)
    whole = det_curve(*zip(*streams, strict=True), max_fa_per_hour=5.0, **STEP)
    alone = det_curve([streams[loud][0]], [[1000.0]], max_fa_per_hour=5.0, **STEP)
    assert alone.floor > whole.threshold[-1]  # a curve of its own would lack points
    merged = DetCurveBuilder(max_fa_per_hour=5.0, total_hours=8.0, **STEP)
    for posterior, anchors in streams:
        shard = DetCurveBuilder(max_fa_per_hour=5.0, total_hours=8.0, **STEP)
        shard.update([posterior], [anchors])
        merged.merge(shard)
    curve = merged.curve()
    assert_same_curve(curve, whole)
    for threshold in (curve.threshold[-1], curve.threshold_at(1.0)):
        alone = operating_point(*zip(*streams, strict=True), float(threshold), **STEP)
        assert repr(curve.point(threshold)) == repr(alone)


def test_memory_does_not_grow_with_hours_beyond_the_operating_points():
    """801 peaks that matter, and a row for each, whatever the hours."""
    builder = DetCurveBuilder(max_fa_per_hour=1.0, total_hours=400.0, **STEP)
    kept = []
    for posterior, _ in hours_of_noise([0.5] * 400, frames=1200):
        builder.update([posterior], [[]])
        kept.append((len(builder._peaks), len(builder._tables["false_alarms"])))
    assert np.max(kept[20:]) < 1.2 * 801
    assert builder.curve().false_alarms[-1] > 100


def test_a_floor_that_is_low_enough_changes_nothing():
    streams = hours_of_noise([0.5] * 4)
    posteriors, anchors = zip(*streams, strict=True)
    whole = det_curve(posteriors, anchors, max_fa_per_hour=10.0, **STEP)
    builder = DetCurveBuilder(max_fa_per_hour=10.0, floor=0.4, **STEP)
    for posterior, times in streams:
        builder.update([posterior], [times])
    assert_same_curve(builder.curve(), whole)


def test_rejects_floor_above_the_end_of_the_curve():
    streams = hours_of_noise([0.5] * 4)
    builder = DetCurveBuilder(max_fa_per_hour=10.0, floor=0.499, **STEP)
    builder.update(*zip(*streams, strict=True))
    with pytest.raises(ValueError, match=r"`floor` must be lower.*floor=0\.499.*up to") as error:
        builder.curve()
    known = float(str(error.value).split("known up to ")[1].split(" an hour")[0])
    assert 0.5 < known < 10
    lower = det_curve(*zip(*streams, strict=True), max_fa_per_hour=known, **STEP)
    assert_same_curve(builder.curve(known), lower)


def test_builders_of_nothing_and_of_what_is_undefined():
    def empty():
        window = {"early_s": 1.0, "max_delay_s": 1.0}
        return DetCurveBuilder(total_hours=2.0, max_fa_per_hour=1e4, **window, **STEP)

    builder = empty()
    builder.merge(empty())
    with pytest.raises(ValueError, match="The builder must have scored a stream"):
        builder.curve()
    builder.update([[0.2, 0.9, 0.3]], [[1.0]])  # without negative audio
    assert math.isnan(builder.curve().frr_at(1.0))
    other = empty()
    other.update([np.full(1800, 0.5)], [[]])  # without events
    assert math.isnan(other.curve().frr_at(1e3))
    builder.merge(other)
    assert (builder.curve().events, builder.curve().frr_at(1e3)) == (1, 0.0)


def test_resampling_takes_groups_in_the_order_of_names():
    streams = hours_of_noise([0.8] * 6)
    names = [f"{number}.wav" for number in range(6)]
    builder = DetCurveBuilder(total_hours=6.0, **STEP)
    for first in (4, 0, 2):
        shard = DetCurveBuilder(total_hours=6.0, **STEP)
        shard.update(
            *zip(*streams[first : first + 2], strict=True),
            names=names[first : first + 2],
            boundaries_s=[[2000.0], []],
        )
        builder.merge(through_a_file(shard))
    order = [4, 5, 0, 1, 2, 3]
    assert builder.names == [names[i] for i in order for _ in range(2 - i % 2)]
    whole = det_curve(
        *zip(*[streams[i] for i in order], strict=True), boundaries_s=[[2000.0], []] * 3, **STEP
    )
    speakers = [int(name[0]) // 2 for name in builder.names]
    intervals = [
        bootstrap(curve, lambda curve: curve.frr_at(2.0), groups=speakers, replicates=50)
        for curve in (builder.curve(), whole)
    ]
    assert intervals[0] == intervals[1]
    assert threshold_record(builder.curve(), 2.0) == threshold_record(whole, 2.0)


def test_a_builder_for_each_class_gives_the_curves_of_classes():
    rng = np.random.default_rng(0)
    posteriors = rng.random((4, 500, 2))
    events = [np.array([[100.0, 0], [300.0, 1], [400.0, 0]])] * 4
    scoring = {"max_fa_per_hour": 50.0, **STEP}
    for index, whole in enumerate(class_curves(posteriors, events, **scoring)):
        merged = DetCurveBuilder(total_hours=1.0, event=f"word {index}", **scoring)
        for posterior, rows in zip(posteriors, events, strict=True):
            shard = DetCurveBuilder(total_hours=1.0, event=f"word {index}", **scoring)
            shard.update([posterior[:, index]], [rows[rows[:, 1] == index, 0]])
            merged.merge(shard)
        assert_same_curve(merged.curve(), whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smooth_frames": 2}, "`other` must have the settings.*scoring=.*'smooth_frames': 1"),
        ({"max_fa_per_hour": 5.0}, "max_fa_per_hour=100.0 and 5.0"),
        ({"total_hours": 5.0}, "total_hours=3.0 and 5.0"),
        ({"floor": 0.5}, "floor=-inf and 0.5"),
        ({"event": "alexa"}, "event=computer and alexa"),
    ],
)
def test_rejects_to_merge_other_settings(settings, message):
    usual = {"total_hours": 3.0, "event": "computer", **STEP}
    with pytest.raises(ValueError, match=message):
        DetCurveBuilder(**usual).merge(DetCurveBuilder(**usual | settings))


def test_rejects_streams_that_count_twice_and_counts_nothing_then():
    hour = [np.zeros(3600)], [[]]
    builder, other = (DetCurveBuilder(total_hours=9.0, **STEP) for _ in range(2))
    builder.update(*hour, names=["a.wav"])
    other.update(*hour, names=["a.wav"])
    before = repr(builder)
    for attempt in (lambda: builder.update(*hour, names=["a.wav"]), lambda: builder.merge(other)):
        with pytest.raises(ValueError, match=r"`names` must not be those.*again: \['a\.wav'\]"):
            attempt()
    with pytest.raises(ValueError, match=r"`names` must differ.*twice: \['b'\]"):
        builder.update([np.zeros(9)] * 2, [[]] * 2, names=["b", "b"])
    with pytest.raises(ValueError, match="`names` must hold a text for each stream"):
        builder.update(*hour, names=["b", "c"])
    with pytest.raises(ValueError, match="`other` must be another builder"):
        builder.merge(builder)
    assert repr(builder) == before
    builder.update(*hour)  # streams without names are not known to be the same
    builder.update(*hour)
    assert builder.hours == pytest.approx(3.0)


def test_rejects_more_hours_than_stated_and_counts_nothing_then():
    builder, other = (DetCurveBuilder(total_hours=1.5, **STEP) for _ in range(2))
    builder.update([np.zeros(3600)], [[]])
    other.update([np.zeros(3600)], [[]])
    for attempt in (lambda: builder.update([np.zeros(3600)], [[]]), lambda: builder.merge(other)):
        with pytest.raises(ValueError, match=r"`total_hours` must be at least.*total_hours=1\.5"):
            attempt()
    assert builder.hours == 1.0
    assert len(builder.curve().recording_hours) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"total_hours": -1.0}, "`total_hours` must be a number of hours"),
        ({"total_hours": math.nan}, "`total_hours` must be a number of hours"),
        ({"floor": 1.0}, "`floor` must be below 1"),
        ({"floor": math.nan}, "`floor` must be below 1"),
        ({"max_fa_per_hour": 0.0}, "`max_fa_per_hour` must be a positive number"),
    ],
)
def test_rejects_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        DetCurveBuilder(**STEP, **arguments)


@pytest.mark.parametrize("bound", [0.0, math.nan, 101.0])
def test_rejects_bad_end_of_a_curve(bound):
    builder = DetCurveBuilder(**STEP)
    builder.update([np.zeros(9)], [[]])
    with pytest.raises(ValueError, match="`max_fa_per_hour` must be"):
        builder.curve(bound)


# --- files


@pytest.fixture
def shard(tmp_path):
    builder = DetCurveBuilder(total_hours=9.0, max_fa_per_hour=1e4, **STEP)
    builder.update(*zip(*hours_of_noise([0.8] * 2, frames=1200), strict=True), names=["a", "b"])
    builder.save(tmp_path / "shard.npz")
    return tmp_path / "shard.npz"


def change(path, **arrays):
    with np.load(path) as stored:
        arrays = dict(stored) | arrays
    np.savez(path, **arrays)


def with_value(path, array, field, value):
    with np.load(path) as stored:
        values = stored[array].copy()
    if field:
        values[field][0] = value
    else:
        values[0] = value
    change(path, **{array: values})


def with_index(path, **fields):
    with np.load(path) as stored:
        index = json.loads(str(stored["index"]))
    change(path, index=np.array(json.dumps(index | fields)))


def test_a_file_goes_on_where_its_builder_stopped(shard):
    builder = DetCurveBuilder.load(shard)
    more = hours_of_noise([0.8], seed=1, frames=1200)[0]
    builder.update([more[0]], [more[1]], names=["c"])
    streams = [*hours_of_noise([0.8] * 2, frames=1200), more]
    whole = det_curve(*zip(*streams, strict=True), max_fa_per_hour=1e4, **STEP)
    assert_same_curve(builder.curve(), whole)
    with pytest.raises(ValueError, match="again"):
        builder.update([more[0]], [more[1]], names=["a"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-200]),
        lambda path: path.write_text("no archive"),
        lambda path: with_index(path, format=2),
        lambda path: with_index(path, names=["a"]),
        lambda path: with_index(path, names=[["a"], "b"]),
        lambda path: with_index(path, total_hours=0.1),
        lambda path: with_index(path, scoring={"step": 1.0}),
        lambda path: change(path, peaks=np.zeros(3, "f4")),
        lambda path: change(path, hits=np.zeros(3)),
        lambda path: with_value(path, "peaks", None, math.nan),
        lambda path: with_value(path, "recordings", "hours", math.nan),
        lambda path: with_value(path, "recordings", "events", -1),
        lambda path: with_value(path, "false_alarms", "recording", 2),
        lambda path: with_value(path, "false_alarms", "low", 2.0),
    ],
)
def test_rejects_files_that_can_not_be_right(shard, damage):
    damage(shard)
    with pytest.raises(ValueError, match=r"`path` must be a file written by `DetCurveB"):
        DetCurveBuilder.load(shard)


def test_rejects_paths_that_can_not_be_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` must be a file"):
        DetCurveBuilder.load(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"`path` must end in \.npz"):
        DetCurveBuilder(**STEP).save(tmp_path / "shard.json")
    with pytest.raises(ValueError, match="`path` must name a file in a folder that exists"):
        DetCurveBuilder(**STEP).save(tmp_path / "none" / "shard.npz")
