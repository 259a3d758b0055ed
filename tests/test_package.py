"""The package as its users meet it: its public names, its layers, the cost of importing it."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_sal

HEAVY = {"tensorflow", "torch", "jax", "onnx", "tf2onnx", "tflite_micro", "soundfile", "piper"}
PACKAGE = Path(keras_sal.__file__).parent
README = PACKAGE.parent / "README.md"

PACKAGES = [
    *("anchors", "audio", "augmentation", "cli", "data", "detection", "evaluation", "export"),
    *("layers", "losses", "metrics", "models", "pretrained", "runtime", "streaming", "targets"),
    "training",
]
NAMES = [
    *("AnchorSchedule", "AnchorTargets", "FrameCrossEntropy", "FrameFocalLoss", "MaxPoolingLoss"),
    *("StreamingAnchorLoss", "StreamingDetector", "TemporalLabelSmoothing", "pad_events"),
]

# What Keras calls, and documents.
KERAS_METHODS = {
    *(
        "build",
        "call",
        "compute_loss",
        "compute_mask",
        "compute_output_shape",
        "compute_output_spec",
    ),
    *("from_config", "get_config", "reset_state", "result", "update_state"),
    *("on_epoch_begin", "on_epoch_end", "on_train_batch_begin", "on_train_batch_end"),
    *("on_predict_batch_begin", "on_predict_begin", "on_test_batch_begin", "on_test_begin"),
    *("on_train_begin", "on_train_end"),
}

# Each floor imports only from floors below it.
FLOORS = [
    {"typing", "extras", "provenance", "progress", "checks", "memory"},
    {"anchors", "layers"},
    {"files", "pretrained"},
    {"array_files"},
    {"detection", "targets", "losses", "models", "streaming", "audio"},
    {"metrics", "augmentation", "export"},
    {"data", "runtime"},
    {"evaluation"},
    {"training"},
    {"cli"},
]


def sources():
    return sorted(PACKAGE.rglob("*.py"))


def public_modules():
    """The public packages and those inside them that are public, too."""
    inner = [
        "data.alignment",
        "data.downloads",
        "data.synthesis",
        "evaluation.report",
        "export.web",
    ]
    return [f"keras_sal.{name}" for name in [*PACKAGES, *inner]]


def public_functions():
    """Public functions, classes and methods by their full names."""
    found = {}
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isfunction(value):
                found[f"{module_name}.{name}"] = value
            elif inspect.isclass(value) and value.__module__.startswith("keras_sal"):
                for method_name, method in vars(value).items():
                    hidden = method_name.startswith("_") or method_name in KERAS_METHODS
                    if inspect.isfunction(method) and not hidden:
                        found[f"{module_name}.{name}.{method_name}"] = method
    return found


def test_dir_shows_the_public_names():
    assert dir(keras_sal) == sorted([*PACKAGES, *NAMES, "__version__"])
    assert sorted(keras_sal.__all__) == sorted([*PACKAGES, *NAMES])


@pytest.mark.any_backend
def test_public_packages_are_attributes():
    program = f"import keras_sal\nfor name in {PACKAGES}: getattr(keras_sal, name)"
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="no attribute 'judge'"):
        keras_sal.judge  # noqa: B018


@pytest.mark.any_backend
@pytest.mark.parametrize("name", public_modules())
def test_public_package_lists_what_it_exports(name):
    module = importlib.import_module(name)
    if (PACKAGE / Path(*name.split(".")[1:]) / "__init__.py").is_file():
        assert len(set(module.__all__)) == len(module.__all__)
        assert all(hasattr(module, each) for each in module.__all__)
    assert module.__doc__


@pytest.mark.any_backend
def test_imports_go_one_way():
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    for path in sources():
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras_sal"):
                _, *inner = node.module.split(".")
                for other in inner[:1] or [alias.name for alias in node.names]:
                    if other not in (room, "__version__"):
                        assert floor[other] < floor[room], f"{path} imports {other}"


@pytest.mark.any_backend
def test_public_functions_are_annotated_and_documented():
    for name, function in public_functions().items():
        parameters = [p for p in inspect.signature(function).parameters if p != "self"]
        hints = inspect.get_annotations(function)
        assert "return" in hints, f"{name} has no return annotation"
        for parameter in parameters:
            assert parameter in hints, f"{parameter} of {name} has no annotation"
        inherited = function.__doc__ is None and "." in function.__qualname__
        if parameters and parameters != ["cls"] and not inherited:
            assert "Args:" in function.__doc__, f"{name} does not document its arguments"


@pytest.mark.any_backend
@pytest.mark.parametrize("module", ["keras_sal", "keras_sal.export", "keras_sal.data"])
def test_imports_nothing_heavy(module):
    program = (
        "import sys, keras\nbefore = set(sys.modules)\n"
        f"import {module}\nprint(*(set(sys.modules) - before))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    new = {name.split(".")[0] for name in run.stdout.split()}
    assert "keras_sal" in new
    assert not new & (HEAVY - {keras.backend.backend()})


@pytest.mark.any_backend
def test_a_missing_backend_is_named():
    """Keras takes TensorFlow by default, also where only JAX is installed."""
    program = "import sys\nsys.modules['tensorflow'] = None\nimport keras_sal"
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
    )
    assert run.returncode == 1
    assert "ImportError: Keras must have a backend" in run.stderr
    assert 'KERAS_BACKEND="jax"' in run.stderr


@pytest.mark.any_backend
def test_no_private_keras():
    for path in sources():
        assert "keras.src" not in path.read_text(), path


@pytest.mark.any_backend
def test_branches_on_the_backend_in_export_only():
    """And in the data set that Keras waits for on TensorFlow; its batches are the same."""
    for path in sources():
        if "export" not in path.parts:
            found = re.findall(r"backend\(\)\s*(?:==|!=|in)\s", path.read_text())
            assert len(found) == (path.name == "epoch_dataset.py"), path


def test_readme_is_short():
    assert len(README.read_text(encoding="utf-8").split()) <= 800


@pytest.mark.any_backend
@pytest.mark.slow
def test_readme_example_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorflow")
    pytest.importorskip("tflite_micro")
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(examples), "README.md", "exec"), {})
    assert (tmp_path / "detector.tflite").exists()
    assert "of 20 events" in capsys.readouterr().out
