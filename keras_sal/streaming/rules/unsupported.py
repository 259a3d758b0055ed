"""Rules for layers that can never stream: errors that say why, and what to use instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import keras
from keras import layers

from keras_sal.streaming.rules.registry import rule, unsupported_error

if TYPE_CHECKING:
    from keras_sal.streaming.rules.step_builder import StepBuilder

_UNSUPPORTED = [
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
        "it needs the whole clip for its only output",
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


def _rejecting_rule(reason: str, instead: str) -> Callable[..., NoReturn]:
    def reject(
        layer: keras.Operation, builder: StepBuilder, *inputs: Any, **kwargs: Any
    ) -> NoReturn:
        raise unsupported_error(layer, reason, instead)

    return reject


for _kinds, _reason, _instead in _UNSUPPORTED:
    for _kind in _kinds:
        rule.register(_kind, _rejecting_rule(_reason, _instead))
