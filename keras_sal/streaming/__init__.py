"""Models that run frame by frame, with their timing and their costs.

- `step_model` makes a model for one frame a call from a clip model: for live streams, for export.
- `chunk_model` makes one for many frames a call, with the same states: to score hours.
- `initial_state` gives the state at the start of a stream of either.
- `delay_frames`, `receptive_field` and `frames_per_step` tell their timing.
- `costs` counts parameters, multiply-adds and memory.

Readers of the code start with `streaming_model`. `rules` says what becomes of each kind of layer.
"""

from keras_sal.streaming.model_costs import costs
from keras_sal.streaming.streaming_model import chunk_model, initial_state, step_model
from keras_sal.streaming.timing import delay_frames, frames_per_step, receptive_field

__all__ = [
    "chunk_model",
    "costs",
    "delay_frames",
    "frames_per_step",
    "initial_state",
    "receptive_field",
    "step_model",
]
