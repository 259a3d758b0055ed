"""Temperature scaling of the logits of a trained detector."""

import keras

TEMPERATURE = 3.0


def apply_temperature(model: keras.Model, temperature: float = TEMPERATURE) -> keras.Model:
    """Divide the logits of a trained detector by a temperature, in place.

        posterior = sigmoid(logit / temperature)

    Use it before an export to int8. A posterior of 8 bits is a multiple of 1/256, so near 1, where
    the thresholds of strict budgets are, logits that differ get the same posterior: all above 0.998
    do. If one of them is a false alarm, no threshold separates it from the words. Dividing the
    logits spreads these posteriors out. The logits' own 8 bits and the DET curve of the float model
    do not change; only the thresholds do. (Of a softmax of three or more classes, the DET curve
    does change.)

    At 3, the rounding costs 0.1 points of misses at most (`benchmarks/temperatures.py`). Then the
    posterior is no probability: what is 0.97 at 1.5 becomes 0.85, and 0.01 becomes 0.09.

    Reference:
        C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
        https://arxiv.org/abs/1706.04599

    Args:
        model: A detector whose last layer is a `Dense` with a sigmoid or softmax activation. Any
            other model is left unchanged.
        temperature: The temperature, > 0. Defaults to 3.

    Returns:
        The model.

    Example:
        >>> from keras_sal.training import recipe
        >>> model = recipe.detector()
        >>> before = model.layers[-1].get_weights()[0]
        >>> float((before / apply_temperature(model).layers[-1].get_weights()[0]).mean().round(3))
        3.0
    """
    last = model.layers[-1]
    if isinstance(last, keras.layers.Dense) and last.activation.__name__ in ("sigmoid", "softmax"):
        last.set_weights([weights / temperature for weights in last.get_weights()])
    return model
