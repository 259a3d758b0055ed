"""Stateful training: a detector whose states carry over from batch to batch.

`stateful=True` of Keras works for recurrent layers only, and on JAX the states are lost between
batches (Keras 3.15). `StatefulDetector` carries the states of any detector that can stream, on
every backend, and is trained on `keras_sal.data.StreamChunks`:

    model = keras_sal.models.gru_detector()
    chunks = StreamChunks(streams, targets, batch_size=16)
    stateful = StatefulDetector(model, batch_size=16)
    stateful.compile("adam", loss=StreamingAnchorLoss())
    stateful.fit(chunks, epochs=10, shuffle=False, callbacks=[ResetStates(chunks)])

It shares the weights of `model`, which is trained afterwards.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_sal.checks import require
from keras_sal.data import StreamChunks
from keras_sal.export.signature import NEXT_SUFFIX, Signature
from keras_sal.streaming import chunk_model, initial_state
from keras_sal.typing import Tensor


class StatefulDetector(keras.Model):
    """A detector whose states carry over from batch to batch.

    Row i of a batch continues row i of the batch before, until `reset_states`. Gradients end at the
    beginning of the batch (truncated backpropagation through time). Dropout and other layers that
    act in training only are left out, as in `keras_sal.streaming.chunk_model`.

    Args:
        model: A causal detector `(batch, time, features)` to `(batch, time, classes)`, of layers
            that can stream; see `keras_sal.streaming.step_model`. Its weights are shared.
        batch_size: Rows of every batch, >= 1.
        **options: `name` and other options of `keras.Model`.

    Call arguments:
        clips: Float frames `(batch_size, time, features)`; a dict by input name if `model` has
            several inputs.

    Returns:
        The outputs of `model`; a dict by output name if it has several.

    Raises:
        ValueError: If a layer can't stream.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential(
        ...     [keras.Input((None, 3)), keras.layers.GRU(4, return_sequences=True)]
        ... )
        >>> stateful = StatefulDetector(model, batch_size=2)
        >>> clip = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
        >>> halves = [stateful.predict(half, verbose=0) for half in (clip[:, :3], clip[:, 3:])]
        >>> whole = model.predict(clip, verbose=0)
        >>> bool(np.allclose(np.concatenate(halves, axis=1), whole, atol=1e-6))
        True
    """

    def __init__(self, model: keras.Model, batch_size: int, **options: Any):
        super().__init__(**options)
        self.detector, self.batch_size = model, batch_size
        self._chunk = chunk_model(model, batch_size=batch_size)
        self._signature = Signature.from_names(self._chunk.input, self._chunk.output)
        self._memory = {
            name: self.add_weight(
                shape=zeros.shape, initializer="zeros", trainable=False, name=name
            )
            for name, zeros in initial_state(self._chunk, batch_size).items()
        }
        self.built = True

    def call(
        self, clips: Tensor | dict[str, Tensor], training: bool = False
    ) -> Tensor | dict[str, Tensor]:
        """Run the detector on a batch, from the states that the last batch left."""
        if not isinstance(clips, dict):
            frames = dict.fromkeys(self._signature.frames, clips)
        else:
            frames = {f"frame_{name}": x for name, x in clips.items()}
        state = {name: ops.copy(ops.stop_gradient(x)) for name, x in self._memory.items()}
        found = self._chunk(frames | state, training=training)
        for name, variable in self._memory.items():
            variable.assign(ops.stop_gradient(found[name + NEXT_SUFFIX]))
        outputs = {
            name.removeprefix("posterior_"): found[name] for name in self._signature.posteriors
        }
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def reset_states(self) -> None:
        """Reset the states, so that all rows begin new streams."""
        for variable in self._memory.values():
            variable.assign(np.zeros(variable.shape, "float32"))


class ResetStates(keras.callbacks.Callback):
    """Callback that resets a `StatefulDetector` where `StreamChunks` begin new streams.

    Use it in `fit`, `evaluate` and `predict`.

    Args:
        chunks: The `StreamChunks` that the model is fitted to, evaluated on or predicts from.
        validation: The `StreamChunks` that `fit` gets as `validation_data`. Defaults to `None`.

    Raises:
        ValueError: When it is used, if the model is no `StatefulDetector` or takes several steps
            at once.
    """

    def __init__(self, chunks: StreamChunks, validation: StreamChunks | None = None):
        super().__init__()
        self.chunks, self.validation = chunks, validation
        self._training = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._check()
        self._training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._training = False

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._check()

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: D102
        self._check()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Reset the states if new streams begin."""
        self._reset_at(self.chunks, batch)

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Reset the states if new streams begin."""
        self._reset_at((self._training and self.validation) or self.chunks, batch)

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Reset the states if new streams begin."""
        self._reset_at(self.chunks, batch)

    def _reset_at(self, chunks: StreamChunks, batch: int) -> None:
        if chunks.begins(batch):
            self.model.reset_states()

    def _check(self) -> None:
        steps = self.model.steps_per_execution
        require(
            isinstance(self.model, StatefulDetector) and steps == 1,
            "`model` must be a StatefulDetector that takes a step at a time; states are carried "
            f"from batch to batch and reset between batches. Received: {type(self.model).__name__} "
            f"with steps_per_execution={steps}. Make a StatefulDetector(model, batch_size) and "
            "compile it without steps_per_execution.",
        )
