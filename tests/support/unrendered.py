"""Figures that are composed but not rendered, for tests that look at files and text only.

`tests/evaluation/test_report.py` renders them.
"""

import contextlib

import pytest


@contextlib.contextmanager
def unrendered_figures():
    """Write empty images in the place of figures."""
    figure = pytest.importorskip("matplotlib.figure", reason="needs the report extra")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure.Figure, "savefig", lambda self, file, **_: file.write(b"<svg/>"))
        yield
