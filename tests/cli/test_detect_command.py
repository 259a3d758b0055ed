"""`keras-sal detect`, on sound files and standard input."""

import contextlib
import json
import os
import sys
import threading

import keras
import numpy as np
import pytest
from keras import layers
from loudness import TIMES, expected, lines, write_folder
from recording_folders import REAL, needs_recordings

from keras_sal import audio, cli
from keras_sal.cli import sound_blocks
from keras_sal.detection import detect

soundfile = pytest.importorskip("soundfile", reason="needs the audio extra")
pytest.importorskip("pymicro_features", reason="needs the audio extra")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("detect"))


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
    assert "`model` must hear sound; this one takes features" in capsys.readouterr().err


@pytest.fixture
def piped(monkeypatch):
    """Pipes bytes into standard input."""
    writers = []

    def pipe(content):
        reader, writer = os.pipe()

        def write():
            with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb") as file:
                file.write(content)

        writers.append(threading.Thread(target=write))
        writers[-1].start()
        monkeypatch.setattr(sys, "stdin", os.fdopen(reader))

    yield pipe
    sys.stdin.close()
    for writer in writers:
        writer.join()


@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["tone.wav", "tone44.wav"])
@pytest.mark.parametrize("form", ["wav", "wav of unknown length", "raw"])
def test_reads_standard_input(folder, capsys, piped, name, form):
    """As from `arecord`, which does not know the length when it writes the header."""
    content, options = (folder / name).read_bytes(), []
    if form == "wav of unknown length":
        content = content[:4] + b"\xff" * 4 + content[8:40] + b"\xff" * 4 + content[44:]
    if form == "raw":
        content, options = content[44:], ["--raw", "44100" if "44" in name else "16000"]
    piped(content)
    arguments = ["detect", str(folder / "loud.keras"), "-", "--json-lines", *options]
    assert cli.main(arguments) == 0
    [found] = lines(capsys)
    assert found["source"] == "-"
    time_s = expected(folder / "tone.wav")[0].time_s
    assert found["time_s"] == pytest.approx(time_s, abs=0.011)


@pytest.mark.any_backend
@pytest.mark.parametrize("content", [b"", b"\0" * 3_000, b"fLaC" + b"\0" * 3_000])
def test_says_that_standard_input_has_no_header(folder, capsys, piped, content):
    piped(content)
    assert cli.main(["detect", str(folder / "loud.keras"), "-"]) == 1
    error = capsys.readouterr().err
    assert "`-` must get sound with a header" in error
    assert "--raw 16000" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "-"], "`-` must be given once"),
        (["tone.wav", "--raw", "16000"], "`-` must be given once, for standard input, and `--raw`"),
        (["tone.wav", "--seconds", "5"], "`--seconds` must be given with --microphone"),
        (["tone.wav", "--channel", "2"], "`--channel` must be given with --microphone"),
        (["-", "--raw", "16"], "`rate` must be at least 1000"),
    ],
)
@pytest.mark.any_backend
def test_rejects_options_without_effect(folder, capsys, piped, arguments, message):
    piped(bytes(3_200))
    assert cli.main(["detect", str(folder / "loud.keras"), *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.any_backend
class TestFileBlocks:
    """Files in blocks: what `read_audio` reads, in little memory."""

    @pytest.mark.parametrize("name", ["tone.wav", "tone44.wav"])
    def test_blocks_are_the_whole_file(self, folder, monkeypatch, name):
        monkeypatch.setattr(sound_blocks, "FILE_BLOCK_S", 0.3)
        blocks = list(sound_blocks.file_blocks(str(folder / name)))
        assert max(map(len, blocks)) <= 0.32 * 16_000
        whole = audio.read_audio(folder / name)
        np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)

    def test_a_file_that_declares_more_samples_than_it_holds(self, folder, tmp_path, capsys):
        """No memory is taken for 2^36 samples, and the other files are heard."""
        path = tmp_path / "lies.flac"
        soundfile.write(path, audio.read_audio(folder / "tone.wav"), 16_000)
        content = bytearray(path.read_bytes())
        content[21] |= 0x0F  # the upper 4 of the 36 bits that count the samples
        path.write_bytes(content)
        assert soundfile.info(path).frames > 1 << 35
        arguments = ["detect", str(folder / "loud.keras"), str(path), str(folder / "tone.wav")]
        assert cli.main([*arguments, "--json-lines"]) == 1
        shown = capsys.readouterr()
        assert "lies.flac" in shown.err
        assert "it could not be decoded" in shown.err
        *_, line = shown.out.splitlines()
        assert json.loads(line)["source"].endswith("tone.wav")

    def test_rejects_what_read_audio_rejects(self, tmp_path):
        tone = np.sin(np.arange(16_000) / 5).astype("float32") / 2
        for name, samples, message in (
            ("loud.wav", 9 * tone, "finite samples in"),
            ("nan.wav", np.where(np.arange(16_000) == 9_000, np.nan, tone), "finite samples in"),
            ("opposed.wav", np.stack([tone, -tone], axis=1), "cancel each other out"),
        ):
            path = tmp_path / name
            soundfile.write(path, samples, 16_000, subtype="FLOAT")
            for read in (audio.read_audio, lambda path: list(sound_blocks.file_blocks(path))):
                with pytest.raises(ValueError, match=f"{message}.*{name}"):
                    read(str(path))


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
