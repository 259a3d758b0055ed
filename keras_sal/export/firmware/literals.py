"""C++ literals of numbers and texts, and float32 thresholds that decide as Python's float64."""

from __future__ import annotations

import bisect
import re
from typing import Any

import numpy as np

NO_HYSTERESIS_RELEASE = 2.0  # above every score: armed again at once


def float_threshold(threshold: float) -> np.float32:
    """Return the smallest float32 that reaches a threshold.

    For every float32 `x`, `x >= float_threshold(threshold)` is `x >= threshold`.

    Args:
        threshold: Threshold in [0, 1], a float64.

    Example:
        >>> float(float_threshold(0.5)), bool(float_threshold(0.1) >= 0.1)
        (0.5, True)
    """
    rounded = np.float32(threshold)
    return rounded if float(rounded) >= threshold else np.nextafter(rounded, np.float32(np.inf))


def float_release(threshold: float, hysteresis: float | None) -> np.float32:
    """Return the smallest float32 `x >= 0` for which `x + hysteresis < threshold` is false.

    Args:
        threshold: Threshold in [0, 1], a float64.
        hysteresis: How far below the threshold a score must fall, or `None` if it need not.
    """
    if hysteresis is None:
        return np.float32(NO_HYSTERESIS_RELEASE)
    floats = range(int(np.float32(NO_HYSTERESIS_RELEASE).view("int32")) + 1)  # as their bits
    first = bisect.bisect_left(
        floats, True, key=lambda bits: _float_of_bits(bits) + hysteresis >= threshold
    )
    return np.float32(_float_of_bits(first))


def _float_of_bits(bits: int) -> float:
    return float(np.int32(bits).view("float32"))


def float_literal(value: float | np.floating[Any]) -> str:
    """Return a float literal that reads back as the same float32.

    Example:
        >>> float_literal(1), float_literal(0.1)
        ('1.0f', '0.100000001f')
    """
    text = f"{np.float32(value):.9g}"
    return text + ("f" if set(text) & set(".e") else ".0f")


def comment_text(text: str) -> str:
    r"""Return a name for a comment: what could end or continue the comment becomes `_`.

    Example:
        >>> comment_text("state_0"), comment_text("x\nint y = f();//")
        ('state_0', 'x_int_y___f___//')
    """
    return re.sub(r"[^A-Za-z0-9_./:-]", "_", text)


def text_literal(text: str) -> str:
    r"""Return a string literal of the UTF-8 bytes of a text, in ASCII.

    Example:
        >>> print(text_literal("señor"))
        "se\303\261or"
    """
    plain = set(range(32, 127)) - set(b'"?\\')
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'
