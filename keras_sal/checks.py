"""Checks of arguments, with one form of error."""

import math
from numbers import Integral


def require(condition: object, message: str) -> None:
    """Raise `ValueError(message)` unless a condition holds.

    Args:
        condition: What must hold.
        message: "`argument` must ...; why. Received: argument=value. How to fix it."
    """
    if not condition:
        raise ValueError(message)


def flag(name: str, value: object) -> bool:
    """Return `value` as a bool if it is one.

    Args:
        name: Name of the argument, for the message.
        value: The value.

    Raises:
        ValueError: If it is not.
    """
    import numpy as np  # which the help of the command line does without

    require(
        isinstance(value, (bool, np.bool_)),
        f"`{name}` must be True or False; any other value would count as one of them. "
        f"Received: {name}={value!r}. Give a bool.",
    )
    return bool(value)


def positive(name: str, value: float) -> float:
    """Return `value` if it is a finite number greater than 0.

    Args:
        name: Name of the argument, for the message.
        value: The number.

    Raises:
        ValueError: If it is not.
    """
    require(
        0 < value < math.inf,
        f"`{name}` must be greater than 0; it is an amount. Received: {name}={value}. "
        "Leave it at its default.",
    )
    return value


def in_range(
    name: str, bounds: tuple[float, float], least: float, greatest: float = math.inf
) -> None:
    """Refuse a range `(least, greatest)` that is reversed or reaches beyond what is allowed.

    Args:
        name: Name of the argument, for the message.
        bounds: The range, smaller number first.
        least: Smallest allowed number.
        greatest: Greatest allowed number. Defaults to infinity.

    Raises:
        ValueError: If it is not `least <= bounds[0] <= bounds[1] <= greatest`.
    """
    low, high = bounds
    require(
        least <= low <= high <= greatest,
        f"`{name}` must be (least, greatest) within [{least}, {greatest}]; values are drawn "
        f"between the two. Received: {name}={bounds}. Give the smaller first.",
    )


def share(name: str, value: float) -> float:
    """Return `value` as a float if it lies in (0, 1].

    Args:
        name: Name of the argument, for the message.
        value: The number.

    Raises:
        ValueError: If it does not.
    """
    require(
        0.0 < value <= 1.0,
        f"`{name}` must lie in (0, 1]; it is compared with posteriors or shares of them. "
        f"Received: {name}={value}. For logits, add a sigmoid to the model.",
    )
    return float(value)


def rate(name: str, value: float) -> float:
    """Return `value` as a float if it is at least 0.

    Args:
        name: Name of the argument, for the message.
        value: The number.

    Raises:
        ValueError: If it is not.
    """
    require(
        value >= 0.0,
        f"`{name}` must be at least 0; it is a rate. Received: {name}={value}. Give false "
        "alarms an hour.",
    )
    return float(value)


def frame_count(name: str, value: int) -> int:
    """Return `value` if it is a whole number of at least 1.

    Args:
        name: Name of the argument, for the message.
        value: The number.

    Raises:
        ValueError: If it is not.
    """
    require(
        isinstance(value, Integral) and not isinstance(value, bool) and value >= 1,
        f"`{name}` must be a whole number of frames, at least 1. Received: "
        f"{name}={value}. 1 switches it off.",
    )
    return int(value)
