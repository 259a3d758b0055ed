"""Annealing the streaming anchor loss: strength, gamma and reach that change while training."""

import itertools

import keras
from keras import ops

SCHEDULED = ("strength", "gamma", "reach")


@keras.saving.register_keras_serializable(package="keras_sal")
class HyperParameter(keras.metrics.Metric):
    """A number that the training function reads afresh at each step, and that logs show.

    Keras hands the state of metrics to the compiled training function on every backend, so a loss
    that reads one changes without being compiled again.

    Args:
        name: Name in the progress bar and in `History`.
        value: Its first value.
        dtype: Dtype of the value.
    """

    def __init__(self, name, value=0.0, dtype=None):
        super().__init__(name=name, dtype=dtype or "float32")
        self.value = self.add_variable((), keras.initializers.Constant(value), name="value")

    def update_state(self, *args, **kwargs):
        """Leaves the value alone: it doesn't depend on data."""

    def reset_state(self):
        """Leaves the value alone: it outlives an epoch."""

    def result(self):
        """Returns the value."""
        return ops.convert_to_tensor(self.value)

    def get_config(self):  # noqa: D102
        return {"name": self.name, "value": float(self.value), "dtype": self.dtype}


class AnchorSchedule(keras.callbacks.Callback):
    """Changes `strength`, `gamma` or `reach` of a streaming anchor loss during training.

    Use it to begin with cross entropy and bring the anchors in later, or to narrow the kernel as
    the model gets better. Nothing is compiled again when a value changes. Give it to both `compile`
    (its `metrics`, through which the values reach the compiled step, and the logs) and `fit`.

    Args:
        loss: The `StreamingAnchorLoss` to change, the one inside if it is wrapped.
        strength: `None` to leave it, or a function of the epoch (from 0; of the train step with
            `every="batch"`) that returns a number >= 0. A
            `keras.optimizers.schedules.LearningRateSchedule` is such a function.
        gamma: Likewise.
        reach: Likewise; returns a number > 0 or a pair `(before, after)`.
        every: `"epoch"` or `"batch"`: when to ask the functions.

    Raises:
        ValueError: If nothing is scheduled, or a value is out of range, or, when training begins,
            if the model wasn't compiled with `metrics`.

    Example:

    >>> import keras_sal
    >>> import numpy as np
    >>> loss = keras_sal.StreamingAnchorLoss()
    >>> schedule = keras_sal.AnchorSchedule(loss, strength=lambda epoch: 0.0 if epoch < 2 else 5.0)
    >>> model = keras_sal.models.gru_detector(features=3)
    >>> model.compile("adam", loss=loss, metrics=schedule.metrics)
    >>> x, y = np.zeros((1, 7, 3)), keras_sal.AnchorTargets()(np.zeros((1, 7)))
    >>> history = model.fit(x, y, epochs=3, callbacks=[schedule], verbose=0)
    >>> [float(strength) for strength in history.history["strength"]]
    [0.0, 0.0, 5.0]
    """

    def __init__(self, loss, strength=None, gamma=None, reach=None, every="epoch"):
        super().__init__()
        functions = {"strength": strength, "gamma": gamma, "reach": reach}
        self.functions = {name: f for name, f in functions.items() if f is not None}
        if not self.functions or not all(map(callable, self.functions.values())):
            raise ValueError(
                f"At least one of {', '.join(SCHEDULED)} must be a function of the epoch or step; "
                "a constant belongs in the loss. Received: "
                f"{self.functions or 'none of them'}. Give strength=lambda epoch: ..., for example."
            )
        if every not in ("epoch", "batch"):
            raise ValueError(
                '`every` must be "epoch" or "batch"; it says when the functions are asked. '
                f"Received: every={every!r}. Choose one."
            )
        self.every = every
        self.parameters = {}
        for name in self.functions:
            if not hasattr(loss, name):
                raise ValueError(
                    f"`loss` must have the hyper-parameter {name!r} to schedule it. Received: "
                    f"loss={loss.name}. Give the StreamingAnchorLoss itself, not a loss around it."
                )
            value = getattr(loss, name)
            sides = ("_before", "_after") if name == "reach" else ("",)
            self.parameters[name] = tuple(
                HyperParameter(name + side, v)
                for side, v in zip(sides, value if name == "reach" else (value,), strict=True)
            )
            variables = tuple(parameter.value for parameter in self.parameters[name])
            setattr(loss, name, variables if name == "reach" else variables[0])
        self.step = 0

    @property
    def metrics(self):
        """The values as metrics, for `compile`."""
        return [parameter for group in self.parameters.values() for parameter in group]

    def on_train_begin(self, logs=None):  # noqa: D102
        self.step = 0

    def on_train_batch_end(self, batch, logs=None):  # noqa: D102
        missing = [p.name for p in self.metrics if logs is not None and p.name not in logs]
        if missing:
            raise ValueError(
                "`compile` must be given the metrics of the schedule; through them its values "
                "reach the compiled train step. Received: a model without the metrics "
                f"{', '.join(missing)}. Call "
                "model.compile(loss=loss, metrics=[*schedule.metrics, ...])."
            )

    def on_epoch_begin(self, epoch, logs=None):  # noqa: D102
        if self.every == "epoch":
            self._set(epoch)

    def on_train_batch_begin(self, batch, logs=None):  # noqa: D102
        if self.every == "batch":
            self._set(self.step)
            self.step += 1

    def _set(self, when):
        self.model  # noqa: B018 - on JAX, brings the variables up to date so that they can be set
        for name, function in self.functions.items():
            value = function(when)
            values = value if isinstance(value, (tuple, list)) else [value]
            values = [float(v) for v in values]
            lowest = "> 0" if name == "reach" else ">= 0"
            if not all(v > 0 or (v == 0 and name != "reach") for v in values):
                raise ValueError(
                    f"The schedule of `{name}` must return numbers {lowest}, as the loss needs. "
                    f"Received: {value} at {self.every} {when}. Clip it."
                )
            for parameter, v in zip(self.parameters[name], itertools.cycle(values), strict=False):
                parameter.value.assign(v)
