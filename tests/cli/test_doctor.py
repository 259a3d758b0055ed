"""`keras-sal doctor`: what is missing, all at once."""

import email
import importlib.metadata

import pytest

from keras_sal import cli, extras
from keras_sal.cli import doctor

pytestmark = pytest.mark.any_backend


def without(monkeypatch, *distributions):
    real = extras._version
    monkeypatch.setattr(
        extras, "_version", lambda name: None if name in distributions else real(name)
    )


def test_lists_all_that_is_missing_with_one_line(monkeypatch, capsys):
    without(monkeypatch, "soxr", "jinja2", "tflite-micro", "sounddevice")
    assert cli.main(["doctor", "train", "live"]) == 1
    shown = capsys.readouterr().out
    [train] = [line for line in shown.splitlines() if line.strip().startswith("train ")]
    assert all(name in shown for name in ("jinja2>=3.1", "soxr>=0.5", "tflite-micro"))
    assert "train, evaluate" in train
    assert f"For train: {extras.install_command('train')}" in shown
    assert f"For all of them: {extras.install_command('train', 'live')}" in shown


def test_nothing_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "missing_requirements", lambda extra: [])
    assert cli.main(["doctor", "train"]) == 0
    shown = capsys.readouterr().out
    assert "nothing" in shown
    assert "pip install" not in shown
    assert "Commands run on" in shown


@pytest.mark.parametrize("chosen", [{}, {"KERAS_BACKEND": "jax"}])
def test_a_backend_must_be_there(monkeypatch, capsys, chosen):
    without(monkeypatch, *doctor.BACKENDS)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["doctor"]) == 1
    line = extras.install_command("jax")
    assert f"Keras must have a backend, such as JAX: {line}" in capsys.readouterr().out


def test_no_backend_need_be_chosen(monkeypatch):
    """Where the package was imported before, Keras has taken one."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert cli.main(["doctor"]) == 0


def test_the_chosen_backend_must_be_there(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "foo")
    assert cli.main(["doctor"]) == 1
    assert "must name a backend that is installed" in capsys.readouterr().out


def test_help_names_every_extra_for_users(capsys):
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"of {', '.join(extras.extra_names())} (default" in shown
    assert {"all", "jax", "tensorflow", "torch", "train"} < set(extras.extra_names())
    assert {*doctor.PURPOSES, *doctor.PURPOSES_IF_ASKED} == set(extras.extra_names())


def test_extras_of_an_installation_are_read_from_its_metadata(monkeypatch):
    metadata = email.message_from_string("Provides-Extra: train\nProvides-Extra: dev\n")
    monkeypatch.setattr(extras, "_is_clone", lambda folder: False)
    monkeypatch.setattr(importlib.metadata, "metadata", lambda distribution: metadata)
    assert extras.extra_names() == ["train"]


def test_an_extra_that_is_asked_for_is_described(capsys):
    cli.main(["doctor", "all", "jax"])
    shown = capsys.readouterr().out
    assert "all of these, without demo" in shown
    assert "a backend" in shown
