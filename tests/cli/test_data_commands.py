"""`keras-sal synthesize`, `download`, `tabulate`: from a phrase, a name, a folder to a table."""

import csv
import shutil
from importlib import util
from pathlib import Path

import pytest
from recording_folders import burst

import keras_sal.data.downloads as downloads
from keras_sal import cli
from keras_sal.cli import tabulate
from keras_sal.data.downloads import CATALOGUE, Archive, PublicDataset
from keras_sal.data.downloads.layouts import LAYOUTS
from keras_sal.data.synthesis.speech_folder import PACKAGES

soundfile = pytest.importorskip("soundfile", reason="needs the audio extra")
ABSENT = [name for name in PACKAGES if not util.find_spec(name)]

pytestmark = pytest.mark.any_backend


def rows(folder):
    with (folder / "recordings.csv").open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


# synthesize


@pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")
def test_synthesize_makes_a_folder_to_train_on(tmp_path, capsys):
    folder = tmp_path / "my speech"
    arguments = ["--utterances", "4", "--negatives-s", "30", "--near", "hay rowboat"]
    arguments += ["--engines", "espeak"]
    assert cli.main(["synthesize", "Hey  Robot", str(folder), *arguments]) == 0
    said = [row["text"] for row in rows(folder)]
    assert said.count("hey robot") == 4
    shown = " ".join(capsys.readouterr().out.split())
    assert f"4 times 'hey robot', {len(said) - 4} others" in shown
    assert f"keras-sal train '{folder}' --word 'hey robot'" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["c3po"], "`word` must be English words"),
        (["computer", "--utterances", "2"], "`utterances` must be an integer of at least 3"),
        (["computer", "--near", "c3po"], "`near` must be English words"),
        (["computer", "--voice", "no.onnx"], "`--voice` must be a file"),
        (["computer", "--kokoro", "no.onnx", "no.bin"], "`--kokoro` must be a file"),
    ],
)
def test_synthesize_refuses(tmp_path, capsys, arguments, message):
    word, *others = arguments
    assert cli.main(["synthesize", word, str(tmp_path / "speech"), *others]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "speech").exists()


# download


@pytest.mark.parametrize("arguments", [[], ["--list"], ["musan", "--list"]])
def test_download_lists_what_there_is(capsys, arguments):
    assert cli.main(["download", *arguments]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, data_set in CATALOGUE.items():
        assert name in shown
        assert data_set.page in shown
    assert "2.4 GB <= 8 GB CC BY 4.0" in shown  # Speech Commands: exactly, and at most on disk
    assert "not for commercial use" in shown


def test_download_brings_a_data_set(tmp_path, capsys, monkeypatch):
    """An archive that lies there already is not fetched: no server is needed."""
    (tmp_path / "made" / "yes").mkdir(parents=True)
    soundfile.write(tmp_path / "made" / "yes" / "ann-1.wav", burst(1.0, 0.2, 0.7), 16_000)
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "made")
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(packed, data / "small.zip")
    size = Path(packed).stat().st_size
    archive = Archive("http://127.0.0.1:9/small.zip", "small.zip", "made here", size_bytes=size)
    page = "http://127.0.0.1:9"
    small = PublicDataset("words-small", "one word", "CC0", page, "Nobody", (archive,), 10**6)
    monkeypatch.setitem(downloads.CATALOGUE, "words-small", small)
    assert cli.main(["download", "words-small", str(data)]) == 0
    assert [row["text"] for row in rows(data / "words-small")] == ["yes"]
    shown = " ".join(capsys.readouterr().out.split())
    assert "Licence: CC0; see http://127.0.0.1:9" in shown
    assert not (data / "small.zip").exists()
    assert cli.main(["download", "words-small", str(data)]) == 0
    assert "It is in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["voices-of-mars"], "`name` must be one of speech-commands"),
        (["musan", "nowhere/at/all"], "`folder` must be a folder that exists"),
    ],
)
def test_download_refuses(capsys, arguments, message):
    assert cli.main(["download", *arguments]) == 1
    assert message in capsys.readouterr().err


# tabulate


@pytest.fixture
def words(tmp_path):
    for text in ("hey_robot", "alexa"):
        for speaker in ("ann", "bob", "eve"):
            path = tmp_path / "words" / text / f"{speaker}-1.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, burst(1.0, 0.2, 0.7), 16_000)
    return tmp_path / "words"


def test_tabulate_lists_a_folder(words, capsys):
    assert cli.main(["tabulate", str(words), "--corpus", "mine"]) == 0
    found = rows(words)
    assert {(row["text"], row["speaker"]) for row in found} == {
        (text, speaker) for text in ("hey robot", "alexa") for speaker in ("ann", "bob", "eve")
    }
    assert {row["corpus"] for row in found} == {"mine"}
    shown = capsys.readouterr().out
    assert "6 recordings are listed" in shown
    assert "hey robot" in shown


def test_tabulate_says_what_it_leaves_out(words, capsys):
    (words / "alexa" / "phone.m4a").touch()
    assert cli.main(["tabulate", str(words)]) == 0
    shown = capsys.readouterr()
    assert "\nWarning: " in f"\n{shown.out}"
    assert "phone.m4a" in shown.out
    assert not shown.err


def test_tabulate_replaces_a_table_only_if_told(words, capsys):
    arguments = ["tabulate", str(words)]
    assert cli.main(arguments) == 0
    assert cli.main(arguments) == 1
    assert "`folder` must have no recordings.csv yet" in capsys.readouterr().err
    assert cli.main([*arguments, "--replace"]) == 0


def test_tabulate_refuses_what_is_no_folder(tmp_path, capsys):
    assert cli.main(["tabulate", str(tmp_path / "none")]) == 1
    assert "`DIR` must be a folder" in capsys.readouterr().err


def test_tabulate_refuses_sound_that_cannot_be_read(words, capsys):
    """All of it at once, and no table is written."""
    (words / "alexa" / "notes.wav").write_text("text, no sound")
    (words / "hey_robot" / "empty.wav").touch()
    assert cli.main(["tabulate", str(words)]) == 1
    shown = capsys.readouterr().err
    assert "2 of 8 that can't be" in shown
    for name in ("alexa/notes.wav: `path` must be", "hey_robot/empty.wav: `path` must hold"):
        assert name in shown
    assert not (words / "recordings.csv").exists()


def test_tabulate_knows_all_layouts():
    assert set(tabulate.LAYOUTS) == set(LAYOUTS)
