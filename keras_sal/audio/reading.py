"""Reading of sound files of any format, rate and number of channels, as mono sound at 16 kHz."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from keras_sal.audio.samples import SAMPLE_RATE, resample
from keras_sal.audio.sound_checks import require_channels, require_peak
from keras_sal.extras import import_package
from keras_sal.typing import Array, PathLike

ENCODINGS = {  # FFmpeg's names of raw encodings: bytes, and libsndfile's names
    "u8": (1, "PCM_U8", "FILE"),
    "s8": (1, "PCM_S8", "FILE"),
    "mulaw": (1, "ULAW", "FILE"),
    "alaw": (1, "ALAW", "FILE"),
} | {
    f"{name}{order[0]}e": (size, subtype, order.upper())
    for name, size, subtype in (
        ("s16", 2, "PCM_16"),
        ("s24", 3, "PCM_24"),
        ("s32", 4, "PCM_32"),
        ("f32", 4, "FLOAT"),
        ("f64", 8, "DOUBLE"),
    )
    for order in ("little", "big")
}
HEADERS = (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"caff")
UNSUPPORTED = (
    ".m4a",
    ".mp4",
    ".aac",
    ".amr",
    ".3gp",
    ".wma",
    ".webm",
)  # libsndfile can't read them
FOREIGN = (  # place of a mark at the start of a file, the mark, and the format
    (4, b"ftyp", "MP4 or M4A"),
    (0, b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75", "WMA"),
    (0, b"ADIF", "AAC"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
)
BLOCK_FRAMES = 1 << 20
USUAL_FRAMES_PER_BYTE = 64  # MP3 of 8 kbit/s at 48 kHz has 48
MOST_FRAMES_PER_BYTE = 1 << 13  # FLAC of digital silence, the densest: 65,535 samples in 11 bytes
LONGEST_S = 24 * 3600.0  # a file of a few megabytes can unpack to more
LEAST_RATE = 1000  # a lower rate is in kHz by mistake
MOST_CHANNELS = 1024  # limit of libsndfile
ENDLESS = 0x7FF0_0000  # size declared by programs that don't know the length yet
OGG_TAIL = 1 << 16
TRUNCATED = re.compile(
    r"^ *(?:data|SSND|riff|Riff size|Data Size) *: (?P<declared>\d+) \(should be (?P<found>\d+)\)",
    re.MULTILINE,
)

DECLARED_EMPTY = re.compile(r"^ *(?:data|SSND) *: 0 *$", re.MULTILINE)
LONGEST_HEADER = 1024  # bytes


def read_audio(path: PathLike, *, convert: bool = True) -> Array:
    """Read a recording as mono sound at 16 kHz, `float32` in `[-1, 1]`.

    Reads WAV, FLAC, OGG (Vorbis and Opus), MP3 and the other formats of libsndfile, at any rate and
    with any number of channels, which are averaged. The format is told from the contents of the
    file, not from its name. Samples slightly beyond full scale, as lossy decoders give them, are
    clipped.

    Encoders of MP3 put 25 to 70 ms of silence in front. Decoders remove it if the file gives its
    length, and not all files do: take event times from the MP3 itself, not from its source.

    Args:
        path: Path of the file.
        convert: Whether other sample rates and several channels are converted. `True` (default)
            averages the channels and resamples; `False` raises an error, for folders in which they
            are a sign of the wrong file.

    Returns:
        A `float32` array of shape `(samples,)`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is unreadable, empty, cut short, not 16 kHz mono (unless
            `convert`), or holds samples that are not finite or far beyond `[-1, 1]`, or channels
            that cancel each other out.
        ImportError: If `soundfile` (or `soxr`, to convert) is missing.

    Example:
        >>> import pathlib, tempfile, soundfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "half.wav"
        >>> soundfile.write(path, [[0.25, 0.75]] * 480, 48_000)
        >>> samples = read_audio(path)
        >>> samples.shape, round(float(samples[80]), 3)
        ((160,), 0.5)
    """
    frames, rate, channels = audio_info(path)
    if not convert:
        check_format(path, rate, channels)
    if frames > LONGEST_S * rate:
        raise ValueError(
            f"`path` must last at most {LONGEST_S / 3600:.0f} hours; a recording is held in "
            f"memory. Received: path={str(path)!r} of "
            f"{frames / rate / 3600:,.0f} hours. Cut it into parts."
        )
    soundfile = _soundfile()
    try:
        samples = _decoded(path, frames)
    except (soundfile.SoundFileError, RuntimeError, MemoryError) as error:
        raise ValueError(_unreadable(path, str(error) or "it needs too much memory")) from error
    if len(samples) < frames:
        raise ValueError(_unreadable(path, f"it ends after {len(samples)} of {frames} samples"))
    return _mono(path, samples, rate)


def read_pcm(
    path: PathLike, sample_rate: int, *, channels: int = 1, encoding: str = "s16le"
) -> Array:
    """Read raw samples, a file without a header, as mono sound at 16 kHz.

    Use it for files of microcontrollers and of `arecord -t raw`. Such a file does not give its
    format: a wrong rate, width or byte order gives sound that is too fast, or noise.

    Args:
        path: Path of the file.
        sample_rate: Samples per second and channel, in Hz.
        channels: Number of interleaved channels, 1 to 1024; they are averaged. Defaults to 1.
        encoding: Width, type and byte order, by FFmpeg's names: `"s16le"` (default; signed 16 bits,
            the low byte first), `"s16be"`, `"s24le"`, `"s24be"`, `"s32le"`, `"s32be"`, `"f32le"`,
            `"f32be"`, `"f64le"`, `"f64be"`, `"s8"`, `"u8"`, `"mulaw"` or `"alaw"`.

    Returns:
        A `float32` array of shape `(samples,)` in `[-1, 1]`, mono at 16 kHz.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an argument doesn't fit, or the file is empty, not a whole number of samples
            of each channel, has a header, or holds samples that are not finite or far beyond
            `[-1, 1]`, or channels that cancel each other out.
        ImportError: If `soundfile` or `soxr` is missing.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "board.raw"
        >>> _ = path.write_bytes(np.full(160, 16_384, "<i2").tobytes())
        >>> samples = read_pcm(path, 16_000)
        >>> samples.shape, float(samples[0])
        ((160,), 0.5)
    """
    if encoding not in ENCODINGS:
        raise ValueError(
            f"`encoding` must be one of {', '.join(ENCODINGS)}; it is how a sample is written. "
            f"Received: encoding={encoding!r}. s16le is the most common."
        )
    whole = all(isinstance(n, int | np.integer) for n in (channels, sample_rate))
    if not (whole and 1 <= channels <= MOST_CHANNELS and sample_rate >= LEAST_RATE):
        raise ValueError(
            f"`channels` must be a whole number of at least 1 and at most {MOST_CHANNELS}, "
            f"`sample_rate` one of at least {LEAST_RATE}, in Hz; a raw file doesn't say them. "
            f"Received: channels={channels!r}, sample_rate={sample_rate!r}. Look them up where it "
            "was recorded."
        )
    _check_exists(path)
    width, subtype, order = ENCODINGS[encoding]
    size = Path(path).stat().st_size
    if size % (width * channels):
        raise ValueError(
            f"`path` must hold whole samples of {channels} channel(s) of {width} byte(s); else it "
            f"was cut short or is written otherwise. Received: path={str(path)!r} of {size} bytes. "
            "Check `channels` and `encoding`."
        )
    if _is_shorter_than_a_sample(size // (width * channels), sample_rate):
        raise ValueError(_silent(path))
    with Path(path).open("rb") as file:
        start = file.read(4)
    if start.startswith(HEADERS):
        raise ValueError(
            f"`path` must hold raw samples; this file has a header. Received: path={str(path)!r}, "
            f"which begins with {start!r}. Read it with `keras_sal.audio.read_audio`."
        )
    samples, rate = _soundfile().read(
        path,
        dtype="float32",
        always_2d=True,
        samplerate=sample_rate,
        channels=channels,
        format="RAW",
        subtype=subtype,
        endian=order,
    )
    return _mono(path, samples, rate)


def audio_info(path: PathLike) -> tuple[int, int, int]:
    """Read the length and the format of a recording from its header.

    Args:
        path: Path of the file.

    Returns:
        `(frames, sample_rate, channels)`: samples per channel, Hz, number of channels.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is unreadable, empty, or shorter than its header says.

    Example:
        >>> import pathlib, tempfile, soundfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "short.wav"
        >>> soundfile.write(path, [0.5] * 160, 16_000)
        >>> audio_info(path)
        (160, 16000, 1)
    """
    soundfile = _soundfile()
    _check_exists(path)
    try:
        info = soundfile.info(str(path))
    except TypeError as error:  # by its name, the file is raw
        raise ValueError(
            f"`path` must be a file that says what it holds; raw samples don't. Received: "
            f"path={str(path)!r}. Read it with `keras_sal.audio.read_pcm`, which is told the rate."
        ) from error
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(_unreadable(path, error)) from error
    truncation = _truncation(path, info) or _impossible_length(path, info)
    if truncation:
        raise ValueError(_unreadable(path, truncation))
    lies = Path(path).stat().st_size > LONGEST_HEADER and DECLARED_EMPTY.search(info.extra_info)
    if info.frames == 0 and lies:
        raise ValueError(_declared_empty(path))
    if info.samplerate < LEAST_RATE:
        raise ValueError(
            f"`path` must have at least {LEAST_RATE} samples a second; less is no speech. "
            f"Received: path={str(path)!r} with {info.samplerate} Hz. Were kHz written for Hz? "
            "Save it again."
        )
    if _is_shorter_than_a_sample(info.frames, info.samplerate):
        raise ValueError(_silent(path))
    return info.frames, info.samplerate, info.channels


def check_format(path: PathLike, sample_rate: int, channels: int) -> None:
    """Refuse a file that is not 16 kHz mono.

    Args:
        path: Path of the file, for the message.
        sample_rate: Sample rate of the file in Hz.
        channels: Number of channels of the file.

    Raises:
        ValueError: If the file is not 16 kHz mono.

    Example:
        >>> check_format("good.wav", 16_000, 1)
    """
    if (sample_rate, channels) != (SAMPLE_RATE, 1):
        raise ValueError(
            f"`path` must be mono at {SAMPLE_RATE} Hz; the front-end hears nothing else. Received: "
            f"path={str(path)!r} with {channels} channel(s) at {sample_rate} Hz. Leave `convert` "
            "at True to average the channels and resample."
        )


def _decoded(path: PathLike, frames: int) -> Array:
    """The samples `(frames, channels)`. Memory is taken for those that are there.

    What may be a false length is read in blocks. Other files are not, as blocks change the last
    bits of MP3.
    """
    blocks: list[Array] = []
    usual = frames <= USUAL_FRAMES_PER_BYTE * Path(path).stat().st_size
    with _soundfile().SoundFile(path) as file:
        missing = frames
        while missing > 0:
            most = missing if usual else min(missing, BLOCK_FRAMES)
            block = file.read(most, dtype="float32", always_2d=True)
            if not len(block):
                break
            blocks.append(block)
            missing -= len(block)
        empty = np.zeros((0, file.channels), "float32")
    return blocks[0] if len(blocks) == 1 else np.concatenate([empty, *blocks])


def _mono(path: PathLike, samples: Array, rate: int) -> Array:
    """The mean of the channels `(samples, channels)` at 16 kHz; refuses what can't be sound."""
    received = f"path={str(path)!r}"
    require_peak(np.abs(samples).max(initial=0), "path", received)
    mean = samples.mean(axis=1)
    energies = np.square(mean).mean(), np.square(samples).mean()
    require_channels(*energies, samples.shape[1], "path", received)
    samples = np.clip(mean, -1, 1)
    return samples if rate == SAMPLE_RATE else resample(samples, rate, SAMPLE_RATE)


def _is_shorter_than_a_sample(frames: int, rate: int) -> bool:
    """Whether nothing is left of so many samples at 16 kHz."""
    return round(frames * SAMPLE_RATE / rate) == 0


def _check_exists(path: PathLike) -> None:
    path = Path(path)
    if not path.is_file():
        why = "this is a broken link" if path.is_symlink() else "there is none of this name"
        raise FileNotFoundError(
            f"`path` must name a file; {why}. Received: path={str(path)!r}. Check the name, and "
            "that the recordings are complete."
        )
    if path.stat().st_size == 0:
        raise ValueError(_silent(path))


def _truncation(path: PathLike, info: Any) -> str | None:
    """How a file is shorter than its header says, which libsndfile accepts; `None` if it isn't."""
    declared = TRUNCATED.search(info.extra_info)
    if declared:
        size, found = int(declared["declared"]), int(declared["found"])
        if found < size < ENDLESS:
            return f"it ends after {found} of {size} bytes"
    if info.format == "OGG" and not _has_last_page(path):
        return "it ends before its last page does"
    return None


def _impossible_length(path: PathLike, info: Any) -> str | None:
    """How a header declares more samples than the bytes of the file can hold, else `None`."""
    size = Path(path).stat().st_size
    if info.frames > size * MOST_FRAMES_PER_BYTE:
        return f"its header declares {info.frames:,} samples, which {size:,} bytes can't hold"
    return None


def _has_last_page(path: PathLike) -> bool:
    """Whether an OGG file ends with a complete page that is marked as the last one."""
    with Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - OGG_TAIL))
        _, found, page = file.read().rpartition(b"OggS")
    if not found:
        return True  # something else follows
    sizes = page[23 : 23 + page[22]] if len(page) > 22 else b""
    return bool(page[1:2] and page[1] & 4 and len(page) >= 23 + len(sizes) + sum(sizes))


def _soundfile() -> Any:
    return import_package("soundfile", "read sound files", "audio")


def _silent(path: PathLike) -> str:
    return (
        f"`path` must hold sound; the file has no samples. Received: path={str(path)!r}. "
        "Leave the recording out or record it again."
    )


def _declared_empty(path: PathLike) -> str:
    size = Path(path).stat().st_size
    return (
        f"`path` must declare its sound; the header says 0 bytes, and {size:,} bytes are "
        "there: the program that wrote it was interrupted. Received: "
        f"path={str(path)!r}. Repair it, for example with `ffmpeg -i in.wav out.flac` or `sox "
        "--ignore-length in.wav out.wav`."
    )


def _foreign_format(path: PathLike) -> str | None:
    """The name of a format that libsndfile can't read, by the first bytes of a file."""
    with Path(path).open("rb") as file:
        start = file.read(16)
    return next((name for at, mark, name in FOREIGN if start[at:].startswith(mark)), None)


def _unreadable(path: PathLike, error: object) -> str:
    advice = "Copy the file again, or leave it out."
    suffix, foreign = Path(path).suffix.lower(), _foreign_format(path)
    if foreign and suffix not in UNSUPPORTED:
        error = f"it is {foreign}, whatever its name says; {error}"
    if foreign or suffix in UNSUPPORTED:
        advice = "Convert it, for example with `ffmpeg -i in.m4a out.flac`."
    return (
        f"`path` must be a readable sound file; it could not be decoded ({error}). Received: "
        f"path={str(path)!r}. {advice}"
    )
