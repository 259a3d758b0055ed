"""`keras-sal` itself: its help, its arguments, and what becomes of errors."""

import argparse
import inspect
import io
import os
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import keras_sal
from keras_sal import cli
from keras_sal.cli import arguments, doctor, program
from keras_sal.cli.program import COMMANDS
from keras_sal.detection import Scoring, false_alarm_budget
from keras_sal.export.verify import verify
from keras_sal.runtime import RUNTIMES

pytestmark = pytest.mark.any_backend

NAMES = [command.__name__.rpartition(".")[2] for command in COMMANDS]
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
ENTRY_POINT = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]["keras-sal"]
MODULE, FUNCTION = ENTRY_POINT.split(":")
# What the console script runs; `--imported` has it print the modules that were imported.
PROGRAM = f"""
import sys
from {MODULE} import {FUNCTION}
printing = "--imported" in sys.argv and not sys.argv.remove("--imported")
try:
    status = {FUNCTION}()
finally:
    if printing:
        print(*sorted(sys.modules), file=sys.stderr)
sys.exit(status)
"""
HEAVY = {"keras", "numpy", "rich", "tensorflow", "jax", "torch", "soundfile", "matplotlib"}
HELP_S = 0.3


def run_program(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def actions(name):
    """The arguments of a command."""
    [commands] = program.parser()._subparsers._group_actions
    return commands.choices[name]._actions


@pytest.mark.parametrize("arguments", [[], *([name] for name in NAMES)], ids=str)
def test_help_imports_no_other_package(arguments):
    finished = run_program(*arguments, "--help", "--imported")
    assert finished.returncode == 0
    assert finished.stdout.startswith(" ".join(["usage: keras-sal", *arguments]))
    imported = set(finished.stderr.split())
    assert MODULE in imported
    assert not HEAVY & imported


def test_help_is_quick():
    def processor_time_s():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run_program("train", "--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(processor_time_s() for _ in range(3)) < HELP_S


def test_a_command_finds_the_whole_package(tmp_path):
    """Its module is made before its `__init__` has run; a model that is loaded needs all of it."""
    path, streams = str(tmp_path / "model.keras"), str(tmp_path / "none.npz")
    Path(streams).write_text("no arrays")
    keras_sal.models.conv_detector(features=4, feature_max=1, size="nano").save(path)
    finished = run_program("verify", path, path, "--streams", streams, KERAS_BACKEND="jax")
    assert finished.returncode == 1
    assert "keras-sal: " in finished.stderr
    assert "none.npz" in finished.stderr


def test_a_command_runs_on_an_installed_backend(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {"KERAS_HOME": str(tmp_path)}
    finished = run_program("tabulate", str(empty), "--imported", KERAS_BACKEND="jax", **environment)
    assert finished.returncode == 1
    assert "must hold sound files" in finished.stderr
    assert "jax" in finished.stderr.split()
    assert "tensorflow" not in finished.stderr.split()


def test_the_fastest_installed_backend_is_chosen(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(program, "find_spec", lambda name: name in ("tensorflow", "torch"))
    program.choose_backend()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
    monkeypatch.setattr(program, "find_spec", lambda name: True)
    program.choose_backend()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


@pytest.mark.parametrize(
    ("arguments", "backend"),
    [
        (["train", ".", "--word", "yes"], "jax"),
        (["train", ".", "--word", "yes", "--network", "conv"], "tensorflow"),
        (["tune", ".", "--word", "yes", "--network", "conv"], "tensorflow"),
        (["tune", ".", "--word", "yes", "--network", "conv", "--network", "gru"], "jax"),
    ],
)
def test_a_network_trains_where_it_is_fastest(arguments, backend):
    options = program.parser().parse_args(arguments)
    assert program.fastest_backends(options)[0] == backend


def test_a_command_runs_on_the_backend_that_is_fastest(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(program, "find_spec", lambda name: True)
    missing = str(tmp_path / "missing")
    assert cli.main(["train", missing, "--word", "yes", "--network", "conv"]) == 1
    assert missing in capsys.readouterr().err
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


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
        if action.default is None and action.option_strings and not action.required:
            assert "(default: " in action.help, action.dest
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
    train["negatives"] = tuple(train["negatives"])
    for job in (TrainingOptions(), WakeWordJob("a")):
        for name, value in vars(job).items():
            if name in train and name not in ("word", "recordings"):
                assert train[name] == value, name
    demo = {action.dest: action.default for action in actions("demo")}
    for job in (DEMO_TRAINING, DemoJob()):
        for name, value in vars(job).items():
            if name in demo:
                assert demo[name] == value, name


@pytest.mark.parametrize("name", ["train", "demo", "evaluate", "compare", "export", "verify"])
def test_the_default_budget_is_the_same_in_every_command(name):
    [budget] = [a for a in actions(name) if a.dest == "fa_per_hour"]
    assert budget.default is None
    assert arguments.BUDGET in budget.help
    assert "H hours of negatives without any show at most 3/H an hour" in budget.help


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "none", "--word", "a"], "`DIR` must be a folder; it is read. Received: 'none'"),
        (["train", "--recordings", "none", "--word", "a"], "`DIR` must be a folder"),
        (["train", "--word", "a", "--positives", "b", "--negatives", "b"], "`--positives` must"),
        (["train", "--word", "a", "--voice", "none"], "`--voice` must be a file"),
        (["train", "here", "--word", "a", "--strength=-1"], "--strength: must be at least 0"),
        (["train", "--word", "a", "--hours", "0"], "--hours: must be greater than 0"),
        (["train", "--word", "a", "--utterances=-1"], "--utterances: must be at least 0"),
        (["evaluate", "a.keras", "--early-s=-1"], "--early-s: must be at least 0"),
        (["evaluate", "a.keras", "--snr-db", "5", "nan"], "--snr-db: must be finite"),
        (["compare", "a", "--snr-db", "loud"], "--snr-db: invalid float value: 'loud'"),
        (["demo", "--recordings", "none"], "`--recordings` must be a folder"),
        (["evaluate", "a.keras", "--recordings", "none"], "`--recordings` must be a folder"),
        (["evaluate"], "`MODEL` must name at least one model"),
        (["verify", "a.keras", "a.onnx", "--streams", "none"], "`--streams` must be a file"),
        (["compare", "a", "b", "c"], "`A B` must be one or two"),
        (["detect", "firmware"], "`FILE` or --microphone must be given"),
        (["align", "none"], "`DIR` must be a folder"),
        (["tabulate", "none"], "`DIR` must be a folder"),
    ],
)
def test_paths_and_numbers_are_checked_before_anything_is_loaded(arguments, message, capsys):
    def load():
        raise AssertionError("it would take seconds")

    try:
        status = cli.main(arguments, prepare=load)
    except SystemExit as stop:
        status = stop.code
    assert status
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["evaluate", "a.keras", "--tune", "--smooth-frames", "3"],
            "--smooth-frames` must be left",
        ),
        (["evaluate", "a.keras", "--tune", "--on-frames", "1"], "with --tune, which chooses it"),
        (
            ["evaluate", "--bundle", "a", "--hysteresis", "0.1"],
            "`--hysteresis` must be left out for",
        ),
        (["evaluate", "--bundle", "a", "--tune"], "out for bundles alone, which are scored with"),
        (
            ["verify", "a.keras", "b", "--streams", "file", "--split", "test"],
            "`--split` must be left",
        ),
        (
            ["verify", "a.keras", "b", "--streams", "file", "--splits", "file"],
            "left out with --stre",
        ),
        (
            ["align", "here", "--method", "energy", "--pronounce", "a=B"],
            "`--pronounce` must be left",
        ),
        (
            ["align", "here", "--labels", "file", "--pronounce", "a=B"],
            "but for --method pocketsphi",
        ),
        (
            ["train", "here", "--word", "a", "--shards", "here", "--hours", "8"],
            "Received: --hours 8",
        ),
        (
            ["train", "here", "--word", "a", "--shards", "here", "--near", "b"],
            "Received: --near b.",
        ),
        (
            ["train", "here", "--word", "a", "--shards", "here", "--utterances", "9"],
            "with --shards",
        ),
        (
            ["train", "here", "--word", "a", "--utterances", "0", "--voice", "file"],
            "`--voice` must be left out with --utterances 0; nothing is synthesised; it would",
        ),
    ],
)
def test_options_without_effect_are_refused(tmp_path, monkeypatch, capsys, arguments, message):
    """The defaults among them, too, before anything is loaded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "file").touch()
    assert cli.main(arguments, prepare=lambda: pytest.fail("it would take seconds")) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "a.keras", "--cache", "file"], "`--cache` must be a folder, or nothing yet"),
        (["tune", "here", "--word", "a", "--output", "file"], "`--output` must be a folder, or no"),
        (
            ["tune", "here", "--word", "a", "--storage", "here"],
            "`--storage` must be a file, or the",
        ),
    ],
)
def test_a_file_in_the_place_of_a_folder_is_refused(
    tmp_path, monkeypatch, capsys, arguments, message
):
    """And a folder in that of a file, before anything is loaded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "file").touch()
    assert cli.main(arguments, prepare=lambda: pytest.fail("it would take seconds")) == 1
    assert message in capsys.readouterr().err


def test_no_synthetic_speech_beside_shards_may_be_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["train", ".", "--word", "a", "--shards", ".", "--utterances", "0"]
    options = program.parser().parse_args(arguments)
    options.check(options)


def test_a_wrong_path_is_refused_at_once():
    finished = run_program("train", "/none", "--word", "a", "--imported")
    assert finished.returncode == 1
    assert "`DIR` must be a folder" in finished.stderr
    assert not HEAVY & set(finished.stderr.split())


def test_the_default_budget_is_that_of_the_functions():
    assert arguments.BUDGET.startswith(f"{false_alarm_budget.BUDGET:g}, or")
    assert inspect.signature(verify).parameters["fa_per_hour"].default == false_alarm_budget.BUDGET


def test_an_interrupted_command_says_so(monkeypatch, capsys):
    from keras_sal.data import downloads

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "download", interrupt)
    assert cli.main(["download", "musan"]) == 130
    assert capsys.readouterr().err == "keras-sal: interrupted\n"


@pytest.mark.parametrize("closed", [True, False])
def test_output_that_is_not_read_on_ends_a_command(monkeypatch, capsys, closed):
    """As `keras-sal detect ... | head -1` does, without a complaint; other pipes are errors."""
    reader, writer = os.pipe()

    def run(_):
        if closed:
            os.close(reader)
            print("more than is read", flush=True)
        raise BrokenPipeError("that of a worker")

    monkeypatch.setattr(doctor, "run", run)
    with os.fdopen(writer, "w") as piped:
        monkeypatch.setattr(sys, "stdout", piped)
        assert cli.main(["doctor"]) == (141 if closed else 1)
    assert capsys.readouterr().err == ("" if closed else "keras-sal: that of a worker\n")
    if not closed:
        os.close(reader)


def test_names_that_the_output_has_no_letters_for_are_shown(monkeypatch):
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(doctor, "run", lambda _: print("f\xfcr") or 0)
    monkeypatch.setattr(sys, "stdout", output)
    assert cli.main(["doctor"]) == 0
    assert output.buffer.getvalue() == b"f\\xfcr\n"


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


@pytest.mark.parametrize("names", ["", "go,", "go, ,stop"])
def test_names_of_classes_are_not_empty(names, capsys):
    with pytest.raises(SystemExit):
        program.parser().parse_args(["detect", "a.tflite", "--class-names", names])
    assert "--class-names: must be names with commas between" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "a", "--word", "a", "--word", "b"],
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
        ["train", "--word", "a", "--word", "b"],
        ["train", "--word", "a", "--near", "b", "--near", "c"],
        ["train", "--word", "a", "--steps", "1", "--steps", "2"],
        ["evaluate", "a.keras", "b.keras", "--bundle", "c", "--bundle", "d"],
    ],
)
def test_what_may_be_given_twice(arguments):
    assert program.parser().parse_args(arguments).run


@pytest.mark.parametrize(
    ("command", "option", "places"),
    [
        ("detect", ["--runtime", "litert"], ["model", "a.wav", "b.wav"]),
        ("detect", ["--raw", "16000"], ["model", "-"]),
        ("evaluate", ["--word", "a"], ["a.keras", "b.keras"]),
        ("compare", ["--seed", "1"], ["a", "b"]),
        ("export", ["--to", "onnx"], ["a.keras", "a.onnx"]),
        ("verify", ["--split", "dev"], ["a.keras", "a.onnx", "firmware"]),
        ("doctor", [], ["train", "live"]),
        ("train", ["--word", "a"], ["folder"]),
        ("demo", ["--steps", "1"], ["out"]),
        ("download", ["--list"], ["musan", "folder"]),
        ("synthesize", ["--seed", "1"], ["hey robot", "folder"]),
        ("align", ["--all"], ["folder"]),
        ("tabulate", ["--replace"], ["folder"]),
        ("serve", ["--port", "0"], ["page"]),
    ],
)
def test_positional_arguments_may_stand_among_options(command, option, places):
    parse = program.parser().parse_args
    expected = vars(parse([command, *places, *option]))
    for before in range(len(places) + 1):
        given = [command, *places[:before], *option, *places[before:]]
        assert vars(parse(given)) == expected


def test_a_positional_argument_that_is_missing_is_named(capsys):
    with pytest.raises(SystemExit):
        program.parser().parse_args(["export", "--to", "onnx", "a.keras"])
    assert "the following arguments are required: OUT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "words"), [([], None), (["a"], "a"), (["a", "a"], "a"), ("ab", ["a", "b"])]
)
def test_words(given, words):
    arguments = [text for word in given for text in ("--word", word)]
    assert program.parser().parse_args(["export", "model", "out", *arguments]).word == words
