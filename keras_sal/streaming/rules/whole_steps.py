"""Where the frames of a chunk come in."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="keras_sal")
class WholeSteps(layers.Layer):
    """Lets a chunk of frames pass if it holds whole steps of `hop` frames.

    Args:
        hop: Frames of one step, > 1.
        **kwargs: See `keras.layers.Layer`.
    """

    def __init__(self, hop, **kwargs):
        super().__init__(**kwargs)
        self.hop = hop

    def call(self, frames):
        """Returns the frames; fails where the last step is not whole."""
        count = frames.shape[1]
        if isinstance(count, int) and count % self.hop:
            raise ValueError(
                f"`frame` must hold a multiple of {self.hop} frames; the model answers once for "
                f"every {self.hop}. Received: {count} frames in a chunk. Keep the rest for the "
                "next chunk."
            )
        features = tuple(frames.shape[2:])
        # Where the count is not known before, it is this shape that cannot be had.
        steps = ops.reshape(frames, (ops.shape(frames)[0], -1, self.hop, *features))
        return ops.reshape(steps, (ops.shape(frames)[0], -1, *features))

    def compute_output_shape(self, shape):
        """Returns the shape it is given."""
        return shape

    def get_config(self):
        """Returns what `from_config` needs."""
        return {**super().get_config(), "hop": self.hop}
