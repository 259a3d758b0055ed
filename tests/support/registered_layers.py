"""Functions and objects that a user registers with Keras, in a module of their own."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("tests")
def half_tanh(x):
    """Return half the hyperbolic tangent."""
    return 0.5 * ops.tanh(x)


@keras.saving.register_keras_serializable("tests")
class AtMostOne(keras.constraints.Constraint):
    """Limits weights to [-1, 1]."""

    def __call__(self, w):
        return ops.clip(w, -1.0, 1.0)
