"""The schedule reaches the compiled step on every backend, without compiling it again."""

import keras
import numpy as np
import pytest

import keras_sal
from keras_sal import AnchorSchedule, StreamingAnchorLoss
from keras_sal.losses.schedule import HyperParameter

FRAMES, FEATURES = 7, 3


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, FRAMES, FEATURES)).astype("float32")
    labels = np.zeros((4, FRAMES), "int32")
    labels[:, 3] = 1
    return x, keras_sal.AnchorTargets()(labels)


def frozen_model():
    """A model whose loss changes only with the hyper-parameters: learning rate 0."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((FRAMES, FEATURES))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs))


def fit(loss, schedule, epochs=3, **kwargs):
    x, y = data()
    model = frozen_model()
    model.compile(keras.optimizers.SGD(0.0), loss=loss, metrics=schedule.metrics)
    history = model.fit(
        x, y, epochs=epochs, batch_size=2, callbacks=[schedule], shuffle=False, verbose=0, **kwargs
    )
    return model, history.history


def expected(**arguments):
    x, y = data()
    model = frozen_model()
    return float(keras_sal.StreamingAnchorLoss(**arguments)(y, model.predict(x, verbose=0)))


@pytest.mark.parametrize(
    ("variant", "name", "values"),
    [
        ("sal", "strength", [0.0, 2.0, 7.0]),
        ("safl", "gamma", [0.0, 1.0, 3.0]),
        ("sal", "reach", [1.0, 2.0, 5.0]),
        ("sal", "reach", [(1.0, 2.0), (2.0, 4.0), (5.0, 1.0)]),
    ],
)
def test_each_epoch_has_its_value(variant, name, values):
    loss = keras_sal.StreamingAnchorLoss(variant)
    schedule = keras_sal.AnchorSchedule(loss, **{name: lambda epoch: values[epoch]})
    _, history = fit(loss, schedule)
    wanted = [expected(variant=variant, **{name: value}) for value in values]
    assert len(set(wanted)) == 3
    np.testing.assert_allclose(history["loss"], wanted, rtol=1e-6)


def test_values_show_in_the_history():
    loss = keras_sal.StreamingAnchorLoss()
    schedule = keras_sal.AnchorSchedule(
        loss, strength=lambda epoch: 2.0 * epoch, reach=lambda epoch: (epoch + 1, 9)
    )
    _, history = fit(loss, schedule)
    assert history["strength"] == [0.0, 2.0, 4.0]
    assert history["reach_before"] == [1.0, 2.0, 3.0]
    assert history["reach_after"] == [9.0, 9.0, 9.0]


def test_callbacks_read_the_values_after_a_validation():
    """On JAX the step of the validation takes over the memory of the variables."""
    read = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: read.append(float(logs["strength"]))
    )
    loss = keras_sal.StreamingAnchorLoss()
    schedule = keras_sal.AnchorSchedule(loss, strength=lambda epoch: 2.0 * epoch)
    model = frozen_model()
    model.compile("sgd", loss=loss, metrics=schedule.metrics)
    history = model.fit(
        *data(), validation_data=data(), epochs=3, callbacks=[schedule, note], verbose=0
    )
    assert read == [0.0, 2.0, 4.0]
    assert [float(each) for each in history.history["val_strength"]] == [0.0, 2.0, 4.0]


def test_every_batch_counts_steps_over_epochs():
    asked = []
    loss = keras_sal.StreamingAnchorLoss()
    schedule = keras_sal.AnchorSchedule(
        loss, strength=lambda step: asked.append(step) or float(step), every="batch"
    )
    _, history = fit(loss, schedule, epochs=2)
    assert asked == [0, 1, 2, 3]
    assert history["strength"] == [1.0, 3.0]
    # The batches of two clips in epoch 2 have strengths 2 and 3.
    x, y = data()
    model = frozen_model()
    parts = [
        float(keras_sal.StreamingAnchorLoss(strength=s)(y[part], model.predict(x[part], verbose=0)))
        for s, part in ((2, slice(0, 2)), (3, slice(2, 4)))
    ]
    np.testing.assert_allclose(history["loss"][1], np.mean(parts), rtol=1e-6)


def test_takes_keras_learning_rate_schedules():
    loss = keras_sal.StreamingAnchorLoss()
    ramp = keras.optimizers.schedules.PolynomialDecay(0.0, 2, end_learning_rate=4.0)
    schedule = keras_sal.AnchorSchedule(loss, strength=lambda epoch: float(ramp(epoch)))
    _, history = fit(loss, schedule)
    np.testing.assert_allclose(history["strength"], [0.0, 2.0, 4.0], rtol=1e-6)


def test_does_not_trace_again():
    """The Python body of the loss runs while tracing only."""
    runs = []

    class Counting(keras_sal.StreamingAnchorLoss):
        def call(self, y_true, y_pred):
            runs.append(1)
            return super().call(y_true, y_pred)

    def runs_of(epochs):
        runs.clear()
        loss = Counting()
        schedule = keras_sal.AnchorSchedule(loss, strength=lambda step: step / 10, every="batch")
        fit(loss, schedule, epochs=epochs)
        return len(runs)

    if keras.backend.backend() == "torch":
        pytest.skip("PyTorch runs eagerly: there is no trace")
    assert runs_of(6) == runs_of(1)


def test_saves_the_value_of_the_moment(tmp_path):
    loss = keras_sal.StreamingAnchorLoss()
    schedule = keras_sal.AnchorSchedule(loss, strength=lambda epoch: 1.0 + epoch)
    model, _ = fit(loss, schedule)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss.strength == 3.0
    x, y = data()
    np.testing.assert_allclose(
        loaded.evaluate(x, y, verbose=0, return_dict=True)["loss"],
        expected(strength=3.0),
        rtol=1e-6,
    )


def test_hyper_parameter_config():
    metric = HyperParameter("strength", 2.5)
    again = HyperParameter.from_config(metric.get_config())
    metric.update_state(np.ones(3), np.ones(3))
    metric.reset_state()
    assert (float(metric.result()), float(again.result()), again.name) == (2.5, 2.5, "strength")


def test_rejects_a_model_without_its_metrics():
    loss = keras_sal.StreamingAnchorLoss()
    schedule = keras_sal.AnchorSchedule(loss, strength=lambda epoch: 1.0)
    x, y = data()
    model = frozen_model()
    model.compile("sgd", loss=loss)
    with pytest.raises(ValueError, match="`compile` must be given the metrics of the schedule"):
        model.fit(x, y, callbacks=[schedule], verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "At least one of strength, gamma, reach must be a function"),
        ({"strength": 5.0}, "must be a function of the epoch or step"),
        ({"gamma": float, "every": "day"}, '`every` must be "epoch" or "batch"'),
    ],
)
def test_rejects_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_sal.AnchorSchedule(keras_sal.StreamingAnchorLoss(), **arguments)


def test_steps_are_counted_from_0_in_each_fit():
    steps = []
    loss = keras_sal.StreamingAnchorLoss()
    schedule = keras_sal.AnchorSchedule(
        loss, strength=lambda t: steps.append(t) or 1, every="batch"
    )
    x, y = data()
    model = frozen_model()
    model.compile(keras.optimizers.SGD(0.0), loss=loss, metrics=schedule.metrics)
    for _ in range(2):
        model.fit(x, y, epochs=1, batch_size=2, callbacks=[schedule], verbose=0)
    assert steps == [0, 1, 0, 1]


def test_rejects_a_loss_without_the_parameter():
    with pytest.raises(ValueError, match="`loss` must have the hyper-parameter 'strength'"):
        keras_sal.AnchorSchedule(keras_sal.FrameCrossEntropy(), strength=float)


@pytest.mark.parametrize(("name", "value"), [("strength", -1.0), ("reach", 0.0)])
def test_rejects_values_out_of_range(name, value):
    loss = keras_sal.StreamingAnchorLoss()
    schedule = keras_sal.AnchorSchedule(loss, **{name: lambda epoch: value})
    with pytest.raises(ValueError, match=f"The schedule of `{name}` must return numbers"):
        fit(loss, schedule)


def test_the_loss_of_one_of_several_outputs():
    """Keras logs its metrics with the name of the output."""
    x, y = data()
    clip = keras.Input((FRAMES, FEATURES))
    names = ("one", "other")
    outputs = {name: keras.layers.Dense(1, "sigmoid", name=name)(clip) for name in names}
    losses = {name: keras_sal.StreamingAnchorLoss() for name in names}
    schedule = keras_sal.AnchorSchedule(losses["one"], strength=lambda epoch: 1.0 + epoch)
    model = keras.Model(clip, outputs)
    model.compile("sgd", loss=losses, metrics={"one": schedule.metrics})
    targets = dict.fromkeys(names, y)
    history = model.fit(x, targets, epochs=2, callbacks=[schedule], verbose=0).history
    assert history["one_strength"] == [1.0, 2.0]


def test_rejects_several_numbers_but_for_reach():
    loss = StreamingAnchorLoss("sal", strength=(0.0, 1.0, 2.0))
    with pytest.raises(ValueError, match="`loss` must have one `strength` for all classes"):
        AnchorSchedule(loss, strength=lambda epoch: 1.0)
    schedule = AnchorSchedule(StreamingAnchorLoss("sal"), strength=lambda epoch: (3.0, 7.0))
    schedule.set_model(keras.Sequential([keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match=r"must return one number.*\(3.0, 7.0\) at epoch 0"):
        schedule.on_epoch_begin(0)
