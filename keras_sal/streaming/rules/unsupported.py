"""Layers that can never stream, and what to use instead."""

from keras import layers

from keras_sal.streaming.rules.registry import refusal, step

_REFUSED = [
    (
        [layers.Bidirectional],
        "it reads the clip from its end as well",
        "Use a forward GRU or LSTM, with more units if need be.",
    ),
    (
        [
            layers.GlobalAveragePooling1D,
            layers.GlobalAveragePooling2D,
            layers.GlobalMaxPooling1D,
            layers.GlobalMaxPooling2D,
        ],
        "it needs the whole clip to answer once",
        "Use the cumulative pooling of keras_sal.layers, or pool a trailing window: "
        "ZeroPadding1D((n - 1, 0)) and AveragePooling1D(n, strides=1).",
    ),
    (
        [layers.Flatten],
        "it mixes time with features",
        "Use TimeDistributed(Flatten()) or Reshape((-1, features)).",
    ),
    (
        [
            layers.AdditiveAttention,
            layers.Attention,
            layers.GroupQueryAttention,
            layers.MultiHeadAttention,
        ],
        "every frame attends to the whole clip",
        "Use a GRU or causal convolutions.",
    ),
    (
        [layers.GroupNormalization],
        "it normalises over time",
        "Use LayerNormalization or BatchNormalization over the features.",
    ),
]


def _refuse_for(reason, instead):
    def refuse(layer, stream, *inputs, **kwargs):
        raise refusal(layer, reason, instead)

    return refuse


for _kinds, _reason, _instead in _REFUSED:
    for _kind in _kinds:
        step.register(_kind, _refuse_for(_reason, _instead))
