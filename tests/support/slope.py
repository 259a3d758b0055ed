"""A custom layer that streams."""

import keras
from keras import layers, ops
from stepping import WIDTH


@keras.saving.register_keras_serializable(package="test_chunks")
class Slope(layers.Layer):
    """The difference of each feature from the frame before the last, times a weight."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, clips):
        return (clips - ops.pad(clips, [(0, 0), (2, 0), (0, 0)])[:, :-2]) * self.scale

    def streaming_state_spec(self):
        return [(2, WIDTH)]

    def stream_step(self, frame, states):
        (past,) = states
        after = ops.concatenate([past[:, 1:], frame[:, None]], axis=1)
        return (frame - past[:, 0]) * self.scale, [after]
