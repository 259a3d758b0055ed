"""Training on several devices or processes, on the backend of Keras that is set.

Shows: an ordinary `fit` under `keras.distribution` (JAX) and `tf.distribute.MirroredStrategy`
(TensorFlow), and a training loop for several processes: PyTorch's `DistributedDataParallel`, and
`tf.distribute.MultiWorkerMirroredStrategy`, under which `fit` of Keras 3.15 fails. The mean of the
loss is that of the global batch in all of them, so that one device and many train the same model.

Needs: recordings as for `keyword_spotting.py`. To try two devices on the processor of one machine:

    export KERAS_BACKEND=jax
    XLA_FLAGS=--xla_force_host_platform_device_count=2 python examples/train_distributed.py

    export KERAS_BACKEND=tensorflow
    python examples/train_distributed.py --simulate 2
    WORKERS='"cluster": {"worker": ["localhost:2301", "localhost:2302"]}'
    TF_CONFIG="{$WORKERS, \"task\": {\"type\": \"worker\", \"index\": 1}}" \
        python examples/train_distributed.py &
    TF_CONFIG="{$WORKERS, \"task\": {\"type\": \"worker\", \"index\": 0}}" \
        python examples/train_distributed.py

    export KERAS_BACKEND=torch
    torchrun --nproc-per-node 2 examples/train_distributed.py --checkpoint state.npz

On a real cluster nothing changes in the program. With JAX, call `keras.distribution.initialize()`
first, in each process. With TensorFlow, `TF_CONFIG` names the machines. With PyTorch, `torchrun`
runs on each machine with `--nnodes`, `--rdzv-backend c10d` and `--rdzv-endpoint`, and "nccl" takes
the place of "gloo" for GPUs. `--checkpoint` must be a file that all processes can read.

If a worker is killed, start all of them again: they go on from the checkpoint of the last
epoch. The saved model is an ordinary one: deploy it with
`deploy_micro.py --model model.keras`.

Prints: the devices, the loss of each epoch, the steps a second, and the misses on dev.
"""

import contextlib
import os
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
from keras_sal.training import EpochCheckpoint, recipe

EPOCHS = 5


def compiled_model():
    """Make the model, the same in each process."""
    keras.utils.set_random_seed(0)
    model = gru_detector()
    rate = keras.optimizers.schedules.CosineDecay(4e-3, len(batches) * EPOCHS)
    loss = StreamingAnchorLoss("sa+fl", normalize=True)
    model.compile(keras.optimizers.Adam(rate), loss=loss)
    return model


def train_by_fit(scope):
    """Train with all devices of this process."""
    with scope:
        model = compiled_model()
        done = checkpoint.restore(model) if checkpoint else 0
    callbacks = [checkpoint] if checkpoint else []
    history = model.fit(
        batches,
        epochs=EPOCHS,
        initial_epoch=done,
        shuffle=False,
        callbacks=callbacks,
        verbose=0,
    ).history
    for epoch, loss in enumerate(history["loss"], start=done + 1):
        print(f"epoch {epoch}: loss {loss:.6f}")
    return model


def train_by_loop(model, make_step, rank, world):
    """Train as one of several processes: each takes its rows of the global batch."""
    done = checkpoint.restore(model) if checkpoint else 0
    step = make_step(model, rank, world)
    share = options.batch // world
    own = slice(rank * share, (rank + 1) * share)
    for epoch in range(done + 1, EPOCHS + 1):
        losses = [step(*batches.at(epoch, index), own) for index in range(len(batches))]
        if rank == 0:
            print(f"epoch {epoch}: loss {sum(losses) / len(losses):.6f}")
        if rank == 0 and checkpoint:
            checkpoint.set_model(model)
            checkpoint.on_epoch_end(epoch - 1)
    return model


def torch_step(model, rank, world):
    """Return a function that trains a PyTorch model on a global batch."""
    parallel = torch.nn.parallel.DistributedDataParallel(model)
    variables = model.trainable_variables
    model.optimizer.build(variables)

    def step(x, y, own):
        predicted = parallel(torch.from_numpy(x[own]))
        shards = [torch.empty_like(predicted) for _ in range(world)]
        torch.distributed.all_gather(shards, predicted.detach())
        shards[rank] = predicted  # the gradient flows through the rows of this process
        loss = model.loss(y, torch.cat(shards))
        model.zero_grad()
        (loss * world).backward()  # DistributedDataParallel averages; the rows' parts add up
        with torch.no_grad():
            model.optimizer.apply([v.value.grad for v in variables], variables)
        return loss.item()

    return step


def tensorflow_step(model, rank, world):
    """Return a function that trains a TensorFlow model on a global batch."""
    variables = model.trainable_variables

    def of_replica(x, y):
        with tf.GradientTape() as tape:
            loss = model.loss(y, model(x, training=True))
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    @tf.function
    def of_all(x, y):
        return strategy.reduce("SUM", strategy.run(of_replica, (x, y)), axis=None)

    return lambda x, y, own: float(of_all(tf.constant(x[own]), tf.constant(y[own])))


parser = example_parser(__doc__, hours=1.0)
parser.add_argument("--word", default="computer", help="the wake word (%(default)s)")
parser.add_argument("--batch", type=int, default=64, help="crops in a batch (%(default)s)")
parser.add_argument("--steps", type=int, default=500, help="train steps (%(default)s)")
parser.add_argument("--simulate", type=int, default=1, help="TensorFlow: devices to simulate")
parser.add_argument("--checkpoint", metavar="NPZ", help="keep the state here after each epoch")
parser.add_argument("--save", metavar="KERAS", help="write the model to this .keras file")
options = parser.parse_args()

folder = recordings_folder(options)

# The devices come before the model, which is placed on them.
backend, rank, scope, strategy = keras.backend.backend(), 0, contextlib.nullcontext(), None
if backend == "jax":
    devices = keras.distribution.list_devices()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    world, where = len(devices), ", ".join(devices)
elif backend == "tensorflow":
    import tensorflow as tf

    if "TF_CONFIG" in os.environ:
        strategy, where = tf.distribute.MultiWorkerMirroredStrategy(), "MultiWorkerMirroredStrategy"
        rank = strategy.cluster_resolver.task_id
    else:
        if options.simulate > 1:
            tf.config.set_logical_device_configuration(
                tf.config.list_physical_devices("CPU")[0],
                [tf.config.LogicalDeviceConfiguration()] * options.simulate,
            )
        names = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([device.name for device in names])
        where = "MirroredStrategy"
    scope, world = strategy.scope(), strategy.num_replicas_in_sync
else:
    import torch

    if "RANK" in os.environ:  # started by torchrun
        torch.distributed.init_process_group("gloo")
        rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    else:
        world = 1
    where = "DistributedDataParallel" if world > 1 else "no torchrun"
if options.batch % world:
    sys.exit(f"--batch must be a multiple of the {world} devices: each gets its share.")
if rank == 0:
    print(f"{world} device(s): {where}")

recordings = load_word_recordings(folder, options.word, say=print if rank == 0 else None)
train = training_streams(recordings, options.word, hours=options.hours, cache=options.cache)
batches = StreamBatches(
    train,
    recipe.word_targets(),
    batch_size=options.batch,
    batches=max(1, options.steps // EPOCHS),
)
checkpoint = EpochCheckpoint(options.checkpoint, batches) if options.checkpoint else None

started_s = time.perf_counter()
if backend == "torch" and world > 1:
    model = train_by_loop(compiled_model(), torch_step, rank, world)
elif "TF_CONFIG" in os.environ and backend == "tensorflow":
    with scope:
        model = compiled_model()
        model.optimizer.build(model.trainable_variables)
    model = train_by_loop(model, tensorflow_step, rank, world)
else:
    model = train_by_fit(scope)
if rank > 0:
    sys.exit()  # the first process has the same model
steps_per_s = len(batches) * EPOCHS / (time.perf_counter() - started_s)
print(f"{steps_per_s:.1f} steps a second, compilation included")

keras.distribution.set_distribution(None)  # one device scores: streams need not divide evenly
detector = gru_detector()
detector.set_weights(model.get_weights())
if options.save:
    detector.save(options.save)
    SplitRecord.of(recordings, folder).write(f"{options.save}.splits.json")
    print(f"saved {options.save}")
dev = evaluation_streams(recordings, options.word, "dev", cache=options.cache)
curve = recipe.score(recipe.predict(detector, dev), dev)
print(
    f"dev: misses {curve.frr_at(options.fa_per_hour):.1%} of {curve.events} at "
    f"{options.fa_per_hour:g} false alarms an hour in {curve.hours:.2f} h"
)
