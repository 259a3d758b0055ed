"""`keras-sal` itself: its help, its arguments, and what becomes of errors."""

import argparse
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from keras_sal import cli
from keras_sal.cli import arguments, program
from keras_sal.cli.program import COMMANDS
from keras_sal.detection import Scoring
from keras_sal.export.verify import verify
from keras_sal.runtime import RUNTIMES

pytestmark = pytest.mark.any_backend

NAMES = [command.__name__.rpartition(".")[2] for command in COMMANDS]
HELP_WITHOUT_PACKAGES = """
import sys, types
package = types.ModuleType("keras_sal")  # in the place of the one that imports Keras
package.__path__ = [sys.argv[1]]
sys.modules["keras_sal"] = package
from keras_sal.cli import main
for arguments in (["--help"], *([name, "--help"] for name in sys.argv[2:])):
    try:
        main(arguments)
    except SystemExit as end:
        assert end.code == 0
heavy = {"keras", "numpy", "rich", "tensorflow", "jax", "torch", "soundfile", "matplotlib"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def actions(name):
    """The arguments of a command."""
    [commands] = program.parser()._subparsers._group_actions
    return commands.choices[name]._actions


def test_help_imports_no_other_package():
    folder = str(Path(cli.__file__).parents[1])
    finished = subprocess.run(
        [sys.executable, "-c", HELP_WITHOUT_PACKAGES, folder, *NAMES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == ""
    assert finished.stdout.count("usage: keras-sal") == 1 + len(COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_help_has_examples(name, capsys):
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    assert f"examples:\n  keras-sal {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_help_says_every_default(name, capsys):
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for action in actions(name):
        assert action.help, action.dest
        if isinstance(action.default, bool | list | None) or action.default is argparse.SUPPRESS:
            continue
        if action.default != "":
            assert f"(default: {action.default})" in shown, action.dest


@pytest.mark.parametrize("option", ["--fa-per-hour", "--recordings", "--seed", "--runtime"])
def test_an_option_means_the_same_in_every_command(option):
    """Its type, choices and placeholder are the same, and its help begins alike."""
    found = [a for name in NAMES for a in actions(name) if option in a.option_strings]
    assert len(found) > 1
    assert len({(a.metavar, a.nargs, a.choices and tuple(a.choices)) for a in found}) == 1
    if option == "--fa-per-hour":
        assert all(a.help.startswith("false-alarm budget: false alarms an hour") for a in found)


def test_the_defaults_of_the_trigger_are_those_of_the_package():
    scoring = inspect.signature(Scoring).parameters
    for name, number in (arguments.TRIGGER | arguments.HIT_WINDOW).items():
        assert number.default == scoring[name].default, name
    assert arguments.RUNTIMES == RUNTIMES


def test_the_defaults_of_training_are_those_of_the_jobs():
    from keras_sal.training import DemoJob, TrainingOptions, WakeWordJob
    from keras_sal.training.demo import DEMO_TRAINING

    train = {action.dest: action.default for action in actions("train")}
    for job in (TrainingOptions(), WakeWordJob("a")):
        for name, value in vars(job).items():
            if name in train and name not in ("word", "recordings"):
                assert train[name] == value, name
    demo = {action.dest: action.default for action in actions("demo")}
    for job in (DEMO_TRAINING, DemoJob()):
        for name, value in vars(job).items():
            if name in demo:
                assert demo[name] == value, name


def test_the_default_budget_of_verify_is_that_of_the_function():
    [budget] = [a.default for a in actions("verify") if a.dest == "fa_per_hour"]
    assert budget == inspect.signature(verify).parameters["fa_per_hour"].default


def test_an_interrupted_command_says_so(monkeypatch, capsys):
    from keras_sal.data import downloads

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "download", interrupt)
    assert cli.main(["download", "musan"]) == 130
    assert capsys.readouterr().err == "keras-sal: interrupted\n"


@pytest.mark.parametrize("command", ["train", "demo", "evaluate", "compare", "export", "verify"])
def test_the_false_alarm_budget_must_be_positive(command, capsys):
    given = {"train": ["--word", "a"], "evaluate": ["a.keras"], "compare": ["a", "b"]}
    given |= {"export": ["a.keras", "out"], "verify": ["a.keras", "out"]}
    with pytest.raises(SystemExit):
        cli.main([command, *given.get(command, []), "--fa-per-hour", "0"])
    assert "argument --fa-per-hour: must be greater than 0. Received: 0" in capsys.readouterr().err


def test_names_of_classes_are_given_with_commas():
    for command, *given in (["detect", "a.tflite"], ["export", "a.keras", "out"]):
        options = program.parser().parse_args([command, *given, "--class-names", "go,stop"])
        assert options.class_names == ["go", "stop"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--word", "a", "--word", "b"],
        ["train", "a", "--word", "w", "--output", "one", "--output", "two"],
        ["evaluate", "a.keras", "--recordings", "one", "--recordings", "two"],
        ["export", "a.keras", "out", "--to", "onnx", "--to", "litert"],
        ["detect", "model", "a.wav", "--device", "one", "--device", "two"],
    ],
)
def test_a_text_given_twice_is_refused(arguments, capsys):
    """The second would replace the first in silence."""
    with pytest.raises(SystemExit):
        program.parser().parse_args(arguments)
    assert f"argument {arguments[-2]}: must be given once" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--word", "a", "--word", "a"],
        ["train", "--word", "a", "--near", "b", "--near", "c"],
        ["train", "--word", "a", "--steps", "1", "--steps", "2"],
        ["evaluate", "a.keras", "b.keras", "--bundle", "c", "--bundle", "d"],
    ],
)
def test_what_may_be_given_twice(arguments):
    assert program.parser().parse_args(arguments).run
