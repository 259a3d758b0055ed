"""Optional packages: what an extra lacks, and the line that installs it."""

import json
import types

import pytest

from keras_sal import extras

pytestmark = pytest.mark.any_backend


@pytest.fixture
def installed(monkeypatch):
    """What is installed: a dict from distributions to versions, empty at first."""
    versions = {}
    monkeypatch.setattr(extras, "_version", versions.get)
    monkeypatch.setattr(extras, "_has_extra", lambda distribution, extra: True)
    return versions


def test_an_extra_lacks_what_it_includes(installed):
    missing = extras.missing_requirements("train")
    assert {"jax>=0.6", "soxr>=0.5", "tflite-micro", "tensorflow>=2.20", "jinja2>=3.1"} <= {
        *missing
    }
    installed.update({"jax": "0.10", "soxr": "0.5", "tflite-micro": "0.dev2026", "jinja2": "2.9"})
    installed["tensorflow"] = "2.21.0"
    missing = extras.missing_requirements("train")
    assert "jinja2>=3.1" in missing  # too old
    assert not {"jax>=0.6", "soxr>=0.5", "tflite-micro", "tensorflow>=2.20"} & {*missing}


def test_all_is_all_but_speech_synthesis():
    """The speech engines are GPL-3, which nobody should get without asking for them."""
    optional = extras._optional_requirements()
    every = {str(each) for each in extras._requirements("all")}
    apart = {"demo", "docs", "test", "dev", "torch", "all"}
    for extra in set(optional) - apart:
        assert {str(each) for each in extras._requirements(extra)} <= every, extra
    assert not any("piper" in each or "espeak" in each for each in every)


def test_an_unknown_extra_is_refused():
    with pytest.raises(ValueError, match=r"`extra` must be one of .*train.*Received: 'trian'"):
        extras.missing_requirements("trian")


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, 'pip install "keras-sal[train]"'),
        (
            {"url": "file:///home/ann/clone", "dir_info": {}},
            'pip install "keras-sal[train] @ file:///home/ann/clone"',
        ),
        (
            {"url": "https://host/clone", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
            'pip install "keras-sal[train] @ git+https://host/clone@12ab"',
        ),
    ],
    ids=["index", "folder", "git"],
)
def test_the_line_names_where_the_package_came_from(monkeypatch, origin, line):
    found = types.SimpleNamespace(read_text=lambda name: origin and json.dumps(origin))
    monkeypatch.setattr(extras, "_is_clone", lambda folder: False)
    monkeypatch.setattr(extras.importlib.metadata, "distribution", lambda name: found)
    assert extras.install_command("train") == line


def test_the_line_names_the_clone(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "_CLONE", tmp_path)
    (tmp_path / "keras_sal").mkdir()
    (tmp_path / "pyproject.toml").touch()
    assert extras.install_command("train") == f'pip install --editable "{tmp_path}[train]"'
