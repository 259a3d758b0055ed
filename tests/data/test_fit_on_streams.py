"""`model.fit` on batches of streams, on every backend."""

import keras
import numpy as np
import pytest
from made_streams import noisy_streams, three_streams, two_inputs, word_targets

from keras_sal import StreamingAnchorLoss
from keras_sal.data import StreamBatches, StreamChunks, sources
from keras_sal.targets import AnchorTargets


@pytest.mark.parametrize("workers", [1, 3])
def test_fit_sees_every_batch_of_every_epoch(workers):
    seen = []

    class Watched(StreamBatches):
        def at(self, epoch, index):
            seen.append((epoch, index))
            return super().at(epoch, index)

    model = keras.Sequential([keras.layers.Input((None, 40)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    batches = Watched(three_streams(), word_targets(), batch_size=2, batches=4, workers=workers)
    model.fit(batches, epochs=3, verbose=0)
    trained = {(epoch, index) for epoch in (1, 2, 3) for index in range(4)}
    assert trained == {(epoch, index) for epoch, index in seen if epoch > 0}  # 0: Keras peeks


@pytest.mark.parametrize("workers", [1, 3])
def test_fit_trains_on_the_batches_of_its_epoch(workers):
    """Not on any that were made ahead for the one before, as with Keras' own workers."""

    class Marked(StreamBatches):
        def at(self, epoch, index):
            return np.full((1, 1), 10 * epoch + index, "float32"), np.zeros((1, 1))

    class Losses(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            losses.append(0)

        def on_train_batch_end(self, batch, logs=None):  # the mean so far
            losses.append(logs["loss"] * (batch + 1))

    losses = []
    model = keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(1.0)])
    model.compile("sgd", "mae")
    batches = Marked(three_streams(), word_targets(), batches=4, workers=workers, max_queue_size=2)
    model.fit(batches, epochs=3, shuffle=False, verbose=0, callbacks=[Losses()])
    trained = np.diff(np.reshape(losses, (3, 5)), axis=1)
    np.testing.assert_allclose(trained, [[10, 11, 12, 13], [20, 21, 22, 23], [30, 31, 32, 33]])


@pytest.mark.parametrize(("workers", "on_tensorflow"), [(1, 2), (3, 3)])
def test_keras_has_workers_where_they_know_the_epoch(workers, on_tensorflow):
    """Not for chunks, which are made in order; see `EpochDataset`."""
    crops = StreamBatches(three_streams(), word_targets(), batches=4, workers=workers)
    chunks = StreamChunks(three_streams(), word_targets(), batch_size=3, workers=workers)
    is_tensorflow = keras.backend.backend() == "tensorflow"
    assert (crops.workers, chunks.workers) == (on_tensorflow if is_tensorflow else 1, 1)


def test_fit_with_several_inputs():
    sound, motion = keras.Input((None, 2), name="sound"), keras.Input((None, 1), name="motion")
    slow = keras.layers.AveragePooling1D(4)(sound)
    joined = keras.layers.Concatenate()([slow, motion])
    model = keras.Model({"sound": sound, "motion": motion}, keras.layers.Dense(2)(joined))
    model.compile("sgd", "mse")
    targets = AnchorTargets(20, "offset", after_frames=5, frame_step_s=0.04)
    batches = StreamBatches([two_inputs()], targets, batch_size=4, batches=2)
    assert "loss" in model.fit(batches, shuffle=False, verbose=0).history


def test_fit_must_not_shuffle_chunks():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", StreamingAnchorLoss())
    chunks = StreamChunks(noisy_streams([240] * 2), word_targets(frames=20), batch_size=2)
    with pytest.raises(Exception, match="shuffle=False"):
        model.fit(chunks, verbose=0)


@pytest.mark.parametrize("source", ["tf.data", "grain"])
def test_fit_on_other_pipelines(source):
    """Weights after training are those after training on the batches themselves."""

    def trained(dataset, **steps):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((None, 40)), keras.layers.Dense(1, activation="sigmoid")]
        )
        model.compile(keras.optimizers.SGD(1e-7), StreamingAnchorLoss())
        model.fit(dataset, verbose=0, shuffle=False, **steps)
        return model.get_weights()

    class FirstEpoch(StreamBatches):  # fit begins with epoch 1
        def at(self, epoch, index):
            return super().at(0, index)

    batches = StreamBatches(three_streams(), word_targets(), batch_size=3, batches=4, seed=7)
    batches.focus([(0, 4.5)])
    plain = FirstEpoch(three_streams(), word_targets(), batch_size=3, batches=4, seed=7)
    plain.focus([(0, 4.5)])
    pytest.importorskip("tensorflow" if source == "tf.data" else "grain")
    if source == "tf.data":
        dataset = sources.tf_dataset(batches)
    else:
        dataset = sources.grain_dataset(batches).to_iter_dataset()
    for one, other in zip(trained(dataset, steps_per_epoch=4), trained(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)
