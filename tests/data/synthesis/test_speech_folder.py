"""Folders of synthetic speech: whole or not at all, with exact times, from fit arguments only."""

import collections
import json
import os
import re
import subprocess
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from speech_engines import needs_engines, pitch_hz, read_rows, read_samples
from speech_models import write_piper

from keras_sal.data.synthesis import clip_worker, plan, speech_folder, synthesize

pytestmark = pytest.mark.any_backend

UTTERANCES, NEGATIVES_S = 30, 120.0
FRAME = 80  # samples: 5 ms


def make(folder, **arguments):
    arguments = {"utterances": UTTERANCES, "negatives_s": NEGATIVES_S} | arguments
    return synthesize("computer", folder, **arguments)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small folder, and the calls that its making sent to `progress`."""
    calls = []
    parent = tmp_path_factory.mktemp("speech")
    folder = make(parent / "computer", progress=lambda *call: calls.append(call))
    return folder, calls


@pytest.fixture
def few_processes(monkeypatch):
    """Fewer and longer jobs: an engine takes seconds to start."""
    monkeypatch.setattr(plan, "JOBS_PER_MODEL", 1)
    monkeypatch.setattr(plan, "ESPEAK_JOBS", 2)


@pytest.fixture(scope="module")
def rows(made):
    return read_rows(made[0])


def speech(rows):
    return [row for row in rows if row["text"]]


@needs_engines
def test_layout(made, rows):
    import soundfile

    folder, _ = made
    header = (folder / "recordings.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "file,corpus,split,speaker,text,duration_s,onset_s,offset_s"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {row["file"] for row in rows} | {"recordings.csv", "synthesis.json"}
    assert {row["split"] for row in rows} == {"train", "dev", "test"}
    assert {row["corpus"] for row in rows} == {"piper", "espeak-ng", "synthetic-noise"}
    for row in rows:
        info = soundfile.info(folder / row["file"])
        assert (info.samplerate, info.channels) == (16_000, 1)
        assert (info.format, info.subtype) == ("FLAC", "PCM_16")
        assert float(row["duration_s"]) == pytest.approx(info.frames / 16_000, abs=5e-4)


@needs_engines
def test_counts(rows):
    """30 times the word, parted 15 : 6 : 9, and the time asked for of everything else."""
    said = [row["split"] for row in rows if row["text"] == "computer"]
    assert [said.count(split) for split in ("train", "dev", "test")] == [15, 6, 9]
    for row in rows:
        assert row["file"].startswith("keywords/computer/") == (row["text"] == "computer")
        assert row["text"] == "computer" or not re.search(r"\bcomputer\b", row["text"])
    for split in ("train", "dev", "test"):
        folders = {Path(row["file"]).parts[0] for row in rows if row["split"] == split}
        assert folders == {"keywords", "commands", "sentences", "noise"}
    assert {Path(row["file"]).parts[1] for row in rows if not row["text"]} == {
        *("white", "pink", "brown", "hum", "babble")
    }
    negatives_s = sum(float(r["duration_s"]) for r in speech(rows) if r["text"] != "computer")
    assert negatives_s == pytest.approx(0.9 * NEGATIVES_S, rel=0.25)


@needs_engines
def test_event_times_leave_pauses_around_the_words(rows):
    for row in rows:
        if row["text"]:
            onset_s, offset_s = float(row["onset_s"]), float(row["offset_s"])
            assert onset_s >= 0.2
            assert 0.15 < offset_s - onset_s < 8.0
            assert offset_s + 0.5 <= float(row["duration_s"])
        else:
            assert row["onset_s"] == row["offset_s"] == row["speaker"] == ""


@needs_engines
def test_onset_agrees_with_energy(made, rows):
    """Where sound starts, found without the engines' times, over clips that are quiet before."""
    errors_s = []
    for row in speech(rows):
        samples, onset_s = read_samples(made[0], row), float(row["onset_s"])
        spectrum = np.fft.rfft(samples)
        spectrum[np.fft.rfftfreq(len(samples), 1 / 16_000) < 100] = 0  # without rumble
        samples = np.fft.irfft(spectrum, len(samples))
        frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
        level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
        floor_db = np.max(level_db[: int(16_000 * 0.15) // FRAME])
        if level_db.max() - floor_db > 35:
            first = np.argmax(level_db > max(floor_db + 3, level_db.max() - 35))
            errors_s.append(first * FRAME / 16_000 - onset_s)
    assert len(errors_s) >= 20
    assert abs(np.median(errors_s)) < 0.015
    assert np.mean(np.abs(errors_s) < 0.05) >= 0.95


@needs_engines
def test_levels_spread_and_do_not_clip(made, rows):
    levels_db = []
    for row in speech(rows):
        samples = read_samples(made[0], row)
        assert np.abs(samples).max() < 0.99
        word = samples[int(float(row["onset_s"]) * 16e3) : int(float(row["offset_s"]) * 16e3)]
        levels_db.append(10 * np.log10(np.mean(word**2)))
    assert -38 < min(levels_db) < -30
    assert -20 < max(levels_db) < -12


@needs_engines
def test_no_voice_in_two_splits(rows):
    homes = {(row["speaker"], row["split"]) for row in speech(rows)}
    speakers = [speaker for speaker, _ in homes]
    assert len(speakers) == len(set(speakers))
    assert len(speakers) > 30


@needs_engines
def test_speakers_of_a_piper_voice_are_voices_of_their_own(tmp_path, few_processes):
    """Eight speakers who hum at 200, 400 ... 1600 Hz: each in one split, as it is called."""
    path = write_piper(tmp_path / "hum.onnx", 8)
    folder = make(tmp_path / "made", voices=[path], engines=(), negatives_s=10.0, utterances=16)
    hummed = [row for row in read_rows(folder) if row["speaker"].startswith("piper-hum-")]
    homes = {(row["speaker"], row["split"]) for row in hummed}
    assert {speaker for speaker, _ in homes} == {f"piper-hum-p{n}" for n in range(8)}
    assert len(homes) == 8
    assert {split for _, split in homes} == {"train", "dev", "test"}
    for row in hummed:
        heard = read_samples(folder, row)[int(float(row["onset_s"]) * 16e3) :][:4000]
        expected = 200.0 * (1 + int(row["speaker"][-1]))
        assert 0.84 * expected < pitch_hz(heard) < 1.19 * expected  # a vocal tract of its own


@needs_engines
def test_a_piper_voice_is_known_by_its_content(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_folder, "run_jobs", lambda *_: collections.defaultdict(dict))
    path = write_piper(tmp_path / "hum.onnx", 1)
    folder = make(tmp_path / "made", voices=[path])
    assert make(tmp_path / "made", voices=[path]) == folder
    path.write_bytes(path.read_bytes() + b"changed")
    with pytest.raises(ValueError, match=r"`folder` must be .* same arguments"):
        make(tmp_path / "made", voices=[path])


@needs_engines
def test_progress(made, rows):
    _, calls = made
    assert calls == [(done, len(rows)) for done in range(1, len(rows) + 1)]


@needs_engines
def test_second_call_does_no_work(made, monkeypatch):
    folder, _ = made
    before = (folder / "recordings.csv").stat().st_mtime_ns
    monkeypatch.setattr(speech_folder, "plan", lambda *_, **__: pytest.fail("planned again"))
    assert make(folder, progress=lambda *_: pytest.fail("worked again")) == folder
    assert (folder / "recordings.csv").stat().st_mtime_ns == before


@needs_engines
def test_same_arguments_same_samples(tmp_path, monkeypatch, few_processes):
    """Whatever the number of processes at work and the folder that is filled."""
    few = {"utterances": 4, "negatives_s": 10.0}
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    first = make(tmp_path / "first", **few)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.chdir(tmp_path)
    second = make("second", **few)
    assert second == tmp_path / "second"
    paths = [path for path in first.rglob("*.*") if path.is_file()]
    assert len(paths) == 30
    for path in paths:
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


@needs_engines
def test_interruption_leaves_nothing(tmp_path, monkeypatch):
    processes = []

    class Process(subprocess.Popen):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            processes.append(self)

    def interrupt(done, total):
        if done == 3:  # while other clips are under way
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "computer", engines=("espeak",), progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    assert processes
    assert all(process.poll() is not None for process in processes)


@needs_engines
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise RuntimeError('no such voice')", r"piper-0 failed .* 1.*\n(.*\n)+.*no such voice"),
        ("import os; os.kill(os.getpid(), 9)", "piper-0 failed with exit status -9"),
    ],
    ids=["error", "crash"],
)
def test_failing_engine_is_quoted_and_leaves_nothing(tmp_path, monkeypatch, script, message):
    broken = tmp_path / "broken.py"
    broken.write_text(script)
    monkeypatch.setattr(clip_worker, "__file__", str(broken))
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with pytest.raises(RuntimeError, match=message):
        make(tmp_path / "computer")
    assert list(tmp_path.iterdir()) == [broken]


@needs_engines
def test_empty_folder_is_filled_and_a_race_is_lost_gracefully(tmp_path, monkeypatch, made):
    """Another process fills the folder while this one works: its result stands."""
    folder = tmp_path / "computer"
    folder.mkdir()
    manifest = (made[0] / "synthesis.json").read_text()

    def work(jobs, total, progress):
        (folder / "synthesis.json").write_text(manifest)
        return {
            clip.file: {} for clip in speech_folder.plan("computer", UTTERANCES, NEGATIVES_S, 0)[0]
        }

    monkeypatch.setattr(speech_folder, "run_jobs", work)
    assert make(folder) == folder
    assert [path.name for path in folder.iterdir()] == ["synthesis.json"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    "word",
    ["", " ", "h2o", "computer!", "Computer", "bcdf", "hey  robot", "héllo", 7, None, "ha" * 30],
)
def test_rejects_word(tmp_path, word):
    with pytest.raises(ValueError, match=r"`word` must be English words.*Received: word="):
        synthesize(word, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("utterances", [0, -1, 2, 30.0, True, "30"])
def test_rejects_utterances(tmp_path, utterances):
    with pytest.raises(ValueError, match=r"`utterances` must be .* at least 3; .*Received: utt"):
        synthesize("computer", tmp_path / "new", utterances=utterances)


@pytest.mark.parametrize("negatives_s", [0, -1.0, float("nan"), float("inf"), "60"])
def test_rejects_negatives_s(tmp_path, negatives_s):
    with pytest.raises(ValueError, match=r"`negatives_s` must be a positive.*Received: negatives"):
        synthesize("computer", tmp_path / "new", negatives_s=negatives_s)


@pytest.mark.parametrize("seed", [-1, 2**31, 0.5, None, True])
def test_rejects_seed(tmp_path, seed):
    with pytest.raises(ValueError, match=r"`seed` must be an integer from 0.*Received: seed="):
        synthesize("computer", tmp_path / "new", seed=seed)


@pytest.mark.parametrize("near", ["", "Hay Rowboat", "c3po", "computer two", "x" * 41])
def test_rejects_near(tmp_path, near):
    with pytest.raises(ValueError, match=r"`near` must be English words.*Received: near="):
        synthesize("computer", tmp_path / "new", near=[near])


def test_rejects_engines(tmp_path):
    with pytest.raises(ValueError, match=r"`engines` must be of piper, espeak; .*'festival'"):
        synthesize("computer", tmp_path / "new", engines=["festival"])


@pytest.mark.parametrize("config", [None, "{", "[]", '{"num_speakers": "many"}'])
def test_rejects_voices(tmp_path, config):
    (tmp_path / "a.onnx").write_bytes(b"voice")
    if config is not None:
        (tmp_path / "a.onnx.json").write_text(config)
    with pytest.raises(ValueError, match=r"`voices` must be voices of Piper.*Received.*a\.onnx"):
        synthesize("computer", tmp_path / "new", voices=[tmp_path / "a.onnx"])


def test_rejects_kokoro(tmp_path):
    (tmp_path / "voices.bin").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"`kokoro` must be the files of the model.*voices\.bin"):
        synthesize("computer", tmp_path / "new", kokoro=(tmp_path / "m", tmp_path / "voices.bin"))


def test_rejects_directory_with_other_files(tmp_path):
    (tmp_path / "thesis.txt").write_text("the only copy")
    with pytest.raises(ValueError, match=r"`folder` must be new.*has no synthesis.json.*Give a"):
        synthesize("computer", tmp_path)
    with pytest.raises(ValueError, match=r"`folder` must be new, empty.*Received: folder="):
        synthesize("computer", tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"


def test_rejects_directory_with_another_synthesis(tmp_path):
    recipe = {"version": 1, "word": "jarvis", "utterances": 300, "negatives_s": 3000.0, "seed": 0}
    (tmp_path / "synthesis.json").write_text(json.dumps({"recipe": recipe}))
    with pytest.raises(ValueError, match=r"`folder` must be .*'jarvis'.*'computer'.*delete"):
        synthesize("computer", tmp_path)


def test_missing_packages_name_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "piper" else object())
    with pytest.raises(ImportError, match=r"`piper` is needed .*GPL-3.*pip install .*\[demo\]"):
        synthesize("computer", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
