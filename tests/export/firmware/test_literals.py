"""Numbers and texts as C++ writes them."""

import re

import numpy as np
import pytest

from keras_sal.export.firmware.literals import (
    float_literal,
    float_release,
    float_threshold,
    text_literal,
)

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize("threshold", [0.0, 1e-9, 0.1, 0.5, 0.7, 1 / 3, 0.99999999, 1.0])
def test_float_threshold_is_the_smallest_that_reaches(threshold):
    level = float_threshold(threshold)
    assert level.dtype == np.float32
    assert float(level) >= threshold
    assert float(np.nextafter(level, np.float32(-1))) < threshold


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.7, 1 / 3, 1.0])
@pytest.mark.parametrize("hysteresis", [0.0, 0.1, 1 / 7, 0.3, 0.3 - 1e-16])
def test_float_release_is_the_smallest_that_holds(threshold, hysteresis):
    level = float_release(threshold, hysteresis)
    assert level.dtype == np.float32
    assert float(level) + hysteresis >= threshold
    below = np.nextafter(level, np.float32(-2))
    assert below < 0 or float(below) + hysteresis < threshold


def test_without_hysteresis_every_score_releases():
    assert float_release(0.5, None) > 1


def test_float_literals_read_back_as_the_same_float():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 0x7F800000, 1000, dtype="int32").view("float32")
    for value in (*values, np.float32(0), np.float32(-1), np.float32(1e20), np.float32(123456)):
        text = float_literal(value)
        assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text), text
        assert re.search(r"[.e]", text), text
        assert np.float32(text[:-1]) == value


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("computer", '"computer"'),
        ('say "hi"\\', r'"say \042hi\042\134"'),
        ("señor", r'"se\303\261or"'),
        ("what??/", r'"what\077\077/"'),
    ],
)
def test_text_literals_are_plain_ascii(text, literal):
    assert text_literal(text) == literal
