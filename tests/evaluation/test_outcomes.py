"""Outcomes of a stream made by hand."""

import math

import pytest
from made_predictions import TIMES, annotated_stream, posterior

from keras_sal.detection import Scoring
from keras_sal.evaluation import find_outcomes

pytestmark = pytest.mark.any_backend


def test_outcomes_are_in_order_and_complete():
    heard = annotated_stream("x", clips=12)
    p = posterior(heard, deaf_to=[1], alarms=[(8.0, 0.5), (0.5, 0.6)])
    found = find_outcomes([p], [heard], 0.5, Scoring(**TIMES), {})
    assert [each.kind for each in found] == [
        *("false alarm", "hit", "false alarm", "miss"),
        *["hit"] * 4,
    ]
    assert [each.time_s for each in found] == sorted(each.time_s for each in found)
    assert found[1].latency_s == pytest.approx(0.1, abs=0.005)
    assert found[3].latency_s is None
    assert not math.isnan(found[3].score)
