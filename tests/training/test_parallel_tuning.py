"""Trials on two worker processes of Ray, one of which is killed, and the trials of one process."""

import os
import signal
import sys
import threading

import pytest
from recording_folders import write_tones
from worker_processes import descendants, two_workers, wait_until

from keras_sal.training import SearchSpace, TrainingOptions, WakeWordJob, tune_wake_word
from keras_sal.training.trial_storage import finished, load_study

pytest.importorskip("optuna")
pytest.importorskip("ray")
pytest.importorskip("array_record", reason="workers read the features from files")
pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

TITLE = b"ray::run_trial"


@pytest.fixture(scope="module", autouse=True)
def session():
    """Two workers."""
    with two_workers():
        yield


@pytest.fixture(scope="module")
def tune(tmp_path_factory):
    tones = write_tones(tmp_path_factory.mktemp("tones"), train=12, dev=10, test=4)
    training = TrainingOptions(steps=100, batch_size=4, crop_frames=120)
    job = WakeWordJob(
        "computer", tones, hours=0.01, refine=False, training=training, fa_per_hour=20.0
    )
    space = SearchSpace(networks=["conv"], sizes=["nano"])

    def tune(output, trials, **options):
        return tune_wake_word(output, job, trials=trials, space=space, **options)

    return tune


def kill_a_worker(output, killed):
    """Kill a worker amid a training, after the first epoch that it kept."""
    wait_until(lambda: [*(output / "cache").glob("trained-*.npz")], patience_s=300)
    killed.append(descendants(TITLE)[0])
    os.kill(killed[0], signal.SIGKILL)


def test_a_worker_that_is_killed_loses_and_doubles_nothing(tune, tmp_path):
    """The trials are those of one process, to the bit; a second call has nothing left to do."""
    output, killed = tmp_path / "both", []
    killer = threading.Thread(target=kill_a_worker, args=(output, killed))
    killer.start()
    found = tune(output, 2, workers=2)
    killer.join()
    assert len(killed) == 1
    states = [trial.state.name for trial in load_study(output / "trials.journal", None).trials]
    assert states == ["COMPLETE"] * 2
    assert not [*(output / "cache").glob("trained-*.npz")]
    assert {each.number for each in found.trials} == {0, 1}
    both, alone = tune(output, 2, workers=2), tune(tmp_path / "alone", 2)
    assert [each.describe() for each in both.trials] == [each.describe() for each in alone.trials]
    assert len(finished(load_study(output / "trials.journal", None))) == 2
    assert both.recipe.number == 0
