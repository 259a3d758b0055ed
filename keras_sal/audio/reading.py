"""Sound files of any format, rate and number of channels, read as the front-end wants them."""

import re
from pathlib import Path

import numpy as np

from keras_sal.audio.samples import SAMPLE_RATE, resample
from keras_sal.extras import import_package

ENCODINGS = {  # names that FFmpeg gives to raw samples: bytes, and what libsndfile calls them
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
FOREIGN = (".m4a", ".mp4", ".aac", ".amr", ".3gp", ".wma", ".webm")  # not read by libsndfile
LEAST_RATE = 1000  # less is kHz that were taken for Hz
MOST_CHANNELS = 1024  # of libsndfile
CANCELLED = 0.02  # of the amplitude of channels; less is left in their mean if some are inverted
LOUDEST = 2.0  # lossy decoders and mixers go a little beyond full scale, integers far
ENDLESS = 0x7FF0_0000  # what programs declare that write before they know how long it will be
OGG_TAIL = 1 << 16
CUT = re.compile(
    r"^ *(?:data|SSND|riff|Riff size|Data Size) *: (?P<said>\d+) \(should be (?P<there>\d+)\)",
    re.MULTILINE,
)


def read_audio(path, *, convert=True):
    """Read a recording as the front-end wants it: mono, 16 kHz, `float32` in `[-1, 1]`.

    Reads WAV, FLAC, OGG (Vorbis and Opus), MP3 and what else libsndfile reads, at any rate and with
    any number of channels, which are averaged. What the file is told from its contents, not from
    its name. Samples slightly beyond full scale, as lossy decoders give them, are cut off there.

    Encoders of MP3 put 25 to 70 ms of silence in front. Decoders take it out again if the file says
    how much it is, and not all do: take event times from the MP3 itself, not from what it was made
    of.

    Args:
        path: The file.
        convert: What to do with another sample rate or several channels: `True` (default) averages
            the channels and resamples; `False` is an error, for folders in which it is a sign of
            the wrong file.

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
    soundfile = _soundfile()
    try:
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(_unreadable(path, error)) from error
    if len(samples) < frames:
        raise ValueError(_unreadable(path, f"it ends after {len(samples)} of {frames} samples"))
    return _mono(path, samples, rate)


def read_pcm(path, sample_rate, *, channels=1, encoding="s16le"):
    """Read raw samples, a file without a header, as the front-end wants them.

    Use it for what microcontrollers and `arecord -t raw` write. Nothing in such a file says what it
    holds: a wrong rate, width or byte order gives sound that is too fast, or noise.

    Args:
        path: The file.
        sample_rate: Samples per second and channel, in Hz.
        channels: Number of channels, one sample of each in turn; they are averaged. Default 1.
        encoding: Width, kind and byte order, by FFmpeg's names: `"s16le"` (default; signed 16 bits,
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
    _check_there(path)
    width, subtype, order = ENCODINGS[encoding]
    size = Path(path).stat().st_size
    if size % (width * channels):
        raise ValueError(
            f"`path` must hold whole samples of {channels} channel(s) of {width} byte(s); else it "
            f"was cut short or is written otherwise. Received: path={str(path)!r} of {size} bytes. "
            "Check `channels` and `encoding`."
        )
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


def audio_info(path):
    """The length and format of a recording, from its header alone.

    Args:
        path: The file.

    Returns:
        `(frames, sample_rate, channels)`: samples per channel, Hz, count.

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
    _check_there(path)
    try:
        info = soundfile.info(str(path))
    except TypeError as error:  # by its name, the file is raw
        raise ValueError(
            f"`path` must be a file that says what it holds; raw samples don't. Received: "
            f"path={str(path)!r}. Read it with `keras_sal.audio.read_pcm`, which is told the rate."
        ) from error
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(_unreadable(path, error)) from error
    cut = _how_it_was_cut(path, info)
    if cut:
        raise ValueError(_unreadable(path, cut))
    if info.samplerate < LEAST_RATE:
        raise ValueError(
            f"`path` must have at least {LEAST_RATE} samples a second; less is no speech. "
            f"Received: path={str(path)!r} with {info.samplerate} Hz. Were kHz written for Hz? "
            "Save it again."
        )
    if round(info.frames * SAMPLE_RATE / info.samplerate) == 0:
        raise ValueError(_silent(path))
    return info.frames, info.samplerate, info.channels


def check_format(path, sample_rate, channels):
    """Refuse what is not 16 kHz mono.

    Args:
        path: The file, for the message.
        sample_rate: Its samples per second, in Hz.
        channels: Its number of channels.

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


def _mono(path, samples, rate):
    """The mean of the channels `(samples, channels)` at 16 kHz, if they are sound."""
    peak = np.abs(samples).max(initial=0)
    if not peak <= LOUDEST:
        raise ValueError(
            f"`path` must hold finite samples in [-1, 1]; a float file can hold anything, for "
            f"example 16-bit integers or NaN. Received: path={str(path)!r} with a peak of {peak}. "
            "Divide integers by 32768 and save the file again."
        )
    mean = samples.mean(axis=1)
    if np.square(mean).mean() < CANCELLED**2 * np.square(samples).mean():
        raise ValueError(
            "`path` must hold channels that don't cancel each other out; their mean is what is "
            f"heard, and here it is next to nothing. Received: path={str(path)!r} with "
            f"{samples.shape[1]} channels, some of them inverted. Keep one of them."
        )
    samples = np.clip(mean, -1, 1)
    return samples if rate == SAMPLE_RATE else resample(samples, rate, SAMPLE_RATE)


def _check_there(path):
    path = Path(path)
    if not path.is_file():
        why = "a link that leads nowhere" if path.is_symlink() else "there is none of this name"
        raise FileNotFoundError(
            f"`path` must name a file; {why}. Received: path={str(path)!r}. Check the name, and "
            "that the recordings are complete."
        )
    if path.stat().st_size == 0:
        raise ValueError(_silent(path))


def _how_it_was_cut(path, info):
    """How a file is shorter than it says, which libsndfile notes and passes over; or `None`."""
    declared = CUT.search(info.extra_info)
    if declared:
        said, there = int(declared["said"]), int(declared["there"])
        if there < said < ENDLESS:
            return f"it ends after {there} of {said} bytes"
    if info.format == "OGG" and not _has_last_page(path):
        return "it ends before its last page does"
    return None


def _has_last_page(path):
    """Whether an OGG file ends with a whole page that says that it is the last one."""
    with Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - OGG_TAIL))
        _, found, page = file.read().rpartition(b"OggS")
    if not found:
        return True  # something else follows
    sizes = page[23 : 23 + page[22]] if len(page) > 22 else b""
    return bool(page[1:2] and page[1] & 4 and len(page) >= 23 + len(sizes) + sum(sizes))


def _soundfile():
    return import_package("soundfile", "read sound files", "audio")


def _silent(path):
    return (
        f"`path` must hold sound; the file has no samples. Received: path={str(path)!r}. "
        "Leave the recording out or record it again."
    )


def _unreadable(path, error):
    advice = "Copy the file again, or leave it out."
    if Path(path).suffix.lower() in FOREIGN:
        advice = "Convert it, for example with `ffmpeg -i in.m4a out.flac`."
    return (
        f"`path` must be a readable sound file; it could not be decoded ({error}). Received: "
        f"path={str(path)!r}. {advice}"
    )
