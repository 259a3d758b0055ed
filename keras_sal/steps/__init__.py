"""What a layer does in one step of a stream: one rule for each kind of layer.

`Stream` walks through a model. It calls the rule of a layer as the layer was called,
`step(layer, stream, *inputs, **kwargs)`, with `Frames` in place of clip tensors, and gets the
`Frames` of the outputs. Five rules stream most models:

- `memoryless`: a layer that treats every frame alike is called on the frames alone. That it does
  so is not believed but seen: it is tried on random clips first.
- `normalised`: normalisation over features is computed in operations that quantise.
- `recurrent`: a recurrent layer becomes its cell.
- `windowed`: a convolution or pooling becomes itself, unpadded, over a window that begins in the
  past.
- `own`: a layer of the user's own says itself what it does with a frame.

What can never stream is refused in `refused`, with the reason and what to use instead.
"""

from keras_sal.steps import memoryless, normalised, own, recurrent, refused, windowed
from keras_sal.steps.frames import Frames, HopTooShort
from keras_sal.steps.stream import Stream, plain_graph

__all__ = [
    "Frames",
    "HopTooShort",
    "Stream",
    "memoryless",
    "normalised",
    "own",
    "plain_graph",
    "recurrent",
    "refused",
    "windowed",
]
