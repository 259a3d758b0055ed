"""The loss and the metrics say the same on two devices as on one (`keras.distribution`)."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

PROGRAM = """
import json, keras, numpy as np, keras_sal
from keras_sal import metrics
import jax
assert len(jax.devices()) == 2
rng = np.random.default_rng(0)
x = rng.normal(size=(8, 31, 3)).astype("float32")
y = keras_sal.AnchorTargets(frames=31, after_frames=2)(rng.integers(0, 28, (8, 2, 1)) + [[[0, 2]]])
y[1, 20:, 0] = -1  # devices have different numbers of counted frames
x += y[..., :1]

def fit():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((31, 3))
    hidden = keras.layers.GRU(4, return_sequences=True, use_cudnn=False)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    scoring = {"frame_step_s": 0.1, "refractory_s": 0.3, "early_s": 0.2, "max_delay_s": 0.3}
    watched = [metrics.StreamingFRR(**scoring), metrics.FalseAlarmsPerHour(**scoring),
               metrics.FrameAccuracy(), metrics.LatencyAtFalseAlarms(fa_per_hour=1e6, **scoring)]
    loss = keras_sal.StreamingAnchorLoss("sa+fl", normalize=True)
    schedule = keras_sal.AnchorSchedule(loss, strength=lambda epoch: 1.0 + epoch)
    model.compile(keras.optimizers.Adam(0.05), loss=loss, metrics=[*watched, *schedule.metrics])
    return model.fit(x, y, epochs=4, batch_size=4, shuffle=False, verbose=0,
                     callbacks=[schedule]).history

one = fit()
keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"]))
print(json.dumps([one, fit()]))
"""


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="keras.distribution spreads over devices on JAX"
)
def test_two_devices_equal_one():
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2",
    }
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]
    one, two = json.loads(run.stdout.splitlines()[-1])
    assert one["strength"] == [1.0, 2.0, 3.0, 4.0]
    assert 0 < one["frr"][0] < 1 or one["fa_per_hour"][0] > 0
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=1e-4, err_msg=name)
