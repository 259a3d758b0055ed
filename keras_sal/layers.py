"""Layers that stream and that Keras lacks: causal depthwise convolution, cumulative pooling.

All of them take clips `(batch, time, features)` to as many frames, and look at no frame that has
not come yet. `keras_sal.streaming.step_model` runs them frame by frame.
"""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="keras_sal")
class CausalDepthwiseConv1D(layers.DepthwiseConv1D):
    """A depthwise convolution over the frames that have been heard.

    `keras.layers.Conv1D` has `padding="causal"`, `keras.layers.DepthwiseConv1D` has not. This is
    the same as `ZeroPadding1D(((kernel_size - 1) * dilation_rate, 0))` before a `DepthwiseConv1D`;
    take those two where a saved model has to load without this package.

        y_t = sum_i kernel_i * x_{t - (kernel_size - 1 - i) * dilation_rate} + bias

    Args:
        kernel_size: Taps, an integer >= 1.
        **kwargs: As for `keras.layers.DepthwiseConv1D`, except `padding`, which is causal.

    Call arguments:
        clips: `(batch, time, features)`.

    Returns:
        `(batch, time / strides, features * depth_multiplier)`.

    Raises:
        ValueError: If `padding` is given, or the channels come first.

    Example:

    >>> import keras, numpy as np
    >>> from keras_sal.layers import CausalDepthwiseConv1D
    >>> difference = CausalDepthwiseConv1D(2, use_bias=False)
    >>> difference.build((None, None, 1))
    >>> difference.set_weights([np.array([[[-1.0]], [[1.0]]])])
    >>> keras.ops.convert_to_numpy(difference(np.array([[[3.0], [5.0], [9.0]]])))[0, :, 0].tolist()
    [3.0, 2.0, 4.0]
    """

    def __init__(self, kernel_size, **kwargs):
        padding = kwargs.pop("padding", "causal")
        if padding != "causal":
            raise ValueError(
                "`padding` must be left out; the layer is causal. "
                f"Received: padding={padding!r}. Take keras.layers.DepthwiseConv1D for that."
            )
        super().__init__(kernel_size, padding="valid", **kwargs)
        if self.data_format != "channels_last":
            raise ValueError(
                "`data_format` must be 'channels_last'; time is axis 1. "
                f"Received: data_format={self.data_format!r}. Transpose the clips."
            )

    @property
    def past_frames(self):
        """How many frames before it an answer depends on."""
        return (self.kernel_size[0] - 1) * self.dilation_rate[0]

    def call(self, clips):
        """Convolves."""
        return super().call(ops.pad(clips, [(0, 0), (self.past_frames, 0), (0, 0)]))

    def compute_output_shape(self, shape):
        """Returns the shape of the output."""
        batch, time, features = shape
        padded = None if time is None else time + self.past_frames
        return super().compute_output_shape((batch, padded, features))

    def get_config(self):
        """Returns what `from_config` needs."""
        config = super().get_config()
        del config["padding"]
        return config


class _Cumulative(layers.Layer):
    def compute_output_shape(self, shape):
        """Returns the shape it is given."""
        return shape

    def build(self, shape):
        """Remembers the shape of a frame."""
        self.frame_shape = tuple(shape[2:])


@keras.saving.register_keras_serializable(package="keras_sal")
class CumulativeAveragePooling1D(_Cumulative):
    """The mean of all frames heard so far.

    It is what `GlobalAveragePooling1D` gives for the clip up to each frame. Use it for what holds
    of a whole stream, such as the channel or the speaker.

        y_t = (x_0 + ... + x_t) / (t + 1) = y_{t-1} + (x_t - y_{t-1}) / (t + 1)

    In a stream it counts frames, in float32: exactly up to 2**24 (46 hours at 100 a second), and as
    if there had been no more after that. Integers of 8 bits cannot count so far, so that it is not
    for quantised models. There, average a trailing window: `ZeroPadding1D((n - 1, 0))` and
    `AveragePooling1D(n, strides=1)`.

    Args:
        **kwargs: See `keras.layers.Layer`.

    Call arguments:
        clips: `(batch, time, ...)`.

    Returns:
        As many frames of the same shape.

    Example:

    >>> import keras, numpy as np
    >>> from keras_sal.layers import CumulativeAveragePooling1D
    >>> clip = np.array([[[3.0], [5.0], [1.0]]])
    >>> keras.ops.convert_to_numpy(CumulativeAveragePooling1D()(clip))[0, :, 0].tolist()
    [3.0, 4.0, 3.0]
    """

    def call(self, clips):
        """Averages up to each frame."""
        counts = ops.cumsum(ops.ones_like(clips), axis=1)
        return ops.cumsum(clips, axis=1) / counts

    def streaming_state_spec(self):
        """The mean and the count."""
        return [self.frame_shape, (1,) * len(self.frame_shape)]

    def stream_step(self, frame, states):
        """Moves the mean a little towards the frame."""
        mean, count = states
        count = count + 1
        mean = mean + (frame - mean) / count
        return mean, [mean, count]


@keras.saving.register_keras_serializable(package="keras_sal")
class CumulativeMaxPooling1D(_Cumulative):
    """The largest value of each feature in all frames heard so far.

    It is what `GlobalMaxPooling1D` gives for the clip up to each frame: once something has been
    heard, it stays so until the state is reset.

        y_t = max(x_0, ..., x_t) = max(x_t, y_{t-1})

    Args:
        **kwargs: See `keras.layers.Layer`.

    Call arguments:
        clips: `(batch, time, ...)`.

    Returns:
        As many frames of the same shape.

    Example:

    >>> import keras, numpy as np
    >>> from keras_sal.layers import CumulativeMaxPooling1D
    >>> clip = np.array([[[-3.0], [-5.0], [1.0], [0.0]]])
    >>> keras.ops.convert_to_numpy(CumulativeMaxPooling1D()(clip))[0, :, 0].tolist()
    [-3.0, -3.0, 1.0, 1.0]
    """

    def call(self, clips):
        """Takes the maximum up to each frame."""
        by_time = ops.moveaxis(clips, 1, 0)
        _, maxima = ops.scan(lambda y, x: (ops.maximum(y, x),) * 2, by_time[0], by_time)
        return ops.moveaxis(maxima, 0, 1)

    def streaming_state_spec(self):
        """The maximum, and whether there is one yet."""
        return [self.frame_shape, (1,) * len(self.frame_shape)]

    def stream_step(self, frame, states):
        """Compares the frame with the maximum, if there is one."""
        largest, has_begun = states
        largest = ops.maximum(frame, has_begun * largest + (1 - has_begun) * frame)
        return largest, [largest, ops.minimum(has_begun + 1, 1)]
