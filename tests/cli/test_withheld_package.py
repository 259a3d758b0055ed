"""Packages that are left out of a process."""

import hashlib
import importlib.util
import subprocess
import sys

import keras
import pytest

from keras_sal.cli import withheld_package
from keras_sal.cli.withheld_package import withhold
from keras_sal.training import recipe

pytestmark = pytest.mark.any_backend


@pytest.fixture(autouse=True)
def _finders(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])


def test_a_withheld_package_is_installed_and_not_imported(tmp_path, monkeypatch):
    (tmp_path / "heavy_module.py").write_text("heavy = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    withhold("heavy_module")
    withhold("no_such_module")
    assert importlib.util.find_spec("heavy_module")
    assert importlib.util.find_spec("no_such_module") is None
    with pytest.raises(ImportError, match=r"`heavy_module` must not be needed by this command"):
        importlib.import_module("heavy_module")
    assert "heavy_module" not in sys.modules


def test_a_package_that_was_imported_stays(monkeypatch):
    monkeypatch.delattr(withheld_package, "find_spec")
    withhold("pytest")


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="it is the backend")
def test_a_detector_has_the_weights_that_keras_seeds():
    """It is made and saved in a process without TensorFlow."""
    program = (
        "import hashlib, random, sys, tempfile\n"
        "from keras_sal.cli.withheld_package import withhold\n"
        "from keras_sal.training import recipe\n"
        "withhold('tensorflow')\n"
        "random.seed(3)\n"
        "model = recipe.detector()\n"
        "model.save(tempfile.mkdtemp() + '/a.keras')\n"
        "assert 'tensorflow' not in sys.modules\n"
        "print(hashlib.sha256(b''.join(w.tobytes() for w in model.get_weights())).hexdigest())\n"
    )
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    keras.utils.set_random_seed(3)
    weights = recipe.detector().get_weights()
    assert shown.strip() == hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest()
