"""What Keras' own callback writes for TensorBoard, with no account and no network."""

import keras
import numpy as np
import pytest

from keras_sal import AnchorSchedule, AnchorTargets, StreamingAnchorLoss, metrics
from keras_sal.models import gru_detector

REASON = "no tensorboard: its callback needs it, and TensorFlow"
pytest.importorskip("tensorboard", reason=REASON)
pytest.importorskip("tensorflow", reason=REASON)


def test_shows_metrics_of_detections_and_the_schedule(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    targets = AnchorTargets(frames=100, anchor="offset", after_frames=9)(
        np.array([[[50, 60]], [[20, 30]]])
    )
    x = np.zeros((2, 100, 3), "float32")
    loss = StreamingAnchorLoss()
    schedule = AnchorSchedule(loss, strength=lambda epoch: 1.0 + epoch)
    misses = metrics.FRRAtFalseAlarms(1000.0, name="misses")
    model = gru_detector(features=3, feature_max=1, size="nano")
    model.compile("adam", loss=loss, metrics=[misses, *schedule.metrics])
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    history = model.fit(
        *(x, targets),
        validation_data=(x, targets),
        epochs=2,
        callbacks=[schedule, board],
        verbose=0,
    ).history

    def written(run, name):
        events = EventAccumulator(str(tmp_path / run))
        events.Reload()
        return [float(make_ndarray(each.tensor_proto)) for each in events.Tensors(name)]

    assert written("train", "epoch_strength") == [1.0, 2.0]
    for run, key in (("train", "misses"), ("validation", "val_misses")):
        assert written(run, "epoch_misses") == pytest.approx(history[key])
    assert written("train", "epoch_loss") == pytest.approx(history["loss"])
