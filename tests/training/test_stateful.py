"""Detectors that keep their states from chunk to chunk."""

import keras
import numpy as np
import pytest
from made_streams import noisy_streams, word_targets

from keras_sal import StreamingAnchorLoss
from keras_sal.data import StreamChunks
from keras_sal.training.stateful import ResetStates, StatefulDetector

FRAMES = 20

LENGTHS = [57, 59, 110, 40, 41, 93, 120]  # 3, 3, 6, 2, 3, 5, 6 chunks


@pytest.fixture
def targets():
    return word_targets(frames=FRAMES)


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
        return StreamChunks(noisy_streams(LENGTHS), targets, batch_size=3, shuffle=False)

    def expected(self, whole, chunks):
        """What the model without state predicts for each stream, by its number.

        It is causal, so that streams of several lengths are padded and predicted together.
        """
        longest = max(LENGTHS)
        padded = [
            np.pad(s.features, [(0, longest - len(s.features)), (0, 0)]) for s in chunks.streams
        ]
        predicted = whole.predict(np.stack(padded), verbose=0)
        return [p[: len(s.features)] for p, s in zip(predicted, chunks.streams, strict=True)]

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
        chunks = StreamChunks(noisy_streams(LENGTHS), targets, batch_size=3, workers=2)
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
        other = StreamChunks(noisy_streams([80] * 3), targets, batch_size=3)
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
