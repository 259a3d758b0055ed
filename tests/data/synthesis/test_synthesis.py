import collections
import csv
import json
import os
import re
import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from speech_models import write_kokoro, write_piper

from keras_sal.data.synthesis import clip_worker, speech_folder, synthesize, voices
from keras_sal.data.synthesis.prompts import near_phrases

ABSENT = [name for name in speech_folder.PACKAGES if not util.find_spec(name)]
needs_engines = pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")
UTTERANCES, NEGATIVES_S = 30, 120.0
FRAME = 80  # samples: 5 ms


def make(directory, **arguments):
    arguments = {"utterances": UTTERANCES, "negatives_s": NEGATIVES_S} | arguments
    return synthesize("computer", directory, **arguments)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small folder, and the calls that its making sent to `progress`."""
    calls = []
    parent = tmp_path_factory.mktemp("speech")
    folder = make(parent / "computer", progress=lambda *call: calls.append(call))
    return folder, calls


@pytest.fixture(scope="module")
def rows(made):
    with (made[0] / "recordings.csv").open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def speech(rows):
    return [row for row in rows if row["text"]]


def read(folder, row):
    import soundfile

    return soundfile.read(folder / row["file"])[0]


# The folder


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
        samples, onset_s = read(made[0], row), float(row["onset_s"])
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
        samples = read(made[0], row)
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
@pytest.mark.parametrize("seed", range(5))
def test_voices_that_sound_alike_stay_together(seed):
    found = voices.espeak_voices(np.random.default_rng(seed))
    home = {voice: split for split, some in found.items() for voice in some}
    assert len(home) == sum(map(len, found.values())) > 75
    for family in (
        ("klatt", "klatt2", "klatt6", "adam", "edward2", "Reed"),
        ("steph", "steph2", "steph3"),
        ("Mike", "mike2"),
        ("Diogo", "Hugo", "michel"),
    ):
        assert len({home[f"espeak-{name}"] for name in family}) == 1
    assert not any("robo" in voice or "whisper" in voice for voice in home)
    assert min(map(len, found.values())) >= 8


@needs_engines
@pytest.mark.parametrize("word", ["light", "the", "i", "smart mirror", "one", "hey robot"])
def test_negatives_never_say_the_word(word):
    clips = speech_folder.plan(word, 3, 600.0, 0)[0]
    texts = [clip.text for clip in clips if not clip.file.startswith(f"keywords/{word}/")]
    texts = [text for text in texts if text != word]
    assert len(texts) > 100
    assert not any(re.search(rf"\b{word}\b", text) for text in texts)
    assert sum(clip.text == word for clip in clips) == 3


@pytest.mark.parametrize("word", ["computer", "alexa", "jarvis", "smart mirror", "okay nabu", "a"])
def test_near_phrases(word):
    phrases = near_phrases(word)
    assert len(phrases) >= 6
    assert word not in phrases


# Voices of the user's


def pitch_hz(samples, rate=16_000):
    """The strongest tone."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * rate / len(samples)


@needs_engines
def test_speakers_of_a_piper_voice_are_voices_of_their_own(tmp_path):
    """Eight speakers who hum at 200, 400 ... 1600 Hz: each in one split, as it is called."""
    path = write_piper(tmp_path / "hum.onnx", 8)
    folder = make(tmp_path / "made", voices=[path], engines=(), negatives_s=30.0, utterances=40)
    with (folder / "recordings.csv").open(newline="", encoding="utf-8") as table:
        hummed = [row for row in csv.DictReader(table) if row["speaker"].startswith("piper-hum-")]
    homes = {(row["speaker"], row["split"]) for row in hummed}
    assert {speaker for speaker, _ in homes} == {f"piper-hum-p{n}" for n in range(8)}
    assert len(homes) == 8
    assert {split for _, split in homes} == {"train", "dev", "test"}
    for row in hummed:
        heard = read(folder, row)[int(float(row["onset_s"]) * 16e3) :][:4000]
        expected = 200.0 * (1 + int(row["speaker"][-1]))
        assert 0.84 * expected < pitch_hz(heard) < 1.19 * expected  # a vocal tract of its own


@needs_engines
def test_a_piper_voice_is_known_by_its_content(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_folder, "run_jobs", lambda *_: collections.defaultdict(dict))
    path = write_piper(tmp_path / "hum.onnx", 1)
    folder = make(tmp_path / "made", voices=[path])
    assert make(tmp_path / "made", voices=[path]) == folder
    path.write_bytes(path.read_bytes() + b"changed")
    with pytest.raises(ValueError, match=r"`directory` must be .* same arguments"):
        make(tmp_path / "made", voices=[path])


@pytest.mark.skipif(not util.find_spec("kokoro_onnx"), reason="not installed: kokoro-onnx")
def test_kokoro_blends_voices_and_finds_its_words(tmp_path):
    """Styles that hum at 400 and 600 Hz, for as long as it hums; blends are between."""
    model, styles = write_kokoro(tmp_path, {"af_low": 4.0, "am_high": 6.0, "jf_else": 1.0})
    kokoro = voices.kokoro_model(model, styles)
    assert sorted(kokoro.speakers) == ["kokoro-af_low", "kokoro-am_high"]
    blends = {name: ["af_low", "am_high"] for name in kokoro.speakers}
    speak = clip_worker.open_kokoro(0, **kokoro.settings, speakers=kokoro.speakers, blends=blends)
    pitches = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        stretch = np.random.default_rng(seed).uniform(0.85, 1.18)
        said = speak("kokoro-af_low", "computer", rng)
        assert said.onset_s == pytest.approx(0.2 / stretch, abs=0.005)
        assert said.offset_s == pytest.approx(len(said.samples) / 16e3 - 0.2 / stretch, abs=0.005)
        pitches.append(pitch_hz(said.samples) / stretch)
    assert 395 < min(pitches) < 420
    assert 450 < max(pitches) < 510


def test_sounding_finds_what_is_loud():
    samples = np.zeros(24_000)
    samples[5_000:11_000] = np.sin(np.arange(6_000))
    first, last = clip_worker.speech_bounds(samples, 24_000)
    assert (first, last) == pytest.approx((5_000, 11_000), abs=120)


@needs_engines
def test_without_espeak_other_voices_are_dealt_out(tmp_path):
    model = voices.piper_model(write_piper(tmp_path / "hum.onnx", 6))
    clips, _ = speech_folder.plan("computer", 30, 300.0, 0, engines=(), models=[model])
    speakers = {clip.speaker for clip in clips if clip.text}
    assert speakers == set(model.speakers)
    crowds = [mouth for clip in clips for mouth, _ in clip.babble]
    assert crowds
    assert set(crowds) <= speakers
    with pytest.raises(ValueError, match=r"must bring at least 3 voices.*Received: piper-joe\."):
        speech_folder.plan("computer", 30, 300.0, 0, engines=("piper",))


@needs_engines
def test_near_phrases_of_the_user_are_said(tmp_path):
    plain, given = (
        speech_folder.plan("hey robot", 3, 2000.0, 0, near=near)[0]
        for near in ((), ("hay rowboat",))
    )
    assert sum(clip.text == "hay rowboat" for clip in plain) == 0
    assert sum(clip.text == "hay rowboat" for clip in given) >= 10
    assert any("i said hay rowboat" in clip.text for clip in given)


# Once, whole, or not at all


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
def test_same_arguments_same_samples(made, tmp_path, monkeypatch):
    """Whatever the number of processes at work and the folder that is filled."""
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.chdir(tmp_path)
    other = make("again")
    assert other == tmp_path / "again"
    for path in made[0].rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (other / path.relative_to(made[0])).read_bytes(), path


@needs_engines
def test_seed_changes_the_plan():
    plans = [speech_folder.plan("computer", 30, 120.0, seed)[0] for seed in (0, 0, 1)]
    assert plans[0] == plans[1]
    assert [clip.text for clip in plans[0]] != [clip.text for clip in plans[2]]
    assert [clip.speaker for clip in plans[0]] != [clip.speaker for clip in plans[2]]


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
        make(tmp_path / "computer", progress=interrupt)
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


# Bad input


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
    with pytest.raises(ValueError, match=r"`directory` must be new.*has no synthesis.json.*Give a"):
        synthesize("computer", tmp_path)
    with pytest.raises(ValueError, match=r"`directory` must be new, empty.*Received: directory="):
        synthesize("computer", tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"


def test_rejects_directory_with_another_synthesis(tmp_path):
    recipe = {"version": 1, "word": "jarvis", "utterances": 300, "negatives_s": 3000.0, "seed": 0}
    (tmp_path / "synthesis.json").write_text(json.dumps({"recipe": recipe}))
    with pytest.raises(ValueError, match=r"`directory` must be .*'jarvis'.*'computer'.*delete"):
        synthesize("computer", tmp_path)


def test_missing_packages_name_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "piper" else object())
    with pytest.raises(ImportError, match=r'needs piper-tts; .*pip install "keras-sal\[demo\]"'):
        synthesize("computer", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_studio_starts_without_keras_and_engines():
    """It runs in each process of its own, and the engines are GPL-3: imported when they speak."""
    script = (
        f"import runpy, sys; runpy.run_path({clip_worker.__file__!r});"
        f"print({{'keras', 'keras_sal', *{list(speech_folder.PACKAGES)}}} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert printed.stdout.strip() == "set()", printed.stderr


# The scene


@needs_engines
@pytest.mark.parametrize("stretch", [0.85, 1.0, 1.18])
def test_resampling_moves_the_events_along(stretch):
    """Clicks at the events of a 22.05 kHz signal are found at the times that come back."""
    samples = np.zeros(22_050)
    samples[[4410, 15_435]] = 1.0
    heard = clip_worker._resampled_speech(samples, 22_050, 4410, 15_435, stretch)
    half = len(heard.samples) // 2
    clicks = np.argmax(heard.samples[:half]), half + np.argmax(heard.samples[half:])
    assert heard.onset_s == pytest.approx(0.2 / stretch)
    assert heard.offset_s == pytest.approx(0.7 / stretch)
    np.testing.assert_allclose(
        np.array(clicks) / 16_000, [heard.onset_s, heard.offset_s], atol=1e-4
    )


@pytest.mark.parametrize("effect", [clip_worker.add_reverberation, clip_worker.apply_microphone])
def test_effects_keep_the_events_in_place(effect):
    click = np.zeros(16_000)
    click[5_003] = 1.0
    for seed in range(20):
        heard = effect(click, np.random.default_rng(seed))
        assert len(heard) == len(click)
        assert np.argmax(np.abs(heard)) == 5_003


def test_speech_clip_moves_the_events_along():
    tone = np.sin(2 * np.pi * 440 * np.arange(8_000) / 16_000)
    for seed in range(20):
        clip = clip_worker.record_speech(
            clip_worker.Speech(tone, onset_s=0.1, offset_s=0.4), np.random.default_rng(seed)
        )
        assert clip.offset_s - clip.onset_s == pytest.approx(0.3)
        level = np.convolve(clip.samples**2, np.ones(160) / 160, "same")
        start_s = np.argmax(level > 0.25 * level.max()) / 16_000  # 0.1 s before the onset
        assert clip.onset_s - start_s == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("colour", "slope_db"), [("white", 0.0), ("pink", -3.01), ("brown", -6.02)]
)
def test_noise_falls_by_its_decibels_an_octave(colour, slope_db):
    samples = clip_worker.coloured_noise(colour, 160_000, np.random.default_rng(0))
    assert np.mean(samples**2) == pytest.approx(1.0)
    power = np.abs(np.fft.rfft(samples)) ** 2
    octaves = [10 * np.log10(power[f * 10 : f * 20].mean()) for f in (200, 400, 800, 1600, 3200)]
    np.testing.assert_allclose(np.diff(octaves), slope_db, atol=0.5)


def test_hum_is_the_harmonics_of_the_mains():
    power = (
        np.abs(np.fft.rfft(clip_worker.coloured_noise("hum", 160_000, np.random.default_rng(0))))
        ** 2
    )
    loudest_hz = np.sort(np.argsort(power)[-12:]) / 10
    assert loudest_hz[0] in (50.0, 60.0)
    np.testing.assert_allclose(loudest_hz, loudest_hz[0] * np.arange(1, 13))
