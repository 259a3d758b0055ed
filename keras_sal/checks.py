"""Checks of arguments, with one form of error."""

import math


def require(condition: object, message: str) -> None:
    """Raise `ValueError(message)` unless a condition holds.

    Args:
        condition: What must hold.
        message: "`argument` must ...; why. Received: argument=value. How to fix it."
    """
    if not condition:
        raise ValueError(message)


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
