"""Streaming Anchor Loss, frame by frame: against slow loops, stock losses and its own limits."""

import functools
import itertools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import reference
from differentiate import gradient, value_and_gradient
from keras import ops

import keras_sal
from keras_sal import AnchorTargets, StreamingAnchorLoss
from keras_sal.anchors import KERNELS, NO_ANCHOR
from keras_sal.losses import streaming_anchor_loss

BATCH, TIME, CLASSES = 3, 7, 5
VARIANTS = ("sal", "sa+fl", "safl")
TASKS = ("binary", "multi_label", "one_hot", "sparse")
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "losses.json").read_text())


def distances(rng, shape=(BATCH, TIME)):
    """Distances to anchors on frames of their own in each clip; the last clip has none."""
    anchor = rng.integers(-2, shape[1] + 2, (shape[0], 1))
    distance = (np.arange(shape[1]) - anchor).astype("float32")
    distance[-1] = NO_ANCHOR
    return distance


def example(task, from_logits=True, seed=0, ignored=0.2):
    """Packed targets and predictions, `float32`."""
    rng = np.random.default_rng(seed)
    if task == "multi_label":
        labels = rng.integers(0, 2, (BATCH, TIME, CLASSES)).astype("float32")
        labels[rng.random(labels.shape) < ignored] = -1
    else:
        labels = rng.integers(0, 2 if task == "binary" else CLASSES, (BATCH, TIME))
        labels = np.eye(CLASSES)[labels] if task == "one_hot" else labels[..., None]
        labels = labels.astype("float32")
        labels[rng.random((BATCH, TIME)) < ignored] = -1
    y_true = np.concatenate([labels, distances(rng)[..., None]], axis=-1)
    logits = rng.normal(scale=2, size=(BATCH, TIME, 1 if task == "binary" else CLASSES))
    if from_logits:
        return y_true, logits.astype("float32")
    if task in ("binary", "multi_label"):
        return y_true, (1 / (1 + np.exp(-logits))).astype("float32")
    return y_true, (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype("float32")


def frames(y_true, y_pred, **arguments):
    return np.asarray(streaming_anchor_loss(y_true, y_pred, **arguments))


def binary(labels, distance, answers):
    """Packed targets and predictions of one clip, from lists."""
    y_true = np.stack([labels, distance], axis=-1)[None].astype("float32")
    return y_true, np.array(answers, "float32")[None, :, None]


class TestAgainstSlowLoops:
    def options(self, task):
        """Every kernel with every variant, and every set of options with every variant."""
        per_class = (1.0, 3.0) if task == "binary" else (0.5, 1.0, 2.0, 3.0, 4.0)
        switches = list(
            itertools.product((0.0, 0.1), (None, per_class), (5.0, per_class), (False, True))
        )
        for i, (variant, kernel) in enumerate(itertools.product(VARIANTS, KERNELS)):
            yield variant, kernel, switches[i % len(switches)]
        for variant, switch in itertools.product(VARIANTS, switches):
            yield variant, "exponential", switch

    @pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "posteriors"])
    @pytest.mark.parametrize("task", TASKS)
    def test_every_frame(self, task, from_logits):
        y_true, y_pred = example(task, from_logits)
        for variant, kernel, (smoothing, weights, strength, normalize) in self.options(task):
            arguments = {
                "variant": variant,
                "reach": (2.0, 4.0),
                "gamma": 1.7,
                "from_logits": from_logits,
                "multi_label": task == "multi_label",
                "label_smoothing": smoothing,
                "class_weight": weights,
                "strength": strength,
                "normalize": normalize,
            }
            expected, _ = reference.anchor_loss(
                y_true.astype("float64"),
                y_pred.astype("float64"),
                kernel_name=kernel,
                **arguments,
            )
            loss = frames(y_true, y_pred, kernel=kernel, **arguments)
            np.testing.assert_allclose(loss, expected, rtol=2e-5, atol=2e-6, err_msg=arguments)


@pytest.mark.parametrize("case", range(len(GOLDEN)))
def test_golden_value_and_gradient(case):
    record = GOLDEN[case]
    y_true, y_pred = (np.array(record[name], "float32") for name in ("y_true", "y_pred"))
    loss = functools.partial(StreamingAnchorLoss(**record["arguments"]), y_true)
    value, slope = value_and_gradient(loss, y_pred)
    expected = np.array(record["gradient"])
    np.testing.assert_allclose(value, record["value"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradient_against_finite_differences(task, variant):
    y_true, y_pred = example(task)
    doubles = keras.backend.standardize_dtype(ops.convert_to_tensor(0.0, "float64").dtype)
    step, tolerance = (1e-5, 1e-7) if doubles == "float64" else (3e-2, 3e-3)
    loss = StreamingAnchorLoss(
        variant,
        from_logits=True,
        multi_label=task == "multi_label",
        reduction="sum",
        dtype="float64",
    )
    along = np.random.default_rng(1).normal(size=y_pred.shape).astype(doubles)
    y_pred = y_pred.astype(doubles)
    rise = float(loss(y_true, y_pred + step * along)) - float(loss(y_true, y_pred - step * along))
    slope = gradient(lambda x: loss(y_true, x), y_pred)
    assert (slope * along).sum() == pytest.approx(rise / (2 * step), rel=tolerance, abs=tolerance)


class TestLimits:
    """What the formulas become at `strength=0`, at `gamma=0`, at an anchor and far from one."""

    def test_by_hand(self):
        y_true, y_pred = binary([0, 1, 1, 0], [-2, 0, 2, NO_ANCHOR], [0.2, 0.4, 0.5, 0.9])
        k = np.array([0.5, 1.0, 0.75, 0.0])  # triangular, reach 4 before and 8 after
        p = np.array([0.8, 0.4, 0.5, 0.1])  # of the true class
        arguments = {"kernel": "triangular", "reach": (4, 8), "strength": 3, "gamma": 2}
        for variant, expected in [
            ("sal", (1 + 3 * k) * -np.log(p)),
            ("sa+fl", (3 * k + (1 - p) ** 2) * -np.log(p)),
            ("safl", (1 + 3 * k) * (1 - p) ** 2 * -np.log(p)),
        ]:
            loss = frames(y_true, y_pred, variant=variant, **arguments)
            np.testing.assert_allclose(loss[0], expected, rtol=1e-5)

    @pytest.mark.parametrize("from_logits", [True, False])
    @pytest.mark.parametrize("task", TASKS)
    def test_strength_0_is_cross_entropy(self, task, from_logits):
        y_true, y_pred = example(task, from_logits, ignored=0)
        stock = {
            "binary": keras.losses.BinaryCrossentropy,
            "multi_label": keras.losses.BinaryCrossentropy,
            "one_hot": keras.losses.CategoricalCrossentropy,
            "sparse": keras.losses.SparseCategoricalCrossentropy,
        }[task](from_logits=from_logits)
        loss = StreamingAnchorLoss(
            "sal", strength=0, from_logits=from_logits, multi_label=task == "multi_label"
        )
        assert float(loss(y_true, y_pred)) == pytest.approx(
            float(stock(y_true[..., :-1], y_pred)), rel=1e-5
        )

    @pytest.mark.parametrize("variant", ["sa+fl", "safl"])
    @pytest.mark.parametrize("task", ["binary", "multi_label", "one_hot"])
    def test_strength_0_is_focal_loss(self, task, variant):
        y_true, y_pred = example(task, ignored=0)
        if task == "one_hot":
            stock = keras.losses.CategoricalFocalCrossentropy(1.0, 1.5, from_logits=True)
        else:
            stock = keras.losses.BinaryFocalCrossentropy(gamma=1.5, from_logits=True)
        loss = StreamingAnchorLoss(
            variant,
            strength=0,
            gamma=1.5,
            from_logits=True,
            multi_label=task == "multi_label",
        )
        assert float(loss(y_true, y_pred)) == pytest.approx(
            float(stock(y_true[..., :-1], y_pred)), rel=1e-5
        )

    @pytest.mark.parametrize("task", TASKS)
    def test_gamma_0(self, task):
        y_true, y_pred = example(task)
        arguments = {"from_logits": True, "multi_label": task == "multi_label"}
        sal = frames(y_true, y_pred, variant="sal", **arguments)
        for variant in ("sa+fl", "safl"):
            loss = frames(y_true, y_pred, variant=variant, gamma=0, **arguments)
            np.testing.assert_allclose(loss, sal, rtol=1e-6)

    @pytest.mark.parametrize("task", ["binary", "sparse"])
    def test_sal_is_cross_entropy_with_frame_weights(self, task):
        y_true, y_pred = example(task, ignored=0)
        weights = 1 + 4 * np.vectorize(reference.kernel)(y_true[..., -1], "gaussian", 3.0)
        stock = {
            "binary": keras.losses.BinaryCrossentropy,
            "sparse": keras.losses.SparseCategoricalCrossentropy,
        }[task](from_logits=True)
        weighted = stock(y_true[..., :-1], y_pred, sample_weight=weights.astype("float32"))
        loss = StreamingAnchorLoss("sal", "gaussian", reach=3, strength=4, from_logits=True)
        assert float(loss(y_true, y_pred)) == pytest.approx(float(weighted), rel=1e-6)

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_only_sal_weights_frames_whatever_the_answer(self, variant):
        """The weight of cross entropy that a frame gets, for two sets of answers."""
        y_true, y_pred = example("binary", ignored=0)
        weights = [
            frames(y_true, answers, variant=variant, from_logits=True)
            / frames(y_true, answers, variant="sal", strength=0, from_logits=True)
            for answers in (y_pred, y_pred + 1)
        ]
        assert np.allclose(*weights, rtol=1e-4) == (variant == "sal")

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_shifting_clip_and_anchors_together(self, variant):
        _, answers = example("binary", from_logits=False)
        targets = AnchorTargets(frames=TIME + 4, anchor="offset")
        late = np.concatenate([np.full((BATCH, 4, 1), 0.5, "float32"), answers], axis=1)
        early = np.concatenate([answers, np.full((BATCH, 4, 1), 0.5, "float32")], axis=1)
        events = np.array([[[1, 3]], [[0, 6]], [[2, 2]]])
        np.testing.assert_allclose(
            frames(targets(events + 4), late, variant=variant)[:, 4:],
            frames(targets(events), early, variant=variant)[:, :TIME],
            rtol=1e-6,
        )


class TestExtremes:
    @pytest.mark.parametrize("gamma", [1.0, 2.0, 3.0])
    @pytest.mark.parametrize("task", TASKS)
    def test_whole_gammas(self, task, gamma):
        """A product of factors gives what a power gives, which a scheduled gamma takes."""
        y_true, y_pred = example(task)
        arguments = {"from_logits": True, "multi_label": task == "multi_label", "variant": "safl"}
        found, power = (
            value_and_gradient(
                lambda x, value=value: ops.sum(
                    streaming_anchor_loss(y_true, x, gamma=value, **arguments)
                ),
                y_pred,
            )
            for value in (gamma, ops.convert_to_tensor(gamma, dtype="float32"))
        )
        np.testing.assert_allclose(found[0], power[0], rtol=1e-5)
        np.testing.assert_allclose(found[1], power[1], rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("gamma", [0, 0.5, 2])
    @pytest.mark.parametrize("variant", VARIANTS)
    @pytest.mark.parametrize("task", TASKS)
    def test_huge_logits(self, task, variant, gamma):
        y_true, y_pred = example(task)
        y_pred = np.where(y_pred > 0, 1e4, -1e4).astype("float32")
        arguments = {"variant": variant, "gamma": gamma, "multi_label": task == "multi_label"}
        posteriors = np.asarray(
            ops.softmax(y_pred) if task in ("one_hot", "sparse") else ops.sigmoid(y_pred)
        )
        for answers, from_logits in ((y_pred, True), (posteriors, False)):
            loss = StreamingAnchorLoss(from_logits=from_logits, **arguments)
            value, slope = value_and_gradient(functools.partial(loss, y_true), answers)
            assert np.isfinite(value)
            assert value > 0
            assert np.isfinite(slope).all()

    def test_value_at_huge_logits(self):
        y_true, y_pred = binary([1, 0, 1, 0], [0, 0, NO_ANCHOR, 0], [-1e4, 1e4, -1e4, -1e4])
        loss = StreamingAnchorLoss("sal", strength=2, from_logits=True, reduction="sum")
        value, slope = value_and_gradient(functools.partial(loss, y_true), y_pred)
        assert value == pytest.approx(3e4 + 3e4 + 1e4)
        assert slope[0, :, 0].tolist() == [-3, 3, -1, 0]

    def test_gradient_at_logit_0(self):
        """No kink there: the derivative of -log sigmoid(x) at 0 is -1/2."""
        y_true, y_pred = binary([1, 0], [NO_ANCHOR, NO_ANCHOR], [0, 0])
        loss = StreamingAnchorLoss("sal", from_logits=True, reduction="sum")
        assert gradient(lambda x: loss(y_true, x), y_pred)[0, :, 0].tolist() == [-0.5, 0.5]
        # d/dx (1 - p)**2 * -log p = 2 p (1 - p)**2 log p - (1 - p)**3, at p = 1/2
        loss = StreamingAnchorLoss("safl", from_logits=True, reduction="sum")
        expected = 0.25 * np.log(0.5) - 0.125
        slope = gradient(lambda x: loss(y_true, x), y_pred)[0, :, 0]
        np.testing.assert_allclose(slope, [expected, -expected], rtol=1e-6)

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_tiny_posteriors_with_large_weights(self, variant):
        y_true, y_pred = binary([1, 1, 1, 0], [0, 0, 0, 0], [0.0, 1e-38, 1e-36, 1.0])
        loss = StreamingAnchorLoss(variant, strength=1000, class_weight=(1, 1000))
        value, slope = value_and_gradient(functools.partial(loss, y_true), y_pred)
        assert np.isfinite(value)
        assert np.isfinite(slope).all()

    def test_a_missing_answer_is_not_hidden(self):
        y_true, y_pred = binary([1, 0], [0, 1], [np.nan, 0.5])
        for variant in VARIANTS:
            assert np.isnan(frames(y_true, y_pred, variant=variant)[0]).tolist() == [True, False]

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_no_anchor_in_the_batch(self, variant):
        y_true, y_pred = example("binary")
        y_true[..., -1] = NO_ANCHOR
        loss = StreamingAnchorLoss(variant, from_logits=True)
        value, slope = value_and_gradient(functools.partial(loss, y_true), y_pred)
        without = StreamingAnchorLoss(variant, strength=0, from_logits=True)
        assert value == pytest.approx(float(without(y_true, y_pred)), rel=1e-6)
        assert np.isfinite(slope).all()

    @pytest.mark.parametrize("normalize", [True, False])
    @pytest.mark.parametrize("task", TASKS)
    def test_no_label_in_the_batch(self, task, normalize):
        y_true, y_pred = example(task)
        y_true[..., :-1] = -1
        loss = StreamingAnchorLoss(
            from_logits=True, multi_label=task == "multi_label", normalize=normalize
        )
        value, slope = value_and_gradient(functools.partial(loss, y_true), y_pred)
        assert value == 0
        assert not slope.any()


class TestLabels:
    @pytest.mark.parametrize("from_logits", [True, False])
    @pytest.mark.parametrize("task", TASKS)
    def test_label_smoothing_as_in_keras(self, task, from_logits):
        y_true, y_pred = example(task, from_logits, ignored=0)
        softmax = task in ("one_hot", "sparse")
        stock = keras.losses.CategoricalCrossentropy if softmax else keras.losses.BinaryCrossentropy
        stock = stock(from_logits=from_logits, label_smoothing=0.2)
        loss = StreamingAnchorLoss(
            "sal",
            strength=0,
            from_logits=from_logits,
            label_smoothing=0.2,
            multi_label=task == "multi_label",
        )
        labels = y_true[..., :-1]
        labels = np.eye(CLASSES)[labels[..., 0].astype(int)] if task == "sparse" else labels
        assert float(loss(y_true, y_pred)) == pytest.approx(
            float(stock(labels.astype("float32"), y_pred)), rel=1e-5
        )

    def test_sparse_equals_one_hot(self):
        y_true, y_pred = example("sparse")
        one_hot = np.eye(CLASSES)[y_true[..., 0].astype(int)] - 2.0 * (y_true[..., :1] == -1)
        one_hot = np.where(y_true[..., :1] == -1, -1, one_hot)
        both = np.concatenate([one_hot, y_true[..., 1:]], axis=-1).astype("float32")
        for variant in VARIANTS:
            arguments = {"variant": variant, "from_logits": True}
            np.testing.assert_allclose(
                frames(both, y_pred, **arguments), frames(y_true, y_pred, **arguments), rtol=1e-6
            )

    def test_softmax_of_two_equals_sigmoid(self):
        y_true, y_pred = example("binary")
        y_true[0, :, 0] = np.linspace(0, 1, TIME)  # soft labels too
        pair = np.concatenate([np.zeros_like(y_pred), y_pred], axis=-1)
        known = y_true[..., :1] != -1
        one_hot = np.where(known, np.concatenate([1 - y_true[..., :1], y_true[..., :1]], -1), -1)
        both = np.concatenate([one_hot, y_true[..., 1:]], axis=-1).astype("float32")
        for variant in VARIANTS:
            arguments = {"variant": variant, "from_logits": True, "class_weight": (1.0, 3.0)}
            np.testing.assert_allclose(
                frames(both, pair, **arguments),
                frames(y_true, y_pred, **arguments),
                rtol=2e-5,
                atol=1e-6,
            )

    def test_soft_labels_as_in_keras_focal_loss(self):
        y_true, y_pred = example("binary", ignored=0)
        y_true[..., 0] = np.random.default_rng(2).random(y_true.shape[:2])
        stock = keras.losses.BinaryFocalCrossentropy(from_logits=True)
        loss = StreamingAnchorLoss("safl", strength=0, from_logits=True)
        assert float(loss(y_true, y_pred)) == pytest.approx(
            float(stock(y_true[..., :1], y_pred)), rel=1e-5
        )

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_soft_labels_never_reward_a_wrong_answer(self, variant):
        """Sure of either class, where the label is undecided, costs the more the surer."""
        y_true, y_pred = binary([0.5] * 7, [3] * 7, [-30, -9, -3, 0, 3, 9, 30])
        loss = frames(y_true, y_pred, variant=variant, from_logits=True)[0]
        assert (np.diff(loss[:4]) < 0).all()
        assert (np.diff(loss[3:]) > 0).all()

    def test_unknown_classes_of_a_known_frame(self):
        """Of three multi-label outputs one is unknown: the other two are averaged."""
        y_true = np.array([[[1, -1, 0, NO_ANCHOR]]], "float32")
        y_pred = np.array([[[0.5, 0.9, 0.25]]], "float32")
        loss = frames(y_true, y_pred, variant="sal", multi_label=True)
        np.testing.assert_allclose(loss, [[-(np.log(0.5) + np.log(0.75)) / 2]], rtol=1e-6)

    def test_output_without_class_axis(self):
        y_true, y_pred = example("binary")
        loss = StreamingAnchorLoss(from_logits=True)
        assert float(loss(y_true, y_pred[..., 0])) == float(loss(y_true, y_pred))

    @pytest.mark.parametrize("dtype", ["float64", "int32", "int64"])
    def test_targets_of_any_dtype(self, dtype):
        y_true, y_pred = example("binary")
        for loss in (streaming_anchor_loss, StreamingAnchorLoss(from_logits=False)):
            expected = np.asarray(loss(y_true, 1 / (1 + np.exp(-y_pred))))
            answers = (1 / (1 + np.exp(-y_pred))).astype("float64")
            given = np.asarray(loss(y_true.astype(dtype), answers))
            np.testing.assert_allclose(given, expected, rtol=1e-5)


class TestNormalize:
    @pytest.mark.parametrize("variant", VARIANTS)
    def test_mean_weight_is_1(self, variant):
        """With the same posterior of the truth everywhere, the loss is its cross entropy."""
        y_true, y_pred = example("binary", ignored=0.3)
        y_pred = np.where(y_true[..., :1] == 1, 0.3, 0.7).astype("float32")
        loss = StreamingAnchorLoss(variant, strength=9, normalize=True)
        assert float(loss(y_true, y_pred)) == pytest.approx(-np.log(0.3), rel=1e-6)

    def test_keeps_the_direction_of_the_gradient(self):
        y_true, y_pred = example("sparse")
        slopes = []
        for normalize in (False, True):
            loss = StreamingAnchorLoss("safl", from_logits=True, normalize=normalize)
            slopes.append(gradient(functools.partial(loss, y_true), y_pred).ravel())
        ratio = np.linalg.norm(slopes[0]) / np.linalg.norm(slopes[1])
        np.testing.assert_allclose(slopes[0], slopes[1] * ratio, rtol=1e-4, atol=1e-7)


class TestArguments:
    def test_config(self):
        loss = StreamingAnchorLoss(
            "safl",
            "gaussian",
            reach=(3, 7),
            strength=(1, 2),
            gamma=1.5,
            from_logits=True,
            label_smoothing=0.1,
            class_weight=np.array([1, 4]),
            multi_label=True,
            normalize=True,
            reduction="sum",
            name="mine",
            dtype="float64",
        )
        config = json.loads(json.dumps(loss.get_config()))
        again = StreamingAnchorLoss.from_config(config)
        assert again.get_config() == loss.get_config()
        assert (again.reach, again.strength, again.class_weight) == ((3, 7), (1, 2), (1, 4))
        assert again.dtype == "float64"

    @pytest.mark.parametrize("strength", [3, 3.0, np.int64(3), np.float32(3)])
    def test_numbers_of_any_type(self, strength):
        assert StreamingAnchorLoss(strength=strength, gamma=strength).get_config()["gamma"] == 3.0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"variant": "focal"}, "`variant` must be one of 'sal', 'sa[+]fl', 'safl'; .*'focal'"),
            ({"kernel": "linear"}, "`kernel` must be one of 'exponential'.*Received: .*'linear'"),
            ({"reach": 0}, "`reach` must be one number.*Received: reach=0"),
            ({"strength": -1}, "`strength` must be a number >= 0.*Received: strength=-1"),
            ({"strength": (1, np.inf)}, "`strength` must be a number >= 0"),
            ({"gamma": -0.5}, r"`gamma` must be a number >= 0; .*Received: gamma=-0.5"),
            ({"gamma": (1, 2)}, r"`gamma` must be a number >= 0; .*gamma=\(1, 2\)"),
            ({"label_smoothing": 1}, r"`label_smoothing` must lie in \[0, 1\).*=1"),
            ({"class_weight": 2}, "`class_weight` must be a list of numbers >= 0.*=2"),
            ({"class_weight": {0: 1, 1: 2}}, "`class_weight` must be a list of numbers"),
            ({"class_weight": (1, -2)}, "`class_weight` must be a list of numbers"),
            ({"normalize": "yes"}, "`normalize` must be True or False; .*normalize='yes'"),
            ({"from_logits": "no"}, "`from_logits` must be True or False"),
            ({"multi_label": 2}, "`multi_label` must be True or False"),
            ({"dtype": "float16"}, "`dtype` must be float32 or float64; half.*'float16'"),
        ],
    )
    def test_rejects(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            StreamingAnchorLoss(**arguments)

    @pytest.mark.parametrize(
        ("y_true", "y_pred", "arguments", "message"),
        [
            ((2, 5), (2, 5, 1), {}, r"`targets` must be packed targets.*AnchorTargets\(\)"),
            ((2, 5, 2), (2, 1), {}, "same number of frames; .*5 target frames, 1 output frames"),
            ((2, 5, 2), (2, 5, 1, 1), {}, r"`y_pred` must have shape \(batch, time, classes\)"),
            ((2, 5, 4), (2, 5, 2), {}, "one label channel .* 3 label channels for 2 classes"),
            ((2, 5, 2), (2, 5, 3), {"multi_label": True}, "must have as many label channels"),
            ((2, 5, 2), (2, 5, 1), {"class_weight": (1, 2, 3)}, "one value per class .2 here"),
            ((2, 5, 2), (2, 5, 3), {"strength": (1, 2)}, "one value per class .3 here"),
        ],
    )
    def test_rejects_shapes(self, y_true, y_pred, arguments, message):
        y_true = np.full(y_true, NO_ANCHOR if len(y_true) == 2 else 0.0, "float32")
        y_true[..., -1] = NO_ANCHOR
        with pytest.raises(ValueError, match=message):
            StreamingAnchorLoss(**arguments)(y_true, np.full(y_pred, 0.5, "float32"))

    def test_rejects_logits_taken_for_posteriors(self):
        y_true, y_pred = example("binary")
        with pytest.raises(ValueError, match=r"`y_pred` must be posteriors .*from_logits=True"):
            StreamingAnchorLoss()(y_true, y_pred)
        y_pred = np.clip(y_pred, -1e-4, 1 + 1e-4)  # as a softmax in half precision may round
        assert np.isfinite(float(StreamingAnchorLoss()(y_true, y_pred)))

    def test_rejects_labels_without_an_output(self):
        y_true, y_pred = example("sparse")
        with pytest.raises(ValueError, match=r"labels from -1 .ignore. to 2; `y_pred` has 3 out"):
            StreamingAnchorLoss(from_logits=True)(y_true, y_pred[..., :3])

    def test_rejects_one_hot_labels_without_distances(self):
        labels = np.eye(2)[np.random.default_rng(0).integers(0, 2, (BATCH, TIME))]
        with pytest.raises(ValueError, match=r"must hold the distance .*AnchorTargets\(classes"):
            StreamingAnchorLoss()(labels, np.full((BATCH, TIME, 1), 0.5, "float32"))

    def test_values_are_looked_at_once(self):
        y_true, y_pred = example("binary")
        loss = StreamingAnchorLoss()
        loss(y_true, 1 / (1 + np.exp(-y_pred)))
        loss(y_true, np.clip(y_pred, -9, 9))  # too late, by design: a check a batch would cost

    def test_does_not_look_at_ignored_frames(self):
        y_true, y_pred = example("binary", from_logits=False, ignored=0)
        expected = float(StreamingAnchorLoss()(y_true[:, :-1], y_pred[:, :-1]))
        y_true[:, -1, 0] = -1
        y_pred[:, -1] = 99.0
        assert float(StreamingAnchorLoss()(y_true, y_pred)) == pytest.approx(expected, rel=1e-6)


def test_function_and_class_are_twins():
    y_true, y_pred = example("sparse")
    arguments = {"variant": "safl", "reach": 3, "strength": 2, "from_logits": True}
    loss = StreamingAnchorLoss(reduction=None, **arguments)
    np.testing.assert_allclose(
        np.asarray(loss(y_true, y_pred)), frames(y_true, y_pred, **arguments), rtol=1e-6
    )
    assert keras_sal.losses.StreamingAnchorLoss is StreamingAnchorLoss
