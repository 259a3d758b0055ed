"""Check of the range that factors are drawn from."""

import math
from numbers import Real

from keras_sal.checks import require


def check_factor(factor: tuple[float, float]) -> None:
    """Refuse a range of factors that is reversed or reaches 0.

    Args:
        factor: Least and greatest factor.

    Raises:
        ValueError: If they are no numbers in order greater than 0.
    """
    low, high = factor
    require(
        isinstance(low, Real) and isinstance(high, Real) and 0 < low <= high < math.inf,
        "`factor` must be (least, greatest), both greater than 0; factors are drawn between the "
        f"two. Received: factor={factor!r}. 0.9 to 1.1 is common.",
    )
