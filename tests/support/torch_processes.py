"""Training loops of one of several PyTorch processes, whose gradients are averaged."""

import os
import signal

import keras
import numpy as np
import torch
from distributed_training import (
    BATCH,
    CLIPS,
    EPOCHS,
    MASKED,
    SCHEDULED,
    all_clips,
    detector,
    on_streams_model,
    report,
)
from torch import distributed

from keras_sal.training import EpochCheckpoint


def join(meeting, rank, world):
    """Join the other processes, on a single thread.

    Args:
        meeting: File by which they find each other.
        rank: Number of this process.
        world: Number of processes.
    """
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=world
    )


def own_rows(rows):
    """The rows of this process, of those of a batch."""
    return np.split(rows, distributed.get_world_size())[distributed.get_rank()]


def gather(predicted):
    """The predictions of all processes; the gradient flows through those of this one."""
    shards = [torch.empty_like(predicted) for _ in range(distributed.get_world_size())]
    distributed.all_gather(shards, predicted.detach())
    shards[distributed.get_rank()] = predicted
    return torch.cat(shards)


class Trainer:
    """A compiled model as one of several processes trains it.

    Args:
        model: The model, the same in each process.
        gathers: Whether the loss is that of the whole batch, or of the rows of the process.
    """

    def __init__(self, model, gathers=True):
        self.model, self.gathers = model, gathers
        self.parallel = torch.nn.parallel.DistributedDataParallel(model)
        model.optimizer.build(model.trainable_variables)

    def step(self, x, y, weights=None):
        """Train on features of own rows, and targets and weights that fit the loss."""
        model, variables = self.model, self.model.trainable_variables
        predicted = self.parallel(torch.from_numpy(x))
        if self.gathers:
            predicted = keras.tree.map_structure(gather, predicted)
        loss = model.compute_loss(None, y, predicted, weights)
        model.zero_grad()
        scale = distributed.get_world_size() if self.gathers else 1
        (scale * loss).backward()
        with torch.no_grad():
            model.optimizer.apply([v.value.grad for v in variables], variables)
            model.metrics[0].update_state(loss)
            return model.compute_metrics(None, y, predicted, weights)


def on_clips(gathers):
    """Train on the clips of `distributed_training`."""
    model, schedule = detector()
    schedule.set_model(model)
    x, y, weights = all_clips()
    y[MASKED] = y[SCHEDULED]  # a mask of Keras is lost between processes, labels of -1 are not
    trainer, history = Trainer(model, gathers), {}
    for epoch in range(EPOCHS):
        schedule.on_epoch_begin(epoch)
        model.reset_metrics()
        for rows in np.arange(CLIPS).reshape(-1, BATCH):
            own = own_rows(rows)
            seen = rows if gathers else own
            labels, of = ({name: a[seen] for name, a in each.items()} for each in (y, weights))
            logs = trainer.step(x[own], labels, of)
        for name, value in logs.items():
            history.setdefault(name, []).append(float(value))
    return report(model, history)


def on_streams_with_a_kill(path, kills):
    """Train on streams, and go on where an earlier training ended.

    Args:
        path: File of the state after each epoch.
        kills: Whether the last process is killed in the last epoch.
    """
    model, batches = on_streams_model()
    checkpoint = EpochCheckpoint(path, batches)
    done, trainer = checkpoint.restore(model), Trainer(model)
    checkpoint.set_model(model)
    first, last = (distributed.get_rank() == rank for rank in (0, distributed.get_world_size() - 1))
    for epoch in range(done + 1, EPOCHS + 1):  # as `fit` counts the epochs of batches
        for index in range(len(batches)):
            if kills and last and (epoch, index) == (EPOCHS, 1):
                os.kill(os.getpid(), signal.SIGKILL)
            x, y = batches.at(epoch, index)
            trainer.step(own_rows(x), y)
        if first:
            checkpoint.on_epoch_end(epoch - 1)
    return {"done": done, **report(model, {})}
