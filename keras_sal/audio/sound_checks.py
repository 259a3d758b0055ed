"""Checks of decoded sound: its peak, and channels that cancel each other out."""

from __future__ import annotations

import numpy as np

LOUDEST = 2.0  # lossy decoders go a little beyond full scale, integers far
CANCELLED = 0.02  # least ratio of the mean's amplitude to that of the channels


def require_peak(peak: float | np.floating, argument: str, received: str) -> None:
    """Refuse sound that is not finite, or far beyond full scale.

    Args:
        peak: Largest absolute sample.
        argument: Name of the argument that named the sound, for the message.
        received: What was given for it, for the message.

    Raises:
        ValueError: If it is.
    """
    if not peak <= LOUDEST:
        raise ValueError(
            f"`{argument}` must hold finite samples in [-1, 1]; a float file can hold anything, "
            f"for example 16-bit integers or NaN. Received: {received} with a peak of {peak}. "
            "Divide integers by 32768 and save the file again."
        )


def require_channels(
    energy_of_mean: float | np.floating,
    energy: float | np.floating,
    channels: int,
    argument: str,
    received: str,
) -> None:
    """Refuse channels of which some are inverted, so that their mean is next to nothing.

    Args:
        energy_of_mean: Energy of the mean of the channels.
        energy: Mean energy of the channels, over the same time.
        channels: Number of channels.
        argument: Name of the argument that named the sound, for the message.
        received: What was given for it, for the message.

    Raises:
        ValueError: If they are.
    """
    if energy_of_mean < CANCELLED**2 * energy:
        raise ValueError(
            f"`{argument}` must hold channels that don't cancel each other out; their mean is what "
            f"is heard, and here it is next to nothing. Received: {received} with {channels} "
            "channels, some of them inverted. Keep one of them."
        )
