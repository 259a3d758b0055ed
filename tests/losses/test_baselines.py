"""What the streaming anchor loss is compared with: against stock losses, loops and by hand."""

import functools
import math

import keras
import numpy as np
import pytest
import reference
from differentiate import gradient, value_and_gradient
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sal import (
    FrameCrossEntropy,
    FrameFocalLoss,
    MaxPoolingLoss,
    StreamingAnchorLoss,
    TemporalLabelSmoothing,
)
from keras_sal.anchors import NO_ANCHOR
from keras_sal.losses import (
    frame_cross_entropy,
    frame_focal_loss,
    max_pooling_loss,
    temporal_label_smoothing,
)

BATCH, TIME, CLASSES = 3, 7, 5


def example(task="binary", from_logits=True, ignored=0.2):
    rng = np.random.default_rng(0)
    classes = 1 if task == "binary" else CLASSES
    channels = classes if task == "multi_label" else 1
    labels = rng.integers(0, classes if task == "sparse" else 2, (BATCH, TIME, channels))
    labels = np.where(rng.random(labels.shape) < ignored, -1, labels)
    distance = np.arange(TIME) - rng.integers(0, TIME, (BATCH, 1))
    y_true = np.concatenate([labels, distance[..., None]], axis=-1).astype("float32")
    logits = rng.normal(scale=2, size=(BATCH, TIME, classes)).astype("float32")
    return y_true, logits if from_logits else 1 / (1 + np.exp(-logits))


class TestFrameLosses:
    @pytest.mark.parametrize("task", ["binary", "multi_label", "sparse"])
    def test_are_sal_without_anchors(self, task):
        y_true, y_pred = example(task)
        shared = {
            "from_logits": True,
            "label_smoothing": 0.1,
            "class_weight": (1, 3) if task == "binary" else (1, 2, 3, 4, 5),
            "multi_label": task == "multi_label",
        }
        for loss, twin, sal in [
            (
                FrameCrossEntropy(**shared),
                functools.partial(frame_cross_entropy, **shared),
                StreamingAnchorLoss("sal", strength=0, **shared),
            ),
            (
                FrameFocalLoss(1.5, **shared),
                functools.partial(frame_focal_loss, gamma=1.5, **shared),
                StreamingAnchorLoss("safl", strength=0, gamma=1.5, **shared),
            ),
        ]:
            expected = float(sal(y_true, y_pred))
            assert float(loss(y_true, y_pred)) == pytest.approx(expected, rel=1e-6)
            counted = (y_true[..., :-1] != -1).any(axis=-1).sum()
            total = np.asarray(twin(y_true, y_pred)).sum()
            assert total / counted == pytest.approx(expected, rel=1e-6)

    def test_cross_entropy_as_in_keras(self):
        y_true, y_pred = example(ignored=0)
        stock = keras.losses.BinaryCrossentropy(from_logits=True)
        assert float(FrameCrossEntropy(from_logits=True)(y_true, y_pred)) == pytest.approx(
            float(stock(y_true[..., :1], y_pred)), rel=1e-6
        )

    def test_focal_loss_with_alpha_as_in_keras(self):
        """Alpha of the paper is a weight per class."""
        y_true, y_pred = example(ignored=0)
        stock = keras.losses.BinaryFocalCrossentropy(
            apply_class_balancing=True, alpha=0.3, gamma=1.5, from_logits=True
        )
        loss = FrameFocalLoss(1.5, class_weight=(0.7, 0.3), from_logits=True)
        assert float(loss(y_true, y_pred)) == pytest.approx(
            float(stock(y_true[..., :1], y_pred)), rel=1e-5
        )

    def test_rejects_gamma(self):
        with pytest.raises(ValueError, match=r"`gamma` must be a number >= 0; .*gamma=-2"):
            FrameFocalLoss(gamma=-2)

    def test_rejects_class_weight(self):
        with pytest.raises(ValueError, match=r"`class_weight` must be a list of numbers.*=\(\)"):
            FrameCrossEntropy(class_weight=())


class TestMaxPooling:
    def test_by_hand(self):
        """One clip with the event, its best posterior 0.5; one without, its highest 0.4."""
        y_true = np.array([[[0, -1], [1, 0], [1, 1]], [[0, NO_ANCHOR]] * 3], "float32")
        y_pred = np.array([[[0.1], [0.2], [0.5]], [[0.3], [0.4], [0.1]]], "float32")
        expected = [-math.log(0.5), -math.log(1 - 0.4)]
        np.testing.assert_allclose(np.asarray(max_pooling_loss(y_true, y_pred)), expected, 1e-6)
        loss = MaxPoolingLoss()
        assert float(loss(y_true, y_pred)) == pytest.approx(sum(expected) / 2, rel=1e-6)

    @pytest.mark.parametrize("from_logits", [True, False])
    @pytest.mark.parametrize("task", ["binary", "multi_label", "sparse"])
    def test_matches_slow_loops(self, task, from_logits):
        y_true, y_pred = example(task, from_logits, ignored=0.5)
        y_true[1, :, :-1] = -1
        expected = reference.max_pooling(y_true, y_pred.astype("float64"), from_logits)
        loss = np.asarray(max_pooling_loss(y_true, y_pred, from_logits))
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        assert expected[1] == 0

    def test_only_the_best_frame_learns(self):
        y_true, y_pred = example("binary")
        y_true[..., 0] = 1
        slope = gradient(lambda x: MaxPoolingLoss(from_logits=True)(y_true, x), y_pred)[..., 0]
        best = y_pred[..., 0].argmax(axis=1)
        assert (slope.argmin(axis=1) == best).all()
        assert np.count_nonzero(slope) == BATCH

    def test_needs_no_event_times(self):
        y_true, y_pred = example("multi_label")
        shuffled = y_true.copy()
        shuffled[..., -1] = NO_ANCHOR
        loss = MaxPoolingLoss(from_logits=True)
        assert float(loss(shuffled, y_pred)) == float(loss(y_true, y_pred))

    def test_huge_logits(self):
        y_true, y_pred = example()
        y_pred = np.where(y_pred > 0, 1e4, -1e4).astype("float32")
        loss = MaxPoolingLoss(from_logits=True)
        value, slope = value_and_gradient(functools.partial(loss, y_true), y_pred)
        assert np.isfinite(value)
        assert np.isfinite(slope).all()

    def test_rejects_shapes(self):
        y_true, _ = example()
        for shape, message in [
            ((BATCH, 1), "same number of frames; .*7 target frames, 1 output frames"),
            ((BATCH, TIME, 1, 1), r"`y_pred` must have shape \(batch, time, classes\)"),
        ]:
            with pytest.raises(ValueError, match=message):
                MaxPoolingLoss()(y_true, np.full(shape, 0.5, "float32"))


class TestTemporalLabelSmoothing:
    @settings(deadline=None, max_examples=30)
    @given(
        surely=st.integers(0, 9),
        further=st.integers(1, 40),
        decay=st.floats(1e-6, 10),
    )
    def test_matches_the_formula(self, surely, further, decay):
        distance = np.array([-60, -41, -23, -11, -9, -5, -3, -2, -1, 0, 1, 5, NO_ANCHOR])
        labels = np.array([0, -1, 0, 0, 1, 1, -1, 0, 1, 1, 0, 1, 0])
        y_true = np.stack([labels, distance], axis=-1)[None].astype("float32")
        horizon = surely + further
        soft = np.asarray(temporal_label_smoothing(y_true, surely, horizon, decay))
        expected = [
            reference.smooth_label(y, d, surely, horizon, decay)
            for y, d in zip(labels, distance, strict=True)
        ]
        np.testing.assert_allclose(soft[0, :, 0], expected, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(soft[..., 1], y_true[..., 1])

    def test_decay_towards_0_is_a_straight_line(self):
        """And nothing is lost to rounding on the way: 1 - h / horizon."""
        y_true = np.stack([np.zeros(11), np.arange(-10.0, 1)], axis=-1)[None].astype("float32")
        soft = np.asarray(temporal_label_smoothing(y_true, 0, 10, decay=1e-9))
        np.testing.assert_allclose(soft[0, :-1, 0], np.arange(10) / 10, atol=1e-6)

    @pytest.mark.parametrize(
        "inner",
        [
            FrameCrossEntropy(from_logits=True),
            StreamingAnchorLoss("sal", from_logits=True),
            StreamingAnchorLoss("safl", "gaussian", from_logits=True, normalize=True),
        ],
        ids=["cross_entropy", "sal", "safl"],
    )
    def test_combines_with_any_loss(self, inner):
        """The labels change, the weights stay: the inner loss over the softened targets."""
        y_true, y_pred = example()
        loss = TemporalLabelSmoothing(inner, 1, 4, 0.5)
        softer = temporal_label_smoothing(y_true, 1, 4, 0.5)
        assert not np.array_equal(np.asarray(softer), y_true)
        assert float(loss(y_true, y_pred)) == pytest.approx(float(inner(softer, y_pred)), rel=1e-6)

    def test_combines_with_sal_against_slow_loops(self):
        y_true, y_pred = example()
        softer = y_true.astype("float64")
        for b, t in np.ndindex(BATCH, TIME):
            softer[b, t, 0] = reference.smooth_label(*y_true[b, t], 1, 5, 0.3)
        expected = reference.mean_anchor_loss(
            softer, y_pred.astype("float64"), variant="sa+fl", from_logits=True
        )
        loss = TemporalLabelSmoothing(StreamingAnchorLoss("sa+fl", from_logits=True), 1, 5, 0.3)
        assert float(loss(y_true, y_pred)) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"loss": keras.losses.BinaryCrossentropy()}, "`loss` must be a loss over packed"),
            ({"surely_frames": 100}, r"`surely_frames` must lie in \[0, horizon_frames\)"),
            ({"surely_frames": -1}, r"`surely_frames` must lie in \[0, horizon_frames\)"),
            ({"decay": 0}, "`decay` must be > 0; .*decay=0"),
        ],
    )
    def test_rejects(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            TemporalLabelSmoothing(**{"loss": FrameCrossEntropy(), **arguments})

    def test_rejects_several_classes(self):
        y_true, y_pred = example("multi_label")
        loss = TemporalLabelSmoothing(FrameCrossEntropy(from_logits=True, multi_label=True))
        with pytest.raises(ValueError, match=r"one label channel of 0/1 .* 5 label channels"):
            loss(y_true, y_pred)

    def test_rejects_logits_taken_for_posteriors(self):
        with pytest.raises(ValueError, match="`y_pred` must be posteriors"):
            TemporalLabelSmoothing(FrameCrossEntropy())(*example())
