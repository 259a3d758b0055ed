"""Check for features that an int8 input rounds to nothing beside much larger ones.

All features of an input share one scale, and so do inputs that the model concatenates. It spans the
range of the largest, in 255 steps, so that a feature of a small range may have a step or two left.
`Rescaling` or `Normalization` in the model comes after that, and does not help.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from keras_sal.export.tflite.flatbuffer import Flatbuffer
from keras_sal.typing import Array

FEWEST_STEPS = 8
NAMED = 8


def scales_of_inputs(file: Flatbuffer) -> dict[str, float]:
    """Return the scale of each quantized input; of a float one, that of what it is quantized to.

    Args:
        file: The file.
    """
    quantized = {
        operator.inputs[0]: operator.outputs[0]
        for operator in file.operators()
        if operator.name == "QUANTIZE"
    }
    scales = {
        name: file.scale(index) or file.scale(quantized.get(index, index))
        for name, index in file.inputs.items()
    }
    return {name: scale for name, scale in scales.items() if scale}


def warn_of_drowned_features(frames: Mapping[str, Array], scales: Mapping[str, float]) -> None:
    """Warn if features of an int8 input vary by less than 8 steps of its scale.

    Features that do not vary at all are left out.

    Args:
        frames: All calibration frames, arrays of shape `(frames, ..., features)` by input name.
        scales: The scale of each input in the file, from `scales_of_inputs`.

    Example:

    >>> import warnings
    >>> frames = {"frame": np.array([[0.0, 0.0], [255.0, 3.5]])}
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_of_drowned_features(frames, {"frame": 1.0})
    >>> "feature 1 of `frame` varies by 3.5 steps" in str(caught[0].message)
    True
    """
    for name in frames.keys() & scales.keys():
        values, scale = frames[name], scales[name]
        columns = values.reshape(-1, values.shape[-1])
        lowest, highest = columns.min(axis=0), columns.max(axis=0)
        steps = (highest - lowest) / scale
        drowned = np.flatnonzero((steps > 0) & (steps < FEWEST_STEPS))
        if not len(drowned):
            continue
        listed = [f"feature {k} of `{name}` varies by {steps[k]:.2g} steps" for k in drowned]
        more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
        warnings.warn(
            "`calibration` should hold features of similar size, since an int8 input has one scale "
            f"for all, and inputs that are concatenated share it: {scale:.3g}. Received: "
            f"{', '.join(listed[:NAMED])}{more}. Scale the features alike before the model, as the "
            'front-end of the device can, or use `quantization="int16x8"`.',
            stacklevel=2,
        )
