"""Checks that a loss makes when `fit` starts: the model, the metrics and the first batch.

A loss receives tensors only. Some mistakes don't show in them: a sigmoid before a loss of logits, a
metric that can't read packed targets. And in a compiled step the tensors have no values. Keras
offers a loss no way to its model, so it is looked up in the calls that lead to the loss: once while
a compiled step is traced, and at each step that is not compiled. Where no `fit` is found, as in a
training loop of one's own, nothing is checked here.
"""

from __future__ import annotations

import math
import sys
from types import FrameType
from typing import Any, NamedTuple

import keras

from keras_sal.checks import require

_METHODS = ("fit", "evaluate", "train_on_batch", "test_on_batch")
_LAST_LAYERS = (  # what they return is what their activation does
    keras.layers.Activation,
    keras.layers.Conv1D,
    keras.layers.Dense,
    keras.layers.DepthwiseConv1D,
    keras.layers.EinsumDense,
    keras.layers.GRU,
    keras.layers.LSTM,
    keras.layers.SeparableConv1D,
    keras.layers.SimpleRNN,
)
_NO_POSTERIORS = {  # activations that leave [0, 1]
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_silu", "hard_tanh", "leaky_relu"),
    *("log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "silu", "soft_shrink"),
    *("softplus", "softsign", "sparse_plus", "squareplus", "tanh", "tanh_shrink"),
}
_OWN_TARGETS = ("Metric", "Mean", "Sum", "MeanMetricWrapper")  # read what they are given
_PACKED_METRICS = "FrameAccuracy, FrameAUC, FramePrecision and FrameRecall of `keras_sal.metrics`"


class RunningFit(NamedTuple):
    """A call of `fit`, `evaluate`, `train_on_batch` or `test_on_batch` in progress.

    Attributes:
        method: Name of the method.
        model: The model.
        callbacks: Its callbacks; `None` before the first step.
    """

    method: str
    model: keras.Model
    callbacks: keras.callbacks.CallbackList | None


def fit_checks() -> RunningFit | None:
    """Return the innermost call that trains or evaluates a model, or `None`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name in _METHODS:
            found = frame.f_locals
            if isinstance(found.get("self"), keras.Model):
                callbacks = found.get("callbacks")
                is_list = isinstance(callbacks, keras.callbacks.CallbackList)
                return RunningFit(
                    frame.f_code.co_name, found["self"], callbacks if is_list else None
                )
        frame = frame.f_back
    return None


def check_fit_checks(loss: keras.losses.Loss, from_logits: bool | None) -> bool:
    """Check the `fit` that calls a loss, once, and have its first batch checked.

    Args:
        loss: The loss over packed targets.
        from_logits: Whether it reads logits; `None` if it doesn't say.

    Returns:
        Whether this is the first batch of training or of validation, or a trace of it.

    Raises:
        ValueError: If the model or its metrics don't suit the loss.
    """
    found = fit_checks()
    if found is None:
        return False
    if found.callbacks is not None:
        callbacks = found.callbacks.callbacks
        own = [c for c in callbacks if isinstance(c, FirstBatch) and c.loss is loss]
        if own:
            return own[0].begins(found.method)
        first_batch = FirstBatch(loss, found.model)
        first_batch.begins(found.method)
        callbacks.append(first_batch)
    if from_logits is not None:
        check_last_layer(found.model, loss, from_logits)
    check_metrics(found.model, loss)
    return found.callbacks is not None


class FirstBatch(keras.callbacks.Callback):
    """Callback that refuses a first batch whose loss says that its values are wrong.

    It reads logs and metrics' names only, never `self.model`: Keras on JAX then attaches the state
    to the model, which another thread must not do while a step runs.

    Args:
        loss: The loss over packed targets.
        model: The model that is trained.
    """

    async_safe = True  # steps needn't wait for it

    def __init__(self, loss: keras.losses.Loss, model: keras.Model):
        super().__init__()
        self.loss = loss
        self._trained_model = model
        self._begun: set[str] = set()
        self._checked: set[str] = set()

    def begins(self, method: str) -> bool:
        """Return whether a method calls the loss for the first time.

        Args:
            method: `"fit"` or `"evaluate"`.
        """
        first = method not in self._begun
        self._begun.add(method)
        return first

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the first training batch."""
        self._check_once("fit", logs)

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the first batch of validation."""
        self._check_once("evaluate", logs)

    def _check_once(self, method: str, logs: dict[str, Any] | None) -> None:
        """Check the first loss of a method, and the metrics, which all exist by then."""
        if method not in self._checked:
            self._checked.add(method)
            self._check(float((logs or {}).get("loss", 0.0)))
            check_metrics(self._trained_model, self.loss)

    def _check(self, value: float) -> None:
        how = f"Call `{self.loss.name}(y_true, model(x))` on a batch; it names the wrong values."
        require(
            value != -math.inf,
            f"`y_true` must be packed targets that fit the outputs of the model; in the first "
            "batch a label is below -1 or above the last class, or the last channel holds one-hot "
            f"labels instead of the distance to the nearest anchor. Received: loss={value}. {how}",
        )
        require(
            not math.isnan(value),
            "`y_pred` must be finite, posteriors in [0, 1] with from_logits=False and logits with "
            f"from_logits=True; in the first batch it isn't. Received: loss={value}. {how}",
        )


def check_last_layer(model: keras.Model, loss: keras.losses.Loss, from_logits: bool) -> None:
    """Refuse a last layer whose activation doesn't suit the loss.

    Args:
        model: The model. Only one with one output, whose loss is `loss`, is checked.
        loss: The loss.
        from_logits: Whether it reads logits.

    Raises:
        ValueError: If the activation doesn't suit it.
    """
    layer = _last_layer(model) if _is_only_loss(model, loss) else None
    if isinstance(layer, keras.layers.TimeDistributed):
        layer = layer.layer
    if layer is None:
        return
    softmax = isinstance(layer, keras.layers.Softmax)
    activation = keras.activations.softmax if softmax else getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "")
    bounded = activation in (keras.activations.sigmoid, keras.activations.softmax)
    require(
        not (from_logits and bounded),
        f"`from_logits` must be False for a model that ends in a {name}; the loss would apply "
        f"another. Received: from_logits=True, last layer {layer.name!r}. Leave out from_logits, "
        f"or remove the {name} from the layer.",
    )
    plain = isinstance(layer, (keras.layers.Dense, keras.layers.Conv1D))
    require(
        from_logits or not plain or activation is not keras.activations.linear,
        "`from_logits` must be True for a model that ends in a layer without activation; its "
        f"outputs are logits. Received: from_logits=False, last layer {layer.name!r}. Give the "
        "layer a sigmoid or softmax, or set from_logits=True.",
    )
    own = getattr(keras.activations, name, None) is activation and isinstance(layer, _LAST_LAYERS)
    require(
        from_logits or not own or name not in _NO_POSTERIORS,
        f"The last layer must give posteriors in [0, 1], which a {name} does not. Received: "
        f"from_logits=False, last layer {layer.name!r}. Give the layer a sigmoid or softmax, or no "
        "activation and set from_logits=True.",
    )
    require(
        activation is not keras.activations.softmax or model.outputs[0].shape[-1] != 1,
        "The last layer must not be a softmax of one unit; its output is 1 whatever its input. "
        f"Received: last layer {layer.name!r}. Use a sigmoid, or a unit per class.",
    )


def check_metrics(model: keras.Model, loss: keras.losses.Loss) -> None:
    """Refuse metrics of Keras over packed targets, and of this package over logits.

    Those of Keras take the distance for a label.

    Args:
        model: The model. Only one with one output, whose loss is `loss`, is checked.
        loss: The loss.

    Raises:
        ValueError: If one of its metrics can't read packed targets, or posteriors of logits.
    """
    if not _is_only_loss(model, loss):
        return
    metrics = [inner for m in model.metrics for inner in getattr(m, "metrics", [m])]
    wrong = [metric.name for metric in metrics if _reads_plain_labels(metric)]
    require(
        not wrong,
        "`metrics` must read packed targets; those of Keras take the distance to the nearest "
        f"anchor for a label. Received: {', '.join(map(repr, wrong))}. Use {_PACKED_METRICS}, or "
        "its detection metrics.",
    )
    of_posteriors = [metric.name for metric in metrics if _reads_posteriors(metric)]
    require(
        not (of_posteriors and getattr(loss, "from_logits", False)),
        "`metrics` must read what the model returns; their thresholds are of posteriors. Received: "
        f"{', '.join(map(repr, of_posteriors))} beside {loss.name!r} with from_logits=True. Give "
        "the last layer a sigmoid or softmax and the loss from_logits=False.",
    )


def _reads_plain_labels(metric: keras.metrics.Metric) -> bool:
    kind = type(metric)
    return kind.__name__ not in _OWN_TARGETS and getattr(keras.metrics, kind.__name__, None) is kind


def _reads_posteriors(metric: keras.metrics.Metric) -> bool:
    """Whether a metric of this package compares its inputs with thresholds in (0, 1]."""
    own = any(kind.__module__.startswith("keras_sal.metrics") for kind in type(metric).__mro__)
    return own and hasattr(metric, "thresholds") and not getattr(metric, "_from_logits", False)


def _is_only_loss(model: keras.Model, loss: keras.losses.Loss) -> bool:
    return model.loss is loss and len(getattr(model, "outputs", None) or ()) == 1


def _last_layer(model: keras.Model) -> keras.layers.Layer | None:
    """Return the layer that the output comes from, or `None` where it can't be told."""
    if isinstance(model, keras.Sequential):
        last = model.layers[-1]
        return _last_layer(last) if isinstance(last, keras.Model) else last
    made = [each for each in model.layers if getattr(each, "output", None) is model.outputs[0]]
    return made[0] if len(made) == 1 and not isinstance(made[0], keras.Model) else None
