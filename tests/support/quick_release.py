"""What `train` and `demo` write at the end, in seconds: with empty figures and wide intervals."""

import contextlib
import functools

import pytest
from unrendered import unrendered_figures

from keras_sal.evaluation import ScoringProtocol
from keras_sal.training import release


@contextlib.contextmanager
def quick_release():
    """Write empty images in the place of figures, and draw 20 replicates for intervals."""
    few = functools.partial(ScoringProtocol, replicates=20)
    with pytest.MonkeyPatch.context() as patch, unrendered_figures():
        patch.setattr(release, "ScoringProtocol", few)
        yield
