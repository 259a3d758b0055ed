"""Models that run frame by frame: step models, chunk models, their delay and their costs."""

from keras_sal.streaming.model_costs import costs
from keras_sal.streaming.streaming_model import (
    chunk_model,
    delay_frames,
    frames_per_step,
    initial_state,
    receptive_field,
    step_model,
)

__all__ = [
    "chunk_model",
    "costs",
    "delay_frames",
    "frames_per_step",
    "initial_state",
    "receptive_field",
    "step_model",
]
