"""`--word`: the one that is given, else that of the models, else an error that lists the words."""

import argparse
import json
import warnings

import pytest

from keras_sal import cli
from keras_sal.cli.console import Console
from keras_sal.cli.wake_word import fill_in_word, find_words, recorded_words
from keras_sal.data import SplitRecord

pytestmark = pytest.mark.any_backend

TABLE = "file,text\na.wav,Computer\nb.wav,computer\nc.wav,alexa\nd.wav,\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    """Models that tell their words in all the ways there are, and one that doesn't."""
    write(tmp_path / "bundle" / "manifest.json", {"format": 1, "classes": ["computer"]})
    write(tmp_path / "unnamed" / "manifest.json", {"format": 1, "classes": ["detection"]})
    write(tmp_path / "file.json", {"format": 1, "classes": ["lights on", "lights off"]})
    (tmp_path / "out").mkdir()
    SplitRecord("r", (), ("alexa",)).write(tmp_path / "out" / "splits.json")
    SplitRecord("r", (), ("alexa",)).write(tmp_path / "copy.onnx.splits.json")
    write(tmp_path / "results" / "results.json", {"format": 2, "word": "jarvis"})
    for name in ("model.keras", "copy.onnx"):
        (tmp_path / name).write_text("no model")
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "recordings.csv").write_text(TABLE)
    return tmp_path


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("bundle", ["computer"]),
        ("file.tflite", ["lights on", "lights off"]),
        ("out/model.keras", ["alexa"]),
        ("out/firmware.tflite", ["alexa"]),
        ("copy.onnx", ["alexa"]),
        ("results", ["jarvis"]),
        ("unnamed", []),
        ("model.keras", []),
    ],
)
def test_a_model_tells_its_words(folder, system, words):
    assert find_words(folder / system) == words


def filled_in(folder, systems, word=None, **options):
    known = {"class_index": options.pop("class_index", 0)}
    parsed = argparse.Namespace(word=word, recordings=str(folder / "recordings"), **known)
    fill_in_word(parsed, [folder / system for system in systems], Console(), **options)
    return parsed.word


def test_the_word_is_that_of_the_model(folder, capsys):
    assert filled_in(folder, ["model.keras", "bundle"]) == "computer"
    assert "Word: 'computer', that of" in capsys.readouterr().out
    assert filled_in(folder, ["file.tflite"], several=True) == ["lights on", "lights off"]
    assert filled_in(folder, ["file.tflite"]) == "lights on"
    assert filled_in(folder, ["file.tflite"], class_index=1, several=True) == "lights off"


def test_a_word_that_is_given_stays(folder):
    assert filled_in(folder, ["bundle"], word="alexa") == "alexa"


def test_a_word_that_is_not_that_of_the_model_is_warned_of(folder):
    (folder / "file.onnx").touch()
    with pytest.warns(
        UserWarning, match=r"copy\.onnx' detects 'alexa', and --word says 'jarvis'\."
    ):
        assert filled_in(folder, ["model.keras", "copy.onnx"], word="jarvis") == "jarvis"
    (folder / "file.json").write_text("damaged")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled_in(folder, ["model.keras", "copy.onnx", "file.onnx"], word=["Alexa", "jarvis"])


def test_a_word_that_nothing_tells_must_be_given_if_it_is_needed(folder):
    assert filled_in(folder, ["model.keras"], required=False) is None
    with pytest.raises(ValueError, match=r"`--word` must be given.* has: 'computer', 'alexa'\."):
        filled_in(folder, ["model.keras", "unnamed"])
    with pytest.raises(ValueError, match=r"different words.*bundle has 'computer'; .*'alexa'"):
        filled_in(folder, ["bundle", "copy.onnx"])
    with pytest.raises(ValueError, match=r"`--word` must be given; .* other classes"):
        filled_in(folder, ["bundle"], class_index=3)


def test_words_of_a_folder_without_a_table(tmp_path):
    for name in ("hey_robot", "alexa", "noise", ".cache"):
        (tmp_path / name).mkdir()
    assert recorded_words(tmp_path) == ["alexa", "hey robot"]
    assert recorded_words(None) == []


def test_evaluate_needs_a_word_before_it_opens_a_model(folder, capsys):
    arguments = ["evaluate", folder / "none.keras", "--recordings", folder / "recordings"]
    assert cli.main([str(each) for each in arguments]) == 1
    assert "which is not there" in capsys.readouterr().err
    arguments[1] = folder / "model.keras"
    assert cli.main([str(each) for each in arguments]) == 1
    assert "`--word` must be given" in capsys.readouterr().err
    arguments[1] = folder / "out" / "model.keras"
    arguments[1].write_text("no model")
    assert cli.main([str(each) for each in arguments]) == 1
    shown = capsys.readouterr()
    assert "Word: 'alexa'" in shown.out
    assert "`--word`" not in shown.err


def test_train_lists_the_words_before_anything_is_loaded(folder, capsys):
    def load():
        raise AssertionError("it would take seconds")

    assert cli.main(["train", str(folder / "recordings")], prepare=load) == 1
    shown = capsys.readouterr().err
    assert "`--word` must be given; the detector learns it" in shown
    assert "has: 'computer', 'alexa'." in shown
