"""Detectors that remember from batch to batch, to be trained on `StreamChunks`.

Keras' own `stateful=True` is for recurrent layers alone, and on JAX it forgets between batches
(Keras 3.15). `StatefulDetector` carries the states of any detector that can stream, on every
backend:

    model = keras_sal.models.gru_detector()
    chunks = StreamChunks(streams, targets, batch_size=16)
    stateful = StatefulDetector(model, batch_size=16)
    stateful.compile("adam", loss=StreamingAnchorLoss())
    stateful.fit(chunks, epochs=10, shuffle=False, callbacks=[ResetStates(chunks)])

The weights are those of `model`, which is trained when it is done.
"""

import keras
import numpy as np
from keras import ops

from keras_sal.checks import require
from keras_sal.export.signature import NEXT, Ports
from keras_sal.streaming import chunk_model, initial_state


class StatefulDetector(keras.Model):
    """A detector that goes on where it stopped, batch after batch.

    Row i of a batch continues row i of the batch before, until `reset_states`. Gradients reach back
    to the begin of the batch and no further (truncated backpropagation through time). Dropout and
    other layers that act in training only are left out, as in `keras_sal.streaming.chunk_model`.

    Args:
        model: A causal detector `(batch, time, features)` to `(batch, time, classes)`, of layers
            that can stream; see `keras_sal.streaming.step_model`. Its weights are shared.
        batch_size: Rows of every batch, at least 1.
        **options: `name` and other options of `keras.Model`.

    Call arguments:
        clips: Float frames `(batch_size, time, features)`; a dict by input name where `model` has
            several inputs.

    Returns:
        What `model` returns; a dict by output name where it has several outputs.

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

    def __init__(self, model, batch_size, **options):
        super().__init__(**options)
        self.detector, self.batch_size = model, batch_size
        self._chunk = chunk_model(model, batch_size=batch_size)
        self._ports = Ports.of(self._chunk.input, self._chunk.output)
        self._memory = {
            name: self.add_weight(
                shape=zeros.shape, initializer="zeros", trainable=False, name=name
            )
            for name, zeros in initial_state(self._chunk, batch_size).items()
        }
        self.built = True

    def call(self, clips, training=False):  # noqa: D102
        if not isinstance(clips, dict):
            frames = dict.fromkeys(self._ports.frames, clips)
        else:
            frames = {f"frame_{name}": x for name, x in clips.items()}
        state = {name: ops.copy(ops.stop_gradient(x)) for name, x in self._memory.items()}
        given = self._chunk(frames | state, training=training)
        for name, variable in self._memory.items():
            variable.assign(ops.stop_gradient(given[name + NEXT]))
        answers = {name.removeprefix("posterior_"): given[name] for name in self._ports.posteriors}
        return answers if len(answers) > 1 else next(iter(answers.values()))

    def reset_states(self):
        """Has all rows begin new streams."""
        for variable in self._memory.values():
            variable.assign(np.zeros(variable.shape, "float32"))


class ResetStates(keras.callbacks.Callback):
    """Resets the states of a `StatefulDetector` where `StreamChunks` begin new streams.

    Works in `fit`, `evaluate` and `predict`.

    Args:
        chunks: The `StreamChunks` that the model is fitted to, evaluated on or predicts from.
        validation: Those given to `fit` as `validation_data`, or `None` (default).

    Raises:
        ValueError: When it is used, if the model is no `StatefulDetector` or takes several steps
            at once.
    """

    def __init__(self, chunks, validation=None):
        super().__init__()
        self.chunks, self.validation = chunks, validation
        self._training = False

    def on_train_begin(self, logs=None):  # noqa: D102
        self._check()
        self._training = True

    def on_train_end(self, logs=None):  # noqa: D102
        self._training = False

    def on_test_begin(self, logs=None):  # noqa: D102
        self._check()

    def on_predict_begin(self, logs=None):  # noqa: D102
        self._check()

    def on_train_batch_begin(self, batch, logs=None):
        """Resets the states where new streams begin."""
        self._reset_at(self.chunks, batch)

    def on_test_batch_begin(self, batch, logs=None):
        """Resets the states where new streams begin."""
        self._reset_at((self._training and self.validation) or self.chunks, batch)

    def on_predict_batch_begin(self, batch, logs=None):
        """Resets the states where new streams begin."""
        self._reset_at(self.chunks, batch)

    def _reset_at(self, chunks, batch):
        if chunks.begins(batch):
            self.model.reset_states()

    def _check(self):
        steps = self.model.steps_per_execution
        require(
            isinstance(self.model, StatefulDetector) and steps == 1,
            "`model` must be a StatefulDetector that takes a step at a time; states are carried "
            f"from batch to batch and reset between them. Received: {type(self.model).__name__} "
            f"with steps_per_execution={steps}. Make a StatefulDetector(model, batch_size) and "
            "compile it without steps_per_execution.",
        )
