"""The footprint of a file."""

import pytest
from export_task import FEATURES, need

from keras_sal.export.footprint import footprint

pytestmark = pytest.mark.any_backend
UNITS = 24  # of `gru`


def test_footprint_adds_up(gru_int8):
    found = footprint(gru_int8.path)
    assert found.weights_bytes == 16 * FEATURES + 3 * UNITS * (16 + UNITS) + UNITS
    assert found.flash_bytes == gru_int8.flash_bytes
    assert found.flash_bytes == (found.weights_bytes + found.constants_bytes + found.graph_bytes)
    assert (found.arena_bytes, found.macs) == (gru_int8.arena_bytes, found.weights_bytes)
    assert "MACs a frame 3,544" in str(found)


def test_footprint_has_an_estimate_for_an_npu(gru_int8):
    need("ethosu")
    estimate = footprint(gru_int8.path).ethos_u55
    assert 1_000 < estimate.cycles < 100_000
    assert estimate.time_us == pytest.approx(estimate.cycles / 500, rel=0.01)
    assert 0 < estimate.flash_bytes < gru_int8.flash_bytes
