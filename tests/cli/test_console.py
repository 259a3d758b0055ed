"""What commands show while they work, and that training can report to it."""

import warnings

import keras
import numpy as np
import pytest

from keras_sal.cli.console import Console

pytest.importorskip("rich")


def test_stages_are_lines_where_there_is_no_terminal(capsys):
    console = Console()
    with console.stage("Make streams") as stage:
        stage.progress(1, 2)
        stage.named_progress("Make streams: dev", 1, None)
        assert list(stage.track(["a", "b"])) == ["a", "b"]
    assert capsys.readouterr().out.splitlines() == ["Make streams ...", "Make streams: 0 s"]


def test_warnings_are_said_once(capsys):
    console = Console()
    with console.saying_warnings():
        for _ in range(2):
            warnings.warn("few recordings", UserWarning, stacklevel=1)
            warnings.warn("old function", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().out == "Warning: few recordings\n"


def test_training_reports_its_steps():
    """Two epochs of three batches: steps 1 to 6 of 6."""
    reported = []
    console = Console()
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with console.stage("Train") as stage:
        stage.progress = lambda *done_of_total: reported.append(done_of_total)
        clips = np.zeros((6, 1), "float32")
        callbacks = [stage.callback()]
        model.fit(clips, clips, batch_size=2, epochs=2, verbose=0, callbacks=callbacks)
    assert reported == [(step, 6) for step in range(1, 7)]
