"""What a layer does in one step of a stream: one rule for each kind of layer.

`Stream` walks through a model. It calls the rule of a layer as the layer was called,
`step(layer, stream, *inputs, **kwargs)`, with `Frames` in place of clip tensors, and gets the
`Frames` of the outputs. Five rules stream most models:

- `framewise`: a layer that treats every frame alike is called on the frames alone. That it does
  so is not believed but seen: it is tried on random clips first.
- `normalization`: normalisation over features is computed in operations that quantise.
- `recurrent`: a recurrent layer becomes its cell.
- `convolution`: a convolution or pooling becomes itself, unpadded, over a window that begins in the
  past.
- `custom`: a layer of the user's own says itself what it does with a frame.

What can never stream is refused in `unsupported`, with the reason and what to use instead.
"""

from keras_sal.streaming.rules import (
    convolution,
    custom,
    framewise,
    normalization,
    recurrent,
    unsupported,
)
from keras_sal.streaming.rules.frames import Frames, HopTooShort
from keras_sal.streaming.rules.graph import Stream, plain_graph

__all__ = [
    "Frames",
    "HopTooShort",
    "Stream",
    "framewise",
    "normalization",
    "custom",
    "plain_graph",
    "recurrent",
    "unsupported",
    "convolution",
]
