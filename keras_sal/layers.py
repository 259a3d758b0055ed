"""Layers that Keras lacks and that can stream: causal depthwise convolution, cumulative pooling.

All of them map clips `(batch, time, features)` to as many frames, and no output depends on later
frames. `keras_sal.streaming.step_model` runs them frame by frame.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from keras_sal.checks import require
from keras_sal.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_sal")
class CausalDepthwiseConv1D(layers.DepthwiseConv1D):
    """Depthwise convolution over the current frame and the frames before it.

    `keras.layers.Conv1D` has `padding="causal"`, `keras.layers.DepthwiseConv1D` has not. This is
    the same as `ZeroPadding1D(((kernel_size - 1) * dilation_rate, 0))` before a `DepthwiseConv1D`;
    use those two where a saved model must load without this package.

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

    def __init__(self, kernel_size: int, **kwargs: Any) -> None:
        padding = kwargs.pop("padding", "causal")
        require(
            padding == "causal",
            "`padding` must be left out; the layer is causal. "
            f"Received: padding={padding!r}. Take keras.layers.DepthwiseConv1D for that.",
        )
        super().__init__(kernel_size, padding="valid", **kwargs)
        require(
            self.data_format == "channels_last",
            "`data_format` must be 'channels_last'; time is axis 1. "
            f"Received: data_format={self.data_format!r}. Transpose the clips.",
        )

    @property
    def past_frames(self) -> int:
        """Number of earlier frames that an output depends on."""
        return (self.kernel_size[0] - 1) * self.dilation_rate[0]

    def call(self, clips: Tensor) -> Tensor:
        """Convolve.

        Args:
            clips: `(batch, time, features)`.
        """
        return super().call(ops.pad(clips, [(0, 0), (self.past_frames, 0), (0, 0)]))

    def compute_output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape of the output.

        Args:
            shape: Shape of the input.
        """
        batch, time, features = shape
        padded = None if time is None else time + self.past_frames
        return super().compute_output_shape((batch, padded, features))

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        config = super().get_config()
        del config["padding"]
        return config


class _Cumulative(layers.Layer):
    def compute_output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the shape of the input."""
        return shape

    def build(self, shape: tuple[Any, ...]) -> None:
        """Store the shape of a frame."""
        self.frame_shape = tuple(shape[2:])


@keras.saving.register_keras_serializable(package="keras_sal")
class CumulativeAveragePooling1D(_Cumulative):
    """Mean of all frames up to each frame.

    It equals `GlobalAveragePooling1D` of the clip up to each frame. Use it for what is constant in
    a stream, such as the channel or the speaker.

        y_t = (x_0 + ... + x_t) / (t + 1) = y_{t-1} + (x_t - y_{t-1}) / (t + 1)

    In a stream it counts frames in its own dtype: in float32 up to 2**24 (46 hours at 100 a
    second), in float16 to 2048, in bfloat16 to 256; from there on, older frames fade. Integers of 8
    bits can't count that far, so it does not suit quantised models; average a trailing window
    there: `ZeroPadding1D((n - 1, 0))` and `AveragePooling1D(n, strides=1)`.

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

    def call(self, clips: Tensor) -> Tensor:
        """Average up to each frame.

        Args:
            clips: `(batch, time, ...)`.
        """
        wide = ops.cast(clips, keras.backend.result_type(clips.dtype, "float32"))
        means = ops.cumsum(wide, axis=1) / ops.cumsum(ops.ones_like(wide), axis=1)
        return ops.cast(means, self.compute_dtype)

    def streaming_state_spec(self) -> list[tuple[int, ...]]:
        """Return the shapes of the mean and the count."""
        return [self.frame_shape, (1,) * len(self.frame_shape)]

    def stream_step(self, frame: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Update the mean with one frame.

        Args:
            frame: `(batch, ...)`.
            states: The mean and the count.

        Returns:
            The new mean, and the next states.
        """
        mean, count = states
        count = count + 1
        mean = mean + (frame - mean) / count
        return mean, [mean, count]


@keras.saving.register_keras_serializable(package="keras_sal")
class CumulativeMaxPooling1D(_Cumulative):
    """Largest value of each feature in all frames up to each frame.

    It equals `GlobalMaxPooling1D` of the clip up to each frame: a maximum stays until the state is
    reset.

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

    def call(self, clips: Tensor) -> Tensor:
        """Compute the maximum up to each frame.

        Args:
            clips: `(batch, time, ...)`.
        """
        by_time = ops.moveaxis(clips, 1, 0)
        _, maxima = ops.scan(lambda y, x: (ops.maximum(y, x),) * 2, by_time[0], by_time)
        return ops.moveaxis(maxima, 0, 1)

    def streaming_state_spec(self) -> list[tuple[int, ...]]:
        """Return the shapes of the maximum and of the mark whether there is one yet."""
        return [self.frame_shape, (1,) * len(self.frame_shape)]

    def stream_step(self, frame: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Update the maximum with one frame.

        Args:
            frame: `(batch, ...)`.
            states: The maximum, and whether there is one.

        Returns:
            The new maximum, and the next states.
        """
        largest, has_begun = states
        largest = ops.maximum(frame, has_begun * largest + (1 - has_begun) * frame)
        return largest, [largest, ops.minimum(has_begun + 1, 1)]
