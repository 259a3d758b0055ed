"""A layer of the step model that computes with another layer's weights."""

import keras
from keras import layers


class Sharing(layers.Layer):
    """Base of the layers that do with the weights of `layer` what `layer` does not do itself.

    Args:
        layer: Layer whose weights are shared.
        **kwargs: See `keras.layers.Layer`.
    """

    def __init__(self, layer, **kwargs):
        super().__init__(**{"dtype": layer.dtype_policy, **kwargs})
        self.layer = layer

    def get_config(self):
        """Returns what `from_config` needs."""
        return {**super().get_config(), "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config):
        """Makes the layer from what `get_config` gave."""
        layer = keras.saving.deserialize_keras_object(config.pop("layer"))
        return cls(layer, **config)
