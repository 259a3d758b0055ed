"""Rules for what becomes of a layer in one step of a stream, one for each kind of layer.

A `StepBuilder` walks through a model. For each call of a layer it calls the rule of the layer with
the same arguments, `rule(layer, builder, *inputs, **kwargs)`, with `Frames` in place of clip
tensors. The rule returns the `Frames` of the outputs. Five modules of rules stream most models:

- `framewise`: a layer that treats every frame alike is called on the frames alone. `trial`
  shows whether it does so.
- `normalization`: normalisation over features is computed in operations that quantise.
- `recurrent`: a recurrent layer becomes its cell.
- `convolution`: a convolution or pooling works without padding on a window that begins in the past.
- `custom`: a custom layer defines itself what it does with a frame.

`unsupported` rejects what can never stream, with the reason and what to use instead.

Read `frames` first, which says what a rule takes and returns, then `registry`, then one rule, such
as `normalization`. `delay` has the delay lines of models that look ahead; `step_builder` has the
walk; `weight_sharing` and `whole_steps` have layers that step models contain.
"""

from keras_sal.streaming.rules import (
    convolution,
    custom,
    framewise,
    normalization,
    recurrent,
    unsupported,
)
from keras_sal.streaming.rules.frames import Frames, StepTooShort
from keras_sal.streaming.rules.step_builder import StepBuilder, as_functional

__all__ = [
    "Frames",
    "StepBuilder",
    "StepTooShort",
    "as_functional",
    "convolution",
    "custom",
    "framewise",
    "normalization",
    "recurrent",
    "unsupported",
]
