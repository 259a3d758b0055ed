"""Imports without what native code prints."""

import os

import pytest

from keras_sal.cli.native_noise import import_quietly

pytestmark = pytest.mark.any_backend


def test_imports_without_noise_and_keeps_later_errors(tmp_path, monkeypatch, capfd):
    program = "import os\nos.write(2, b'port.cc: noise')\nloaded = True\n"
    (tmp_path / "noisy_module.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    import_quietly("noisy_module")
    import_quietly("no_such_module")
    os.write(2, b"an error")
    assert capfd.readouterr().err == "an error"
    import noisy_module

    assert noisy_module.loaded


def test_an_import_that_fails_says_so(tmp_path, monkeypatch, capfd):
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('broken')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="broken"):
        import_quietly("broken_module")
    os.write(2, b"an error")
    assert capfd.readouterr().err == "an error"
