"""The recipe: what `recipe.train` passes to batches and model."""

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_sal import AnchorTargets, FrameCrossEntropy
from keras_sal.audio import output_times
from keras_sal.augmentation import SpecAugment
from keras_sal.data import PlacedRecording, Recording, Stream
from keras_sal.training import DemoJob, WakeWordJob, recipe

WORD = Recording(Path("word.wav"), "train", "computer", 1.0, onset_s=0.2, offset_s=0.8)


def streams():
    """Two streams of 3 s, whose one feature is 1 while the word is said, from 1.2 to 1.8 s."""
    said = np.zeros((298, 1), "float32")
    said[118:178] = 1
    clip = PlacedRecording(WORD, 1.0, class_index=0)
    return [Stream(name, (clip,), 3.0, features=said) for name in "ab"]


def dense():
    """A detector that hears nothing but the one frame, from the same weights each time."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((None, 1)), keras.layers.Dense(1, "sigmoid")])


def contrast(model):
    """How much more a model says while the word is said."""
    silent, said = model(np.array([[[0.0], [1.0]]], "float32"))[0, :, 0]
    return float(said) - float(silent)


def spans(frames, frames_per_output):
    """Labels of 1 while the word is said."""
    return AnchorTargets(frames, anchor="offset", **output_times(frames_per_output))


def trained(steps=60, **options):
    """A detector that the recipe trained."""
    training = recipe.TrainingOptions(
        steps=steps, crop_frames=200, learning_rate=0.1, augment=None, hard_negatives=False
    )
    return recipe.train(dense(), FrameCrossEntropy(), streams(), training, **options)


def test_trains_on_other_targets():
    """Labels are 1 while the word is said: the sign of the one weight says so."""
    asked = []

    def targets(*frames):
        asked.append(frames)
        return spans(*frames)

    assert contrast(trained(targets=targets)) > 0.5
    assert asked == [(200, 1)]
    assert contrast(trained()) < 0.3  # of the recipe's label 60 ms are in the word, 250 ms after it


@pytest.mark.any_backend
def test_results_have_the_steps_that_were_trained():
    """25 are 1 in each of 20 epochs, and 5 are left out."""
    options = recipe.TrainingOptions(steps=25)
    assert WakeWordJob("computer", training=options).describe()["steps"] == 20
    assert int(trained(options.steps).optimizer.iterations) == 20


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "given",
    [
        *({"batch_size": 7}, {"crop_frames": 7}, {"learning_rate": 7.0}, {"seed": 7}),
        *({"augment": None}, {"augment": SpecAugment()}, {"hard_negatives": False}),
    ],
)
def test_every_option_of_the_training_is_described(given):
    """A detector is used again for a job of the same description."""
    default, other = recipe.TrainingOptions(), recipe.TrainingOptions(**given)
    for job in (WakeWordJob, DemoJob):
        described = json.dumps(job("computer", training=other).describe())
        assert described != json.dumps(job("computer", training=default).describe())
        assert described == json.dumps(job("computer", training=replace(other)).describe())


@pytest.mark.any_backend
def test_an_augmentation_is_known_by_its_name():
    described = recipe.TrainingOptions(augment=spans).describe()
    assert described["augment"] == "spans"
    assert "augment" not in recipe.TrainingOptions().describe()


@pytest.mark.any_backend
def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match=r"`network` must be 'gru' or .*Received: network='lstm'"):
        recipe.detector("lstm")


@pytest.mark.parametrize("network", ["gru", "conv", "conv-gru"])
def test_each_of_several_words_has_a_posterior_of_its_own(network):
    """Sigmoids, of the size of one: the posteriors of a frame don't depend on each other."""
    model = recipe.detector(network, "nano", classes=2)
    assert model.layers[-1].activation is keras.activations.sigmoid
    added = model.count_params() - recipe.detector(network, "nano").count_params()
    assert added == model.layers[-1].kernel.shape[0] + 1


@pytest.mark.any_backend
def test_each_of_several_words_has_a_label_of_its_own():
    """Events of both at 1 s and 1.1 s: labels overlap from 1.04 to 1.25 s."""
    events = np.array([[[0.5, 1.0, 0], [0.6, 1.1, 1]]])
    labels = recipe.word_targets(300, classes=2)(events)[0, :, :2]
    spans_s = [0.03 + 0.01 * np.flatnonzero(column)[[0, -1]] for column in labels.T]
    np.testing.assert_allclose(spans_s, [[0.94, 1.25], [1.04, 1.35]], atol=0.006)


@pytest.mark.any_backend
@pytest.mark.parametrize("name", ["sal", "sa+fl", "focal", "cross-entropy"])
def test_the_loss_of_several_words_is_the_mean_of_theirs(name):
    rng = np.random.default_rng(0)
    posteriors = rng.uniform(0.1, 0.9, (3, 40, 2)).astype("float32")
    targets = recipe.word_targets(40, classes=2)(np.array([[[0.1, 0.2, 0]], [[0.1, 0.3, 1]]] * 2))
    targets = targets[:3]
    both = recipe.make_loss(name, classes=2)(targets, posteriors)
    alone = [
        recipe.make_loss(name)(targets[..., [index, 2]], posteriors[..., [index]])
        for index in range(2)
    ]
    np.testing.assert_allclose(float(both), np.mean([float(each) for each in alone]), rtol=1e-5)


@pytest.mark.any_backend
def test_the_span_of_labels_is_given_in_outputs():
    """The end of the word, at 1.05 s, is the anchor; outputs are 30 ms apart."""
    events = np.array([[[0.5, 1.05, 0]]])
    labels = recipe.word_targets(300, 3, label_span=(1, 4))(events)[0, :, 0]
    [anchor] = np.flatnonzero(recipe.word_targets(300, 3, label_span=(0, 0))(events)[0, :, 0])
    assert list(np.flatnonzero(labels)) == list(range(anchor - 1, anchor + 5))


@pytest.mark.any_backend
def test_the_exponent_of_a_focal_loss():
    assert recipe.make_loss("sa+fl", gamma=1.5).gamma == 1.5
    assert recipe.make_loss("focal", gamma=1.5).gamma == 1.5
    assert recipe.make_loss("safl", reach=(4, 9)).reach == (4.0, 9.0)
    for name in ("sal", "cross-entropy"):
        with pytest.raises(ValueError, match=r"`gamma` must be left out .*Received: gamma=1.5"):
            recipe.make_loss(name, gamma=1.5)


@pytest.mark.any_backend
def test_a_job_names_what_it_depends_on_alike_with_defaults_and_without():
    plain = WakeWordJob("computer")
    given = WakeWordJob("computer", strength=5, reach=(15, 15), gamma=2, label_span=(2, 8))
    assert json.dumps(plain.describe()) == json.dumps(given.describe())
