"""Writes `fit.json`: the loss over ten steps of `fit` of a small GRU, computed in float64.

Run it from the root of the repository after a change of the mathematics:
`KERAS_BACKEND=torch python tests/golden/make_fit.py`.
"""

import json
import sys
from pathlib import Path

import keras

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))

from small_gru import loss_curve  # noqa: E402

from keras_sal import StreamingAnchorLoss  # noqa: E402

if __name__ == "__main__":
    keras.config.set_floatx("float64")
    curves = {
        variant: loss_curve(StreamingAnchorLoss(variant, reach=3, dtype="float64"))
        for variant in ("sal", "sa+fl", "safl")
    }
    (HERE / "fit.json").write_text(json.dumps(curves, indent=0))
