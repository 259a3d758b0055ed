"""Event-based F1 against sed_eval and sed_scores_eval, and by hand."""

import math

import numpy as np
import pytest

from keras_sal.detection import active_intervals, event_f1

pytestmark = pytest.mark.any_backend


def random_intervals(rng, count, duration=60.0):
    onsets = np.sort(rng.uniform(0, duration, count))
    return np.stack([onsets, onsets + rng.uniform(0.05, 2.0, count)], axis=-1)


def jittered(rng, intervals):
    kept = intervals[rng.random(len(intervals)) < 0.8]
    kept = np.sort(kept + rng.normal(0, 0.15, kept.shape), axis=-1)
    return np.concatenate([kept, kept[:2] + 0.03, random_intervals(rng, 3)])


def test_collars_by_hand():
    reference = [[[1.0, 2.0], [5.0, 9.0], [20.0, 20.1]]]
    estimated = [
        [
            [1.2, 2.5],  # onset 0.2 late: in; offset 0.5 late: in, half of the duration of 1 s
            [4.79, 9.0],  # onset 0.21 early: out
            [20.0, 20.3],  # offset 0.2 late: in, though half of the duration is 0.05
        ]
    ]
    # precision 2/3, recall 2/3, F1 = 2 * 2 / (3 + 3)
    assert event_f1(reference, estimated) == (2 / 3, 2 / 3, 2 / 3, 2, 3, 3)
    assert event_f1(reference, estimated, onset_collar_s=0.21).matched == 3
    assert event_f1(reference, estimated, offset_collar_s=0.1).matched == 1
    assert event_f1(reference, estimated, offset_collar_s=0.1, use_offset=False).matched == 2


def test_matching_is_one_to_one_and_as_large_as_possible():
    # the first estimate fits both references, the second only the first one
    reference = [[[1.0, 2.0], [1.3, 2.3]]]
    estimated = [[[1.15, 2.15], [0.85, 1.85]]]
    assert event_f1(reference, estimated).matched == 2
    assert event_f1(reference, [estimated[0][:1]]).matched == 1


def test_nothing_to_divide_by_is_nan():
    assert all(math.isnan(each) for each in event_f1([[]], [[]])[:3])
    missed = event_f1([[[1.0, 2.0]]], [[]])
    assert (missed.f1, missed.recall) == (0.0, 0.0)
    assert math.isnan(missed.precision)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("use_offset", [True, False])
def test_agrees_with_sed_eval(seed, use_offset):
    sed_eval = pytest.importorskip("sed_eval")
    rng = np.random.default_rng(seed)
    reference = [random_intervals(rng, count) for count in (23, 7, 1)]
    estimated = [jittered(rng, intervals) for intervals in reference]
    metrics = sed_eval.sound_event.EventBasedMetrics(
        ["word"], evaluate_offset=use_offset, t_collar=0.2, percentage_of_length=0.5
    )
    for truth, guess in zip(reference, estimated, strict=True):
        metrics.evaluate(
            *(
                [
                    {"event_onset": on, "event_offset": off, "event_label": "word", "file": "a"}
                    for on, off in intervals.tolist()
                ]
                for intervals in (truth, guess)
            )
        )
    expected = metrics.results_overall_metrics()["f_measure"]
    ours = event_f1(reference, estimated, use_offset=use_offset)
    assert ours.f1 == pytest.approx(expected["f_measure"])
    assert ours.precision == pytest.approx(expected["precision"])
    assert ours.recall == pytest.approx(expected["recall"])
    assert 0 < ours.f1 < 1


@pytest.mark.parametrize("threshold", [0.213, 0.487, 0.701])
def test_intervals_and_f1_agree_with_sed_scores_eval(threshold):
    sed_scores_eval = pytest.importorskip("sed_scores_eval")
    if int(pytest.importorskip("pandas").__version__.split(".")[0]) > 2:
        pytest.skip("sed_scores_eval 0.0.4 can't take the read-only arrays of pandas 3")
    rng = np.random.default_rng(17)
    scores, truth, reference, estimated = {}, {}, [], []
    for clip in range(4):
        posterior = np.abs(np.sin(np.cumsum(rng.normal(0, 0.1, 997))))
        scores[f"{clip}"] = sed_scores_eval.base_modules.scores.create_score_dataframe(
            posterior[:, None], timestamps=np.arange(998) * 0.02, event_classes=["word"]
        )
        found = active_intervals(posterior, threshold, frame_step_s=0.02)
        events = found + rng.normal(0, 0.12, found.shape)
        apart = [0]  # the oracle takes no events that touch
        for index, (onset, offset) in enumerate(events):
            if onset < offset and onset > events[apart[-1], 1]:
                apart.append(index)
        events = events[apart[1:]]
        truth[f"{clip}"] = [(on, off, "word") for on, off in events.tolist()]
        reference.append(events)
        estimated.append(found)
    *expected, _ = sed_scores_eval.collar_based.fscore(
        scores, truth, threshold, onset_collar=0.2, offset_collar=0.2, offset_collar_rate=0.5
    )
    ours = event_f1(reference, estimated)
    assert ours[:3] == pytest.approx(tuple(figure["word"] for figure in expected))
    assert ours.matched > 10


def reference_intervals(posterior, threshold, on_frames, hysteresis):
    """The state machine, frame by frame."""
    intervals, active, start, on = [], False, 0, 0
    for frame, score in enumerate([*posterior, None]):
        on = on + 1 if score is not None and score >= threshold else 0
        if active and (score is None or score + (hysteresis or 0.0) < threshold):
            intervals.append((start, frame))
            active = False
        if not active and on >= on_frames:
            start, active = frame, True
    return intervals


@pytest.mark.parametrize("seed", range(20))
def test_active_intervals_are_the_state_machine(seed):
    rng = np.random.default_rng(seed)
    posterior = np.round(rng.random(211) * 16) / 16
    on_frames, hysteresis = int(rng.integers(1, 4)), [None, 0.0, 0.2, 0.3][seed % 4]
    found = active_intervals(
        posterior, 0.5, frame_step_s=1.0, on_frames=on_frames, hysteresis=hysteresis
    )
    assert found.tolist() == [
        list(map(float, each))
        for each in reference_intervals(posterior, 0.5, on_frames, hysteresis)
    ]
    assert len(found) > 3


@pytest.mark.parametrize(
    ("reference", "estimated", "message"),
    [
        ([[]], [[], []], "one array for each stream.*1 and 2 arrays"),
        ([[1.0, 2.0]], [[]], r"`reference\[0\]` must have shape \(events, 2\)"),
        ([[]], [[[2.0, 1.0]]], r"`estimated\[0\]` must hold finite onsets before their offsets"),
        ([[[math.nan, 1.0]]], [[]], r"`reference\[0\]` must hold finite onsets before"),
    ],
)
def test_event_f1_rejects(reference, estimated, message):
    with pytest.raises(ValueError, match=message):
        event_f1(reference, estimated)


def test_thousands_of_overlapping_events():
    """Each of 3,000 events of 1 s begins 0.1 s after the one before; guesses are 0.15 s late."""
    onsets = 0.1 * np.arange(3000)
    truth = np.stack([onsets, onsets + 1.0], axis=1)
    assert event_f1([truth], [truth + 0.15]).matched == 3000
