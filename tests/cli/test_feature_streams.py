"""Files of feature streams that are damaged."""

import numpy as np
import pytest

from keras_sal.cli.feature_streams import read_feature_streams
from keras_sal.evaluation.predictions import Predictions

pytestmark = pytest.mark.any_backend


def test_any_change_of_a_file_is_read_or_refused(tmp_path):
    """A `ValueError` that names the file, from both readers of .npz files."""
    rng = np.random.default_rng(0)
    path = tmp_path / "streams.npz"
    np.savez_compressed(path, a=rng.normal(size=(50, 4)), b=np.zeros((3, 4)))
    content = path.read_bytes()
    messages = []
    for _ in range(200):
        changed = bytearray(content)
        for at in rng.integers(len(changed), size=rng.integers(1, 9)):
            changed[at] = rng.integers(256)
        path.write_bytes(changed)
        for read in (read_feature_streams, Predictions.load):
            try:
                read(path)
            except ValueError as error:
                messages.append(str(error))
    assert len(messages) > 200
    assert all(str(path) in message for message in messages)
