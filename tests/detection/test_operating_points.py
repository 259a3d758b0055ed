"""Figures at one threshold."""

import json
import math

import numpy as np
import pytest

from keras_sal.detection import (
    Scoring,
    det_curve,
    operating_point,
)

pytestmark = pytest.mark.any_backend


def test_a_detector_that_never_fires_has_no_latency():
    point = operating_point([np.zeros(100)], [[50.0]], 0.5, frame_step_s=1.0)
    assert point.frr == 1.0
    assert point.fa_per_hour == 0.0
    assert math.isnan(point.latency_p50_s)
    assert math.isnan(point.latency_mean_s)


def test_an_anchor_just_beyond_the_end_is_an_event():
    assert det_curve([np.zeros(10)], [[9.4]], frame_step_s=1.0).events == 1


def test_accepts_a_model_output_with_a_channel_axis():
    flat = np.linspace(0, 1, 50, dtype="float32")
    points = [operating_point([p], [[30.0]], 0.5, frame_step_s=1.0) for p in (flat, flat[:, None])]
    assert points[0] == points[1]


def test_numbers_of_numpy_are_those_of_json():
    rule = Scoring(
        frame_step_s=np.float32(0.25), smooth_frames=np.int64(3), hysteresis=np.float64(0)
    )
    assert json.dumps(vars(rule)).startswith('{"frame_step_s": 0.25, "frame_offset_s": 0.0, "smo')
    assert [type(value) for value in vars(rule).values()] == [
        *(float, float, int, int),
        *(float,) * 4,
    ]
