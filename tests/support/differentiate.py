"""Value and gradient of a function of one tensor, on whichever backend is active."""

import keras
import numpy as np


def value_and_gradient(function, x):
    """Returns `function(x)`, a scalar, and its gradient, as NumPy arrays."""
    value, slope = BACKENDS[keras.backend.backend()](function, np.asarray(x))
    return np.asarray(value), np.asarray(slope)


def gradient(function, x):
    return value_and_gradient(function, x)[1]


def _tensorflow(function, x):
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return value, tape.gradient(value, x)


def _jax(function, x):
    import jax

    return jax.value_and_grad(function)(jax.numpy.asarray(x))


def _torch(function, x):
    import torch

    x = torch.tensor(x, requires_grad=True)
    value = function(x)
    value.backward()
    return value.detach(), x.grad


BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
