"""Triggers for other languages to compare with Python's."""

import numpy as np

from keras_sal.detection import Scoring


def random_case(rng):
    """A trigger, its threshold and posteriors, whose ties and near ties are the rule."""
    frames = int(rng.integers(1, 120))
    kind = rng.integers(3)
    if kind == 0:  # what an int8 model outputs
        posterior = rng.integers(0, 256, frames) / 256
    elif kind == 1:
        posterior = rng.uniform(0, 1, frames)
    else:  # slow swells
        posterior = np.abs(np.sin(np.arange(frames) * rng.uniform(0.05, 0.5)))
    posterior = posterior.astype("float32")
    scoring = Scoring(
        frame_step_s=1.0,
        smooth_frames=int(rng.choice([1, 2, 3, 5, 7, 11])),
        on_frames=int(rng.choice([1, 1, 2, 3, 5])),
        hysteresis=rng.choice([None, 0.0, 0.1, 0.25, float(rng.uniform(0, 0.5))]),
        refractory_s=float(rng.choice([0, 1, 2, 7, 30])),
    )
    scores = scoring.scores(posterior)[0].astype("float64")
    attained = float(rng.choice(scores))
    threshold = rng.choice(
        [
            attained,
            np.nextafter(attained, 2),  # float64, just out of reach of a float32
            np.nextafter(attained, -1),
            rng.uniform(0.2, 0.9),
        ]
    )
    if scoring.hysteresis:  # a level of release that is attained, or missed by a hair
        other = float(rng.choice(scores))
        threshold = rng.choice([threshold, other + scoring.hysteresis])
    return posterior, float(np.clip(threshold, 0, 1)), scoring
