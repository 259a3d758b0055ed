"""`keras-sal detect`, on sound files and on a microphone that plays them."""

import json
import sys
import types

import keras
import numpy as np
import pytest
import stepping
from keras import layers
from recording_folders import REAL, burst, needs_recordings

from keras_sal import audio, cli
from keras_sal.cli import microphone as microphone_module
from keras_sal.cli.meter import bars
from keras_sal.detection import detect

soundfile = pytest.importorskip("soundfile", reason="needs the audio extra")
pytest.importorskip("pymicro_features", reason="needs the audio extra")

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detect")
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


def test_finds_what_detect_finds(folder, capsys):
    """The tone begins at 1 s, and the longest of the front-end's windows is 30 ms."""
    tone, silence = str(folder / "tone.wav"), str(folder / "silence.wav")
    assert (
        cli.main(["detect", str(folder / "loud.keras"), silence, tone, tone, "--json-lines"]) == 0
    )
    [found] = expected(tone)
    assert 1.0 <= found.time_s <= 1.05
    line = {"source": tone, "time_s": pytest.approx(found.time_s), "class_index": 0}
    line |= {"class_name": None, "score": pytest.approx(found.score, abs=1e-5)}
    assert lines(capsys) == [line, line]


def test_the_trigger_is_given(folder, capsys):
    tone = str(folder / "tone.wav")
    options = ["--threshold", "0.55", "--smooth-frames", "2", "--refractory-s", "0.1"]
    options += ["--on-frames", "2", "--class-names", "tone"]
    assert cli.main(["detect", str(folder / "loud.keras"), tone, "--json-lines", *options]) == 0
    found = lines(capsys)
    rule = {"smooth_frames": 2, "refractory_s": 0.1, "on_frames": 2}
    again = expected(tone, 0.55, **rule)
    assert [line["time_s"] for line in found] == pytest.approx([each.time_s for each in again])
    assert {line["class_name"] for line in found} == {"tone"}
    options += ["--hysteresis", "0.2"]
    assert cli.main(["detect", str(folder / "loud.keras"), tone, "--json-lines", *options]) == 0
    less = expected(tone, 0.55, hysteresis=0.2, **rule)
    assert [line["time_s"] for line in lines(capsys)] == pytest.approx([d.time_s for d in less])
    assert len(again) > len(less) > 0


def test_a_threshold_for_each_class(folder, capsys):
    arguments = ["detect", str(folder / "two.keras"), str(folder / "tone.wav")]
    assert cli.main([*arguments, "--threshold", "inf,0.5"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert "tone.wav" in line
    assert "class 1" in line


def test_a_threshold_that_is_no_number(folder, capsys):
    with pytest.raises(SystemExit):
        cli.main(["detect", str(folder / "two.keras"), "--threshold", "0.5;0.8"])
    assert "must be a number, or one for each class" in capsys.readouterr().err


def test_other_rates_are_resampled(folder, capsys):
    arguments = ["detect", str(folder / "loud.keras"), str(folder / "tone44.wav"), "--json-lines"]
    assert cli.main(arguments) == 0
    [found] = lines(capsys)
    assert 1.0 <= found["time_s"] <= 1.05


def test_a_file_that_cannot_be_heard_is_told_and_the_others_are_heard(folder, capsys):
    arguments = ["detect", str(folder / "loud.keras"), "lost.wav", str(folder / "tone.wav")]
    assert cli.main(arguments) == 1
    shown = capsys.readouterr()
    assert "Received: path='lost.wav'" in shown.err
    assert "tone.wav" in shown.out


@pytest.mark.parametrize("also", [[], ["tone.wav", "--microphone"]])
def test_rejects_nothing_to_hear_and_too_much(folder, capsys, also):
    assert cli.main(["detect", str(folder / "loud.keras"), *also]) == 1
    assert "`FILE` or --microphone must be given, and not both" in capsys.readouterr().err


def test_rejects_a_model_that_is_not_there(capsys):
    assert cli.main(["detect", "lost.tflite", "tone.wav"]) == 1
    assert "`model` must name a file or a bundle" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.any_backend
def test_a_bundle_brings_front_end_and_trigger(folder, tmp_path, capsys):
    pytest.importorskip("tflite_micro", reason="needs the export extra")
    from keras_sal.export import bundle, micro

    rising = keras.Sequential(
        [
            keras.Input((None, audio.FEATURES)),
            layers.GRU(4, return_sequences=True),
            layers.Dense(1, "sigmoid"),
        ]
    )
    path = tmp_path / "float.tflite"
    micro.convert(rising, path, quantization="float32")
    tone = str(folder / "tone.wav")
    posteriors = micro.MicroModel(path).stream(audio.features(audio.read_audio(tone)))
    rule = {"smooth_frames": 2, "refractory_s": 0.2, **TIMES}
    threshold = float(np.median(posteriors))
    again = detect(posteriors, threshold, **rule)
    assert len(again) > 1
    for name, frontend in (("hears", "micro"), ("deaf", None)):
        bundle.write(
            path,
            tmp_path / name,
            threshold=threshold,
            class_names=["rise"],
            frontend=frontend,
            **rule,
        )
    assert cli.main(["detect", str(tmp_path / "hears"), tone, "--json-lines"]) == 0
    found = lines(capsys)
    assert [line["time_s"] for line in found] == pytest.approx([each.time_s for each in again])
    assert {line["class_name"] for line in found} == {"rise"}
    arguments = ["detect", str(tmp_path / "hears"), tone, "--json-lines", "--threshold", "1"]
    assert cli.main([*arguments, "--class-names", "step"]) == 0
    assert lines(capsys) == []
    assert cli.main(["detect", str(tmp_path / "deaf"), tone]) == 1
    assert "`model` must hear sound; the bundle takes features" in capsys.readouterr().err


class PortAudioError(Exception):
    pass


def microphone(samples, fails=False):
    """Stands in for `sounddevice`: a microphone that hears `samples` over and over."""

    class InputStream:
        def __init__(self, *, callback, **options):
            if fails:
                raise PortAudioError("Error querying device -1")
            assert (options["samplerate"], options["channels"]) == (16_000, 1)
            assert options["dtype"] == "int16"
            self.callback, self.size, self.device = (
                callback,
                options["blocksize"],
                options["device"],
            )

        def __enter__(self):
            module.device = self.device
            for start in range(0, len(samples), self.size):
                block = audio.to_pcm16(samples[start : start + self.size])[:, None]
                self.callback(block, len(block), None, "")

        def __exit__(self, *_):
            module.closed = True

    module = types.SimpleNamespace(InputStream=InputStream, PortAudioError=PortAudioError)
    return module


@pytest.fixture
def listening(monkeypatch, folder):
    pytest.importorskip("rich")
    heard = microphone(audio.read_audio(folder / "tone.wav"))
    monkeypatch.setattr(microphone_module, "import_sounddevice", lambda: heard)
    return heard


@pytest.mark.parametrize(("device", "opened"), [([], None), (["--device", "3"], 3)])
def test_listens_to_the_microphone(folder, listening, capsys, device, opened):
    arguments = ["detect", str(folder / "loud.keras"), "--microphone", "--json-lines", *device]
    assert cli.main([*arguments, "--seconds", "2.4"]) == 0
    [found] = lines(capsys)
    assert found["source"] == "microphone"
    assert found["time_s"] == pytest.approx(expected(folder / "tone.wav")[0].time_s)
    assert listening.device == opened
    assert listening.closed


def test_stops_after_the_seconds(folder, listening, capsys):
    arguments = ["detect", str(folder / "loud.keras"), "--microphone", "--seconds"]
    assert cli.main([*arguments, "0.9"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main([*arguments, "1.2"]) == 0
    assert "microphone" in capsys.readouterr().out


def test_shows_bars_on_a_terminal(folder, listening, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the captured output for a terminal
    arguments = ["detect", str(folder / "loud.keras"), "--microphone", "--seconds", "2.4"]
    assert cli.main([*arguments, "--class-names", "tone"]) == 0
    shown = capsys.readouterr().out
    assert "tone 0.05 ██" + 38 * "·" in shown
    assert 20 * "█" in shown
    assert "microphone" in shown


def test_bars():
    first, second = bars(np.array([0.5, 1.0]), ["go", "stop"]).splitlines()
    assert first == "go   0.50 " + 20 * "█" + 20 * "·"
    assert second == "stop 1.00 " + 40 * "█"


def test_says_that_there_is_no_microphone(folder, capsys, monkeypatch):
    missing = microphone([], fails=True)
    monkeypatch.setattr(microphone_module, "import_sounddevice", lambda: missing)
    assert cli.main(["detect", str(folder / "loud.keras"), "--microphone"]) == 1
    error = capsys.readouterr().err
    assert "must find a microphone that records 16000 Hz; it says: Error querying" in error
    assert "python -m sounddevice" in error


def test_says_which_package_and_which_library_are_missing(folder, capsys, monkeypatch):
    from keras_sal import extras

    def without_portaudio(name):
        raise OSError("PortAudio library not found")

    arguments = ["detect", str(folder / "loud.keras"), "--microphone"]
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)
    assert cli.main(arguments) == 1
    assert 'pip install "keras-sal[live]"' in capsys.readouterr().err
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(extras.importlib, "import_module", without_portaudio)
    assert cli.main(arguments) == 1
    assert "apt install libportaudio2" in capsys.readouterr().err


@needs_recordings
def test_hears_real_recordings(folder, capsys):
    """Whatever the loudness detector makes of them, it makes of them whole."""
    from keras_sal.data import load_recordings

    paths = [str(recording.path) for recording in load_recordings(REAL)[:200:50]]
    assert cli.main(["detect", str(folder / "loud.keras"), *paths, "--json-lines"]) == 0
    found = lines(capsys)
    assert found
    assert [(line["source"], line["time_s"]) for line in found] == [
        (path, pytest.approx(each.time_s)) for path in paths for each in expected(path)
    ]
