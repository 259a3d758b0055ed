"""What a student learns from, and that teachers and ignored frames stay out of it."""

import shutil

import keras
import numpy as np
import pytest

from keras_sal import AnchorTargets, FrameCrossEntropy, StreamingAnchorLoss
from keras_sal.anchors import IGNORE, NO_ANCHOR
from keras_sal.models import gru_detector
from keras_sal.training.distillation import Distiller


def constant(*posteriors):
    """A model that answers so to each frame, whatever it hears."""
    posteriors = np.array(posteriors)
    model = keras.Sequential(
        [keras.Input((None, 2)), keras.layers.Dense(len(posteriors), activation="sigmoid")]
    )
    model.set_weights([np.zeros((2, len(posteriors))), np.log(posteriors / (1 - posteriors))])
    return model


def packed(labels):
    """Targets of one clip without an anchor."""
    labels = np.array(labels, "float32").reshape(1, len(labels), -1)
    distance = np.full((*labels.shape[:2], 1), NO_ANCHOR, "float32")
    return np.concatenate([labels, distance], axis=-1)


def loss_of(distiller, y, training=True, **options):
    x = np.zeros((*y.shape[:2], 2), "float32")
    y = keras.ops.convert_to_tensor(y)
    loss = distiller.compute_loss(x, y, distiller(x), training=training, **options)
    return float(keras.ops.stop_gradient(loss))


def cross_entropy(label, posterior):
    return -label * np.log(posterior) - (1 - label) * np.log(1 - posterior)


def test_loss_is_that_of_labels_and_of_the_mean_answer():
    """Teachers say 0.1 and 0.5, together 0.3; the student says 0.2, labels are 1 and 0."""
    distiller = Distiller(constant(0.2), [constant(0.1), constant(0.5)], strength=2.0)
    distiller.compile(loss=FrameCrossEntropy())
    labelled = (cross_entropy(1, 0.2) + cross_entropy(0, 0.2)) / 2
    assert loss_of(distiller, packed([1, 0])) == pytest.approx(
        labelled + 2 * cross_entropy(0.3, 0.2), rel=1e-5
    )
    assert loss_of(distiller, packed([1, 0]), training=False) == pytest.approx(labelled, rel=1e-5)


def test_strength_0_is_the_loss_of_labels():
    distiller = Distiller(constant(0.2), [constant(0.9)], strength=0)
    distiller.compile(loss=StreamingAnchorLoss("sa+fl", strength=0))
    focal = (0.8**2 * cross_entropy(1, 0.2) + 0.2**2 * cross_entropy(0, 0.2)) / 2
    assert loss_of(distiller, packed([1, 0])) == pytest.approx(focal, rel=1e-5)


def test_ignored_frames_are_not_taught():
    distiller = Distiller(constant(0.2), [constant(0.9)])
    distiller.compile(loss=FrameCrossEntropy())
    whole = loss_of(distiller, packed([1, IGNORE, IGNORE]))
    assert whole == pytest.approx(cross_entropy(1, 0.2) + cross_entropy(0.9, 0.2), rel=1e-5)


def test_sample_weight_counts_for_both():
    distiller = Distiller(constant(0.2), [constant(0.9)])
    distiller.compile(loss=FrameCrossEntropy())
    once = loss_of(distiller, packed([1]))
    weighted = loss_of(distiller, packed([1]), sample_weight=np.array([3.0], "float32"))
    assert weighted == pytest.approx(3 * once, rel=1e-5)


def test_several_classes():
    """The student says 0.5: -log(0.5) for the labels, -(0.7 + 0.3) log(0.5) for the teacher."""
    softmax = keras.Sequential(
        [keras.Input((None, 2)), keras.layers.Dense(2, activation="softmax")]
    )
    softmax.set_weights([np.zeros((2, 2)), np.zeros(2)])
    teacher = constant(0.7, 0.3)
    distiller = Distiller(softmax, [teacher])
    distiller.compile(loss=FrameCrossEntropy())
    for labels in ([0, 1], [[1, 0], [0, 1]]):  # class ids, one-hot
        assert loss_of(distiller, packed(labels)) == pytest.approx(2 * np.log(2), rel=1e-5)


def test_several_classes_at_once():
    """The second class is unknown, and is neither labelled nor taught."""
    distiller = Distiller(
        constant(0.2, 0.5), [constant(0.9, 0.9)], teaching=FrameCrossEntropy(multi_label=True)
    )
    distiller.compile(loss=FrameCrossEntropy(multi_label=True))
    assert loss_of(distiller, packed([[1, IGNORE]])) == pytest.approx(
        cross_entropy(1, 0.2) + cross_entropy(0.9, 0.2), rel=1e-5
    )


def batch():
    targets = AnchorTargets(frames=50, anchor="offset", after_frames=10)
    x = np.random.default_rng(0).normal(size=(4, 50, 40)).astype("float32")
    return x, targets(np.array([[[10, 20 + 5 * n]] for n in range(4)]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "jit_compile"), [("float32", True), ("float32", False), ("mixed_float16", False)]
)
def test_student_learns_what_teachers_answer(policy, jit_compile):
    """Without labels: it comes to say 0.9, which is what they say; and they stay what they were."""
    if jit_compile and keras.backend.backend() == "torch" and not shutil.which("g++"):
        pytest.skip("torch.compile calls a C++ compiler")
    keras.utils.set_random_seed(0)
    x, y = batch()
    teacher = keras.Sequential([keras.Input((None, 40)), keras.layers.Dense(1, "sigmoid")])
    teacher.set_weights([np.zeros((40, 1)), np.log([9.0])])
    policy = keras.dtype_policies.DTypePolicy(policy)
    student = keras.Sequential(
        [keras.Input((None, 40)), keras.layers.Dense(1, "sigmoid", dtype=policy)]
    )
    distiller = Distiller(student, [teacher], strength=100)
    distiller.compile(
        keras.optimizers.Adam(0.1), StreamingAnchorLoss(strength=0), jit_compile=jit_compile
    )
    distiller.fit(x, y, epochs=80, batch_size=4, shuffle=False, verbose=0)
    answers = keras.ops.convert_to_numpy(student(x))
    np.testing.assert_allclose(answers, 0.9, atol=0.03)
    np.testing.assert_allclose(teacher.get_weights()[1], np.log([9.0]))


def test_evaluate_and_metrics_are_the_students():
    x, y = batch()
    student, teacher = gru_detector(size="nano"), gru_detector(size="nano")
    distiller = Distiller(student, [teacher])
    distiller.compile(loss=StreamingAnchorLoss())
    student.compile(loss=StreamingAnchorLoss())
    assert distiller.evaluate(x, y, verbose=0) == pytest.approx(
        student.evaluate(x, y, verbose=0), rel=1e-5
    )
    np.testing.assert_allclose(
        distiller.predict(x, verbose=0), student.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_saves_and_goes_on(tmp_path):
    x, y = batch()
    student, *teachers = (gru_detector(size="nano") for _ in range(3))
    distiller = Distiller(student, teachers, strength=0.5)
    distiller.compile("adam", loss=StreamingAnchorLoss("sa+fl"))
    distiller.fit(x, y, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.models.load_model(tmp_path / "distiller.keras")
    assert (loaded.strength, len(loaded.teachers)) == (0.5, 2)
    assert not loaded.teachers[0].trainable_weights
    for mine, theirs in zip(distiller.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (mine, theirs)))
    again = (distiller.train_on_batch(x, y), loaded.train_on_batch(x, y))
    assert again[0] == pytest.approx(again[1], rel=1e-5)


def test_rejects_no_teacher():
    with pytest.raises(ValueError, match="`teachers` must hold at least one trained model"):
        Distiller(constant(0.5), [])


def test_rejects_the_student_as_its_teacher():
    student = constant(0.5)
    with pytest.raises(ValueError, match="`teachers` must be other models than the student"):
        Distiller(student, [constant(0.5), student])
    assert student.trainable


def test_rejects_negative_strength():
    with pytest.raises(ValueError, match="`strength` must be a number >= 0"):
        Distiller(constant(0.5), [constant(0.5)], strength=-1)


@pytest.mark.parametrize(
    "teacher", [{"frames_per_output": 3}, {"classes": 2}], ids=["other rate", "other classes"]
)
def test_rejects_teacher_that_answers_otherwise(teacher):
    x, y = batch()
    distiller = Distiller(gru_detector(size="nano"), [gru_detector(size="nano", **teacher)])
    distiller.compile(loss=StreamingAnchorLoss())
    with pytest.raises(ValueError, match="`teachers` must answer as often as the student"):
        distiller.train_on_batch(x, y)
