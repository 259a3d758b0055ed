"""Schedules of the streaming anchor loss: strength, gamma and reach that change in training."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sal.anchors import reach_pair
from keras_sal.checks import require
from keras_sal.typing import Tensor

SCHEDULED = ("strength", "gamma", "reach")


@keras.saving.register_keras_serializable(package="keras_sal")
class HyperParameter(keras.metrics.Metric):
    """Number that the compiled train step reads at each step, and that logs show.

    Keras passes the state of metrics to the compiled train step on every backend, so a loss that
    reads one changes without being compiled again.

    Args:
        name: Name in the progress bar and in `History`.
        value: Its first value. Defaults to 0.
        dtype: Dtype of the value. Defaults to `None`, float32.
    """

    def __init__(self, name: str, value: float = 0.0, dtype: str | None = None) -> None:
        super().__init__(name=name, dtype=dtype or "float32")
        self.value = self.add_variable(
            (),
            keras.initializers.Constant(value),
            aggregation="only_first_replica",  # the same on all, where `tf.distribute` would add
            name="value",
        )

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the value doesn't depend on data."""

    def reset_state(self) -> None:
        """Do nothing: the value outlives an epoch."""

    def result(self) -> Tensor:
        """Return the value, copied: JAX reuses the memory of the variable in the next step."""
        return ops.copy(ops.convert_to_tensor(self.value))

    def get_config(self) -> dict[str, Any]:  # noqa: D102
        return {"name": self.name, "value": float(self.value), "dtype": self.dtype}


class AnchorSchedule(keras.callbacks.Callback):
    """Callback that changes `strength`, `gamma` or `reach` of a streaming anchor loss.

    Use it to begin with cross entropy and add the anchors later, or to narrow the kernel as the
    model improves. Nothing is compiled again when a value changes. Pass its `metrics` to `compile`,
    through which the values reach the compiled step and the logs, and the schedule itself to `fit`.

    Args:
        loss: The `StreamingAnchorLoss` to change; the inner one if it is wrapped.
        strength: `None` (default) to leave it, or a function of the epoch (from 0; of the train
            step with `every="batch"`) that returns a number >= 0. A
            `keras.optimizers.schedules.LearningRateSchedule` is such a function.
        gamma: `None` (default), or a function that returns a number >= 0.
        reach: `None` (default), or a function that returns a number > 0 or a pair
            `(before, after)`.
        every: `"epoch"` or `"batch"`: when to call the functions. Defaults to `"epoch"`.

    Raises:
        ValueError: If nothing is scheduled, or a value is out of range, or, when training begins,
            if the model wasn't compiled with `metrics`.

    Example:

    >>> import keras_sal
    >>> import numpy as np
    >>> loss = keras_sal.StreamingAnchorLoss()
    >>> schedule = keras_sal.AnchorSchedule(loss, strength=lambda epoch: 0.0 if epoch < 2 else 5.0)
    >>> model = keras_sal.models.gru_detector(features=3, feature_max=1)
    >>> model.compile("adam", loss=loss, metrics=schedule.metrics)
    >>> x, y = np.zeros((1, 7, 3)), keras_sal.AnchorTargets()(np.zeros((1, 7)))
    >>> history = model.fit(x, y, epochs=3, callbacks=[schedule], verbose=0)
    >>> [float(strength) for strength in history.history["strength"]]
    [0.0, 0.0, 5.0]
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        strength: Callable[[int], Any] | None = None,
        gamma: Callable[[int], Any] | None = None,
        reach: Callable[[int], Any] | None = None,
        every: str = "epoch",
    ) -> None:
        super().__init__()
        functions = {"strength": strength, "gamma": gamma, "reach": reach}
        self.functions = {name: f for name, f in functions.items() if f is not None}
        require(
            self.functions and all(map(callable, self.functions.values())),
            f"At least one of {', '.join(SCHEDULED)} must be a function of the epoch or step; "
            "a constant belongs in the loss. Received: "
            f"{self.functions or 'none of them'}. Give strength=lambda epoch: ..., for example.",
        )
        require(
            every in ("epoch", "batch"),
            '`every` must be "epoch" or "batch"; it says when the functions are called. '
            f"Received: every={every!r}. Choose one.",
        )
        self.every = every
        self.parameters: dict[str, tuple[HyperParameter, ...]] = {}
        for name in self.functions:
            require(
                hasattr(loss, name),
                f"`loss` must have the hyper-parameter {name!r} to schedule it. Received: "
                f"loss={loss.name}. Give the StreamingAnchorLoss itself, not a loss around it.",
            )
            value = getattr(loss, name)
            require(
                name == "reach" or np.ndim(value) == 0,
                f"`loss` must have one `{name}` for all classes to schedule it. Received: "
                f"{name}={value}. Give the loss one number.",
            )
            sides = ("_before", "_after") if name == "reach" else ("",)
            self.parameters[name] = tuple(
                HyperParameter(name + side, v)
                for side, v in zip(sides, value if name == "reach" else (value,), strict=True)
            )
            variables = tuple(parameter.value for parameter in self.parameters[name])
            setattr(loss, name, variables if name == "reach" else variables[0])
        self.step = 0

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The values as metrics, for `compile`."""
        return [parameter for group in self.parameters.values() for parameter in group]

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: D102
        self.step = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: D102
        logged = list(logs) if logs is not None else [p.name for p in self.metrics]
        missing = [p.name for p in self.metrics if not any(_is_of(p.name, name) for name in logged)]
        if missing:
            raise ValueError(
                "`compile` must be given the metrics of the schedule; through them its values "
                "reach the compiled train step. Received: a model without the metrics "
                f"{', '.join(missing)}. Call "
                "model.compile(loss=loss, metrics=[*schedule.metrics, ...])."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: D102
        if self.every == "epoch":
            self._set(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: D102
        if self.every == "batch":
            self._set(self.step)
            self.step += 1

    def _set(self, when: int) -> None:
        self.model  # noqa: B018 - on JAX this brings the variables up to date, so that they can be set
        for name, function in self.functions.items():
            value = function(when)
            values = value if isinstance(value, (tuple, list)) else [value]
            values = [float(v) for v in values]
            require(
                name == "reach" or len(values) == 1,
                f"The schedule of `{name}` must return one number, which holds for all classes. "
                f"Received: {value} at {self.every} {when}. Only `reach` may have two sides.",
            )
            lowest = "> 0" if name == "reach" else ">= 0"
            if not all(v > 0 or (v == 0 and name != "reach") for v in values):
                raise ValueError(
                    f"The schedule of `{name}` must return numbers {lowest}, as the loss needs. "
                    f"Received: {value} at {self.every} {when}. Clip it."
                )
            if name == "reach":
                reach_pair(tuple(values) if len(values) > 1 else values[0])
            for parameter, v in zip(self.parameters[name], itertools.cycle(values), strict=False):
                parameter.value.assign(v)


def _is_of(metric: str, log: str) -> bool:
    """Tell whether a log is of a metric; with several outputs, that of the output precedes it."""
    return log == metric or log.endswith(f"_{metric}")
