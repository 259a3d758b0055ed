"""The microphone: its sound in chunks, as it is recorded."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from keras_sal.cli.sound_blocks import LIVE_BLOCK_S

if TYPE_CHECKING:
    from keras_sal.typing import Array

STALL_S = 3.0  # after so many seconds without a chunk, the microphone has gone away


def record(
    sounddevice: ModuleType, device: str | None, seconds: float | None, channel: int = 1
) -> Iterator[Array]:
    """Yield chunks of sound from the microphone.

    A microphone that does not record 16 kHz or a single channel records as it can, and its sound is
    resampled.

    Args:
        sounddevice: The package `sounddevice`.
        device: Number of the microphone or part of its name, or `None` for the default one.
        seconds: Seconds until it stops, or `None` to go on.
        channel: Channel that is heard, from 1 on. Defaults to 1.

    Yields:
        Arrays of samples at `keras_sal.audio.SAMPLE_RATE`.

    Raises:
        RuntimeError: If there is no such microphone, or it delivers no more samples.
    """
    from keras_sal.audio import SAMPLE_RATE
    from keras_sal.runtime.stream_resampler import StreamResampler

    chunks: queue.SimpleQueue[Array | None] = queue.SimpleQueue()

    def callback(samples: Array, frames: int, time: Any, status: Any) -> None:
        if status:
            print(f"keras-sal: the microphone reports {status}; samples are lost", file=sys.stderr)
        chunks.put(samples[:, channel - 1].copy())

    left = float("inf") if seconds is None else round(seconds * SAMPLE_RATE)
    try:
        stream, rate = _open(sounddevice, device, channel, callback, lambda: chunks.put(None))
        resampler = None if rate == SAMPLE_RATE else StreamResampler(rate, SAMPLE_RATE)
        with stream:
            while left > 0:
                chunk = _next_chunk(chunks, device)
                chunk = chunk if resampler is None else resampler(chunk)
                yield chunk[: int(min(left, len(chunk)))]
                left -= len(chunk)
    except sounddevice.PortAudioError as error:
        raise RuntimeError(
            f"--microphone must find a microphone that records {SAMPLE_RATE} Hz or its own rate, "
            f"with at least {channel} channel(s); it says: {error}. Received: device={device}. "
            "List the devices with: python -m sounddevice"
        ) from error


def _open(
    sounddevice: ModuleType,
    device: str | None,
    channel: int,
    callback: Callable[..., None],
    finished: Callable[[], None],
) -> tuple[Any, int]:
    """Open a microphone in the first format that it records; return the stream and its rate."""
    number = int(device) if device is not None and device.isdecimal() else device
    refused = None
    for rate, channels in _formats(sounddevice, number, channel):
        try:
            stream = sounddevice.InputStream(
                samplerate=rate,
                blocksize=round(LIVE_BLOCK_S * rate),
                device=number,
                channels=channels,
                dtype="int16",
                callback=callback,
                finished_callback=finished,
            )
        except sounddevice.PortAudioError as error:
            refused = refused or error
        else:
            return stream, rate
    raise refused or sounddevice.PortAudioError("it has no input")


def _formats(
    sounddevice: ModuleType, device: int | str | None, channel: int
) -> Iterator[tuple[int, int]]:
    """Yield rates and numbers of channels: those that are wanted, then those of the device."""
    from keras_sal.audio import SAMPLE_RATE

    yield SAMPLE_RATE, channel
    try:
        found = sounddevice.query_devices(device, "input")
    except (sounddevice.PortAudioError, ValueError):
        return  # the refusal of the first format tells why
    own_rate, most = round(found["default_samplerate"]), int(found["max_input_channels"])
    yield own_rate, channel
    if most > channel:
        yield SAMPLE_RATE, most
        yield own_rate, most


def _next_chunk(chunks: queue.SimpleQueue[Array | None], device: str | None) -> Array:
    """Wait for a chunk, but not for one of a microphone that has gone away."""
    try:
        chunk = chunks.get(timeout=STALL_S)
    except queue.Empty:
        chunk = None
    if chunk is None:
        raise RuntimeError(
            "--microphone must find a microphone that goes on recording; no more samples come from "
            f"it. Received: device={device}. Connect it again, and start again."
        )
    return chunk


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
