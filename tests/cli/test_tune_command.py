"""`keras-sal tune`, once through on tones; what it prints, and what it refuses at once."""

import json
import math
import shlex

import keras
import numpy as np
import pytest
from recording_folders import keep_pitch, small_corpus, write_tones

from keras_sal import cli, extras
from keras_sal.training import (
    SearchSpace,
    TrainingOptions,
    TunedTrial,
    TuningResult,
    WakeWordJob,
    release,
    tuning,
    wake_word,
)

optuna = pytest.importorskip("optuna")
pytest.importorskip("soundfile")

pytestmark = pytest.mark.any_backend

QUICK = ("--steps", "20", "--crop-frames", "120", "--hours", "0.02", "--batch-size", "4")
QUICK = (*QUICK, "--no-refine", "--fa-per-hour", "20", "--network", "conv", "--size", "nano")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
class TestTune:
    """Two trials, then one more; then firmware of the best, for which nothing is trained."""

    @pytest.fixture(scope="class")
    def tuned(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("tune")
        tones = write_tones(folder / "recordings", "hey robot", train=12, dev=10, test=4)
        arguments = ["tune", str(tones), "--word", "Hey Robot", "--output", str(folder / "out")]
        with pytest.MonkeyPatch.context() as patch:
            keep_pitch(patch)
            for trials in ("2", "3"):
                assert cli.main([*arguments, *QUICK, "--trials", trials]) == 0
                found = json.loads((folder / "out" / "tuning.json").read_text())["trials"]
                assert len(found) == int(trials)
        return folder, found

    def test_trials_of_both_calls(self, tuned):
        _, trials = tuned
        assert sorted(trial["number"] for trial in trials) == [0, 1, 2]
        assert [trial["number"] for trial in trials if trial["is_recipe"]] == [0]
        criteria = [trial["criterion"] for trial in trials]
        assert criteria == sorted(criteria)
        assert len({trial["options"]["learning_rate"] for trial in trials}) == 3

    def test_train_finds_the_detector_of_the_best(self, tuned, monkeypatch, capsys):
        folder, _ = tuned
        monkeypatch.setattr(wake_word.release, "write_release", lambda *_: pytest.fail("went on"))
        arguments = ["tune", str(folder / "recordings"), "--word", "hey robot", *QUICK]
        assert cli.main([*arguments, "--output", str(folder / "out"), "--trials", "3"]) == 0
        [command] = [
            line for line in capsys.readouterr().out.splitlines() if " keras-sal train " in line
        ]
        with pytest.raises(pytest.fail.Exception, match="went on"):
            cli.main(shlex.split(command)[1:])
        assert "Trained before" in capsys.readouterr().out

    def test_a_detector_has_the_weights_that_train_gives_it(self, tuned, tmp_path, monkeypatch):
        folder, _ = tuned
        arguments = ["train", str(folder / "recordings"), "--word", "hey robot", *QUICK]
        monkeypatch.setattr(release, "write_release", lambda *_: pytest.fail("went on"))
        keep_pitch(monkeypatch)
        with pytest.raises(pytest.fail.Exception, match="went on"):
            cli.main([*arguments, "--output", str(tmp_path / "out")])
        [alone] = (tmp_path / "out" / "cache").glob("trained-*.keras")
        among = folder / "out" / "cache" / alone.name
        ours, theirs = (keras.models.load_model(path, compile=False) for path in (alone, among))
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--word", "jarvis"], "`word` must be the whole text of some recordings"),
        ([], "`--word` must be given"),
        (["--word", "computer", "--recordings", "here"], "`DIR` must be given once"),
    ],
)
def test_bad_input_is_refused_before_any_work(tmp_path, capsys, arguments, message):
    folder, output = small_corpus(tmp_path / "recordings"), tmp_path / "out"
    assert cli.main(["tune", str(folder), "--output", str(output), *arguments]) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Make streams" not in shown.out
    assert not output.exists()


@pytest.mark.parametrize("trials", ["0", "-1", "many"])
def test_trials_are_counted(tmp_path, capsys, trials):
    with pytest.raises(SystemExit):
        cli.main(["tune", str(tmp_path), "--word", "computer", "--trials", trials])
    assert "argument --trials: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("package", "extra", "arguments", "message"),
    [
        ("optuna", "tune", [], "`optuna` is needed to tune hyper-parameters"),
        ("ray", "scale", ["--workers", "2"], "`ray` is needed to run trials on worker processes"),
        ("ray", "scale", ["--address", "auto"], "`ray` is needed to run trials on worker"),
    ],
)
def test_packages_are_asked_for_before_the_work(
    tmp_path, capsys, monkeypatch, package, extra, arguments, message
):
    real = extras.importlib.util.find_spec
    monkeypatch.setattr(
        extras.importlib.util, "find_spec", lambda name: None if name == package else real(name)
    )
    assert cli.main(["tune", str(tmp_path), "--word", "computer", *arguments]) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert f"[{extra}]" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--word", "alexa"], "have word='computer', not word='alexa'"),
        (["--word", "computer", "--hours", "2"], "have hours=8.0, not hours=2.0"),
        (["--word", "computer", "--loss", "sal"], "`storage` must hold trials of the same recipe"),
    ],
)
def test_trials_of_another_recipe_are_refused(tmp_path, capsys, monkeypatch, arguments, message):
    from keras_sal.training import job_recordings

    monkeypatch.setattr(job_recordings, "check_splits", lambda *_: ({}, {}))
    monkeypatch.setattr(tuning, "_make_training", lambda *_: pytest.fail("began"))
    folder = small_corpus(tmp_path / "recordings")
    command = ["tune", str(folder), "--storage", str(tmp_path / "trials.journal")]
    command += ["--output", str(tmp_path / "out")]
    with pytest.raises(pytest.fail.Exception, match="began"):
        cli.main([*command, "--word", "computer"])
    assert cli.main([*command, *arguments]) == 1
    assert message in capsys.readouterr().err


def trial(number, criterion, *, is_recipe=False, **options):
    job = WakeWordJob("hey robot", "words", refine=False, hours=2.0, **options)
    trigger = {"smooth_frames": 3, "on_frames": 2, "frr": 0.1, "default_frr": 0.125}
    return TunedTrial(number, job, criterion, is_recipe, [trigger], 2.0)


def test_prints_the_command_that_trains_the_best(tmp_path, monkeypatch, capsys):
    """Parsed by `train`, it is the job of the trial."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words").mkdir()
    best = trial(
        *(7, 0.2),
        network="conv",
        loss="safl",
        strength=3.25,
        reach=(4.5, 12.0),
        gamma=1.5,
        label_span=(0, 6),
        training=TrainingOptions(steps=500, learning_rate=0.00213, seed=4),
    )
    others = [trial(number, 0.3) for number in range(1, 7)]
    result = TuningResult([best, *others, trial(0, 0.4, is_recipe=True), trial(9, math.nan)])
    asked = []

    def tune(output, job, **options):
        asked.append((job, options["space"], options["trials"], options["workers"]))
        return result

    monkeypatch.setattr("keras_sal.training.tune_wake_word", tune)
    options = "--no-refine --hours 2 --steps 500 --seed 4 --network gru --network conv"
    options = ["--trials", "9", "--workers", "3", *options.split()]
    assert cli.main(["tune", "words", "--word", "Hey Robot", *options]) == 0
    [(job, space, trials, workers)] = asked
    assert (job.hours, job.training.steps, job.refine) == (2.0, 500, False)
    assert (trials, workers) == (9, 3)
    assert space == SearchSpace(
        losses=["sal", "sa+fl", "safl"], networks=["gru", "conv"], sizes=["micro"]
    )
    shown = capsys.readouterr().out
    assert "the best of 9 trials, 1 of which were ended early" in shown
    assert "0, the recipe" in shown
    assert "--smooth-frames 3 --on-frames 2" in shown
    [command] = [line for line in shown.splitlines() if " keras-sal train " in line]
    jobs = []
    monkeypatch.setattr(
        wake_word,
        "train_wake_word",
        lambda output, job, resume, **_: jobs.append((output.name, resume, job)) or {},
    )
    with pytest.raises(KeyError):  # there are no results to print
        cli.main(shlex.split(command)[1:])
    [(output, resume, trained)] = jobs
    assert (output, resume) == ("keras_sal_hey_robot", True)
    assert trained.describe() == best.job.describe()
