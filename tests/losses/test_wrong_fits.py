"""Mistakes in `compile` and `fit` are errors on the first batch, in a compiled step too."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_sal import AnchorTargets, FrameCrossEntropy, MaxPoolingLoss, StreamingAnchorLoss
from keras_sal.anchors import NO_ANCHOR
from keras_sal.losses.fit_checks import FirstBatch
from keras_sal.losses.packed_values import PackedValues, check_values, mark_wrong
from keras_sal.metrics import FrameAccuracy, FrameAUC, FramePrecision, MeanFRR

TIME = 12
CLIPS = np.random.default_rng(0).normal(size=(4, TIME, 3)).astype("float32")
CLASSES = np.random.default_rng(1).integers(0, 4, (4, TIME))


def detector(units=1, activation="sigmoid", last=()):
    keras.utils.set_random_seed(0)
    dense = layers.Dense(units, activation=activation, name="last")
    return keras.Sequential([keras.Input((None, 3)), dense, *last])


def packed(classes=1):
    labels = np.array([[3, 6, 1]] * 4)[:, None]
    return AnchorTargets(frames=TIME, classes=classes)(labels)


def four_classes():
    return AnchorTargets(classes=4)(CLASSES)


def train(model, y_true, loss=None, metrics=(), method="fit"):
    model.compile("sgd", loss=loss or StreamingAnchorLoss(), metrics=list(metrics))
    return getattr(model, method)(CLIPS, y_true, verbose=0)


def posteriors(classes):
    return keras.ops.convert_to_numpy(keras.ops.softmax(np.repeat(CLIPS, 2, -1)[..., :classes]))


WRONG_TARGETS = {
    "one-hot labels": (np.eye(2)[CLASSES % 2], posteriors(2), False),
    "one-hot labels of a masked clip": (
        np.where(np.arange(TIME)[:, None] < 9, np.eye(2)[CLASSES % 2], [-1, NO_ANCHOR]),
        posteriors(2),
        False,
    ),
    "distance before label": (packed()[..., ::-1], posteriors(2)[..., :1], False),
    "four classes for three outputs": (four_classes(), posteriors(3), False),
    "labels below -1": (packed() - [2.0, 0.0], posteriors(2)[..., :1], False),
    "labels that are no numbers": (packed() * [np.nan, 1.0], posteriors(2)[..., :1], False),
}
WRONG_PREDICTIONS = {
    "logits": (packed(), CLIPS[..., :1], False),
    "percentages": (packed(), 100 * posteriors(2)[..., :1], False),
    "softmax before a loss of logits": (packed(3), posteriors(3), True),
}
RIGHT = {
    "posteriors": (packed(), posteriors(2)[..., :1], False),
    "logits": (packed(), CLIPS[..., :1], True),
    "softmax": (packed(3), posteriors(3), False),
    "logits of classes": (packed(3), CLIPS, True),
    "logits that are all 0": (packed(3), np.zeros((4, TIME, 3)), True),
    "a sigmoid of large logits": (packed(), np.ones((4, TIME, 1)), False),
    "anchors on two frames": (np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.full((1, 2, 1), 0.5), False),
    "nothing known": (np.full((4, TIME, 2), [-1.0, NO_ANCHOR]), CLIPS[..., :1], False),
}


def values(y_true, y_pred, from_logits):
    y_true, y_pred = (keras.ops.convert_to_tensor(x, "float32") for x in (y_true, y_pred))
    return PackedValues(y_true[..., :-1], y_true[..., -1], y_pred, from_logits, False)


@pytest.mark.parametrize("case", [*WRONG_TARGETS, *WRONG_PREDICTIONS])
def test_wrong_values_are_named_where_they_can_be_seen_and_marked_where_not(case):
    given = values(*(WRONG_TARGETS | WRONG_PREDICTIONS)[case])
    argument, mark = ("y_true", -np.inf) if case in WRONG_TARGETS else ("y_pred", np.nan)
    with pytest.raises(ValueError, match=f"`{argument}` must .* Received: "):
        check_values(given)
    np.testing.assert_equal(float(mark_wrong(keras.ops.ones(()), given)), mark)


@pytest.mark.parametrize("case", RIGHT)
def test_right_values_leave_the_loss_as_it_is(case):
    given = values(*RIGHT[case])
    assert check_values(given) == (case != "nothing known")
    assert float(mark_wrong(keras.ops.ones(()), given)) == 1.0


@pytest.mark.parametrize("argument", ["y_true", "y_pred"])
def test_fit_rejects_wrong_values(argument):
    if argument == "y_true":
        model, y_true = detector(2, "softmax"), np.eye(2)[CLASSES % 2]
    else:
        model, y_true = detector(activation=None, last=[layers.Rescaling(9.0)]), packed()
    before = [np.copy(weights) for weights in model.get_weights()]
    with pytest.raises(ValueError, match=f"`{argument}` must .* Received: "):
        train(model, y_true)
    for weights, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, old)


def test_targets_without_anchors_are_refused_after_others_too():
    """TensorFlow compiles the second step for any number of channels."""
    model = detector()
    train(model, packed())
    with pytest.raises(ValueError, match=r"must be packed targets(.|\n)*AnchorTargets"):
        model.fit(CLIPS, packed()[..., :1], verbose=0)


@pytest.mark.parametrize("metric", [MeanFRR(), FramePrecision(), FrameAUC()], ids=str)
def test_metrics_of_posteriors_are_refused_beside_logits(metric):
    loss = StreamingAnchorLoss(from_logits=True)
    with pytest.raises(ValueError, match=rf"`metrics` must read .* '{metric.name}' beside"):
        train(detector(activation=None), packed(), loss, metrics=[metric])
    fine = [FrameAUC(from_logits=True), FrameAccuracy(0.01)]
    train(detector(activation=None), packed(), loss, metrics=fine)


def test_evaluate_rejects_wrong_values():
    with pytest.raises(ValueError, match=r"`y_true` must (be|hold)"):
        train(detector(2, "softmax"), np.eye(2)[CLASSES % 2], method="evaluate")


def test_validation_rejects_wrong_values():
    model = detector(3, "softmax")
    model.compile("sgd", loss=FrameCrossEntropy())
    with pytest.raises(ValueError, match=r"`y_true` must (be|hold)"):
        model.fit(CLIPS, packed(3), validation_data=(CLIPS, four_classes()), verbose=0)


@pytest.mark.filterwarnings("ignore:You are using a softmax")
@pytest.mark.parametrize(
    ("model", "loss", "message"),
    [
        ({}, StreamingAnchorLoss(from_logits=True), "must be False for a model .* in a sigmoid"),
        ({}, MaxPoolingLoss(from_logits=True), "must be False for a model .* in a sigmoid"),
        ({"activation": None}, FrameCrossEntropy(), "must be True .* last layer 'last'"),
        ({"activation": "softmax"}, None, "must not be a softmax of one unit"),
        ({"activation": None, "last": [layers.Activation("sigmoid", name="on")]}, None, None),
    ],
)
def test_fit_rejects_a_last_layer_that_does_not_suit_the_loss(model, loss, message):
    if message is None:
        assert np.isfinite(train(detector(**model), packed(), loss).history["loss"][0])
        return
    with pytest.raises(ValueError, match=message):
        train(detector(**model), packed(), loss)


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus", "log_sigmoid"])
def test_fit_rejects_an_activation_that_gives_no_posteriors(activation):
    with pytest.raises(ValueError, match=rf"posteriors .* {activation} does not.* layer 'last'"):
        train(detector(activation=activation), packed())


@pytest.mark.parametrize("last", [layers.GRU(1, return_sequences=True), layers.Activation("relu")])
def test_fit_rejects_last_layers_that_give_no_posteriors(last):
    with pytest.raises(ValueError, match=f"posteriors .* last layer '{last.name}'"):
        train(detector(last=[last]), packed())


@pytest.mark.parametrize("activation", ["hard_sigmoid", "sparse_sigmoid"])
def test_fit_accepts_other_activations_of_posteriors(activation):
    assert np.isfinite(train(detector(activation=activation), packed()).history["loss"][0])


def test_functional_models_have_their_last_layer_checked():
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(layers.Dense(4)(inputs)))
    with pytest.raises(ValueError, match="`from_logits` must be False"):
        train(model, packed(), StreamingAnchorLoss(from_logits=True))


@pytest.mark.parametrize("metric", ["accuracy", "mse", keras.metrics.BinaryAccuracy(name="own")])
def test_fit_rejects_metrics_that_read_the_distance_as_a_label(metric):
    with pytest.raises(ValueError, match=r"`metrics` must read packed targets.* FrameAccuracy"):
        train(detector(), packed(), metrics=[metric])


def test_metrics_that_read_packed_targets_are_kept():
    def first_label(y_true, y_pred):
        return keras.ops.mean(y_true[..., 0])

    history = train(detector(), packed(), metrics=[FrameAUC(name="auc"), first_label]).history
    assert {"auc", "first_label"} <= set(history)


def test_a_wrong_loss_is_no_number_in_a_training_loop_of_ones_own():
    """Without `fit` a compiled step has no error, but its loss tells."""
    model = detector(2, "softmax")
    model.compile("sgd", loss=StreamingAnchorLoss())
    if keras.backend.backend() == "torch":
        pytest.skip("its steps are not compiled")
    value = model.train_on_batch(CLIPS, np.eye(2)[CLASSES % 2].astype("float32"))
    assert value == -np.inf


def test_the_check_is_made_once_for_a_fit():
    calls = []

    class Counted(StreamingAnchorLoss):
        def __call__(self, y_true, y_pred, sample_weight=None):
            calls.append(1)
            return super().__call__(y_true, y_pred, sample_weight)

    model = detector()
    model.compile("sgd", loss=Counted())
    kept = keras.callbacks.CallbackList([keras.callbacks.History()], model=model)
    model.fit(CLIPS, packed(), epochs=4, batch_size=1, callbacks=kept, verbose=0)
    assert sum(type(c).__name__ == "FirstBatch" for c in kept.callbacks) == 1
    compiled = keras.backend.backend() != "torch"
    assert len(calls) < 6 if compiled else len(calls) >= 16


def test_the_check_leaves_the_state_of_a_fit_checks_alone(monkeypatch):
    """On JAX `callback.model` attaches the state, in a thread beside the steps that change it."""

    def attach(callback):
        pytest.fail("it attached the state")

    model, loss = detector(), FrameCrossEntropy()
    model.compile("sgd", loss=loss)
    first_batch = FirstBatch(loss, model)
    monkeypatch.setattr(keras.callbacks.Callback, "model", property(attach))
    first_batch.on_train_batch_end(0, {"loss": 0.5})
    first_batch.on_test_batch_end(0, {"loss": 0.5})
    with pytest.raises(ValueError, match="`y_true` must be packed targets"):
        FirstBatch(loss, model).on_train_batch_end(0, {"loss": -np.inf})
