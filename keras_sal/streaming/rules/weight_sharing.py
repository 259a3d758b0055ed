"""The base of layers of the step model that compute with another layer's weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


class WeightSharingLayer(layers.Layer):
    """A layer that uses the weights of another layer in a computation of its own.

    Args:
        layer: Layer whose weights are shared.
        **kwargs: See `keras.layers.Layer`.
    """

    def __init__(self, layer: layers.Layer, **kwargs: Any) -> None:
        super().__init__(**{"dtype": layer.dtype_policy, "autocast": layer.autocast, **kwargs})
        self.layer = layer

    def get_config(self) -> dict[str, Any]:
        """Return the arguments for `from_config`."""
        return {**super().get_config(), "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WeightSharingLayer:
        """Return the layer that `get_config` describes."""
        layer = keras.saving.deserialize_keras_object(config.pop("layer"))
        return cls(layer, **config)
