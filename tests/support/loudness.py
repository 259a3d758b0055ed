"""A detector of loudness, sounds for it, and what it detects in them."""

import json

import keras
import numpy as np
import stepping
from keras import layers
from recording_folders import burst

from keras_sal import audio
from keras_sal.detection import detect

TIMES = {"frame_step_s": audio.FRAME_STEP_S, "frame_offset_s": audio.FRAME_OFFSET_S}


def loudness_detector(classes=1):
    """Fires while the mean feature is above 3."""
    ones = keras.initializers.Constant(1 / audio.FEATURES)
    dense = layers.Dense(
        classes,
        "sigmoid",
        kernel_initializer=ones,
        bias_initializer=keras.initializers.Constant(-3),
    )
    return keras.Sequential([keras.Input((None, audio.FEATURES)), dense])


def write_folder(folder):
    """Write detectors of loudness, and sound files with a tone from 1 s on."""
    import soundfile

    loudness_detector().save(folder / "loud.keras")
    loudness_detector(classes=2).save(folder / "two.keras")
    for name, rate in (("tone.wav", 16_000), ("tone44.wav", 44_100)):
        samples = burst(2.5, 1.0, 1.4, background=0.0)
        if rate != 16_000:
            samples = audio.resample(samples, 16_000, rate)
        soundfile.write(folder / name, samples, rate, subtype="PCM_16")
    soundfile.write(folder / "silence.wav", np.zeros(16_000), 16_000)
    return folder


def expected(path, threshold=0.5, **rule):
    posteriors = stepping.outputs_of(
        loudness_detector(), audio.features(audio.read_audio(path))[None]
    )
    return detect(posteriors[0], threshold, **TIMES, **rule)


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
