"""The microphone: its sound in chunks, as it is recorded."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_sal.typing import Array

CHUNK_S = 0.08  # eight frames, for which a Keras model takes one call


def record(sounddevice: ModuleType, device: str | None, seconds: float | None) -> Iterator[Array]:
    """Yield chunks of sound from the microphone.

    Args:
        sounddevice: The package `sounddevice`.
        device: Number of the microphone or part of its name, or `None` for the default one.
        seconds: Seconds until it stops, or `None` to go on.

    Yields:
        Arrays of 16-bit samples at `keras_sal.audio.SAMPLE_RATE`.

    Raises:
        RuntimeError: If there is no such microphone.
    """
    from keras_sal.audio import SAMPLE_RATE

    chunks: queue.SimpleQueue[Array] = queue.SimpleQueue()

    def callback(samples: Array, frames: int, time: Any, status: Any) -> None:
        if status:
            print(f"keras-sal: the microphone reports {status}; samples are lost", file=sys.stderr)
        chunks.put(samples[:, 0].copy())

    left = float("inf") if seconds is None else round(seconds * SAMPLE_RATE)
    try:
        with sounddevice.InputStream(
            samplerate=SAMPLE_RATE,
            blocksize=round(CHUNK_S * SAMPLE_RATE),
            device=int(device) if device is not None and device.isdecimal() else device,
            channels=1,
            dtype="int16",
            callback=callback,
        ):
            while left > 0:
                chunk = chunks.get()
                yield chunk[: int(min(left, len(chunk)))]
                left -= len(chunk)
    except sounddevice.PortAudioError as error:
        raise RuntimeError(
            f"--microphone must find a microphone that records {SAMPLE_RATE} Hz; it says: {error}. "
            f"Received: device={device}. List the devices with: python -m sounddevice"
        ) from error


def import_sounddevice() -> ModuleType:
    """Import the package `sounddevice`.

    Raises:
        ImportError: If the package or the PortAudio library is missing.
    """
    from keras_sal.extras import import_package

    try:
        return import_package("sounddevice", "listen to the microphone", "live")
    except OSError as error:
        raise ImportError(
            f"`sounddevice` needs the PortAudio library to listen to the microphone ({error}). "
            "On Debian and Ubuntu: apt install libportaudio2"
        ) from error
