"""Mean of a number over the replicas of a `tf.distribute` strategy."""

from __future__ import annotations

from keras import ops

from keras_sal.typing import Tensor


def replica_mean(number: Tensor) -> Tensor:
    """Average a number over the replicas that train together.

    A replica of a `tf.distribute` strategy sees its share of the batch only, so a quotient of two
    sums must be the quotient of their means over the replicas. Everywhere else a tensor is of the
    whole batch, and the number stays as it is: with `keras.distribution` and on one device.

    Args:
        number: Float scalar, the sum over the frames that this replica sees. No gradient is taken.

    Returns:
        Float scalar.
    """
    number = ops.stop_gradient(number)
    try:
        mean, _ = ops.moments(ops.expand_dims(number, 0), axes=[0], synchronized=True)
    except NotImplementedError:  # Keras has it for TensorFlow, whose replicas need it
        return number
    return mean
