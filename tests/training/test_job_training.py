"""Detectors of jobs that share their anchor refinement."""

import random

import numpy as np
import pytest

from keras_sal.training import WakeWordJob, recipe
from keras_sal.training.job_recordings import JobRecordings
from keras_sal.training.job_training import JobTraining

SMALL = WakeWordJob("computer", network="conv", size="nano")
LARGE = WakeWordJob("computer", network="conv", size="micro", loss="sal")


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Begins trainings whose weights stay as they are drawn; lists the refinements of all."""
    refinements = []

    def refine(streams, **_):
        refinements.append([random.random() for _ in range(7)])
        return [*streams, "refined"]

    monkeypatch.setattr(recipe, "refine_anchors", refine)
    monkeypatch.setattr(recipe, "train", lambda model, *_, **__: model)

    def begin(name):
        from keras_sal.progress import SilentReporter

        found = JobRecordings(tmp_path, [], {})
        return JobTraining(tmp_path / name, found, ["a stream"], SilentReporter())

    return begin, refinements


def test_a_detector_begins_with_the_weights_that_it_has_alone(begin):
    begin, refinements = begin
    shared = begin("shared")
    first = shared.load_or_train(SMALL, resume=False)
    second = shared.load_or_train(LARGE, resume=False)
    assert len(refinements) == 1
    for job, among in ((SMALL, first), (LARGE, second)):
        alone = begin("alone").load_or_train(job, resume=False)
        for one, other in zip(alone.get_weights(), among.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(refinements) == 3
    assert len({tuple(drawn) for drawn in refinements}) == 1


@pytest.mark.any_backend
def test_a_detector_is_kept_under_what_it_depends_on(begin):
    begin, _ = begin
    training = begin("kept")
    training.load_or_train(SMALL, resume=True)
    assert training.path(SMALL).is_file()
    assert not training.path(LARGE).exists()
