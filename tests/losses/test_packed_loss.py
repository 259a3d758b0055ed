"""Which frames count, and for how much: ignored frames, masks, sample weights and reductions."""

import functools

import keras
import numpy as np
import pytest
from differentiate import value_and_gradient
from keras import layers

from keras_sal import (
    FrameCrossEntropy,
    FrameFocalLoss,
    MaxPoolingLoss,
    StreamingAnchorLoss,
    TemporalLabelSmoothing,
)

BATCH, TIME = 3, 7
FRAME_LOSSES = {
    "sal": StreamingAnchorLoss("sal", reach=2),
    "sa+fl": StreamingAnchorLoss("sa+fl", reach=2),
    "safl": StreamingAnchorLoss("safl", reach=2),
    "normalized": StreamingAnchorLoss("safl", reach=2, normalize=True),
    "cross_entropy": FrameCrossEntropy(),
    "focal": FrameFocalLoss(),
    "smoothing": TemporalLabelSmoothing(FrameCrossEntropy(), horizon_frames=3),
}
every_frame_loss = pytest.mark.parametrize("loss", FRAME_LOSSES.values(), ids=FRAME_LOSSES)


def example(batch=BATCH, time=TIME):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (batch, time))
    distance = np.arange(time) - rng.integers(0, time, (batch, 1))
    y_true = np.stack([labels, distance], axis=-1).astype("float32")
    return y_true, rng.uniform(0.1, 0.9, (batch, time, 1)).astype("float32")


def as_one_clip(y, kept):
    """The kept frames of all clips as one clip."""
    return y[kept][None]


class TestIgnoredFrames:
    @every_frame_loss
    def test_equals_the_rest(self, loss):
        y_true, y_pred = example()
        kept = np.random.default_rng(1).random((BATCH, TIME)) < 0.6
        ignored = np.where(kept[..., None], y_true, [-1.0, 1.0]).astype("float32")
        broken = np.where(kept[..., None], y_pred, np.nan).astype("float32")
        value, slope = value_and_gradient(functools.partial(loss, ignored), broken)
        rest = loss(as_one_clip(y_true, kept), as_one_clip(y_pred, kept))
        assert value == pytest.approx(float(rest), rel=1e-6)
        assert np.isfinite(slope).all()
        assert (slope[..., 0] != 0).tolist() == kept.tolist()

    def test_max_pooling_equals_the_rest(self):
        y_true, y_pred = example(batch=2)
        y_true[1, :, 0] = 0
        expected = float(MaxPoolingLoss()(y_true[:, :4], y_pred[:, :4]))
        y_true[:, 4:, 0], y_pred[:, 4:] = -1, np.nan
        value, slope = value_and_gradient(functools.partial(MaxPoolingLoss(), y_true), y_pred)
        assert value == pytest.approx(expected, rel=1e-6)
        assert np.count_nonzero(slope) == 2  # one frame of each clip
        assert np.isfinite(slope).all()

    def test_max_pooling_leaves_out_clips(self):
        y_true, y_pred = example()
        expected = float(MaxPoolingLoss()(y_true[:2], y_pred[:2]))
        y_true[2, :, 0] = -1
        assert float(MaxPoolingLoss()(y_true, y_pred)) == pytest.approx(expected, rel=1e-6)

    def test_softmax_ignores_a_frame_with_any_unknown_class(self):
        """One of several classes: not knowing one of them is not knowing the label."""
        y_true = np.array([[[1, 0, -1, 0], [0, 1, 0, 1]]], "float32")
        y_pred = np.array([[[0.5, 0.2, 0.3], [0.2, 0.6, 0.2]]], "float32")
        loss = float(FrameCrossEntropy()(y_true, y_pred))
        assert loss == pytest.approx(-np.log(0.6), rel=1e-6)


class TestKerasMasks:
    """A `Masking` layer and a GRU, padded on the left or on the right."""

    LENGTHS = (7, 2, 5)

    def padded(self, side):
        rng = np.random.default_rng(3)
        clips = rng.normal(size=(BATCH, TIME, 2)).astype("float32")
        kept = np.arange(TIME) < np.array(self.LENGTHS)[:, None]
        kept = kept[:, ::-1] if side == "left" else kept
        clips[~kept] = 0.0
        return clips, kept

    def model(self):
        keras.utils.set_random_seed(0)
        return keras.Sequential(
            [
                keras.Input((None, 2)),
                layers.Masking(),
                layers.GRU(3, return_sequences=True, use_cudnn=False),
                layers.Dense(1, activation="sigmoid"),
            ]
        )

    @pytest.mark.parametrize(
        ("name", "side"), [("normalized", "left"), ("safl", "right"), ("smoothing", "right")]
    )
    def test_equals_the_rest(self, name, side):
        loss = FRAME_LOSSES[name]
        clips, kept = self.padded(side)
        y_true, _ = example()
        y_true[~kept] = 99.0  # nothing there may be read
        model = self.model()
        model.compile("sgd", loss=type(loss).from_config(loss.get_config()))
        y_pred = model.predict(clips, verbose=0)
        rest = float(loss(as_one_clip(y_true, kept), as_one_clip(y_pred, kept)))
        assert model.evaluate(clips, y_true, verbose=0) == pytest.approx(rest, rel=1e-5)
        assert model.train_on_batch(clips, y_true) == pytest.approx(rest, rel=1e-5)
        assert model.evaluate(clips, y_true, verbose=0) < rest

    def test_with_sample_weight(self):
        """A mask takes frames out of the count; a weight scales what is left."""
        loss = FRAME_LOSSES["sal"]
        clips, kept = self.padded("right")
        y_true, _ = example()
        weight = np.random.default_rng(4).random((BATCH, TIME)).astype("float32")
        model = self.model()
        model.compile("sgd", loss=loss)
        y_pred = model.predict(clips, verbose=0)
        each = np.asarray(loss.call(y_true, y_pred))
        expected = (each * weight * kept).sum() / kept.sum()
        value = model.evaluate(clips, y_true, sample_weight=weight, verbose=0)
        assert value == pytest.approx(expected, rel=1e-5)

    def test_with_ignored_frames(self):
        loss = FRAME_LOSSES["sal"]
        clips, kept = self.padded("left")
        y_true, _ = example()
        y_true[0, 1:6, 0] = -1
        y_true[1, :, 0] = -1
        model = self.model()
        model.compile("sgd", loss=loss)
        y_pred = model.predict(clips, verbose=0)
        kept &= y_true[..., 0] != -1
        rest = float(loss(as_one_clip(y_true, kept), as_one_clip(y_pred, kept)))
        assert model.evaluate(clips, y_true, verbose=0) == pytest.approx(rest, rel=1e-5)


class TestSampleWeight:
    @pytest.mark.parametrize("time", [TIME, BATCH], ids=["time!=batch", "time==batch"])
    @pytest.mark.parametrize(
        "shape", [(BATCH,), (BATCH, 1), (BATCH, "time"), (BATCH, "time", 1), ()], ids=str
    )
    @every_frame_loss
    def test_by_hand(self, loss, shape, time):
        y_true, y_pred = example(time=time)
        y_true[0, 1, 0] = -1
        shape = tuple(time if axis == "time" else axis for axis in shape)
        weight = np.random.default_rng(5).random(shape).astype("float32")
        frames = np.broadcast_to(
            weight.reshape(-1, 1) if weight.ndim < 2 else weight.reshape(BATCH, -1), (BATCH, time)
        )
        each = np.asarray(loss.call(y_true, y_pred))
        expected = (each * frames).sum() / (BATCH * time - 1)
        assert float(loss(y_true, y_pred, weight)) == pytest.approx(expected, rel=1e-5)

    def test_stock_keras_is_wrong_where_batch_equals_time(self):
        """It takes weights of clips for weights of frames; this package doesn't."""
        y_true, y_pred = example(time=BATCH)
        weight = np.array([1, 10, 100], "float32")
        arguments = (y_true[..., :1], y_pred, weight)
        stock = float(keras.losses.BinaryCrossentropy()(*arguments))
        each = np.asarray(FrameCrossEntropy().call(y_true, y_pred))
        of_clips, of_frames = (each * weight[:, None]).mean(), (each * weight).mean()
        assert stock == pytest.approx(of_frames, rel=1e-4)
        assert stock != pytest.approx(of_clips, rel=1e-2)
        assert float(FrameCrossEntropy()(y_true, y_pred, weight)) == pytest.approx(of_clips)

    @pytest.mark.parametrize("shape", [(BATCH,), (BATCH, 1), (BATCH, TIME)], ids=str)
    def test_through_evaluate(self, shape):
        y_true, _ = example()
        clips = np.random.default_rng(6).normal(size=(BATCH, TIME, 2)).astype("float32")
        weight = np.random.default_rng(7).random(shape).astype("float32")
        model = keras.Sequential([keras.Input((None, 2)), layers.Dense(1, activation="sigmoid")])
        loss = FrameCrossEntropy()
        model.compile("sgd", loss=loss)
        each = np.asarray(loss.call(y_true, model.predict(clips, verbose=0)))
        expected = (each * weight.reshape(BATCH, -1)).mean()
        value = model.evaluate(clips, y_true, sample_weight=weight, verbose=0)
        assert value == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("shape", [(BATCH,), (BATCH, 1)], ids=str)
    def test_max_pooling_weights_clips(self, shape):
        y_true, y_pred = example()
        weight = np.arange(1.0, 1 + BATCH, dtype="float32").reshape(shape)
        each = np.asarray(MaxPoolingLoss(reduction=None)(y_true, y_pred))
        expected = (each * weight.ravel()).mean()
        assert float(MaxPoolingLoss()(y_true, y_pred, weight)) == pytest.approx(expected)

    @pytest.mark.parametrize("shape", [(TIME,), (BATCH, TIME - 1), (BATCH, TIME, 2), (1, 2, 3, 4)])
    def test_rejects_shapes(self, shape):
        y_true, y_pred = example()
        message = r"`sample_weight` must have shape \(batch,\), \(batch, 1\) or \(batch, time\);"
        with pytest.raises(ValueError, match=message):
            FrameCrossEntropy()(y_true, y_pred, np.ones(shape, "float32"))

    def test_max_pooling_rejects_frame_weights(self):
        y_true, y_pred = example()
        message = r"`sample_weight` must have shape \(batch,\); it weights clips\. Received"
        with pytest.raises(ValueError, match=message):
            MaxPoolingLoss()(y_true, y_pred, np.ones((BATCH, TIME), "float32"))


class TestReduction:
    def test_each(self):
        y_true, y_pred = example()
        y_true[1, 2:, 0] = -1
        counted = BATCH * TIME - (TIME - 2)
        weight = np.random.default_rng(8).random((BATCH, TIME)).astype("float32")
        each = weight * np.asarray(FrameCrossEntropy().call(y_true, y_pred))
        kept = weight[y_true[..., 0] != -1].sum()
        for reduction, expected in [
            ("sum", each.sum()),
            ("sum_over_batch_size", each.sum() / counted),
            ("mean", each.sum() / counted),
            ("mean_with_sample_weight", each.sum() / kept),
        ]:
            loss = FrameCrossEntropy(reduction=reduction)
            assert float(loss(y_true, y_pred, weight)) == pytest.approx(expected, rel=1e-5)
        for reduction in (None, "none"):
            loss = FrameCrossEntropy(reduction=reduction)
            np.testing.assert_allclose(np.asarray(loss(y_true, y_pred, weight)), each, rtol=1e-6)

    def test_no_reduction_leaves_ignored_frames_0(self):
        y_true, y_pred = example()
        y_true[1, 2:, 0] = -1
        loss = np.asarray(FrameCrossEntropy(reduction=None)(y_true, y_pred))
        assert loss.shape == (BATCH, TIME)
        assert ((loss == 0) == (y_true[..., 0] == -1)).all()

    def test_weights_of_0(self):
        y_true, y_pred = example()
        loss = FrameCrossEntropy(reduction="mean_with_sample_weight")
        assert float(loss(y_true, y_pred, np.zeros(BATCH, "float32"))) == 0
