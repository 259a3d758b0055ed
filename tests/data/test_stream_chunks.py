"""Chunks that carry on, and the states that go with them."""

import keras
import numpy as np
import pytest
from made_streams import numbered, whole_targets, word_targets

from keras_sal import StreamingAnchorLoss
from keras_sal.data import StreamChunks
from keras_sal.training.stateful import ResetStates, StatefulDetector

FRAMES = 20


@pytest.fixture
def targets():
    return word_targets(frames=FRAMES)


def made(frames, features=3):
    """Streams of so many frames with a word in 0.6 s: noise but for where they are from."""
    rng = np.random.default_rng(0)
    streams = []
    for index, length in enumerate(frames):
        stream = numbered(index, length, np.arange(-0.15, length / 100 - 0.5, 0.6), features)
        stream.features[:, 2:] = rng.standard_normal((length, features - 2))
        streams.append(stream)
    return streams


LENGTHS = [57, 59, 110, 40, 41, 93, 120]  # 3, 3, 6, 2, 3, 5, 6 chunks


class TestStreamChunks:
    def test_rows_carry_on_and_join_to_the_whole_streams(self, targets):
        """In every epoch each stream once, from its begin to its end, with its own targets."""
        streams = made(LENGTHS)
        chunks = StreamChunks(streams, targets, batch_size=3)
        # in order of length: [2, 3, 3], [3, 5, 6], [6]
        assert len(chunks) == 3 + 6 + 6
        whole = [whole_targets(stream, targets) for stream in streams]
        orders = []
        for epoch in range(2):
            joined, begun = {}, []
            for index in range(len(chunks)):
                features, packed = chunks[index]
                if chunks.begins(index):
                    begun.append(index)
                    row_of = [[] for _ in range(3)]
                    joined[len(begun)] = row_of
                for row, x, y in zip(row_of, features, packed, strict=True):
                    row.append((x, y))
            chunks.on_epoch_end()
            rows = [row for group in joined.values() for row in group]
            heard = {}
            for row in rows:
                x, y = (np.concatenate(part) for part in zip(*row, strict=True))
                unknown = y[:, 0] == -1
                if unknown.all():
                    assert (x == 0).all()
                    continue
                index = int(x[0, 0])
                length = LENGTHS[index]
                np.testing.assert_array_equal(x[:length], streams[index].features)
                np.testing.assert_array_equal(unknown, np.arange(len(x)) >= length)
                np.testing.assert_array_equal(y[:length], whole[index])
                assert index not in heard
                heard[index] = epoch
            assert set(heard) == set(range(7))
            assert len(rows) == 9
            orders.append(tuple(heard))
        assert len(set(orders)) > 1

    def test_follows_from_seed_and_epoch(self, targets):
        streams = made(LENGTHS)
        one, same, other = (
            StreamChunks(streams, targets, batch_size=2, seed=s, workers=w)
            for s, w in ((1, 1), (1, 3), (2, 1))
        )
        for _ in range(2):
            for index in range(len(one)):
                for a, b in zip(one[index], same[index], strict=True):
                    np.testing.assert_array_equal(a, b)
            for batches in (one, same):
                batches.on_epoch_end()
        assert any((one.at(0, i)[0] != other.at(0, i)[0]).any() for i in range(len(one)))

    def test_without_shuffling_the_order_is_that_given(self, targets):
        chunks = StreamChunks(made([40] * 6), targets, batch_size=2, shuffle=False)
        heard = [
            chunks.at(epoch, index)[0][:, 0, 0].tolist() for epoch in (0, 1) for index in range(6)
        ]
        assert heard == [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5], [4, 5]] * 2

    def test_read_out_of_order(self, targets):
        chunks = StreamChunks(made([120] * 2), targets, batch_size=2)
        assert len(chunks) == 6
        chunks[0], chunks[1], chunks[0], chunks[1], chunks[2]
        with pytest.raises(ValueError, match=r"read in order.*chunk 4 after 2.*shuffle=False"):
            chunks[4]

    def test_fit_that_shuffles_is_refused(self, targets):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((None, 3)), keras.layers.Dense(1, activation="sigmoid")]
        )
        model.compile("sgd", StreamingAnchorLoss())
        chunks = StreamChunks(made([240] * 2), targets, batch_size=2)
        with pytest.raises(Exception, match="shuffle=False"):
            model.fit(chunks, verbose=0)

    def test_rejects(self, targets):
        with pytest.raises(ValueError, match=r"`streams` must be at least as many.*2 streams.*=3"):
            StreamChunks(made([100] * 2), targets, batch_size=3)
        with pytest.raises(ValueError, match=r"`batch_size` must be greater than 0"):
            StreamChunks(made([100] * 2), targets, batch_size=0)


def made_model():
    """A model in a model, a recurrent layer, and a convolution that remembers 4 frames."""
    inner = keras.Input((None, 6))
    block = keras.Model(inner, keras.layers.Conv1D(5, 5, padding="causal")(inner))
    clip = keras.Input((None, 3))
    x = keras.layers.Rescaling([0.1, 0.001, 1.0])(clip)
    x = keras.layers.GRU(6, return_sequences=True)(x)
    return keras.Model(clip, keras.layers.Dense(1, activation="sigmoid")(block(x)))


class TestResetStates:
    @pytest.fixture
    def models(self):
        keras.utils.set_random_seed(0)
        whole = made_model()
        return StatefulDetector(whole, 3), whole

    @pytest.fixture
    def chunks(self, targets):
        return StreamChunks(made(LENGTHS), targets, batch_size=3, shuffle=False)

    def expected(self, whole, chunks):
        """What the model without state says to each stream, by its number."""
        return [whole.predict(s.features[None], verbose=0)[0] for s in chunks.streams]

    def joined(self, chunks, answers):
        """What was answered in chunks, stream by stream."""
        joined = {}
        for index, answer in enumerate(answers.reshape(len(chunks), 3, FRAMES, 1)):
            features, packed = chunks.at(chunks.epoch, index)
            if chunks.begins(index):
                owners = features[:, 0, 0].astype(int)
            for owner, y, p in zip(owners, packed, answer, strict=True):
                if (y[:, 0] >= 0).any():
                    joined.setdefault(owner, []).append(p[y[:, 0] >= 0])
        return [np.concatenate(joined[index]) for index in sorted(joined)]

    def test_predict_equals_whole_streams(self, models, chunks):
        stateful, whole = models
        answers = stateful.predict(chunks, callbacks=[ResetStates(chunks)], verbose=0)
        wanted = self.expected(whole, chunks)
        for found, expected in zip(self.joined(chunks, answers), wanted, strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-6)
        carried_over = stateful.predict(chunks, verbose=0)  # nothing reset: another answer
        found = self.joined(chunks, carried_over)
        assert max(np.abs(f - e).max() for f, e in zip(found, wanted, strict=True)) > 1e-3

    def test_training_sees_whole_streams(self, models, targets):
        """Without learning, the loss of every batch is that of the whole streams' answers."""
        stateful, whole = models
        chunks = StreamChunks(made(LENGTHS), targets, batch_size=3, workers=2)
        loss = StreamingAnchorLoss()
        stateful.compile(keras.optimizers.SGD(0.0), loss)
        totals = []

        class Losses(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):  # the mean so far
                totals.append(logs["loss"] * (batch + 1))

        stateful.fit(
            chunks,
            epochs=2,
            shuffle=False,
            verbose=0,
            callbacks=[ResetStates(chunks, validation=chunks), Losses()],
        )
        answers = self.expected(whole, chunks)
        for epoch in (1, 2):
            expected = []
            for index in range(len(chunks)):
                features, packed = chunks.at(epoch, index)
                said = np.full((3, FRAMES, 1), 0.5, "float32")
                for x, y, p in zip(features, packed, said, strict=True):
                    known = y[:, 0] >= 0
                    p[known] = answers[int(x[0, 0])][x[known, 1].astype(int)]
                expected.append(float(loss(packed, said)))
            found = np.diff([0, *totals[(epoch - 1) * len(chunks) : epoch * len(chunks)]])
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)

    def test_validation_has_streams_of_its_own(self, models, chunks, targets):
        stateful, _ = models
        stateful.compile(keras.optimizers.SGD(0.0), StreamingAnchorLoss())
        other = StreamChunks(made([80] * 3), targets, batch_size=3)
        reset = ResetStates(chunks, other)
        history = stateful.fit(
            chunks, validation_data=other, shuffle=False, verbose=0, callbacks=[reset]
        ).history
        alone = stateful.evaluate(other, callbacks=[ResetStates(other)], verbose=0)
        assert history["val_loss"][0] == pytest.approx(alone, rel=1e-5)

    def test_weights_are_shared_and_learn_and_states_are_none_of_them(self, models, chunks):
        stateful, whole = models
        before = whole.get_weights()
        stateful.compile(keras.optimizers.SGD(0.1), StreamingAnchorLoss())
        stateful.fit(chunks, shuffle=False, callbacks=[ResetStates(chunks)], verbose=0)
        for old, new in zip(before, whole.get_weights(), strict=True):
            assert (old != new).any()
        assert len(stateful.trainable_weights) == len(whole.trainable_weights) == 7
        shapes = sorted(tuple(v.shape) for v in stateful.non_trainable_weights)
        assert shapes == [(3, 4, 6), (3, 6)]

    def test_rejects_models_that_carry_nothing(self, models, chunks):
        stateful, whole = models
        whole.compile("sgd", "mse")
        with pytest.raises(ValueError, match=r"`model` must be a StatefulDetector.*Functional"):
            whole.fit(chunks, shuffle=False, callbacks=[ResetStates(chunks)], verbose=0)
        stateful.compile("sgd", "mse", steps_per_execution=2)
        with pytest.raises(ValueError, match=r"steps_per_execution=2"):
            stateful.fit(chunks, shuffle=False, callbacks=[ResetStates(chunks)], verbose=0)


def test_several_inputs_and_outputs():
    """A fast and a slow input, and an answer of each."""
    fast, slow = keras.Input((None, 2), name="fast"), keras.Input((None, 1), name="slow")
    pooled = keras.layers.AveragePooling1D(4)(fast)
    joined = keras.layers.Concatenate()([pooled, slow])
    one = keras.layers.GRU(3, return_sequences=True, name="one")(joined)
    two = keras.layers.Dense(2, name="two")(one)
    model = keras.Model({"fast": fast, "slow": slow}, {"one": one, "two": two})
    rng = np.random.default_rng(0)
    clips = {
        "fast": rng.standard_normal((2, 24, 2)).astype("float32"),
        "slow": rng.standard_normal((2, 6, 1)).astype("float32"),
    }
    stateful = StatefulDetector(model, 2)
    first = stateful.predict(
        {"fast": clips["fast"][:, :8], "slow": clips["slow"][:, :2]}, verbose=0
    )
    rest = stateful.predict({"fast": clips["fast"][:, 8:], "slow": clips["slow"][:, 2:]}, verbose=0)
    for name, whole in model.predict(clips, verbose=0).items():
        joined = np.concatenate([first[name], rest[name]], axis=1)
        np.testing.assert_allclose(joined, whole, atol=1e-6)
