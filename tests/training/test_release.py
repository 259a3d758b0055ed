"""What a release asks of a detector before it is converted."""

import keras
import numpy as np
import pytest

from keras_sal.runtime import open_runner
from keras_sal.training.release import check_posteriors


def detector(bias):
    """A detector whose posterior is sigmoid(feature + bias)."""
    model = keras.Sequential([keras.Input((None, 1)), keras.layers.Dense(1, "sigmoid")])
    model.set_weights([np.ones((1, 1)), np.array([bias])])
    return open_runner(model)


def test_rejects_a_detector_that_never_fires_on_its_training_streams():
    """As one after too few steps; the message names an option that the command has."""
    sequences = [np.zeros((4, 1), "float32"), np.ones((5, 1), "float32")]
    with pytest.raises(ValueError, match=r"posterior of 0\.5 .* at most 0\.119.*`--steps`"):
        check_posteriors(detector(-3.0), sequences)
    check_posteriors(detector(-0.5), sequences)


def test_command_has_the_option_that_the_error_names(capsys):
    from keras_sal.cli import main

    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "--steps" in capsys.readouterr().out
