"""`keras-sal detect --microphone`, on a microphone that plays a file."""

import sys
import types

import numpy as np
import pytest
from loudness import expected, lines, write_folder

from keras_sal import audio, cli
from keras_sal.cli import microphone as microphone_module
from keras_sal.cli.meter import bars

pytest.importorskip("soundfile", reason="needs the audio extra")
pytest.importorskip("pymicro_features", reason="needs the audio extra")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("microphone"))


class PortAudioError(Exception):
    pass


def microphone(samples, fails=False, rates=(16_000,), channels=1, gone=False):
    """Stands in for `sounddevice`: a microphone that hears `samples` once, in its last channel.

    It records at the given rates only, and from all its channels or the first alone if that is 1.
    """

    class InputStream:
        def __init__(self, *, callback, **options):
            if fails:
                raise PortAudioError("Error querying device -1")
            if options["samplerate"] not in rates:
                raise PortAudioError("Invalid sample rate")
            if options["channels"] != channels:
                raise PortAudioError("Invalid number of channels")
            assert options["dtype"] == "int16"
            self.finished = options["finished_callback"]
            self.callback, self.size, self.device = (
                callback,
                options["blocksize"],
                options["device"],
            )

        def __enter__(self):
            module.device = self.device
            for start in range(0, len(samples), self.size):
                heard = audio.to_pcm16(samples[start : start + self.size])
                block = np.zeros((len(heard), channels), "int16")
                block[:, -1] = heard
                self.callback(block, len(block), None, "")
            if gone:
                self.finished()

        def __exit__(self, *_):
            module.closed = True

    def query_devices(device, kind):
        if fails:
            raise ValueError("No input device matching")
        return {"default_samplerate": float(rates[-1]), "max_input_channels": channels}

    module = types.SimpleNamespace(
        InputStream=InputStream, PortAudioError=PortAudioError, query_devices=query_devices
    )
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


@pytest.mark.parametrize(
    ("rate", "channels", "options"),
    [(48_000, 1, []), (44_100, 1, []), (48_000, 2, ["--channel", "2"]), (16_000, 2, ["2"])],
)
@pytest.mark.any_backend
def test_resamples_a_microphone_of_another_rate_or_several_channels(
    folder, capsys, monkeypatch, rate, channels, options
):
    """The tone is in the last channel; the first of two is silent."""
    samples = audio.resample(audio.read_audio(folder / "tone.wav"), 16_000, rate)
    heard = microphone(samples, rates=(rate,), channels=channels)
    monkeypatch.setattr(microphone_module, "import_sounddevice", lambda: heard)
    arguments = ["detect", str(folder / "loud.keras"), "--microphone", "--json-lines"]
    silent = options == ["2"]
    assert cli.main([*arguments, "--seconds", "2.3", *([] if silent else options)]) == 0
    found = lines(capsys)
    assert len(found) == (0 if silent else 1)
    if found:
        time_s = expected(folder / "tone.wav")[0].time_s
        assert found[0]["time_s"] == pytest.approx(time_s, abs=0.011)


@pytest.mark.any_backend
@pytest.mark.parametrize("gone", [False, True], ids=["silent", "finished"])
def test_a_microphone_that_goes_away_is_told(folder, capsys, monkeypatch, gone):
    """Whether the driver reports it, or no chunk comes any more."""
    heard = microphone(audio.read_audio(folder / "tone.wav"), gone=gone)
    monkeypatch.setattr(microphone_module, "import_sounddevice", lambda: heard)
    monkeypatch.setattr(microphone_module, "STALL_S", 60.0 if gone else 0.05)
    arguments = ["detect", str(folder / "loud.keras"), "--microphone", "--seconds", "5"]
    assert cli.main(arguments) == 1
    shown = capsys.readouterr()
    assert "microphone" in shown.out
    assert "a microphone that goes on recording; no more samples come from it" in shown.err
    assert heard.closed


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
    assert "it says: Error querying" in error
    assert "python -m sounddevice" in error


def test_says_which_package_and_which_library_are_missing(folder, capsys, monkeypatch):
    from keras_sal import extras

    def without_portaudio(name):
        raise OSError("PortAudio library not found")

    arguments = ["detect", str(folder / "loud.keras"), "--microphone"]
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)
    assert cli.main(arguments) == 1
    assert "[live]" in capsys.readouterr().err.partition("pip install ")[2]
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(extras.importlib, "import_module", without_portaudio)
    assert cli.main(arguments) == 1
    assert "apt install libportaudio2" in capsys.readouterr().err
