"""The sweep over all thresholds against literal loops, hand-made streams and properties."""

import itertools
import math

import numpy as np
import pytest
from detection_reference import (
    RULES,
    RULES_WITHOUT_HYSTERESIS,
    SEEDS,
    all_thresholds,
    golden,
    random_case,
    random_ends,
    reference_counts,
    reference_negative_hours,
    reference_scores,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal.detection import (
    Scoring,
    det_curve,
    detect,
    match_events,
    operating_point,
)

pytestmark = pytest.mark.any_backend


def assert_same_as_reference(posteriors, anchors, max_fa_per_hour=math.inf, ends=None, **scoring):
    rule = Scoring(**scoring)
    scoring = scoring | {"event_ends_s": ends}
    curve = det_curve(posteriors, anchors, max_fa_per_hour=max_fa_per_hour, **scoring)
    ends = anchors if ends is None else ends
    hours = sum(
        reference_negative_hours(len(p), a, rule, e)
        for p, a, e in zip(posteriors, anchors, ends, strict=True)
    )
    assert curve.hours == pytest.approx(hours)
    assert curve.events == sum(map(len, anchors))
    held = set()
    scores = [reference_scores(p, rule.smooth_frames) for p in posteriors]
    for threshold in all_thresholds(posteriors, rule):
        per_stream = [
            reference_counts(s, a, threshold, rule, e)
            for s, a, e in zip(scores, anchors, ends, strict=True)
        ]
        false_alarms = sum(count for count, _, _ in per_stream)
        latencies = sorted(latency for _, each, _ in per_stream for latency in each)
        if hours and false_alarms / hours > max_fa_per_hour:
            assert threshold not in curve.threshold
            continue
        if threshold <= curve.floor:
            assert rule.hysteresis is not None  # without it everything allowed is on the curve
            continue
        held.add(threshold)
        index = np.flatnonzero(curve.threshold >= threshold)[-1]
        assert curve.false_alarms[index] == false_alarms
        assert curve.hits[index] == len(latencies)
        point = curve.point(threshold)
        assert (point.false_alarms, point.hits) == (false_alarms, len(latencies))
        assert point.repeats == sum(count for *_, count in per_stream)
        assert curve.latencies_at(threshold).tolist() == pytest.approx(latencies, abs=1e-9)
        if len(held) % 5 == 1:  # the slowest part; elsewhere it is what the point is, too
            alone = operating_point(posteriors, anchors, threshold, **scoring)
            assert repr(alone) == repr(point)
    assert held >= set(curve.threshold.tolist())


@given(seed=st.integers(0, 2**32 - 1), levels=st.sampled_from([2, 7, 64, 10**6]), rule=RULES)
@settings(max_examples=50, deadline=None)
def test_curve_is_the_reference_at_every_score(seed, levels, rule):
    posteriors, anchors = random_case(seed, levels, **rule)
    assert_same_as_reference(posteriors, anchors, **rule)


@given(
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([7, 10**6]),
    rule=RULES,
    max_fa_per_hour=st.sampled_from([1.0, 4e3, 2e4, 1e5]),
)
@settings(max_examples=50, deadline=None)
def test_bounded_curve_holds_every_point_within_the_bound(seed, levels, rule, max_fa_per_hour):
    posteriors, anchors = random_case(seed, levels, **rule)
    assert_same_as_reference(posteriors, anchors, max_fa_per_hour, **rule)


@given(
    seed=SEEDS,
    levels=st.sampled_from([2, 7, 10**6]),
    rule=RULES,
    max_fa_per_hour=st.sampled_from([4e3, 2e4, math.inf]),
)
@settings(max_examples=50, deadline=None)
def test_curve_of_lasting_events_is_the_reference_at_every_score(
    seed, levels, rule, max_fa_per_hour
):
    posteriors, anchors = random_case(seed, levels, **rule)
    ends = random_ends(seed, anchors)
    assert_same_as_reference(posteriors, anchors, max_fa_per_hour, ends, **rule)


@given(seed=SEEDS, rule=RULES)
@settings(max_examples=25, deadline=None)
def test_ends_change_no_hit_and_turn_false_alarms_into_repeats(seed, rule):
    posteriors, anchors = random_case(seed, 64, **rule)
    ends = random_ends(seed, anchors)
    for threshold in (0.0, 0.2, 0.5, 0.8):
        plain = operating_point(posteriors, anchors, threshold, **rule)
        lasting = operating_point(posteriors, anchors, threshold, event_ends_s=ends, **rule)
        assert plain.latency == pytest.approx(lasting.latency, nan_ok=True)
        assert plain.false_alarms - lasting.false_alarms == lasting.repeats - plain.repeats >= 0
        assert lasting.hours <= plain.hours + 1e-12


def test_repeats_by_hand():
    """A sentence from 10 s to 20 s with a hit window to 12 s, in a minute of 1 s frames."""
    posterior = np.zeros(60)
    posterior[[5, 11, 12, 20, 21]] = 0.3, 0.9, 0.6, 0.8, 0.7
    rule = {"frame_step_s": 1.0, "early_s": 1.0, "max_delay_s": 2.0, "max_fa_per_hour": math.inf}
    word = det_curve([posterior], [[10.0]], **rule)
    sentence = det_curve([posterior], [[10.0]], event_ends_s=[[20.0]], **rule)
    for threshold, false_alarms, repeats in (
        (0.9, 0, 0),  # 11 is the hit
        (0.8, 0, 1),  # 20, while the sentence lasts
        (0.7, 1, 1),  # and 21, a second after its end
        (0.6, 1, 2),  # and 12, inside the hit window of what is hit
        (0.3, 2, 2),  # and 5, before the sentence
    ):
        point = sentence.point(threshold)
        assert (point.hits, point.false_alarms, point.repeats) == (1, false_alarms, repeats)
    plain = word.point(0.3)
    assert (plain.hits, plain.false_alarms, plain.repeats) == (1, 3, 1)
    assert word.hours == pytest.approx((60 - 4) / 3600)  # without 9 s to 12 s
    assert sentence.hours == pytest.approx((60 - 12) / 3600)  # without 9 s to 20 s


def test_a_budget_holds_for_audio_outside_lasting_events():
    """Two events of 400 s fire again each 10 s; the bounded curve goes on to the one alarm."""
    posterior = np.zeros(8000)
    posterior[100:500] = posterior[1000:1400] = 0.8
    posterior[5000] = 0.5
    rule = {"frame_step_s": 1.0, "refractory_s": 10.0, "max_fa_per_hour": 2.0}
    events = [[100.0, 1000.0]]
    curve = det_curve([posterior], events, event_ends_s=[[499.0, 1399.0]], **rule)
    point = curve.at(2.0)
    assert (point.hits, point.false_alarms, point.repeats) == (2, 0, 2 * 39)
    assert curve.point(0.5).false_alarms == 1
    assert det_curve([posterior], events, **rule).at(2.0).hits == 0  # 78 alarms with them


@golden("curve")
@pytest.mark.filterwarnings("ignore::keras_sal.detection.NegativeHoursWarning")
def test_det_curve_golden(case):
    posteriors = []
    for length, peaks in zip(case["lengths"], case["peaks"], strict=True):
        posterior = np.zeros(length)
        posterior[[int(frame) for frame in peaks]] = list(peaks.values())
        posteriors.append(posterior)
    curve = det_curve(
        posteriors, case["anchors_s"], max_fa_per_hour=case["max_fa_per_hour"], **case["scoring"]
    )
    assert curve.hours == pytest.approx(case["hours"])
    assert curve.events == case["events"]
    assert curve.threshold.tolist() == [float(level) for level in case["threshold"]]
    assert curve.hits.tolist() == case["hits"]
    assert curve.false_alarms.tolist() == case["false_alarms"]
    for budget, expected in case["at"].items():
        point = curve.at(float(budget))
        assert point.threshold == curve.threshold_at(float(budget)) == expected["threshold"]
        assert point.frr == curve.frr_at(float(budget)) == expected["frr"]
        assert point.fa_per_hour == pytest.approx(expected["fa_per_hour"])
        latency = curve.latency_at(float(budget))
        assert (latency.p50_s, latency.p90_s) == (expected["p50_s"], expected["p90_s"])
        assert latency.mean_s == pytest.approx(expected["mean_s"])
        assert latency.frr == expected["frr"]
        assert latency.hits == point.hits
    for latency_s, budget, expected, _ in case["frr_within"]:
        assert curve.frr_within(latency_s, budget) == expected
    bound, expected, _ = case["mean_frr"]
    assert curve.mean_frr(bound) == pytest.approx(expected)


def counts_at(curve, thresholds):
    points = [curve.point(threshold) for threshold in thresholds]
    return np.array([(point.hits, point.false_alarms) for point in points])


@given(seed=SEEDS, rule=RULES_WITHOUT_HYSTERESIS, silence=st.integers(1, 29))
@settings(max_examples=25, deadline=None)
def test_silence_before_a_stream_changes_nothing_but_the_hours(seed, rule, silence):
    posteriors, anchors = random_case(seed, 64, **rule)
    # keep the windows off the start, where they would be cut
    anchors = [each[each > 0.05] for each in anchors]
    later = [np.concatenate([np.zeros(silence), p]) for p in posteriors]
    shifted = [each + silence * 0.01 for each in anchors]
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **rule)
    after = det_curve(later, shifted, max_fa_per_hour=math.inf, **rule)
    levels = [level for level in all_thresholds(posteriors, Scoring(**rule)) if level > 0]
    np.testing.assert_array_equal(counts_at(curve, levels), counts_at(after, levels))
    assert after.hours - curve.hours == pytest.approx(len(posteriors) * silence * 0.01 / 3600)


@given(seed=SEEDS, rule=RULES_WITHOUT_HYSTERESIS)
@settings(max_examples=25, deadline=None)
def test_streams_add_up(seed, rule):
    posteriors, anchors = random_case(seed, 64, **rule)
    more, other = random_case(seed + 1, 64, **rule)
    curves = [
        det_curve(*streams, max_fa_per_hour=math.inf, **rule)
        for streams in ((posteriors, anchors), (more, other), (posteriors + more, anchors + other))
    ]
    levels = all_thresholds(posteriors + more, Scoring(**rule))
    first, second, both = (counts_at(curve, levels) for curve in curves)
    np.testing.assert_array_equal(first + second, both)
    assert curves[0].hours + curves[1].hours == pytest.approx(curves[2].hours)
    assert curves[0].events + curves[1].events == curves[2].events


@given(seed=SEEDS, rule=RULES_WITHOUT_HYSTERESIS)
@settings(max_examples=25, deadline=None)
def test_raising_the_threshold_never_adds_hits_without_refractory_time(seed, rule):
    rule = rule | {"refractory_s": 0.0}
    posteriors, anchors = random_case(seed, 64, **rule)
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **rule)
    assert (np.diff(curve.hits) >= 0).all()
    assert (np.diff(curve.false_alarms) >= 0).all()


@given(seed=SEEDS, rule=RULES)
@settings(max_examples=25, deadline=None)
def test_float32_posteriors_are_scored_as_they_are(seed, rule):
    posteriors, anchors = random_case(seed, 10**6, **rule)
    posteriors = [posterior.astype("float32") for posterior in posteriors]
    curve = det_curve(posteriors, anchors, max_fa_per_hour=math.inf, **rule)
    for threshold in [*curve.threshold[:: len(curve.threshold) // 20 + 1].tolist(), 0.7]:
        assert repr(curve.point(threshold)) == repr(
            operating_point(posteriors, anchors, threshold, **rule)
        )


@pytest.mark.parametrize("seed", range(5))
def test_hits_at_all_thresholds_agree_with_sed_scores_eval(seed):
    """A trigger that fires on each rise finds the onsets of sed_scores_eval's segments."""
    sed_scores_eval = pytest.importorskip("sed_scores_eval")
    if int(pytest.importorskip("pandas").__version__.split(".")[0]) > 2:
        pytest.skip("sed_scores_eval 0.0.4 can't take the read-only arrays of pandas 3")
    create_score_dataframe = sed_scores_eval.base_modules.scores.create_score_dataframe
    rng = np.random.default_rng(seed)
    frames, step = 701, 0.02
    edges = np.arange(frames + 1) * step
    scores, truth, posteriors, anchors = {}, {}, [], []
    for clip in range(3):
        posterior = np.abs(np.sin(np.cumsum(rng.normal(0, 0.2, frames)))) * rng.random(frames)
        onsets = np.sort(rng.choice(np.arange(1, 27), 8, replace=False)) * 0.5
        name = f"clip{clip}"
        scores[name] = create_score_dataframe(
            posterior[:, None], timestamps=edges, event_classes=["word"]
        )
        truth[name] = [(onset, onset + 0.3, "word") for onset in onsets]
        posteriors.append(posterior)
        anchors.append(onsets)
    curve = det_curve(
        posteriors,
        anchors,
        frame_step_s=step,
        hysteresis=0.0,
        refractory_s=0.0,
        early_s=0.2,
        max_delay_s=0.2,
        max_fa_per_hour=math.inf,
    )
    _, _, _, levels, counts = sed_scores_eval.collar_based.fscore_curve(
        scores, truth, onset_collar=0.2, offset_collar=1e6
    )["word"]
    # at the last level, inf, nothing is detected; below a score s the threshold is just under s
    hits = [curve.point(float(level)).hits for level in levels]
    assert hits == counts["tps"].astype(int).tolist()
    assert len(hits) > 500
    assert max(hits) > 10


@given(seed=SEEDS, rule=RULES)
@settings(max_examples=25, deadline=None)
def test_reweighted_curve_is_the_curve_of_repeated_streams(seed, rule):
    posteriors, anchors = random_case(seed, 16, **rule)
    times = np.random.default_rng(seed).integers(0, 4, len(posteriors))
    times[0] += 1
    streams = zip(posteriors, anchors, random_ends(seed, anchors), strict=True)
    repeated = [stream for stream, n in zip(streams, times, strict=True) for _ in range(n)]

    def curve_of(streams):
        posteriors, anchors, ends = zip(*streams, strict=True)
        return det_curve(posteriors, anchors, event_ends_s=ends, max_fa_per_hour=math.inf, **rule)

    streams = zip(posteriors, anchors, random_ends(seed, anchors), strict=True)
    expected, curve = curve_of(repeated), curve_of(streams).reweighted(times)
    assert curve.events == expected.events
    assert curve.hours == pytest.approx(expected.hours)
    for threshold in expected.threshold:
        ours, theirs = curve.point(threshold), expected.point(threshold)
        for count in ("hits", "false_alarms", "repeats"):
            assert getattr(ours, count) == getattr(theirs, count)
        assert ours.latency == pytest.approx(theirs.latency, nan_ok=True)


@given(seed=SEEDS, rule=RULES)
@settings(max_examples=25, deadline=None)
def test_pieces_of_streams_add_up_to_them(seed, rule):
    """A piece has the events, alarms and negative frames between its two cuts, and no others."""
    posteriors, anchors = random_case(seed, 16, **rule)
    scoring = Scoring(**rule)
    rng = np.random.default_rng(seed)
    cuts = [np.sort(rng.uniform(-0.1, 0.6, rng.integers(0, 5))) for _ in posteriors]
    cuts[0] = np.repeat(cuts[0], 2)  # a piece may be empty
    ends = random_ends(seed, anchors)
    keywords = {"max_fa_per_hour": math.inf, "event_ends_s": ends, **rule}
    whole = det_curve(posteriors, anchors, **keywords)
    curve = det_curve(posteriors, anchors, boundaries_s=cuts, **keywords)
    np.testing.assert_array_equal(curve.threshold, whole.threshold)
    np.testing.assert_array_equal(curve.hits, whole.hits)
    np.testing.assert_array_equal(curve.false_alarms, whole.false_alarms)
    assert curve.hours == pytest.approx(whole.hours)

    piece = 0
    for posterior, anchor, end_s, cut in zip(posteriors, anchors, ends, cuts, strict=True):
        for begin, end in itertools.pairwise([-math.inf, *cut, math.inf]):

            def inside(time, begin=begin, end=end):
                return begin <= time + 1e-6 < end

            negative = sum(
                reference_negative_hours(1, anchor - moved_s, scoring, end_s - moved_s)
                for t in range(len(posterior))
                for moved_s in [t * scoring.frame_step_s]
                if inside(scoring.time_s(t))
            )
            assert curve.recording_events[piece] == sum(map(inside, anchor))
            assert curve.recording_hours[piece] == pytest.approx(negative, abs=1e-12)
            alone = curve.reweighted(np.arange(len(curve.recording_events)) == piece)
            for threshold in (0.25, 0.5, 0.8):
                if threshold <= curve.floor:
                    continue
                matches = match_events(
                    detect(posterior, threshold, **rule),
                    anchor,
                    event_ends_s=end_s,
                    early_s=scoring.early_s,
                    max_delay_s=scoring.max_delay_s,
                )
                point = alone.point(threshold)
                assert point.hits == sum(inside(anchor[event]) for _, event in matches.hits)
                assert point.false_alarms == sum(inside(d.time_s) for d in matches.false_alarms)
                assert point.repeats == sum(inside(d.time_s) for d in matches.ignored)
            piece += 1
    assert piece == len(curve.recording_events)


@pytest.mark.parametrize(
    ("boundaries_s", "message"),
    [
        ([], "one array for each stream. Received: 0 boundaries_s for 1 streams"),
        (
            [[2.0, 1.0]],
            r"`boundaries_s\[0\]` must be rising seconds.*Received: boundaries_s\[0\]=\[2.0, 1.0\]",
        ),
        ([[math.nan]], "must be rising seconds"),
    ],
)
def test_rejects_bad_boundaries(boundaries_s, message):
    with pytest.raises(ValueError, match=message):
        det_curve([np.zeros(9)], [[]], frame_step_s=1.0, boundaries_s=boundaries_s)


@pytest.mark.parametrize("bound", [0.0, -1.0, math.nan])
def test_rejects_bad_max_fa_per_hour(bound):
    with pytest.raises(ValueError, match="`max_fa_per_hour` must be a positive number"):
        det_curve([np.zeros(9)], [[]], frame_step_s=1.0, max_fa_per_hour=bound)


# --- edges


def frame_in(posterior_s, frames=300):
    """A posterior of 10 ms frames, the first at 0.03 s, that is high at one time."""
    posterior = np.zeros(frames)
    posterior[round((posterior_s - 0.03) / 0.01)] = 0.9
    return posterior


EDGES = [  # times that are at the end of a window, but for their binary fractions
    {"detection_s": 1.94, "anchor_s": 2.04, "early_s": 0.1, "max_delay_s": 0.4},
    {"detection_s": 1.09, "anchor_s": 0.69, "early_s": 0.1, "max_delay_s": 0.4},
    {"detection_s": 1.5, "anchor_s": 2.0, "early_s": 0.5, "max_delay_s": 0.25},
    {"detection_s": 2.25, "anchor_s": 2.0, "early_s": 0.5, "max_delay_s": 0.25},
]


@pytest.mark.parametrize("edge", EDGES)
def test_a_detection_at_the_end_of_a_window_is_a_hit(edge):
    """In the curve as at one threshold, and so are the frames of the window."""
    anchor_s, window = edge["anchor_s"], {k: edge[k] for k in ("early_s", "max_delay_s")}
    posterior = frame_in(edge["detection_s"])
    times = {"frame_step_s": 0.01, "frame_offset_s": 0.03}
    curve = det_curve([posterior], [[anchor_s]], **times, **window)
    assert (curve.point(0.5).hits, curve.point(0.5).false_alarms) == (1, 0)
    point = operating_point([posterior], [[anchor_s]], 0.5, **times, **window)
    assert (point.hits, point.false_alarms) == (1, 0)
    inside = round((window["early_s"] + window["max_delay_s"]) / 0.01) + 1
    assert curve.hours == pytest.approx((300 - inside) * 0.01 / 3600)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("outside_s", [0.01, 0.02])
def test_a_detection_one_frame_outside_a_window_is_a_false_alarm(edge, outside_s):
    sign = -1 if edge["detection_s"] < edge["anchor_s"] else 1
    posterior = frame_in(edge["detection_s"] + sign * outside_s)
    window = {k: edge[k] for k in ("early_s", "max_delay_s")}
    times = {"frame_step_s": 0.01, "frame_offset_s": 0.03}
    point = det_curve(
        [posterior], [[edge["anchor_s"]]], max_fa_per_hour=math.inf, **times, **window
    ).point(0.5)
    assert (point.hits, point.false_alarms) == (0, 1)


@pytest.mark.parametrize("end_s", [1.6, 2.04, 2.08])
def test_a_detection_exactly_at_the_end_of_an_event_is_a_repeat(end_s):
    times = {"frame_step_s": 0.01, "frame_offset_s": 0.03, "max_delay_s": 0.5}
    for detection_s, expected in ((end_s, (0, 1)), (end_s + 0.01, (1, 0))):
        stream = [frame_in(detection_s)], [[1.0]]
        curve = det_curve(*stream, event_ends_s=[[end_s]], **times)
        alone = operating_point(*stream, 0.5, event_ends_s=[[end_s]], **times)
        for point in (curve.point(0.5), alone):
            assert (point.false_alarms, point.repeats) == expected
            negative = 300 - round((end_s - 0.5) / 0.01) - 1
            assert point.hours == pytest.approx(negative * 0.01 / 3600)


@pytest.mark.parametrize("boundary_s", [2.08, 2.04, 1.5])
def test_what_is_at_a_boundary_belongs_to_the_recording_that_begins(boundary_s):
    """The event, the false alarm and the frame: 2.08 s is a little later than its frame is."""
    times = {"frame_step_s": 0.01, "frame_offset_s": 0.03, "max_fa_per_hour": math.inf}
    boundary = round((boundary_s - 0.03) / 0.01)
    alarm = det_curve([frame_in(boundary_s)], [[]], boundaries_s=[[boundary_s]], **times)
    alarms = [alarm.reweighted(np.array(one)).point(0.5).false_alarms for one in ([1, 0], [0, 1])]
    assert alarms == [0, 1]
    hours = np.array([boundary, 300 - boundary]) * 0.01 / 3600
    np.testing.assert_allclose(alarm.recording_hours, hours)
    nearly_s = np.nextafter(boundary_s, 0)
    event = det_curve([np.zeros(300)], [[nearly_s]], boundaries_s=[[boundary_s]], **times)
    assert event.recording_events.tolist() == [0, 1]
