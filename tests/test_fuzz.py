"""A few random inputs of every cheap kind, and the counting of what goes wrong with them."""

import importlib.util
import random
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_backend

FUZZ = Path(__file__).parent / "fuzz"
CHEAP = ("targets", "clips", "detection", "event_files", "manifests", "sounds", "archives")
FAILING = """
import collections, os, signal

def attempt(random, folder):
    with (folder / "attempts").open("a") as file:
        number = file.tell()
        file.write(".")
    assert number != 1, "the oracle says otherwise"
    if number == 2:
        raise KeyError("key")
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return collections.Counter(agreed=2, refused=1)
"""


def load(name):
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", FUZZ / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", CHEAP)
@pytest.mark.filterwarnings("ignore")
def test_agrees_or_refuses(tmp_path, monkeypatch, kind):
    """`python tests/fuzz/run.py` tries many more."""
    monkeypatch.syspath_prepend(str(FUZZ))
    module = load(kind)
    for number in range(25):
        outcomes = module.attempt(random.Random(f"{kind} test {number}"), tmp_path)
        assert sum(outcomes.values()) >= 1
        assert outcomes.keys() <= {"agreed", "refused"}


def test_counts_differences_crashes_and_deaths(tmp_path, monkeypatch):
    """A process that dies is replaced, and its attempt is counted once."""
    (tmp_path / "failing.py").write_text(FAILING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    entry = load("run").run_kind("failing", inputs=12, seed=5, first=0)
    assert [entry[name] for name in ("difference", "crash", "hang", "death")] == [1, 1, 0, 1]
    assert [entry[name] for name in ("inputs", "agreed", "refused")] == [12, 6, 3]
    assert [each["attempt"] for each in entry["failures"]] == [1, 2, 3]
    assert "SIGSEGV" in entry["failures"][2]["reason"]
