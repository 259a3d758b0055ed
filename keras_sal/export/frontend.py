"""The front-end in an exported file, which then takes samples.

    onnx.convert(model, "detector.onnx", frontend="micro")

With `frontend="micro"`, `keras_sal.export.litert.convert` and `keras_sal.export.onnx.convert` write
one step model from sound to posteriors. Its input `frame` holds the float32 samples in `[-1, 1]`,
at 16 kHz, that are new in a step: 160 for each frame of features that the detector takes in a step.
What a window needs from before and the noise estimate are states like any other, zeros at first.
The posterior of step `t`, from 0, is complete with the last sample of the step, at `t + 1` steps.

The features are those of `MicroFeatures(padding="causal")`: 20 ms of silence come before the sound.
They are computed in few operators, by `keras_sal.audio.micro_step`: one in 1,300 differs, and one
in 8,000 by more than a step. A LiteRT file with an output every 10 ms grows by 15 KB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_sal.audio import FEATURES, FRAME_STEP_S, SAMPLE_RATE, MicroFeatures
from keras_sal.audio.micro_step import MicroStep
from keras_sal.checks import require
from keras_sal.export.conversion.float_model import as_clip_model, in_float32
from keras_sal.typing import Tensor

FRONTENDS = ("micro",)
STEP_SAMPLES = round(FRAME_STEP_S * SAMPLE_RATE)


def with_frontend(
    model: keras.Model, frontend: str | None, *, in_file: bool = False
) -> keras.Model:
    """Put a front-end before a detector.

    Args:
        model: Whole-clip model `(batch, time, 40)` to `(batch, time, classes)`.
        frontend: `"micro"`, or `None` to return `model` as it is.
        in_file: Whether it is for a file: `MicroStep` in the place of `MicroFeatures`. Defaults to
            `False`.

    Returns:
        A whole-clip model `(batch, samples)` to `(batch, time, classes)`, which shares its weights.

    Raises:
        ValueError: If `frontend` is another one, or `model` does not take its features alone.
    """
    if frontend is None:
        return model
    detector = in_float32(as_clip_model(model))
    check_frontend(frontend, detector)
    layer = MicroStep if in_file else MicroFeatures
    samples = keras.Input((None,), name="samples")
    posteriors = detector(layer(padding="causal", name="frontend")(samples))
    if isinstance(getattr(model, "output", None), dict):
        posteriors = dict(zip(sorted(model.output), keras.tree.flatten(posteriors), strict=True))
    return keras.Model(samples, posteriors, name=model.name)


def check_frontend(frontend: str, model: keras.Model) -> None:
    """Refuse a front-end that is not known, or a model that does not take its features.

    Args:
        frontend: Name of the front-end.
        model: A whole-clip model.

    Raises:
        ValueError: If one of them is no such thing.
    """
    require(
        frontend in FRONTENDS,
        f"`frontend` must be one of {FRONTENDS} or None, for a file that takes features. Received: "
        f"frontend={frontend!r}. Begin the model with another front-end, such as `LogMel`.",
    )
    shapes = _input_shapes(model)
    require(
        takes_micro_features(model),
        f"`model` must take clips of {FEATURES} features, (batch, time, {FEATURES}), from one "
        f"input; they are what the front-end computes. Received: frontend={frontend!r} for inputs "
        f"of shapes {shapes}. Give the whole-clip model that was trained on them, not its step "
        "model, or leave `frontend` out.",
    )


def takes_micro_features(model: keras.Model) -> bool:
    """Return whether a whole-clip model takes clips of the features of the micro front-end alone.

    Args:
        model: A model.
    """
    shapes = _input_shapes(model)
    return len(shapes) == 1 and shapes[0][1:] == (None, FEATURES)


def _input_shapes(model: keras.Model) -> list[tuple[int | None, ...]]:
    return [tuple(clip.shape) for clip in getattr(model, "inputs", None) or ()]


def check_frontend_shape(frontend: str, shapes: Sequence[Sequence[int]]) -> None:
    """Refuse a front-end whose features a converted file does not take.

    Args:
        frontend: Name of the front-end.
        shapes: Shapes of the frames of the file, batch axis included.

    Raises:
        ValueError: If it is no front-end, or not that of the file.
    """
    require(
        frontend in FRONTENDS and len(shapes) == 1 and shapes[0][-1] == FEATURES,
        f"`frontend` must be one of {FRONTENDS} before a file that takes their {FEATURES} features "
        f"from one input; or None. Received: frontend={frontend!r} for frames of shapes "
        f"{[tuple(shape) for shape in shapes]}. Leave it out.",
    )


def check_frontend_step(frames: int, frame_step_s: float) -> None:
    """Refuse a step that is not that of a model behind the front-end.

    Args:
        frames: Number of frames of the front-end that the model takes in a step.
        frame_step_s: Seconds from one output to the next, as given.

    Raises:
        ValueError: If it is another one.
    """
    step_s = frames * FRAME_STEP_S
    require(
        math.isclose(frame_step_s, step_s, rel_tol=1e-6),
        f"`frame_step_s` must be {step_s:g} with this front-end; the model takes {frames} of its "
        f"frames, one every {FRAME_STEP_S:g} s, in a step. Received: frame_step_s={frame_step_s}. "
        "Choose the threshold with that step.",
    )


def samples_per_step(shape: Sequence[int]) -> int | None:
    """Return how many samples a step takes, from the shape of its frame.

    Args:
        shape: Shape of the input `frame` of a converted file, batch axis included.

    Returns:
        The number of samples; `None` if they can't be those of the micro front-end.

    Example:
        >>> samples_per_step((1, 480)), samples_per_step((1, 40)), samples_per_step((1, 3, 40))
        (480, None, None)
    """
    return shape[1] if len(shape) == 2 and shape[1] % STEP_SAMPLES == 0 else None


def frontend_alone(frames: int) -> keras.Model:
    """Return a clip model of the micro front-end, which joins some frames into one.

    Args:
        frames: Number of frames, at least 1.

    Returns:
        A model `(batch, samples)` to `(batch, time, frames * 40)`, whose step model takes
        `frames * 160` samples.
    """
    samples = keras.Input((None,), name="samples")
    features = MicroStep(padding="causal", name="frontend")(samples)
    return keras.Model(samples, JoinedFrames(frames)(features) if frames > 1 else features)


@keras.saving.register_keras_serializable(package="keras_sal")
class JoinedFrames(keras.layers.Layer):
    """Joins the features of each few frames: `(batch, time, features)` to fewer, longer frames.

    Args:
        frames: Number of frames that become one, at least 1.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames
        self.streaming_window = frames, frames

    def call(self, clips: Tensor) -> Tensor:
        """Join frames; those at the end that are too few are left out."""
        count = keras.ops.shape(clips)[1] // self.frames
        whole = clips[:, : count * self.frames]
        return keras.ops.reshape(whole, (-1, count, self.frames * clips.shape[-1]))

    def stream_windows(self, clips: Tensor) -> Tensor:
        """Join the frames of whole windows."""
        return self.call(clips)

    def compute_output_shape(
        self, shape: tuple[int | None, int | None, int]
    ) -> tuple[int | None, int | None, int]:
        """Return the shape of the joined frames."""
        batch, time, features = shape
        return batch, time and time // self.frames, features * self.frames

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return super().get_config() | {"frames": self.frames}
