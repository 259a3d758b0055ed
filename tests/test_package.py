"""The package as its users meet it: what importing it costs, and what the README says."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_sal

HEAVY = {"tensorflow", "torch", "jax", "onnx", "tf2onnx", "tflite_micro", "soundfile", "piper"}
README = Path(keras_sal.__file__).parents[1] / "README.md"


@pytest.mark.parametrize("module", ["keras_sal", "keras_sal.export", "keras_sal.data.datasets"])
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


def test_no_private_keras():
    for path in Path(keras_sal.__file__).parent.rglob("*.py"):
        assert "keras.src" not in path.read_text(), path


def test_branches_on_the_backend_in_export_only():
    for path in Path(keras_sal.__file__).parent.rglob("*.py"):
        if "export" not in path.parts:
            found = re.findall(r"backend\(\)\s*(?:==|!=|in)\s", path.read_text())
            assert not found, path


@pytest.mark.slow
def test_readme_example_runs(tmp_path, monkeypatch):
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "detector.tflite").exists()
