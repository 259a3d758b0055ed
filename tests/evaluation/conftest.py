"""The results that several files look at."""

import pytest
from made_predictions import made_predictions

from keras_sal.evaluation import ScoringProtocol, evaluate


@pytest.fixture(scope="session")
def results():
    """Those of `made_predictions`, at a budget of two false alarms in a stream."""
    protocol = ScoringProtocol(30.0, replicates=50)
    return evaluate(made_predictions(), protocol, provenance={"command": "by hand"})
