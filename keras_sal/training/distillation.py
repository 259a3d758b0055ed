"""Distillation: a detector that learns from labels, and from what other detectors answer.

Two detectors of a few kilobytes, trained alike from other seeds, are wrong on different frames, and
so the mean of their answers is more often right. A third of the same size can learn from that mean,
which says more of a frame than its label does: what sounds a little like the word, where the word
is half said, which recording is hopeless. What ships is as small as before; training takes longer.
Whether it pays is to be measured: under our recipe it did on dev and not on test, see the README.

    student = keras_sal.training.recipe.detector()
    distiller = Distiller(student, teachers=[one, other])
    distiller.compile("adam", loss=StreamingAnchorLoss("sa+fl"))
    distiller.fit(batches)
    student.save("detector.keras")
"""

import keras
from keras import ops

from keras_sal.anchors import IGNORE, pack, unpack
from keras_sal.losses import FrameCrossEntropy
from keras_sal.losses.frame_loss import checked


@keras.saving.register_keras_serializable(package="keras_sal")
class Distiller(keras.Model):
    """Trains a student on labels and, beside them, on what teachers answer to the same clips.

        loss = loss of the labels + strength * cross entropy(mean answer of the teachers, student)

    Use it as the model that is compiled and fitted, with any loss over packed targets; the student
    is the model that is kept. Teachers hear what the student hears, augmentation included. They
    cost time in training, and nothing afterwards. `evaluate` gives the loss of the labels alone.

    Reference:
        G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network",
        https://arxiv.org/abs/1503.02531 (from an ensemble); L. Beyer et al., "Knowledge
        Distillation: A Good Teacher is Patient and Consistent", CVPR 2022,
        https://arxiv.org/abs/2106.05237 (on the same crops)

    Args:
        student: Keras model `(batch, time, features)` to posteriors `(batch, time, classes)`.
        teachers: Trained models that answer as the student does: to the same input, as often, with
            as many classes, with posteriors. They are frozen.
        strength: >= 0: how much the answers of the teachers count beside the labels. Defaults to 1.
        teaching: The loss against those answers, over packed targets whose labels are soft; frames
            with label -1 are ignored there, too. Defaults to `FrameCrossEntropy()`; where several
            classes may be on at once, give one with `multi_label=True`.
        name: Name of the model.

    Raises:
        ValueError: If there is no teacher, the student is among them, `strength` is negative or not
            finite, or, at the first batch, if teachers answer otherwise than the student.

    Example:

    >>> import keras_sal
    >>> import numpy as np
    >>> student, *teachers = [keras_sal.models.gru_detector(size="nano") for _ in range(3)]
    >>> distiller = Distiller(student, teachers)
    >>> distiller.compile("adam", loss=keras_sal.StreamingAnchorLoss())
    >>> targets = keras_sal.AnchorTargets(frames=100, anchor="offset", after_frames=10)
    >>> events = np.array([[[20, 60]], [[10, 40]]])
    >>> history = distiller.fit(np.zeros((2, 100, 40)), targets(events), verbose=0)
    """

    def __init__(self, student, teachers, strength=1.0, teaching=None, name=None):
        super().__init__(name=name)
        teachers = list(teachers)
        if not teachers:
            raise ValueError(
                "`teachers` must hold at least one trained model; the student learns from what "
                "they answer. Received: none. Without any, fit the student itself."
            )
        if any(teacher is student for teacher in teachers):
            raise ValueError(
                "`teachers` must be other models than the student; they are frozen, so it would "
                f"learn nothing. Received: the student {student.name!r} among the teachers. "
                "Give it a copy, `keras.models.clone_model` with the weights set."
            )
        for teacher in teachers:
            teacher.trainable = False
        self.student = student
        self.teachers = teachers
        self.strength = checked("strength", strength, "a negative one would reward errors")
        self.teaching = teaching or FrameCrossEntropy(name="teaching")

    def call(self, inputs, training=None):
        """Answers as the student does."""
        return self.student(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of the labels and, in training, that against the teachers' answers."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        labels, distance = unpack(ops.convert_to_tensor(y))
        answers = ops.cast(self.taught(x, y_pred), labels.dtype)
        answers = ops.where(labels == IGNORE, labels, answers)
        return loss + self.strength * self.teaching(pack(answers, distance), y_pred, sample_weight)

    def taught(self, x, y_pred):
        """Returns the mean of what the teachers answer, `(batch, time, classes)`."""
        answers = [teacher(x, training=False) for teacher in self.teachers]
        for answer in answers:
            if tuple(answer.shape)[1:] != tuple(y_pred.shape)[1:]:
                raise ValueError(
                    "`teachers` must answer as often as the student and with as many classes; it "
                    "learns from them frame by frame. Received: answers of shape "
                    f"{tuple(answer.shape)} and {tuple(y_pred.shape)}. Train them with the same "
                    "`frames_per_output` and `classes`."
                )
        return ops.stop_gradient(sum(answers) / len(answers))

    def get_config(self):  # noqa: D102
        return {
            "name": self.name,
            "student": keras.saving.serialize_keras_object(self.student),
            "teachers": [keras.saving.serialize_keras_object(each) for each in self.teachers],
            "strength": self.strength,
            "teaching": keras.saving.serialize_keras_object(self.teaching),
        }

    @classmethod
    def from_config(cls, config):  # noqa: D102
        return cls(**keras.saving.deserialize_keras_object(config))
