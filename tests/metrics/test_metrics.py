"""The metrics count what `keras_sal.detection` counts, in `fit` as outside it."""

import warnings

import keras
import numpy as np
import pytest

import keras_sal
from keras_sal import metrics
from keras_sal.detection import NegativeHoursWarning, det_curve, operating_point

STEP_S = 0.1
SCORING = {"refractory_s": 0.7, "early_s": 0.3, "max_delay_s": 0.5}
CLIPS, FRAMES = 11, 53


def clips(seed, classes=1):
    """Random events and posteriors that move in steps, so that thresholds tie."""
    rng = np.random.default_rng(seed)
    events = [
        sorted(
            (a, a + 2, c) for a, c in zip(rows, rng.integers(1, max(classes, 2), 9), strict=False)
        )
        for rows in (
            rng.choice(FRAMES - 2, rng.integers(0, 5), replace=False) for _ in range(CLIPS)
        )
    ]
    rough = rng.choice(
        [0.0, 0.2, 0.5, 0.8, 1.0], (CLIPS, FRAMES, classes), p=[0.6, 0.1, 0.1, 0.1, 0.1]
    )
    return events, rough.astype("float32")


def pack(events, frames=FRAMES, **arguments):
    return keras_sal.AnchorTargets(frames=frames, **arguments)(keras_sal.pad_events(events))


def reference(events, posteriors, threshold, **scoring):
    """What `keras_sal.detection` says of the same clips."""
    anchors_s = [np.array([onset for onset, *_ in clip]) * STEP_S for clip in events]
    return operating_point(
        list(posteriors), anchors_s, threshold, frame_step_s=STEP_S, **SCORING, **scoring
    )


@pytest.mark.parametrize(
    "scoring", [{}, {"smooth_frames": 3}, {"on_frames": 2, "smooth_frames": 2}]
)
@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.45, 0.8, 1.0])
def test_counts_as_detection_does(threshold, scoring):
    events, posteriors = clips(seed=len(scoring))
    point = reference(events, posteriors[..., 0], threshold, **scoring)
    arguments = {"frame_step_s": STEP_S, **SCORING, **scoring}
    frr = metrics.StreamingFRR(threshold, **arguments)
    rate = metrics.FalseAlarmsPerHour(threshold, **arguments)
    for half in (slice(0, 6), slice(6, None)):  # accumulated over batches
        for metric in (frr, rate):
            metric.update_state(pack(events)[half], posteriors[half])
    assert int(frr.events) == point.events
    assert int(frr.hits[0]) == point.hits
    assert int(rate.false_alarms[0]) == point.false_alarms
    np.testing.assert_allclose(float(rate.negative_frames) * STEP_S / 3600, point.hours)
    np.testing.assert_allclose(float(frr.result()), point.frr, rtol=1e-6)
    np.testing.assert_allclose(float(rate.result()), point.fa_per_hour, rtol=1e-6)


def sentences(seed, classes=1):
    """Events of up to 2.5 s, those of one class some inside others, and posteriors that fire."""
    events, posteriors = clips(seed, classes)
    rng = np.random.default_rng(seed)
    lasting = []
    for clip in events:
        ends = [min(onset + rng.integers(26), FRAMES - 1) for onset, *_ in clip]
        if classes > 1:  # a label is of one class
            ends = np.minimum(ends, [*(onset - 1 for onset, *_ in clip[1:]), FRAMES][: len(clip)])
        lasting.append([(onset, end, c) for (onset, _, c), end in zip(clip, ends, strict=True)])
    return lasting, posteriors


def lasting_reference(events, posteriors, threshold):
    ends_s = [np.array([offset for _, offset, _ in clip]) * STEP_S for clip in events]
    return reference(events, posteriors, threshold, event_ends_s=ends_s)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
@pytest.mark.parametrize(("classes", "class_index"), [(1, None), (3, 2)])
def test_lasting_events_count_as_detection_counts_them(threshold, classes, class_index):
    events, posteriors = sentences(6, classes)
    y_true = pack(events, classes=classes)
    own = [[event for event in clip if class_index in (None, event[2])] for clip in events]
    scored = posteriors[..., class_index or 0]
    arguments = {"frame_step_s": STEP_S, "class_index": class_index, **SCORING}
    metric = metrics.FalseAlarmsPerHour(threshold, lasting_events=True, **arguments)
    metric.update_state(y_true, posteriors)
    point = lasting_reference(own, scored, threshold)
    assert 0 < point.false_alarms < reference(own, scored, threshold).false_alarms
    assert int(metric.false_alarms[0]) == point.false_alarms
    assert int(metric.hits[0]) == point.hits
    np.testing.assert_allclose(float(metric.negative_frames) * STEP_S / 3600, point.hours)


def test_metrics_of_a_budget_follow_lasting_events():
    events, posteriors = sentences(seed=8)
    thresholds = [0.2, 0.5, 0.8, 1.0]
    points = [lasting_reference(events, posteriors[..., 0], each) for each in thresholds]
    arguments = {"frame_step_s": STEP_S, "thresholds": thresholds, "lasting_events": True}
    for budget in [point.fa_per_hour for point in points]:
        metric = metrics.FRRAtFalseAlarms(budget, **arguments, **SCORING)
        metric.update_state(pack(events), posteriors)
        lowest = min(point.frr for point in points if point.fa_per_hour <= budget * (1 + 1e-9))
        np.testing.assert_allclose(float(metric.result()), lowest, rtol=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_budget_and_latency_as_detection_has_them(share):
    events, posteriors = clips(seed=3)
    points = [reference(events, posteriors[..., 0], t) for t in (0.2, 0.5, 0.8, 1.0)]
    rates = [point.fa_per_hour for point in points]
    budget = sorted(rates)[1]
    allowed = [point for point in points if point.fa_per_hour <= budget * (1 + 1e-9)]
    best = min(allowed, key=lambda point: (point.frr, point.fa_per_hour))
    arguments = {
        "fa_per_hour": budget,
        "thresholds": [0.2, 0.5, 0.8, 1.0],
        "frame_step_s": STEP_S,
        **SCORING,
    }
    frr = metrics.FRRAtFalseAlarms(**arguments)
    latency = metrics.LatencyAtFalseAlarms(share, **arguments)
    for metric in (frr, latency):
        metric.update_state(pack(events), posteriors)
    assert 0 < best.frr < 1
    np.testing.assert_allclose(float(frr.result()), best.frr, rtol=1e-6)
    wanted = {0.5: best.latency_p50_s, 0.9: best.latency_p90_s}[share]
    np.testing.assert_allclose(float(latency.result()), wanted, atol=1e-6)


def test_by_hand():
    """40 frames, one a second; events at 10 and 30, windows from 2 before to 3 after."""
    events = [[(10, 11), (30, 31)]]
    posterior = np.zeros((1, 40, 1), "float32")
    posterior[0, [12, 20, 34], 0] = 0.9  # a hit 2 s late, a false alarm, 1 s too late for a hit
    arguments = {"frame_step_s": 1.0, "refractory_s": 1.0, "early_s": 2.0, "max_delay_s": 3.0}
    frr = metrics.StreamingFRR(**arguments)
    rate = metrics.FalseAlarmsPerHour(**arguments)
    latency = metrics.LatencyAtFalseAlarms(fa_per_hour=1000.0, thresholds=[0.5], **arguments)
    for metric in (frr, rate, latency):
        metric.update_state(pack(events, frames=40), posterior)
    assert float(frr.result()) == 0.5
    # 40 frames less two windows of 6 leave 28 s with 2 false alarms.
    np.testing.assert_allclose(float(rate.result()), 2 * 3600 / 28, rtol=1e-6)
    assert float(latency.result()) == 2.0


def test_undefined_is_nan():
    metric = metrics.StreamingFRR()
    assert np.isnan(float(metric.result()))
    metric.update_state(pack([[]]), np.ones((1, FRAMES, 1), "float32"))
    assert np.isnan(float(metric.result()))
    assert np.isnan(float(metrics.FalseAlarmsPerHour().result()))
    latency = metrics.LatencyAtFalseAlarms()
    latency.update_state(pack([[(10, 12)]]), np.zeros((1, FRAMES, 1), "float32"))
    assert np.isnan(float(latency.result()))


def test_nothing_within_the_budget_misses_all():
    metric = metrics.FRRAtFalseAlarms(0.0, thresholds=[0.5], frame_step_s=STEP_S, **SCORING)
    metric.update_state(pack([[(10, 12)]]), np.ones((1, FRAMES, 1), "float32"))
    assert float(metric.result()) == 1.0


@pytest.mark.parametrize("bound", [200.0, 2000.0, 50000.0])
def test_mean_frr_as_detection_has_it(bound):
    events, posteriors = clips(seed=4)
    thresholds = [0.1, 0.2, 0.35, 0.5, 0.8, 1.0]
    metric = metrics.MeanFRR(bound, thresholds, frame_step_s=STEP_S, **SCORING)
    metric.update_state(pack(events), posteriors)
    points = [reference(events, posteriors, threshold) for threshold in thresholds]
    budgets = np.linspace(0, bound, 20001)[:-1] + bound / 40000
    lowest = [
        min([1.0, *(point.frr for point in points if point.fa_per_hour <= budget)])
        for budget in budgets
    ]
    assert float(metric.result()) == pytest.approx(np.mean(lowest), abs=1e-3)


def test_mean_frr_prefers_a_better_model_to_one_that_always_or_never_fires():
    """`frr` is lowest for the one that always fires, `frr_at_fa` is the same for all of them."""
    y_true = pack([[(10, 12)]] * 8)
    better = np.zeros((8, FRAMES, 1), "float32")
    better[2:, 10] = 0.9  # two misses, and a false alarm that is as sure
    better[0, 40] = 0.9
    found = {}
    for name, posterior in (
        ("always", np.ones_like(better)),
        ("never", np.zeros_like(better)),
        ("better", better),
    ):
        for metric in (
            metrics.StreamingFRR(frame_step_s=STEP_S, **SCORING),
            metrics.FRRAtFalseAlarms(1.0, frame_step_s=STEP_S, **SCORING),
            metrics.MeanFRR(300.0, frame_step_s=STEP_S, **SCORING),
        ):
            metric.update_state(y_true, posterior)
            found[name, metric.name] = float(metric.result())
    assert found["always", "frr"] < found["better", "frr"] < found["never", "frr"]
    assert {found[name, "frr_at_fa"] for name in ("always", "never", "better")} == {1.0}
    assert found["better", "mean_frr"] < found["always", "mean_frr"] == found["never", "mean_frr"]
    assert found["never", "mean_frr"] == 1.0


@pytest.mark.parametrize(
    ("make", "warns"),
    [
        (metrics.FRRAtFalseAlarms, True),
        (metrics.MeanFRR, True),
        (lambda **options: metrics.LatencyAtFalseAlarms(fa_per_hour=2.0, **options), True),
        (lambda **options: metrics.MeanFRR(1e5, **options), False),
        (lambda **options: metrics.FRRAtFalseAlarms(0.0, **options), False),
    ],
)
def test_warns_once_if_the_hours_cannot_support_the_budget(make, warns):
    metric = make(frame_step_s=STEP_S, **SCORING)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            metric.reset_state()
            metric.update_state(pack([[(10, 12)]]), np.zeros((1, FRAMES, 1), "float32"))
    few = [each for each in caught if each.category is NegativeHoursWarning]
    assert len(few) == int(warns)


def test_ignored_frames_are_silence():
    """An alarm in ignored frames isn't one, and they aren't negative audio."""
    y_true = pack([[(10, 12)]])
    y_true[0, 30:, 0] = -1
    posterior = np.zeros((1, FRAMES, 1), "float32")
    posterior[0, [10, 40], 0] = 1.0
    arguments = {"frame_step_s": STEP_S, **SCORING}
    kept = metrics.FalseAlarmsPerHour(**arguments)
    kept.update_state(y_true, posterior)
    assert (int(kept.false_alarms[0]), int(kept.hits[0])) == (0, 1)
    assert int(kept.negative_frames) == 30 - 9  # the window is 3 before to 5 after
    weighted = metrics.FalseAlarmsPerHour(**arguments)
    weight = np.repeat([[1.0, 0.0]], [30, FRAMES - 30], axis=1)
    weighted.update_state(pack([[(10, 12)]]), posterior, sample_weight=weight)
    assert float(weighted.result()) == float(kept.result()) == 0.0
    assert int(weighted.negative_frames) == int(kept.negative_frames)


def test_around_an_event_that_was_cut_off_nothing_is_a_false_alarm():
    y_true = pack([[(FRAMES + 2, FRAMES + 4)]])  # the anchor lies 2 frames beyond the end
    posterior = np.zeros((1, FRAMES, 1), "float32")
    posterior[0, [FRAMES - 1, 20], 0] = 1.0  # 3 frames before it; far away
    metric = metrics.FalseAlarmsPerHour(frame_step_s=STEP_S, **SCORING)
    metric.update_state(y_true, posterior)
    assert (int(metric.false_alarms[0]), int(metric.events)) == (1, 0)


def test_class_index_counts_the_events_of_one_class():
    events, posteriors = clips(seed=5, classes=3)
    y_true = pack(events, classes=3)
    for index in (1, 2):
        own = [[event for event in clip if event[2] == index] for clip in events]
        point = reference(own, posteriors[..., index], 0.5)
        metric = metrics.FalseAlarmsPerHour(0.5, class_index=index, frame_step_s=STEP_S, **SCORING)
        metric.update_state(y_true, posteriors)
        assert point.false_alarms > 0 < point.hits
        assert int(metric.false_alarms[0]) == point.false_alarms
        assert int(metric.hits[0]) == point.hits


def test_of_thresholds_that_tie_the_middle_one_gives_the_latency():
    """A posterior that rises by a step a frame after the anchor: any threshold hits, later ones
    later."""
    rising = np.zeros((1, 40, 1), "float32")
    rising[0, 10:19, 0] = np.arange(1, 10) / 10
    thresholds = [0.1, 0.3, 0.5, 0.7, 0.9]
    metric = metrics.LatencyAtFalseAlarms(0.5, 0.0, thresholds, frame_step_s=0.1, refractory_s=9.0)
    metric.update_state(pack([[(10, 12)]], frames=40), rising)
    curve = det_curve([rising[0, :, 0]], [[1.0]], frame_step_s=0.1, refractory_s=9.0)
    assert float(metric.result()) == pytest.approx(0.4)
    assert curve.latency_at(0.0).p50_s == pytest.approx(0.4)


def test_frame_metrics_read_the_label_channel_only():
    events, posteriors = clips(seed=7)
    y_true = pack(events)
    y_true[:, -5:, 0] = -1
    label, answer = y_true[:, :-5, :1], posteriors[:, :-5]
    pairs = [
        (metrics.FrameAUC(), keras.metrics.AUC()),
        (metrics.FramePrecision(), keras.metrics.Precision()),
        (metrics.FrameRecall(thresholds=0.3), keras.metrics.Recall(thresholds=0.3)),
        (metrics.FrameAccuracy(0.4), keras.metrics.BinaryAccuracy(threshold=0.4)),
    ]
    for ours, stock in pairs:
        ours.update_state(y_true, posteriors)
        stock.update_state(label, answer)
        assert 0 < float(stock.result()) < 1
        np.testing.assert_allclose(float(ours.result()), float(stock.result()), rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "stock"),
    [
        (metrics.FramePrecision, keras.metrics.Precision),
        (metrics.FrameRecall, keras.metrics.Recall),
    ],
)
def test_frame_metrics_of_one_class_of_several(make, stock):
    events, posteriors = clips(seed=8, classes=3)
    y_true = pack(events, classes=3, encoding="multi_hot")
    y_true[:, -5:, 1] = -1
    for class_id in range(3):
        ours, theirs = make(class_id=class_id), stock()
        ours.update_state(y_true, posteriors)
        known = y_true[..., class_id] >= 0
        theirs.update_state(y_true[..., class_id][known], posteriors[..., class_id][known])
        np.testing.assert_allclose(float(ours.result()), float(theirs.result()), rtol=1e-6)


def test_auc_of_several_classes_is_the_mean_of_each():
    events, posteriors = clips(seed=8, classes=3)
    y_true = pack(events, classes=3, encoding="multi_hot")
    y_true[:, -5:, 1] = -1
    ours = metrics.FrameAUC(multi_label=True, num_labels=3)
    ours.update_state(y_true, posteriors)
    of_each = []
    for labels, answers in zip(y_true.T[:3], posteriors.T, strict=True):
        stock = keras.metrics.AUC()
        stock.update_state(labels[labels >= 0], answers[labels >= 0])
        of_each.append(float(stock.result()))
    np.testing.assert_allclose(float(ours.result()), np.mean(of_each), rtol=1e-5)


def test_stock_accuracy_is_wrong_on_packed_targets():
    """Why these metrics exist: a perfect detector, and what Keras says of it."""
    y_true = pack([[(10, 12)]])
    perfect = y_true[..., :1]
    stock, ours = keras.metrics.BinaryAccuracy(), metrics.FrameAccuracy()
    stock.update_state(y_true, perfect)
    ours.update_state(y_true, perfect)
    assert float(ours.result()) == 1.0
    assert float(stock.result()) < 0.6


@pytest.mark.parametrize("encoding", ["sparse", "one_hot"])
def test_frame_accuracy_of_a_softmax(encoding):
    events, posteriors = clips(seed=9, classes=3)
    y_true = pack(events, classes=3, encoding=encoding)
    metric = metrics.FrameAccuracy()
    metric.update_state(y_true, posteriors)
    sparse = pack(events, classes=3)[..., 0]
    np.testing.assert_allclose(
        float(metric.result()), np.mean(sparse == posteriors.argmax(-1)), rtol=1e-6
    )


def all_metrics():
    arguments = {"frame_step_s": STEP_S, **SCORING}
    return [
        metrics.FrameAccuracy(),
        metrics.FrameAUC(name="frame_auc"),
        metrics.FramePrecision(name="frame_precision"),
        metrics.FrameRecall(name="frame_recall"),
        metrics.StreamingFRR(**arguments),
        metrics.FalseAlarmsPerHour(**arguments),
        metrics.FRRAtFalseAlarms(5.0, thresholds=[0.3, 0.5], **arguments),
        metrics.LatencyAtFalseAlarms(0.9, thresholds=[0.3, 0.5], **arguments),
        metrics.MeanFRR(50.0, thresholds=[0.3, 0.5], lasting_events=True, **arguments),
    ]


def test_config():
    for metric in all_metrics():
        again = keras.metrics.deserialize(keras.metrics.serialize(metric))
        assert type(again) is type(metric)
        assert again.get_config() == metric.get_config()
    assert all_metrics()[-1].get_config()["lasting_events"] is True


@pytest.mark.filterwarnings("ignore::keras_sal.detection.NegativeHoursWarning")
def test_in_fit_with_callbacks_and_masks(tmp_path):
    """They show in History, read the mask, drive callbacks; a model with them loads."""
    events, _ = clips(seed=1)
    y_true = pack(events, after_frames=2)
    x = np.random.default_rng(0).normal(size=(CLIPS, FRAMES, 3)).astype("float32")
    x += 3 * y_true[..., :1]
    x[:, -7:] = 0.0  # masked
    inputs = keras.Input((FRAMES, 3))
    hidden = keras.layers.Masking()(inputs)
    hidden = keras.layers.GRU(3, return_sequences=True, use_cudnn=False)(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    model.compile("adam", loss=keras_sal.StreamingAnchorLoss(), metrics=all_metrics())
    history = model.fit(
        x,
        y_true,
        validation_data=(x, y_true),
        epochs=2,
        batch_size=4,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping("val_mean_frr", mode="min", patience=3),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "best.keras", monitor="val_frr_at_fa", mode="min", save_best_only=True
            ),
        ],
    ).history
    names = ["frame_accuracy", "frame_auc", "frr", "fa_per_hour", "frr_at_fa"]
    names += ["latency_s", "mean_frr"]
    assert {*names, *("val_" + name for name in names)} <= set(history)

    scored = model.evaluate(x, y_true, batch_size=4, verbose=0, return_dict=True)
    posteriors = model.predict(x, verbose=0)[:, :-7, 0]
    heard = [[event for event in clip if event[0] < FRAMES - 7] for clip in events]
    point = reference(heard, posteriors, 0.5)
    np.testing.assert_allclose(scored["frr"], point.frr, rtol=1e-6)
    np.testing.assert_allclose(
        scored["frame_accuracy"], np.mean((posteriors >= 0.5) == y_true[:, :-7, 0]), rtol=1e-5
    )
    loaded = keras.models.load_model(tmp_path / "best.keras")
    assert "frr_at_fa" in loaded.evaluate(x, y_true, verbose=0, return_dict=True)


ONE = pack([[(10, 12)]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.StreamingFRR(1.5), r"`threshold` must lie in \(0, 1\]"),
        (lambda: metrics.StreamingFRR(frame_step_s=0), "`frame_step_s` must be seconds > 0"),
        (lambda: metrics.StreamingFRR(refractory_s=-1), "`refractory_s` must be seconds >= 0"),
        (lambda: metrics.StreamingFRR(max_delay_s=1e6), "Did you give milliseconds?"),
        (lambda: metrics.StreamingFRR(smooth_frames=0), "`smooth_frames` must be a whole number"),
        (lambda: metrics.StreamingFRR(frame_step_s=10), "Did you give milliseconds?"),
        (lambda: metrics.MeanFRR(0.0), "`fa_per_hour` must be greater than 0"),
        (lambda: metrics.FRRAtFalseAlarms(-1.0), "`fa_per_hour` must be at least 0"),
        (lambda: metrics.LatencyAtFalseAlarms(0.0), "`quantile` must lie in"),
        (
            lambda: metrics.MeanFRR(class_index=3).update_state(ONE, np.zeros((1, FRAMES, 3))),
            "`class_index` must be the number of the output .*class_index=3, 3 outputs",
        ),
        (
            lambda: metrics.MeanFRR().update_state(ONE, np.zeros((1, FRAMES, 3))),
            "`class_index` must be the number of the output .*class_index=None, 3 outputs",
        ),
        (
            lambda: metrics.FrameAccuracy().update_state(np.zeros((2, 3)), np.zeros((2, 3))),
            "packed",
        ),
    ],
)
def test_rejects_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_rejects_weights_of_neither_clips_nor_frames():
    metric = metrics.FrameAccuracy()
    with pytest.raises(ValueError, match="`sample_weight` must have shape"):
        metric.update_state(pack([[(10, 12)]]), np.zeros((1, FRAMES, 1)), np.ones((1, FRAMES - 2)))
