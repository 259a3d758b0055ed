"""Processes that may die: what the caller is told, and what importing the package costs."""

import subprocess
import sys

import pytest

from keras_sal import extras
from keras_sal.export import ExportError, worker

pytestmark = pytest.mark.any_backend


def run(program, folder, *, timeout_s=60, job=None):
    return worker.run("converter", ["-c", program], folder, job or {}, timeout_s=timeout_s)


def test_job_goes_in_and_report_comes_out(tmp_path):
    program = (
        "import json, os, sys; from pathlib import Path; folder = Path(sys.argv[1]);"
        "job = json.loads((folder / 'job.json').read_text());"
        "report = {'doubled': 2 * job['number'], 'backend': os.environ['KERAS_BACKEND']};"
        "(folder / 'report.json').write_text(json.dumps(report))"
    )
    assert run(program, tmp_path, job={"number": 21}) == {"doubled": 42, "backend": "tensorflow"}


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_crash_is_an_exception_with_the_last_words(tmp_path, name):
    program = (
        f"import os, signal; print('one\\ntwo', flush=True);os.kill(os.getpid(), signal.{name})"
    )
    with pytest.raises(ExportError, match=rf"(?s)converter crashed \({name}\).*one\n *two"):
        run(program, tmp_path)


def test_hang_is_an_exception(tmp_path):
    program = "import time; print('waiting', flush=True); time.sleep(60)"
    with pytest.raises(ExportError, match=r"(?s)converter did not end within 1 s.*waiting"):
        run(program, tmp_path, timeout_s=1)


def test_failure_shows_the_traceback(tmp_path):
    with pytest.raises(ExportError, match=r"(?s)failed \(exit status 1\).*KeyError: 'lost'"):
        run("raise KeyError('lost')", tmp_path)


def test_silence_is_told(tmp_path):
    program = ["-S", "-c", "import os; os._exit(3)"]  # no site hooks, which may print
    with pytest.raises(ExportError, match=r"(?s)failed \(exit status 3\).*\(nothing\)"):
        worker.run("converter", program, tmp_path, {}, timeout_s=60)


def test_only_the_tail_of_a_long_log_is_shown(tmp_path):
    with pytest.raises(ExportError) as caught:
        run("print('\\n'.join(map(str, range(1000)))); raise SystemExit(1)", tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[-1].strip() == "999"
    assert len(lines) == 2 + worker.TAIL_LINES


def test_report_names_stage_and_suspects(tmp_path):
    (tmp_path / "job.json").write_text("{}")
    report = worker.WorkerReport(tmp_path)
    report.write(stage="bend the spoon", suspects="layer `spoon`")
    report.write(advice="There is no spoon.")
    with pytest.raises(ExportError) as caught:
        run("raise SystemExit(1)", tmp_path)
    assert str(caught.value).splitlines()[:3] == [
        "The converter failed (exit status 1) when it was to bend the spoon.",
        "Most likely at fault: layer `spoon`.",
        "There is no spoon.",
    ]


def test_missing_package_names_the_extra():
    with pytest.raises(
        ImportError,
        match=r"`no_such_package` is needed to fly.*pip install .*\[export\]",
    ):
        extras.import_package("no_such_package.wings", "fly")


def test_micro_without_its_packages_names_the_extra(tmp_path, monkeypatch):
    from keras_sal.export import micro

    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"`tflite_micro` is needed.*\[micro\]"):
        micro.MicroModel(tmp_path / "x.tflite")
    with pytest.raises(ImportError, match=r"`tensorflow`, .* are needed to convert.*\[micro\]"):
        micro.convert(None, tmp_path / "x.tflite", quantization="float32")


def test_import_is_light():
    """The backend's own framework aside, which Keras imports."""
    program = (
        "import keras, sys; before = set(sys.modules); import keras_sal.export;"
        "heavy = {'tensorflow', 'jax', 'torch', 'onnx', 'onnxruntime', 'tf2onnx', 'tflite_micro',"
        " 'flatbuffers', 'ai_edge_litert'};"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
