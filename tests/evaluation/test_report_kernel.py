"""The anchor kernel in the figures of examples, which the backend computes."""

import numpy as np
import pytest
from made_predictions import made_predictions

from keras_sal.evaluation.report.example_cards import _kernel_curve
from keras_sal.evaluation.report.examples import choose_examples
from keras_sal.evaluation.report.inputs import ReportInputs


def test_the_kernel_is_drawn_at_the_anchor(results):
    """Exponential with a reach of 15 frames of 10 ms: 1 at the anchor, 1 / e at 0.15 s from it."""
    predictions = made_predictions()
    inputs = ReportInputs(predictions, results)
    examples = choose_examples(predictions, results, {}, most=1)
    miss, alarm = (next(e for e in examples if e.kind == kind) for kind in ("miss", "false alarm"))
    times_s, values = _kernel_curve(inputs, miss)
    assert isinstance(values, np.ndarray)
    apart_s = times_s - miss.anchor_s
    assert np.interp(0.0, apart_s, values) == pytest.approx(1.0)
    assert np.interp([-0.15, 0.15], apart_s, values) == pytest.approx([np.exp(-1)] * 2, rel=1e-3)
    assert _kernel_curve(inputs, alarm) is None
