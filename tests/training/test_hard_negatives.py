"""False alarms of the model under training, and the batches that cover them."""

from pathlib import Path

import keras
import numpy as np
import pytest
from made_streams import word_targets

from keras_sal import AnchorTargets, StreamingAnchorLoss
from keras_sal.data import PlacedRecording, Recording, Stream, StreamBatches
from keras_sal.runtime import open_runner
from keras_sal.training.hard_negatives import FalseAlarm, HardNegatives, find_false_alarms

LOUD = {0: (3.0, 11.0), 1: (4.0,), 2: ()}  # seconds at which the model below fires


def made_streams():
    """Three streams of 15 s: a word at 7 s, a bang after it in 8.5 s, and the LOUD moments."""
    streams = []
    for index, loud_s in LOUD.items():
        word = Recording(Path("word.wav"), "train", "go", 1.0, 0.2, 0.6)
        clips = (
            PlacedRecording(Recording(Path(f"hum{index}.wav"), "train", "", 5.0), 0.5),
            PlacedRecording(word, 7.0, class_index=0),
            PlacedRecording(Recording(Path("bang.wav"), "train", "", 5.0), 8.5),
        )
        features = np.zeros((1498, 3), "float32")
        features[:, 0], features[:, 1] = index, np.arange(1498)
        for number, at_s in enumerate((*loud_s, 7.7)):  # 7.7 s: the word itself
            frame = round((at_s - 0.03) / 0.01)
            features[frame : frame + 5, 2] = 2.0 + 0.1 * (index + number)
        streams.append(Stream(str(index), clips, 15.0, features=features))
    return streams


def made_model():
    """Fires where the third feature is above 1."""
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(1, activation="sigmoid")])
    model.set_weights([np.array([[0.0], [0.0], [4.0]]), np.array([-4.0])])
    return model


def expected(index, at_s, feature):
    path = Path(f"hum{index}.wav") if at_s < 7 else Path("bang.wav")
    return index, at_s, 1 / (1 + np.exp(4 - 4 * feature)), path


def test_finds_false_alarms_and_their_recordings():
    found = find_false_alarms(made_model(), made_streams(), word_targets())
    wanted = [expected(1, 4.0, 2.1), expected(0, 11.0, 2.1), expected(0, 3.0, 2.0)]
    assert {f[0:2] for f in wanted} == {(f.stream, round(f.time_s, 6)) for f in found}
    for alarm, (index, at_s, score, path) in zip(
        sorted(found), sorted(wanted, key=lambda f: f[:2]), strict=True
    ):
        assert alarm == FalseAlarm(index, pytest.approx(at_s), pytest.approx(score, 1e-5), path)
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)


def test_more_streams_than_are_answered_side_by_side():
    """Streams of different lengths, 70 of them: each alarm belongs to its own."""
    rng = np.random.default_rng(0)
    streams, wanted = [], set()
    for index in range(70):
        features = np.zeros((rng.integers(200, 400), 3), "float32")
        frame = int(rng.integers(len(features)))
        features[frame, 2] = 3
        streams.append(Stream(str(index), (), len(features) / 100, features=features))
        wanted.add((index, round(0.03 + frame / 100, 6)))
    found = find_false_alarms(made_model(), streams, word_targets())
    assert {(f.stream, round(f.time_s, 6)) for f in found} == wanted
    assert {f.path for f in found} == {None}


def test_scoring_says_what_belongs_to_an_event():
    """With no time after the word, the detection 0.1 s after its end is a false alarm."""
    found = find_false_alarms(made_model(), made_streams(), word_targets(), max_delay_s=0.0)
    assert sorted(round(f.time_s, 2) for f in found) == [3.0, 4.0, 7.7, 7.7, 7.7, 11.0]
    assert [f.path.name for f in found if round(f.time_s, 2) == 7.7] == ["word.wav"] * 3
    assert find_false_alarms(made_model(), made_streams(), word_targets(), threshold=1.0) == []


@pytest.mark.parametrize(("before_frames", "expected_s"), [(None, []), (0, [7.5])])
def test_firing_while_a_label_lasts_is_no_false_alarm(before_frames, expected_s):
    """A word from 7.2 s to 7.6 s, and a model that fires 0.3 s after its onset."""
    word = Recording(Path("word.wav"), "train", "go", 1.0, 0.2, 0.6)
    features = np.zeros((998, 3), "float32")
    features[747, 2] = 2.0  # at 7.5 s
    stream = Stream("one", (PlacedRecording(word, 7.0, class_index=0),), 10.0, features=features)
    targets = AnchorTargets(
        200, anchor="onset", before_frames=before_frames, frame_step_s=0.01, frame_offset_s=0.03
    )
    found = find_false_alarms(made_model(), [stream], targets, max_delay_s=0.1)
    assert [round(alarm.time_s, 2) for alarm in found] == expected_s


@pytest.mark.parametrize("lookahead", [1, 3])
def test_a_delayed_model_fires_at_the_same_times(lookahead):
    """A model that sees some frames ahead and uses the middle one only is as made_model, later."""
    width = 2 * lookahead + 1
    model = keras.Sequential(
        [
            keras.Input((None, 3)),
            keras.layers.Conv1D(1, width, padding="same", activation="sigmoid"),
        ]
    )
    kernel = np.zeros((width, 3, 1))
    kernel[lookahead, 2] = 4
    model.set_weights([kernel, np.array([-4.0])])
    runner = open_runner(model, max_delay_frames=lookahead)
    found = find_false_alarms(runner, made_streams(), word_targets())
    wanted = find_false_alarms(made_model(), made_streams(), word_targets())
    assert len(wanted) == 3
    for alarm, expected_alarm in zip(sorted(found), sorted(wanted), strict=True):
        assert alarm.time_s == pytest.approx(expected_alarm.time_s)
        assert alarm[::3] == expected_alarm[::3]  # stream and path


def test_background_class_is_no_alarm():
    """Of three softmax columns the first is the background; the third is class 2."""
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(3, activation="softmax")])
    model.set_weights([np.array([[0, 0, 0], [0, 0, 0], [0, 0, 9.0]]), np.array([5.0, 0, -6])])
    found = find_false_alarms(model, made_streams(), word_targets(classes=3))
    assert {(f.stream, round(f.time_s, 2)) for f in found} >= {(0, 3.0), (0, 11.0), (1, 4.0)}
    assert all(f.time_s > 2.9 for f in found)


class TestHardNegatives:
    def test_from_then_on_batches_cover_them(self):
        batches = StreamBatches(made_streams(), word_targets(), batch_size=8, focus_share=0.5)
        hard = HardNegatives(batches)
        hard.set_model(made_model())
        found = hard.mine()
        assert found == {"false_alarms": 3, "per_hour": 3 / (45 / 3600), "covered": 3}
        assert hard.rounds == [found]
        for index in range(10):
            features, packed = batches[index]
            for crop, target in zip(features[:4], packed[:4], strict=True):
                loud_s = [at_s + 0.05 for at_s in LOUD[int(crop[0, 0])]]  # the run's last frame
                begin_s = crop[0, 1] / 100
                assert any(begin_s < at_s < begin_s + 1.1 for at_s in loud_s)
                assert target[np.argmax(crop[:, 2]), 0] == 0

    def test_by_recording(self):
        batches = StreamBatches(made_streams(), word_targets())
        hard = HardNegatives(batches, threshold=0.1)
        hard.alarms = [
            FalseAlarm(0, 1.0, 0.6, Path("b.wav")),
            FalseAlarm(1, 1.0, 0.9, Path("a.wav")),
            FalseAlarm(0, 4.0, 0.7, Path("b.wav")),
            FalseAlarm(2, 1.0, 0.95, Path("c.wav")),
        ]
        assert hard.by_recording() == [
            (Path("b.wav"), 2, 0.7),
            (Path("c.wav"), 1, 0.95),
            (Path("a.wav"), 1, 0.9),
        ]

    def test_keeps_those_the_model_is_surest_of(self):
        batches = StreamBatches(made_streams(), word_targets())
        hard = HardNegatives(batches, most=2)
        hard.set_model(made_model())
        assert hard.mine()["covered"] == 2
        assert len(hard.alarms) == 3

    def test_pool(self):
        """Only the moments of a pool come in, not the rest of it."""
        first, *pool = made_streams()
        batches = StreamBatches([first], word_targets(), batch_size=8, focus_share=0.5)
        hard = HardNegatives(batches, pool)
        hard.set_model(made_model())
        assert hard.mine() == {"false_alarms": 1, "per_hour": 1 / (30 / 3600), "covered": 1}
        features, _ = batches[0]
        assert features[:, 0, 0].tolist() == [1] * 4 + [0] * 4
        assert (features[:4, :, 2].max(axis=1) > 2).all()

    @pytest.mark.parametrize("last", [5, 6])
    def test_when(self, last):
        """After epochs 2 and 5, the last of which may be the last of all."""

        class Counting(HardNegatives):
            def mine(self):
                self.rounds.append(None)
                return {"per_hour": 7.0}

        logs, times = {}, []
        counting = Counting(None, first=2, every=3, last=last)
        for epoch in range(10):
            before = len(counting.rounds)
            counting.on_epoch_end(epoch, logs)
            if len(counting.rounds) > before:
                times.append(epoch + 1)
        assert times == [2, 5]
        assert logs == {"false_alarms_per_hour": 7.0}

    def test_rejects(self):
        with pytest.raises(ValueError, match=r"`first`, `every` and `last` must be at least 1"):
            HardNegatives(None, first=0)
        with pytest.raises(
            ValueError, match=r"`most` must be at least 1; it counts the false alarms.*most=0"
        ):
            HardNegatives(None, most=0)
        with pytest.raises(ValueError, match=r"`threshold` must lie in \[0, 1\].*threshold=1\.5"):
            HardNegatives(None, threshold=1.5)

    def test_fit_is_the_same_whatever_the_workers(self):
        """The epoch after a round is the first to cover its moments, and every batch of it does."""

        def trained(workers):
            drawn = {}

            class Watched(StreamBatches):
                def draw(self, epoch, index):
                    drawn[epoch, index] = super().draw(epoch, index)
                    return drawn[epoch, index]

            batches = Watched(
                made_streams(), word_targets(), batch_size=4, batches=5, workers=workers
            )
            model = made_model()
            model.compile(keras.optimizers.SGD(1e-8), StreamingAnchorLoss())
            hard = HardNegatives(batches, first=1)
            history = model.fit(batches, epochs=3, shuffle=False, callbacks=[hard], verbose=0)
            assert len(history.history["false_alarms_per_hour"]) == 3
            return drawn, hard, model.get_weights()

        (drawn, hard, weights), (others, _, other_weights) = trained(1), trained(3)
        assert hard.rounds[0]["covered"] == 3
        for epoch in (1, 2, 3):  # 0: Keras peeks
            for index in range(5):
                np.testing.assert_array_equal(drawn[epoch, index], others[epoch, index])
        plain = StreamBatches(made_streams(), word_targets(), batch_size=4, batches=5)
        for index in range(5):
            np.testing.assert_array_equal(drawn[1, index], plain.draw(1, index))
            assert (drawn[2, index][0] != plain.draw(2, index)[0]).any()
        for one, other in zip(weights, other_weights, strict=True):
            np.testing.assert_array_equal(one, other)
