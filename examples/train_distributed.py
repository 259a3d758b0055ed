"""Training on all devices, with `keras.distribution`.

Shows: `keras.distribution.DataParallel` around an ordinary `fit`. The batch is split over the
devices, and every device has the whole model. `StreamingAnchorLoss(normalize=True)` divides by the
weights of the whole batch, so that one device and many train the same model.

Needs: recordings as for `keyword_spotting.py`. Keras spreads over devices on JAX; on the other
backends this example uses one. One device runs the same lines. To try two on a CPU:

    KERAS_BACKEND=jax XLA_FLAGS=--xla_force_host_platform_device_count=2 \
        python examples/train_distributed.py --steps 500 --save model.keras

The saved model is an ordinary one: deploy it with `deploy_micro.py --model model.keras`.

Prints: the devices, the loss of each epoch, the steps a second, and the misses on dev.
"""

import sys
import time

import keras
from command_line import example_parser, recordings_folder

from keras_sal import StreamingAnchorLoss
from keras_sal.data import (
    SplitRecord,
    StreamBatches,
    evaluation_streams,
    load_word_recordings,
    training_streams,
)
from keras_sal.models import gru_detector
from keras_sal.training import recipe

EPOCHS = 5

parser = example_parser(__doc__, hours=1.0)
parser.add_argument("--word", default="computer", help="the wake word (%(default)s)")
parser.add_argument("--batch", type=int, default=64, help="crops in a batch (%(default)s)")
parser.add_argument("--steps", type=int, default=500, help="train steps (%(default)s)")
parser.add_argument("--save", metavar="KERAS", help="write the model to this .keras file")
options = parser.parse_args()

folder = recordings_folder(options)

# Before the model is made, because the distribution places its weights.
if keras.backend.backend() == "jax":
    devices = keras.distribution.list_devices()
    if options.batch % len(devices):
        sys.exit(f"--batch must be a multiple of the {len(devices)} devices: each gets its share.")
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    print(f"{len(devices)} device(s): {', '.join(devices)}")
else:
    print(f"1 device: keras.distribution needs JAX, this is {keras.backend.backend()}")
keras.utils.set_random_seed(0)

recordings = load_word_recordings(folder, options.word, say=print)
train = training_streams(recordings, options.word, hours=options.hours, cache=options.cache)
batches = StreamBatches(
    train,
    recipe.word_targets(),
    batch_size=options.batch,
    batches=max(1, options.steps // EPOCHS),
)

model = gru_detector()
rate = keras.optimizers.schedules.CosineDecay(4e-3, len(batches) * EPOCHS)
model.compile(
    keras.optimizers.Adam(rate, clipnorm=1.0),
    loss=StreamingAnchorLoss("sa+fl", normalize=True),
)
started_s = time.perf_counter()
history = model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=0).history
for epoch, loss in enumerate(history["loss"], start=1):
    print(f"epoch {epoch}: loss {loss:.6f}")
steps_per_s = len(batches) * EPOCHS / (time.perf_counter() - started_s)
print(f"{steps_per_s:.1f} steps a second, compilation included")

if options.save:
    model.save(options.save)
    SplitRecord.of(recordings, folder).write(f"{options.save}.splits.json")
    print(f"saved {options.save}")
keras.distribution.set_distribution(None)  # dev need not be a multiple of the devices
dev = evaluation_streams(recordings, options.word, "dev", cache=options.cache)
curve = recipe.score(recipe.predict(model, dev), dev)
print(
    f"dev: misses {curve.frr_at(options.fa_per_hour):.1%} of {curve.events} at "
    f"{options.fa_per_hour:g} false alarms an hour in {curve.hours:.2f} h"
)
