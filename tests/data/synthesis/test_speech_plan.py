"""Plans of synthetic speech: texts, voices and their splits."""

import re

import numpy as np
import pytest
from speech_engines import needs_engines
from speech_models import write_piper

from keras_sal.data.synthesis import voices
from keras_sal.data.synthesis.plan import plan
from keras_sal.data.synthesis.prompts import near_phrases

pytestmark = pytest.mark.any_backend


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
    clips = plan(word, 3, 600.0, 0)[0]
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


@needs_engines
def test_without_espeak_other_voices_are_dealt_out(tmp_path):
    model = voices.piper_model(write_piper(tmp_path / "hum.onnx", 6))
    clips, _ = plan("computer", 30, 300.0, 0, engines=(), models=[model])
    speakers = {clip.speaker for clip in clips if clip.text}
    assert speakers == set(model.speakers)
    crowds = [mouth for clip in clips for mouth, _ in clip.babble]
    assert crowds
    assert set(crowds) <= speakers
    with pytest.raises(ValueError, match=r"must bring at least 3 voices.*Received: piper-joe\."):
        plan("computer", 30, 300.0, 0, engines=("piper",))


@needs_engines
def test_near_phrases_of_the_user_are_said(tmp_path):
    plain, given = (
        plan("hey robot", 3, 2000.0, 0, near=near)[0] for near in ((), ("hay rowboat",))
    )
    assert sum(clip.text == "hay rowboat" for clip in plain) == 0
    assert sum(clip.text == "hay rowboat" for clip in given) >= 10
    assert any("i said hay rowboat" in clip.text for clip in given)


@needs_engines
def test_seed_changes_the_plan():
    plans = [plan("computer", 30, 120.0, seed)[0] for seed in (0, 0, 1)]
    assert plans[0] == plans[1]
    assert [clip.text for clip in plans[0]] != [clip.text for clip in plans[2]]
    assert [clip.speaker for clip in plans[0]] != [clip.speaker for clip in plans[2]]
