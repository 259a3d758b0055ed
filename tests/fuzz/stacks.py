"""Random stacks of layers: they stream as the clip, or are refused if a part mixes frames."""

from __future__ import annotations

from collections import Counter

import keras
from hypothesis import HealthCheck, Phase, given, seed, settings
from random_stacks import CHUNKS, SEEDS, check_refused, check_streams, stacks

STACKS = 10  # of which the first is the simplest


def attempt(random, folder):
    """Try some stacks of a seed; the first failure is made no smaller."""
    keras.utils.clear_session()
    outcomes = Counter()
    few = settings(
        max_examples=STACKS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    mixing = random.random() < 0.4

    @few
    @seed(random.getrandbits(64))
    @given(stacks(mixing=mixing), SEEDS, CHUNKS)
    def try_stacks(model, seed, sizes):
        check_refused(model) if mixing else check_streams(model, seed, sizes)
        outcomes["refused" if mixing else "agreed"] += 1

    try_stacks()
    return outcomes
