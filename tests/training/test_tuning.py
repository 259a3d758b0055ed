"""Tuning: the space, the criterion, the storage that is continued, and trials that end early."""

import json
import math
import multiprocessing
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from postgresql_server import postgresql
from recording_folders import small_corpus

from keras_sal.data import PlacedRecording, Recording, Stream
from keras_sal.models import conv_detector
from keras_sal.runtime import open_runner
from keras_sal.training import (
    SearchSpace,
    SplitStreams,
    WakeWordJob,
    recipe,
    trial_storage,
    trial_training,
    tune_wake_word,
    tuning,
)
from keras_sal.training.dev_criterion import DevCriterion
from keras_sal.training.search_space import settings
from keras_sal.training.trial_queue import TrialQueue
from keras_sal.training.trial_storage import FIRST, finished, open_study

optuna = pytest.importorskip("optuna")

pytestmark = pytest.mark.any_backend

RECIPE = {"word": "computer", "hours": 1.0}
JOB = WakeWordJob("computer")


class TestSpace:
    def test_the_first_trial_is_the_recipe(self):
        space = SearchSpace()
        drawn = space.draw(optuna.trial.FixedTrial(space.start(JOB)), JOB)
        assert json.dumps(drawn.describe()) == json.dumps(JOB.describe())

    @pytest.mark.parametrize(
        ("loss", "own"),
        [
            ("sal", {"strength", "reach"}),
            ("sa+fl", {"strength", "reach", "gamma"}),
            ("focal", {"gamma"}),
            ("cross-entropy", set()),
        ],
    )
    def test_a_loss_has_its_own_parameters(self, loss, own):
        space = SearchSpace(losses=[loss])
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
        drawn = space.draw(study.ask(), JOB)
        common = {"network", "size", "loss", "label_span", "learning_rate"}
        assert set(settings(drawn)) == common | own
        drawn.make_loss()
        assert set(space.start(JOB)) >= own - {"reach"}

    def test_numbers_have_three_digits(self):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
        drawn = SearchSpace().draw(study.ask(), JOB)
        assert drawn.strength == float(f"{drawn.strength:.3g}")
        assert len(set(drawn.reach)) == 2

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"losses": []}, r"`losses` must be a list .*Received: losses=\[\]"),
            ({"sizes": "micro"}, r"`sizes` must be a list .*Received: sizes='micro'"),
            ({"strength": (0, 3)}, r"`strength` must be a least .*Received: strength=\(0, 3\)"),
            ({"label_after": (9, 3)}, r"`label_after` must be .*Received: label_after=\(9, 3\)"),
        ],
    )
    def test_rejects_what_is_no_space(self, options, message):
        with pytest.raises(ValueError, match=message):
            SearchSpace(**options)


@pytest.fixture(scope="module")
def runner():
    return open_runner(conv_detector(features=1, feature_max=1, size="nano", classes=2))


def silent_stream():
    """100 s of silence in which a word of each of two classes ends, at 40.6 s and 70.6 s."""
    word = Recording(Path("word.wav"), "dev", "a", 1.0, 0.2, 0.6)
    placed = tuple(PlacedRecording(word, 40.0 + 30 * k, class_index=k) for k in (0, 1))
    return Stream("one", placed, 100.0, features=np.zeros((9998, 1), "float32"))


class TestCriterion:
    @pytest.fixture
    def criterion(self):
        return DevCriterion({"clean": [silent_stream()]}, 2, 36.0)

    def posteriors(self, *fires):
        found = np.zeros((9998, 2), "float32")
        for index, time_s in fires:
            found[round(100 * time_s), index] = 0.9
        return [found]

    def test_a_detector_that_never_fires_has_one(self, criterion, runner):
        assert criterion.score(self.posteriors(), runner) == 1.0

    def test_a_detector_that_hits_both_has_zero(self, criterion, runner):
        assert criterion.score(self.posteriors((0, 40.6), (1, 70.6)), runner) == 0.0

    def test_the_word_of_another_class_is_a_false_alarm(self, criterion, runner):
        """Class 0 misses its word at every budget, class 1 hits at all of them."""
        assert criterion.score(self.posteriors((0, 70.6), (1, 70.6)), runner) == 0.5

    def test_nothing_is_said_of_a_training_that_diverged(self, criterion, runner):
        posteriors = self.posteriors()
        posteriors[0][7] = math.nan
        assert math.isnan(criterion.score(posteriors, runner))

    def test_a_trigger_for_each_word(self, criterion, runner):
        """A word lasts for three frames; seven clicks of one frame are as high."""
        posteriors = self.posteriors((1, 70.6), *((0, 5.0 * k) for k in range(1, 8)))
        posteriors[0][4058:4061, 0] = 0.9
        first, second = criterion.tune_triggers(posteriors, runner)
        assert (first["frr"], first["default_frr"]) == (0.0, 1.0)
        assert first["smooth_frames"] * first["on_frames"] > 1
        assert (second["frr"], second["default_frr"]) == (0.0, 0.0)


def run(queue):
    """Runs the trials of a queue; lists their numbers."""
    numbers = []
    for trial in queue.draw():
        value = trial.suggest_float("x", 0, 2)
        queue.tell(trial.number, value)
        numbers.append(trial.number)
    return numbers


def begin_a_trial(storage, connection):
    """The work of a process: begins a trial, says so, and waits to be killed."""
    with TrialQueue(open_study(storage, RECIPE, {"x": 1.0}, None), storage, 1, 0) as queue:
        next(queue.draw()).suggest_float("x", 0, 2)
        connection.send("begun")
        signal.pause()


@pytest.fixture(scope="module")
def server():
    with postgresql() as server:
        yield server


def new_storage(request, path):
    """The storage that a parameter of a fixture names."""
    if request.param == "postgresql":
        return request.getfixturevalue("server").new_database()
    return path if request.param == "journal" else f"sqlite:///{path}"


class TestStorage:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "trials.journal"

    @pytest.fixture(params=["sqlite", "postgresql"])
    def database(self, request, path):
        return new_storage(request, path)

    @pytest.fixture(params=["journal", "sqlite", "postgresql"])
    def storage(self, request, path):
        return new_storage(request, path)

    def open(self, storage, recipe=RECIPE):
        return open_study(storage, recipe, {"x": 1.0}, None)

    def queue(self, storage, count):
        return TrialQueue(self.open(storage), storage, count, 0)

    def test_goes_on_where_the_last_call_ended(self, storage, path):
        for count in range(1, 4):
            with self.queue(storage, count) as queue:
                assert run(queue) == [count - 1]
        study = self.open(storage)
        assert [FIRST in trial.user_attrs for trial in study.trials] == [True, False, False]
        assert study.trials[0].params == {"x": 1.0}
        assert set(path.parent.iterdir()) <= {path}

    def test_calls_that_begin_at_once_share_the_study_of_a_database(self, database):
        """Each thread has connections of its own, as a process does, and both go on until enough
        trials are finished. SQLite may give the first trial to both, which then counts once."""
        together = threading.Barrier(2)
        self.open(database)  # to make the tables at once is beyond SQLite

        def call():
            together.wait()
            with self.queue(database, 6) as queue:
                run(queue)

        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        trials = finished(self.open(database))
        assert [trial.number for trial in trials] == list(range(len(trials)))
        assert len(trials) in (6, 7)  # the last two may be begun at the same time
        assert sum(FIRST in trial.user_attrs for trial in trials) == 1

    def test_a_file_is_used_by_one_call(self, path):
        with self.queue(path, 1) as queue:
            with (
                pytest.raises(
                    ValueError, match=r"one call at a time.*Received: '.*trials.journal'"
                ),
                self.queue(path, 1),
            ):
                pass
            assert run(queue) == [0]
        with self.queue(path, 2) as queue:
            assert run(queue) == [1]

    @pytest.mark.skipif(sys.platform == "win32", reason="a process is forked")
    @pytest.mark.filterwarnings("ignore:os.fork")
    def test_a_trial_whose_process_is_killed_is_tried_again(self, storage, monkeypatch):
        """From a file at once; in a database when its heartbeat has stopped."""
        monkeypatch.setattr(trial_storage, "GRACE_S", 1)
        begun, connection = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=begin_a_trial, args=(storage, connection)
        )
        process.start()
        assert begun.recv() == "begun"
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        if trial_storage.is_url(storage):
            time.sleep(2.5)  # a database tells whole seconds
        with self.queue(storage, 1) as queue:
            assert run(queue) == [1]
        [again] = finished(self.open(storage))
        assert (again.params, FIRST in again.user_attrs) == ({"x": 1.0}, True)

    def test_a_trial_that_lasts_has_a_heartbeat(self, database, monkeypatch):
        """Another call would take it over otherwise."""
        monkeypatch.setattr(trial_storage, "HEARTBEAT_S", 1)
        monkeypatch.setattr(trial_storage, "GRACE_S", 1)
        with self.queue(database, 1) as queue, self.queue(database, 1) as other:
            trial = next(queue.draw())
            time.sleep(3)
            assert next(other.draw()).number == trial.number + 1

    def test_an_interrupted_trial_is_tried_again(self, storage):
        with self.queue(storage, 1) as queue:
            next(queue.draw()).suggest_float("x", 0, 2)
        with self.queue(storage, 1) as queue:
            assert run(queue) == [1]
        [again] = finished(self.open(storage))
        assert (again.params, FIRST in again.user_attrs) == ({"x": 1.0}, True)

    def test_refuses_trials_of_another_recipe(self, path):
        self.open(path)
        message = r"`storage` must hold trials of the same .*have word='computer', not word='alexa'"
        with pytest.raises(ValueError, match=message):
            self.open(path, {**RECIPE, "word": "alexa"})
        with pytest.raises(ValueError, match=r"whose trials have hours=1.0, not hours=None"):
            self.open(path, {"word": "computer"})

    def test_refuses_another_file(self, path):
        path.write_text("no trials" * 100)
        with pytest.raises(
            ValueError, match=r"`storage` must be a file that a tuning wrote.*sqlite:///FILE"
        ):
            self.open(path)
        with pytest.raises(ValueError, match=r"`path` must name a file in a folder that exists"):
            self.open(path / "none" / "there")

    def test_a_password_is_not_shown(self):
        with pytest.raises(ValueError, match=r"Received: nosuch://host/name ") as caught:
            self.open("nosuch://ann:secret@host/name")
        assert "secret" not in str(caught.value)


class Trainings:
    """Trainings that learn nothing, and whose criterion is given."""

    def __init__(self, patch, corpus):
        self.corpus, self.ended, self.interrupt = corpus, [], False
        conditions = {"clean": [silent_stream()]}
        streams = SplitStreams([silent_stream()], conditions, conditions)
        patch.setattr(WakeWordJob, "make_streams", lambda *_: streams)
        patch.setattr(recipe, "train", self.train)
        patch.setattr(trial_training, "open_runner", lambda model: None)
        patch.setattr(DevCriterion, "predict", lambda self, runner: [])
        patch.setattr(DevCriterion, "score", lambda _, posteriors, runner: self.criterion)
        patch.setattr(DevCriterion, "tune_triggers", lambda *_: [])

    def train(self, model, loss, streams, options, *, callbacks, **_):
        if self.interrupt:
            raise KeyboardInterrupt
        for epoch in range(recipe.EPOCHS):
            for callback in callbacks:
                callback.set_model(model)
                callback.on_epoch_end(epoch, {"loss": 1.0})
        self.ended.append(options.learning_rate)
        return model

    def tune(self, output, trials, criterion):
        self.criterion = criterion
        job = WakeWordJob("computer", self.corpus, hours=0.01, refine=False)
        space = SearchSpace(networks=["conv"], sizes=["nano"])
        return tune_wake_word(output, job, trials=trials, space=space)


@pytest.fixture
def trainings(monkeypatch, tmp_path):
    pytest.importorskip("soundfile")
    from keras_sal.training import job_recordings

    monkeypatch.setattr(job_recordings, "check_splits", lambda *_: ({}, {}))
    return Trainings(monkeypatch, small_corpus(tmp_path / "recordings"))


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestTuning:
    def test_ends_a_trial_that_is_worse_than_the_median(self, trainings, tmp_path, monkeypatch):
        monkeypatch.setattr(tuning, "UNPRUNED", 2)
        trainings.tune(tmp_path / "out", 1, 0.3)
        trainings.tune(tmp_path / "out", 2, 0.2)
        found = trainings.tune(tmp_path / "out", 3, 0.5)
        assert (len(found.trials), found.pruned, len(trainings.ended)) == (3, 1, 2)
        assert [trial.number for trial in found.trials] == [1, 0, 2]
        assert (found.best.criterion, found.recipe.criterion) == (0.2, 0.3)
        rates = {trial.job.training.learning_rate for trial in found.trials}
        assert len(rates) == 3  # the second and third call began with the same seed
        written = json.loads((tmp_path / "out" / "tuning.json").read_text())
        assert [trial["criterion"] for trial in written["trials"]] == [0.2, 0.3, None]

    def test_does_not_go_on_with_other_sound(self, trainings, tmp_path):
        trainings.tune(tmp_path / "out", 1, 0.3)
        noise = trainings.corpus / "noise" / "hum"
        shutil.copyfile(noise / "dev1.flac", noise / "dev0.flac")
        with pytest.raises(ValueError, match=r"trials of the same recipe.*have recordings='"):
            trainings.tune(tmp_path / "out", 2, 0.3)

    def test_an_interrupted_trial_is_tried_again(self, trainings, tmp_path):
        trainings.interrupt = True
        with pytest.raises(KeyboardInterrupt):
            trainings.tune(tmp_path / "out", 1, 0.3)
        trainings.interrupt = False
        found = trainings.tune(tmp_path / "out", 1, 0.3)
        assert [(trial.number, trial.is_recipe) for trial in found.trials] == [(1, True)]

    def test_a_training_that_diverged_is_ended(self, trainings, tmp_path):
        with pytest.raises(RuntimeError, match=r"`trials` must leave some .*Received: trials=1"):
            trainings.tune(tmp_path / "out", 1, math.nan)
        assert trainings.ended == []

    def test_rejects_no_trials(self, trainings, tmp_path):
        with pytest.raises(ValueError, match=r"`trials` must be at least 1.*Received: trials=0"):
            trainings.tune(tmp_path / "out", 0, 0.3)
        assert not (tmp_path / "out").exists()
