"""Training loop of one of several workers of `tf.distribute.MultiWorkerMirroredStrategy`."""

import numpy as np
import tensorflow as tf
from distributed_training import BATCH, CLIPS, EPOCHS, all_clips, detector, report


def on_clips(strategy):
    """Train on the clips of `distributed_training`.

    Args:
        strategy: The strategy, with one replica a worker.
    """
    with strategy.scope():
        model, schedule = detector()
        model.optimizer.build(model.trainable_variables)
    schedule.set_model(model)
    variables = model.trainable_variables

    def of_replica(x, y, weights):
        with tf.GradientTape() as tape:
            predicted = model(x, training=True)
            loss = model.compute_loss(x, y, predicted, weights)
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        model.compute_metrics(x, y, predicted, weights)
        return loss

    @tf.function
    def step(*batch):
        return strategy.reduce("SUM", strategy.run(of_replica, batch), axis=None)

    history = {}
    for epoch in range(EPOCHS):
        schedule.on_epoch_begin(epoch)
        model.reset_metrics()
        losses = []
        for rows in np.arange(CLIPS).reshape(-1, BATCH):
            own = np.split(rows, strategy.num_replicas_in_sync)[strategy.cluster_resolver.task_id]
            losses.append(step(*tf.nest.map_structure(lambda a, of=own: a[of], all_clips())))
        logs = model.get_metrics_result() | {"loss": np.mean(losses)}
        for name, value in logs.items():
            history.setdefault(name, []).append(float(value))
    return report(model, history)


def error_of_fit(strategy):
    """The error of `fit`, or `None`."""
    with strategy.scope():
        model, _ = detector()
    x, y, weights = all_clips()
    try:
        model.fit(x, y, sample_weight=weights, batch_size=BATCH, verbose=0)
    except ValueError as error:
        return str(error)
    return None
