"""The process that speaks and files clips: engines, rooms, microphones, noise.

`synthesize` runs this file as a script, once for each lot of clips, so that the engines (GPL-3,
written in C, with global state) stay out of the caller's process. It imports nothing of the
package, because that would load Keras into each of these processes.
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
NOISE_S = 5.0


@dataclass
class Speech:
    """Samples at 16 kHz, and when the first phoneme starts and the last one ends."""

    samples: np.ndarray
    onset_s: float
    offset_s: float


Speak = Callable[[str, str, np.random.Generator], Speech]  # voice, text, random numbers


def _heard(samples: np.ndarray, rate: int, onset: int, offset: int, stretch: float) -> Speech:
    """Engine output at 16 kHz, played `stretch` times as fast: as from a shorter vocal tract."""
    import soxr

    played = rate * stretch
    samples = soxr.resample(samples.astype(np.float32), played, SAMPLE_RATE)
    return Speech(samples, onset / played, offset / played)


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


def espeak(seed: int) -> Speak:
    """The engine eSpeak NG, through its C interface. Changes the working directory."""
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
        engine.espeak_SetParameter(volume, 50, 0)  # at its default of 100 some voices clip
        engine.espeak_SetParameter(pitch, int(rng.integers(25, 76)), 0)
        engine.espeak_SetParameter(pitch_range, int(rng.integers(30, 81)), 0)
        spoken = text.encode()
        engine.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, utf8_with_end_pause, None, None)
        # A pause is a phoneme without a sign. The event of a word comes with the silent closure of
        # its first consonant, 35 ms before it can be heard; the event of the phoneme does not.
        audible = [index for index, (_, name) in enumerate(phonemes) if name]
        if not audible:
            raise RuntimeError(f"eSpeak NG finds nothing to say in {text!r}.")
        onset, offset = phonemes[audible[0]][0], phonemes[audible[-1] + 1][0]
        return _heard(np.concatenate(pieces) / 2**15, rate, onset, offset, rng.uniform(0.9, 1.1))

    speak.collect = collect  # or ctypes' function would be freed while eSpeak still calls it
    return speak


def piper(seed: int, model: str, config: str, speakers: dict[str, int | None]) -> Speak:
    """The engine Piper, its voice patched to tell how long each phoneme takes."""
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
        stretch = rng.uniform(0.85, 1.18)
        manner = SynthesisConfig(
            speaker_id=speakers[voice],
            length_scale=stretch * rng.uniform(0.8, 1.25),
            noise_scale=rng.uniform(0.4, 0.8),
            noise_w_scale=rng.uniform(0.5, 1.0),
        )
        said = list(engine.synthesize(text, manner, include_alignments=True))
        if len(said) != 1 or not said[0].phoneme_alignments:
            raise RuntimeError(f"Piper gives no phoneme times for {text!r} in the voice {voice}.")
        samples = said[0].audio_float_array
        begin, *_, end = said[0].phoneme_alignments
        onset, offset = int(begin.num_samples), len(samples) - int(end.num_samples)
        return _heard(samples, said[0].sample_rate, onset, offset, stretch)

    return speak


SILENT_DB = -35.0  # below the loudest 10 ms: where speech of an engine begins and ends
KOKORO_LANGUAGES = {"b": "en-gb"}  # by the first letter of the voice


def kokoro(
    seed: int, model: str, styles: str, speakers: dict[str, str], blends: dict[str, list[str]]
) -> Speak:
    """The engine Kokoro; each clip blends its voice with another one.

    Its phoneme durations tell little of the end, for the last phoneme has the pause after it. But
    what it says is followed by silence, and so the sound itself tells.
    """
    import onnxruntime
    from kokoro_onnx import Kokoro

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    engine = Kokoro.from_session(session, styles)

    def speak(voice: str, text: str, rng: np.random.Generator) -> Speech:
        stretch = rng.uniform(0.85, 1.18)
        name = speakers[voice]
        share = rng.uniform(0.0, 0.5)
        style = (1 - share) * engine.voices[name] + share * engine.voices[rng.choice(blends[voice])]
        samples, rate = engine.create(
            text,
            style.astype(np.float32),
            speed=float(rng.uniform(0.8, 1.25) / stretch),
            lang=KOKORO_LANGUAGES.get(name[0], "en-us"),
            trim=False,
        )
        return _heard(samples, rate, *sounding(samples, rate), stretch)

    return speak


def sounding(samples: np.ndarray, rate: int) -> tuple[int, int]:
    """The first and the last sample of sound in what is otherwise silent."""
    width = rate // 100
    power = np.convolve(np.square(samples, dtype=np.float64), np.ones(width) / width, "same")
    loud = np.flatnonzero(power > power.max() * 10.0 ** (SILENT_DB / 10.0))
    half = width // 2  # the mean is over that much to either side
    return int(min(loud[0] + half, loud[-1])), int(max(loud[-1] - half, loud[0]))


# The scene ---------------------------------------------------------------------------------------


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) + 1e-9


def _smooth(count: int) -> int:
    """The next multiple of 0.1 s: its FFT is fast, that of a length with a large prime is not."""
    return -(-count // 1600) * 1600


def _db(decibels: float) -> float:
    return 10.0 ** (decibels / 20.0)


def noise(colour: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of unit power: spectrum flat, 1/f, 1/f**2, or the harmonics of the mains."""
    if colour == "hum":
        order = np.arange(1, 13)[:, None]
        phase = rng.choice([50.0, 60.0]) * np.arange(count) / SAMPLE_RATE
        waves = np.sin(2 * np.pi * (order * phase + rng.random((12, 1))))
        samples = (rng.uniform(0.1, 1.0, (12, 1)) / order * waves).sum(axis=0)
        samples += 0.05 * noise("white", count, rng)
    else:
        power = {"white": 0, "pink": 1, "brown": 2}[colour]
        hertz = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20.0)
        spectrum = np.fft.rfft(rng.standard_normal(count)) * hertz ** (-power / 2)
        samples = np.fft.irfft(spectrum, count)
    return samples / _rms(samples)


def room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a reverberant tail behind the direct sound, which keeps its place in time."""
    decay_s, tail_db = rng.uniform(0.1, 0.4), rng.uniform(-18.0, -4.0)
    after_s = np.arange(int(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(after_s)) * 10.0 ** (-3.0 * after_s / decay_s)
    tail[after_s < 0.002] = 0.0
    response = _db(tail_db) * tail / np.linalg.norm(tail)
    response[0] = 1.0
    size = _smooth(len(samples) + len(response))
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return wet[: len(samples)]


def microphone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tilt the spectrum by up to 3 dB an octave about 1 kHz and lose the lowest tones."""
    hertz = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE), 30.0)
    tilt = _db(rng.uniform(-3.0, 3.0) * np.log2(hertz / 1000.0))
    high_pass = 1.0 / (1.0 + (rng.uniform(40.0, 150.0) / hertz) ** 4)
    return np.fft.irfft(np.fft.rfft(samples) * tilt * high_pass, len(samples))


def speech_clip(speech: Speech, rng: np.random.Generator) -> Speech:
    """Speech with pauses around it, in a room, through a microphone, over a noise floor."""
    before_s, after_s = rng.uniform(0.2, 1.1), rng.uniform(0.5, 1.1)
    before, said = int(before_s * SAMPLE_RATE), len(speech.samples)
    samples = np.zeros(_smooth(before + said + int(after_s * SAMPLE_RATE)))
    samples[before : before + said] = speech.samples
    onset_s, offset_s = (t + before / SAMPLE_RATE for t in (speech.onset_s, speech.offset_s))
    if rng.random() < 0.6:
        samples = room(samples, rng)
    samples = microphone(samples, rng)
    level = _rms(samples[int(onset_s * SAMPLE_RATE) : int(offset_s * SAMPLE_RATE)])
    floor = noise(rng.choice(["white", "pink", "brown", "hum"]), len(samples), rng)
    samples = samples / level + floor * _db(-rng.uniform(10.0, 50.0))
    return Speech(samples * _db(rng.uniform(-35.0, -15.0)), onset_s, offset_s)


def babble(lines: list[list[str]], count: int, speak: Speak, rng: np.random.Generator):
    """Six mouths that talk at once, round and round, in one room; `lines` are (voice, text)."""
    said = [speak(voice, text, rng).samples for voice, text in lines]
    mouths = [np.concatenate(said[first::6]) for first in range(6)]
    mouths = [np.roll(np.resize(mouth, count), rng.integers(count)) for mouth in mouths]
    samples = room(np.sum([mouth / _rms(mouth) for mouth in mouths], axis=0), rng)
    return samples / _rms(samples)


# The clips ---------------------------------------------------------------------------------------


def make(clip: dict[str, Any], speak: Speak) -> tuple[np.ndarray, dict[str, float]]:
    """The 16-bit samples of a planned clip, and its times."""
    rng = np.random.default_rng(clip["seed"])
    times = {}
    if clip["text"]:
        speech = speech_clip(speak(clip["speaker"], clip["text"], rng), rng)
        samples = speech.samples
        times = {"onset_s": round(speech.onset_s, 3), "offset_s": round(speech.offset_s, 3)}
    else:
        count, colour = int(NOISE_S * SAMPLE_RATE), Path(clip["file"]).parent.name
        lines = clip["mixture"]
        samples = babble(lines, count, speak, rng) if lines else noise(colour, count, rng)
        samples = samples * _db(rng.uniform(-45.0, -18.0))
    samples = samples * min(1.0, 0.98 / np.abs(samples).max())
    times["duration_s"] = round(len(samples) / SAMPLE_RATE, 3)
    return np.round(samples * 32767.0).astype(np.int16), times


def main() -> None:
    """Make the clips listed in a file; answer each on stdout with its file name and times."""
    import soundfile

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever an engine prints is no answer
    lot = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    engine = {"espeak": espeak, "piper": piper, "kokoro": kokoro}[lot["engine"]]
    speak = engine(lot["seed"], **lot["settings"])
    for clip in lot["clips"]:
        samples, times = make(clip, speak)
        path = Path(lot["folder"], clip["file"])
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, SAMPLE_RATE)
        print(json.dumps({"file": clip["file"], **times}), file=answers, flush=True)


if __name__ == "__main__":
    main()
