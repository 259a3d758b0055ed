"""Random stacks of layers: they stream exactly, or are refused if a part of them mixes frames.

`python tests/fuzz/run.py --kind stacks` tries many others.
"""

import pytest
from hypothesis import given, settings
from random_stacks import CHUNKS, SEEDS, check_refused, check_streams, stacks

a_few = settings(max_examples=3, deadline=None)


class TestRandomStacks:
    @pytest.mark.slow
    @a_few
    @given(stacks(), SEEDS, CHUNKS)
    def test_stream_as_the_clip(self, model, seed, sizes):
        check_streams(model, seed, sizes)

    @a_few
    @given(stacks(mixing=True))
    def test_mixed_frames_are_refused(self, model):
        check_refused(model)
