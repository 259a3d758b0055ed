"""The detectors in the package: their files, figures and cards, and real words that they hear."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_sal import StreamingDetector, extras, pretrained
from keras_sal.export import bundle
from keras_sal.files import file_sha256

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "pretrained.json"
WORDS = json.loads(RESULT.read_text(encoding="utf-8"))["words"]
MOST_BYTES = 150_000  # of all of them, with the front-end
CLIPS = 12  # of a word, in the order of the table
NOISE_S = 60

each_word = pytest.mark.parametrize("word", pretrained.names())


@pytest.fixture(scope="module")
def cards():
    """The module of the benchmarks that writes the cards."""
    path = ROOT / "benchmarks" / "pretrained_cards.py"
    spec = importlib.util.spec_from_file_location("pretrained_cards", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def recordings():
    """The rows of the test split of the real recordings, and their folder."""
    pytest.importorskip("ai_edge_litert", reason="needs the detect extra")
    pytest.importorskip("pymicro_features", reason="needs the detect extra")
    pytest.importorskip("soundfile", reason="needs the detect extra")
    from recording_folders import REAL

    from keras_sal.data import load_recordings

    if not (REAL / "recordings.csv").is_file():
        pytest.skip("no real recordings: set KERAS_SAL_RECORDINGS to their folder")
    return [each for each in load_recordings(REAL) if each.split == "test"]


def test_files_are_those_that_were_measured():
    assert sorted(WORDS) == pretrained.names()
    for word, found in WORDS.items():
        folder = pretrained.path(word)
        hashes = {path.name: file_sha256(path) for path in folder.iterdir()}
        assert hashes == found["sha256"], word


def test_files_are_small():
    files = [path for word in pretrained.names() for path in pretrained.path(word).iterdir()]
    files += (ROOT / "keras_sal" / "export").glob("frontend_*.tflite")
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


@each_word
def test_a_folder_is_a_bundle_of_its_word(word):
    manifest = bundle.read(pretrained.path(word)).manifest
    assert manifest["classes"] == [word]
    assert manifest["quantization"] == "int8"
    assert manifest["frontend"]["kind"] == "micro"
    assert manifest["threshold"]["data"].startswith("dev")


def test_cards_hold_the_figures(cards):
    for name, text in cards.pages(WORDS).items():
        assert (cards.PAGES / name).read_text(encoding="utf-8") == text, name
    assert {path.name for path in cards.PAGES.iterdir()} == {*cards.pages(WORDS)}


@pytest.mark.parametrize("name", ["Smart Mirror", "smart_mirror", " smart  mirror "])
def test_names_are_read_kindly(name, monkeypatch):
    monkeypatch.setattr(pretrained, "names", lambda: ["smart mirror"])
    assert pretrained.path(name).name == "smart_mirror"


def test_rejects_an_unknown_name():
    with pytest.raises(ValueError, match=r"`name` must be .* 'computer'.*Received: name='hal'"):
        StreamingDetector.pretrained("hal")


def test_names_the_extra_without_a_runtime(monkeypatch):
    pytest.importorskip("pymicro_features", reason="needs the detect extra")
    real = extras.importlib.util.find_spec
    monkeypatch.setattr(
        extras.importlib.util,
        "find_spec",
        lambda name: None if name == "ai_edge_litert" else real(name),
    )
    monkeypatch.delitem(sys.modules, "ai_edge_litert.interpreter", raising=False)
    with pytest.raises(ImportError, match=r"`ai_edge_litert` is needed .*\[detect\]"):
        StreamingDetector.pretrained("computer")


@each_word
def test_hears_its_word_and_no_noise(word, recordings):
    """In the clips of a test speaker; by the card it hears nearly all of them."""
    from keras_sal.audio import read_audio

    detector = StreamingDetector.pretrained(word)
    clips = [each for each in recordings if each.text == word][:CLIPS]
    heard = []
    for clip in clips:
        detector.reset()
        sound = np.concatenate([read_audio(clip.path), np.zeros(8_000, "float32")])
        heard += [each.class_name for each in detector.process(sound).detections[:1]]
    assert set(heard) == {word}
    assert len(heard) >= CLIPS / 2
    detector.reset()
    noise = [read_audio(each.path) for each in recordings if each.corpus == "esc-10"]
    sound = np.concatenate(noise)[: NOISE_S * 16_000]
    assert not detector.process(sound).detections
