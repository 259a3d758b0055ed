"""Script that synthesises the recordings of a job file: speech engines, room, microphone, noise.

`synthesize` runs this file as a script, once for each job, so that the engines (GPL-3, written in
C, with global state) stay out of the caller's process. It imports nothing of the package, because
that would load Keras into each of these processes.
"""

import ctypes
import itertools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE_RATE = 16_000
NOISE_DURATION_S = 5.0


@dataclass
class Speech:
    """Sound of a text.

    Args:
        samples: Array of shape `(samples,)` at 16 kHz.
        onset_s: Start of the first phoneme, in seconds.
        offset_s: End of the last phoneme, in seconds.
    """

    samples: np.ndarray
    onset_s: float
    offset_s: float


Speak = Callable[[str, str, np.random.Generator], Speech]
"""An opened engine: a function from a voice, a text and random numbers to speech."""


def _resampled_speech(
    samples: np.ndarray, rate: int, onset: int, offset: int, speedup: float
) -> Speech:
    """Resample the output of an engine to 16 kHz, played faster: as by a shorter vocal tract."""
    import soxr

    played_rate = rate * speedup
    samples = soxr.resample(samples.astype(np.float32), played_rate, SAMPLE_RATE)
    return Speech(samples, onset / played_rate, offset / played_rate)


# The engines -------------------------------------------------------------------------------------

ACCENTS = (
    *("en", "en-us", "en-us", "en-us-nyc", "en-029", "en-gb-scotland"),
    *("en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd"),
)


class _EspeakEvent(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("phoneme", ctypes.c_char * 8),
    )


def open_espeak(seed: int) -> Speak:
    """Open eSpeak NG through its C interface; this changes the working directory.

    Args:
        seed: Seed of the random numbers of the engine.

    Returns:
        A function `speak(voice, text, rng)`.

    Raises:
        RuntimeError: If the engine can't read its data.
    """
    import espeakng_loader

    synchronous, phonemes_as_ipa, dont_exit = 2, 1 << 0 | 1 << 1, 1 << 15
    utf8_with_end_pause, phoneme_event = 0x1001, 7
    rate_wpm, volume, pitch, pitch_range = 1, 2, 3, 4

    engine = ctypes.CDLL(espeakng_loader.get_library_path())
    os.chdir(Path(espeakng_loader.get_data_path()).parent)  # it fails on paths of 160 bytes
    rate = engine.espeak_Initialize(synchronous, 0, b".", phonemes_as_ipa | dont_exit)
    if rate <= 0:
        raise RuntimeError(f"eSpeak NG can't read its data in {Path.cwd()}.")
    engine.espeak_ng_SetRandSeed(ctypes.c_long(seed))

    pieces: list[np.ndarray] = []
    phonemes: list[tuple[int, bytes]] = []

    @ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent)
    )
    def collect(samples, count, events):
        if samples and count:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in itertools.takewhile(lambda event: event.type, events):
            if event.type == phoneme_event:
                phonemes.append((event.sample, event.phoneme))
        return 0

    engine.espeak_SetSynthCallback(collect)

    def speak(voice: str, text: str, rng: np.random.Generator) -> Speech:
        pieces.clear()
        phonemes.clear()
        name = f"{rng.choice(ACCENTS)}+{voice.removeprefix('espeak-')}"
        if engine.espeak_SetVoiceByName(name.encode()):
            raise RuntimeError(f"eSpeak NG has no voice {name}.")
        engine.espeak_SetParameter(rate_wpm, int(rng.integers(125, 221)), 0)
        engine.espeak_SetParameter(volume, 50, 0)  # some voices clip at the default of 100
        engine.espeak_SetParameter(pitch, int(rng.integers(25, 76)), 0)
        engine.espeak_SetParameter(pitch_range, int(rng.integers(30, 81)), 0)
        spoken = text.encode()
        engine.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, utf8_with_end_pause, None, None)
        # A pause is a phoneme without a name. The event of a word starts with the silent closure
        # of its first consonant, 35 ms before it is audible; the event of the phoneme does not.
        audible = [index for index, (_, name) in enumerate(phonemes) if name]
        if not audible:
            raise RuntimeError(f"eSpeak NG finds nothing to say in {text!r}.")
        onset, offset = phonemes[audible[0]][0], phonemes[audible[-1] + 1][0]
        return _resampled_speech(
            np.concatenate(pieces) / 2**15, rate, onset, offset, rng.uniform(0.9, 1.1)
        )

    speak.collect = collect  # type: ignore[attr-defined]  # keeps the callback alive
    return speak


def open_piper(seed: int, model: str, config: str, speakers: dict[str, int | None]) -> Speak:
    """Open a voice of Piper, patched to output the durations of its phonemes.

    Args:
        seed: Seed of the random numbers of ONNX Runtime.
        model: Path of the `.onnx` file.
        config: Path of its `.onnx.json`.
        speakers: Number of each speaker in the model by name; `None` where it has only one.

    Returns:
        A function `speak(voice, text, rng)`.
    """
    import onnx
    import onnxruntime
    from piper import PiperVoice, SynthesisConfig
    from piper.config import PiperConfig
    from piper.patch_voice_with_alignment import add_alignment_output

    network = onnx.load(model)
    if len(network.graph.output) == 1:
        add_alignment_output(network)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    onnxruntime.set_seed(seed)
    session = onnxruntime.InferenceSession(
        network.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    settings = json.loads(Path(config).read_text(encoding="utf-8"))
    engine = PiperVoice(session, PiperConfig.from_dict(settings))

    def speak(voice: str, text: str, rng: np.random.Generator) -> Speech:
        speedup = rng.uniform(0.85, 1.18)
        manner = SynthesisConfig(
            speaker_id=speakers[voice],
            length_scale=speedup * rng.uniform(0.8, 1.25),
            noise_scale=rng.uniform(0.4, 0.8),
            noise_w_scale=rng.uniform(0.5, 1.0),
        )
        said = list(engine.synthesize(text, manner, include_alignments=True))
        if len(said) != 1 or not said[0].phoneme_alignments:
            raise RuntimeError(f"Piper gives no phoneme times for {text!r} in the voice {voice}.")
        samples = said[0].audio_float_array
        begin, *_, end = said[0].phoneme_alignments
        onset, offset = int(begin.num_samples), len(samples) - int(end.num_samples)
        return _resampled_speech(samples, said[0].sample_rate, onset, offset, speedup)

    return speak


SILENCE_DB = -35.0  # level below the loudest 10 ms at which speech begins and ends
KOKORO_LANGUAGES = {"b": "en-gb"}  # by the first letter of the voice


def open_kokoro(
    seed: int, model: str, styles: str, speakers: dict[str, str], blends: dict[str, list[str]]
) -> Speak:
    """Open Kokoro; each utterance blends its voice with another one.

    Its last phoneme includes the pause that follows, so the durations of the phonemes don't give
    the end. But silence surrounds its speech, and so the sound gives onset and offset.

    Args:
        seed: Not used; the engine draws nothing.
        model: Path of the `.onnx` file.
        styles: Path of the file of voices.
        speakers: Name of each voice in the file, by its name here.
        blends: Names in the file of the voices that each voice is blended with.

    Returns:
        A function `speak(voice, text, rng)`.
    """
    import onnxruntime
    from kokoro_onnx import Kokoro

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    engine = Kokoro.from_session(session, styles)

    def speak(voice: str, text: str, rng: np.random.Generator) -> Speech:
        speedup = rng.uniform(0.85, 1.18)
        name = speakers[voice]
        share = rng.uniform(0.0, 0.5)
        style = (1 - share) * engine.voices[name] + share * engine.voices[rng.choice(blends[voice])]
        samples, rate = engine.create(
            text,
            style.astype(np.float32),
            speed=float(rng.uniform(0.8, 1.25) / speedup),
            lang=KOKORO_LANGUAGES.get(name[0], "en-us"),
            trim=False,
        )
        return _resampled_speech(samples, rate, *speech_bounds(samples, rate), speedup)

    return speak


ENGINES: dict[str, Callable[..., Speak]] = {
    "espeak": open_espeak,
    "piper": open_piper,
    "kokoro": open_kokoro,
}


def speech_bounds(samples: np.ndarray, rate: int) -> tuple[int, int]:
    """Find the first and the last sample of a sound that silence surrounds.

    Args:
        samples: Array of shape `(samples,)`.
        rate: Samples per second.

    Returns:
        Indices of the first and the last sample.
    """
    width = rate // 100
    power = np.convolve(np.square(samples, dtype=np.float64), np.ones(width) / width, "same")
    loud = np.flatnonzero(power > power.max() * 10.0 ** (SILENCE_DB / 10.0))
    half = width // 2  # the mean is over that much to either side
    return int(min(loud[0] + half, loud[-1])), int(max(loud[-1] - half, loud[0]))


# Acoustics ---------------------------------------------------------------------------------------


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) + 1e-9


def _fft_length(count: int) -> int:
    """Round a length up to a multiple of 0.1 s; the FFT of a length with a large prime is slow."""
    return -(-count // 1600) * 1600


def _gain(decibels: float) -> float:
    return 10.0 ** (decibels / 20.0)


def coloured_noise(colour: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Make noise of unit power.

    Args:
        colour: `"white"` (flat spectrum), `"pink"` (1/f), `"brown"` (1/f**2), or `"hum"` (harmonics
            of the mains).
        count: Number of samples.
        rng: Random numbers.

    Returns:
        Array of shape `(count,)`.
    """
    if colour == "hum":
        order = np.arange(1, 13)[:, None]
        phase = rng.choice([50.0, 60.0]) * np.arange(count) / SAMPLE_RATE
        waves = np.sin(2 * np.pi * (order * phase + rng.random((12, 1))))
        samples = (rng.uniform(0.1, 1.0, (12, 1)) / order * waves).sum(axis=0)
        samples += 0.05 * coloured_noise("white", count, rng)
    else:
        power = {"white": 0, "pink": 1, "brown": 2}[colour]
        hertz = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20.0)
        spectrum = np.fft.rfft(rng.standard_normal(count)) * hertz ** (-power / 2)
        samples = np.fft.irfft(spectrum, count)
    return samples / _rms(samples)


def add_reverberation(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add the reverberation of a random room; the direct sound keeps its place in time.

    Args:
        samples: Array of shape `(samples,)`.
        rng: Random numbers.

    Returns:
        Array of the same shape.
    """
    decay_s, tail_db = rng.uniform(0.1, 0.4), rng.uniform(-18.0, -4.0)
    after_s = np.arange(int(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(after_s)) * 10.0 ** (-3.0 * after_s / decay_s)
    tail[after_s < 0.002] = 0.0
    response = _gain(tail_db) * tail / np.linalg.norm(tail)
    response[0] = 1.0
    size = _fft_length(len(samples) + len(response))
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return wet[: len(samples)]


def apply_microphone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a random frequency response: a tilt of up to 3 dB an octave, and a high-pass filter.

    Args:
        samples: Array of shape `(samples,)`.
        rng: Random numbers.

    Returns:
        Array of the same shape.
    """
    hertz = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), 30.0)
    tilt = _gain(rng.uniform(-3.0, 3.0) * np.log2(hertz / 1000.0))
    high_pass = 1.0 / (1.0 + (rng.uniform(40.0, 150.0) / hertz) ** 4)
    return np.fft.irfft(np.fft.rfft(samples) * tilt * high_pass, len(samples))


def record_speech(speech: Speech, rng: np.random.Generator) -> Speech:
    """Simulate a recording of speech: pauses around it, a room, a microphone and a noise floor.

    Args:
        speech: The speech.
        rng: Random numbers.

    Returns:
        `Speech`, longer, with its times moved along.
    """
    before_s, after_s = rng.uniform(0.2, 1.1), rng.uniform(0.5, 1.1)
    before, length = int(before_s * SAMPLE_RATE), len(speech.samples)
    samples = np.zeros(_fft_length(before + length + int(after_s * SAMPLE_RATE)))
    samples[before : before + length] = speech.samples
    onset_s, offset_s = (t + before / SAMPLE_RATE for t in (speech.onset_s, speech.offset_s))
    if rng.random() < 0.6:
        samples = add_reverberation(samples, rng)
    samples = apply_microphone(samples, rng)
    level = _rms(samples[int(onset_s * SAMPLE_RATE) : int(offset_s * SAMPLE_RATE)])
    floor = coloured_noise(rng.choice(["white", "pink", "brown", "hum"]), len(samples), rng)
    samples = samples / level + floor * _gain(-rng.uniform(10.0, 50.0))
    return Speech(samples * _gain(rng.uniform(-35.0, -15.0)), onset_s, offset_s)


def babble(
    lines: list[list[str]], count: int, speak: Speak, rng: np.random.Generator
) -> np.ndarray:
    """Make the noise of six talkers in one room, of unit power.

    Args:
        lines: Pairs of a voice and a text; each talker repeats every sixth of them.
        count: Number of samples.
        speak: The opened engine.
        rng: Random numbers.

    Returns:
        Array of shape `(count,)`.
    """
    utterances = [speak(voice, text, rng).samples for voice, text in lines]
    talkers = [np.concatenate(utterances[first::6]) for first in range(6)]
    talkers = [np.roll(np.resize(talker, count), rng.integers(count)) for talker in talkers]
    mixture = np.sum([talker / _rms(talker) for talker in talkers], axis=0)
    samples = add_reverberation(mixture, rng)
    return samples / _rms(samples)


# The recordings ----------------------------------------------------------------------------------


def render(recording: dict[str, Any], speak: Speak) -> tuple[np.ndarray, dict[str, float]]:
    """Make a planned recording.

    Args:
        recording: A `PlannedRecording` as a dict.
        speak: The opened engine.

    Returns:
        The samples as 16-bit integers, and a dict of its `duration_s` and, for speech, `onset_s`
        and `offset_s`.
    """
    rng = np.random.default_rng(recording["seed"])
    times = {}
    if recording["text"]:
        speech = record_speech(speak(recording["speaker"], recording["text"], rng), rng)
        samples = speech.samples
        times = {"onset_s": round(speech.onset_s, 3), "offset_s": round(speech.offset_s, 3)}
    else:
        count, colour = int(NOISE_DURATION_S * SAMPLE_RATE), Path(recording["file"]).parent.name
        lines = recording["babble"]
        samples = babble(lines, count, speak, rng) if lines else coloured_noise(colour, count, rng)
        samples = samples * _gain(rng.uniform(-45.0, -18.0))
    samples = samples * min(1.0, 0.98 / np.abs(samples).max())
    times["duration_s"] = round(len(samples) / SAMPLE_RATE, 3)
    return np.round(samples * 32767.0).astype(np.int16), times


def main() -> None:
    """Make the recordings of a job file, and print name and times of each as a line of JSON."""
    import soundfile

    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # keeps what the engines print out of the results
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    speak = ENGINES[job["engine"]](job["seed"], **job["settings"])
    for recording in job["recordings"]:
        samples, times = render(recording, speak)
        path = Path(job["folder"], recording["file"])
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, SAMPLE_RATE)
        print(json.dumps({"file": recording["file"], **times}), file=results, flush=True)


if __name__ == "__main__":
    main()
