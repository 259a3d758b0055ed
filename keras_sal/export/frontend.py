"""The front-end in an exported file, which then takes samples.

    onnx.convert(model, "detector.onnx", frontend="micro")

With `frontend="micro"`, `keras_sal.export.litert.convert` and `keras_sal.export.onnx.convert` write
one step model from sound to posteriors. Its input `frame` holds the float32 samples in `[-1, 1]`,
at 16 kHz, that are new in a step: 160 for each frame of features that the detector takes in a step.
What a window needs from before and the noise estimate are states like any other, zeros at first.
The posterior of step `t`, from 0, is complete with the last sample of the step, at `t + 1` steps.

The features are those of `MicroFeatures(padding="causal")`: 20 ms of silence come before the sound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_sal.audio import FEATURES, MicroFeatures
from keras_sal.checks import require
from keras_sal.export.conversion.float_model import as_clip_model, in_float32

if TYPE_CHECKING:
    import keras

FRONTENDS = ("micro",)


def with_frontend(model: keras.Model, frontend: str | None) -> keras.Model:
    """Put a front-end before a detector.

    Args:
        model: Whole-clip model `(batch, time, 40)` to `(batch, time, classes)`.
        frontend: `"micro"`, or `None` to return `model` as it is.

    Returns:
        A whole-clip model `(batch, samples)` to `(batch, time, classes)`, which shares its weights.

    Raises:
        ValueError: If `frontend` is another one, or `model` does not take its features alone.
    """
    import keras

    if frontend is None:
        return model
    require(
        frontend in FRONTENDS,
        f"`frontend` must be one of {FRONTENDS} or None, for a file that takes features. Received: "
        f"frontend={frontend!r}. Begin the model with another front-end, such as `LogMel`.",
    )
    detector = in_float32(as_clip_model(model))
    shapes = [tuple(clip.shape) for clip in detector.inputs]
    require(
        len(shapes) == 1 and shapes[0][1:] == (None, FEATURES),
        f"`model` must take clips of {FEATURES} features, (batch, time, {FEATURES}), from one "
        f"input; they are what the front-end computes. Received: frontend={frontend!r} for inputs "
        f"of shapes {shapes}. Give the whole-clip model that was trained on them, not its step "
        "model, or leave `frontend` out.",
    )
    samples = keras.Input((None,), name="samples")
    posteriors = detector(MicroFeatures(padding="causal", name="frontend")(samples))
    if isinstance(getattr(model, "output", None), dict):
        posteriors = dict(zip(sorted(model.output), keras.tree.flatten(posteriors), strict=True))
    return keras.Model(samples, posteriors, name=model.name)
