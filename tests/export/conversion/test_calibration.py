"""Rolling and sampling calibration sequences, without any framework."""

import numpy as np
import pytest

from keras_sal.export.conversion import calibration
from keras_sal.export.signature import Signature

pytestmark = pytest.mark.any_backend

SIGNATURE = Signature(("frame",), ("state_0",), ("posterior",))


def integrate(frames, states):
    """A toy model: the state is the running sum of the frames, the posterior its squashed mean."""
    sums = states["state_0"] + np.cumsum(frames["frame"], axis=0)
    return {"state_0_next": sums, "posterior": 1 / (1 + np.exp(-sums.mean(-1, keepdims=True)))}


def sequences_of(*lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [{"frame": rng.normal(size=(n, 3)).astype("float32")} for n in lengths]


def rolled(*lengths, streams_at_once=2):
    return calibration.roll(
        integrate, sequences_of(*lengths), SIGNATURE, {"state_0": (3,)}, streams_at_once
    )


def test_roll_carries_the_state_within_a_sequence_and_not_beyond():
    rollout = rolled(5, 7, 2, 11, 3)
    assert rollout.frame_count() == 5 + 7 + 2 + 11 + 3
    start = 0
    for sequence in sorted(sequences_of(5, 7, 2, 11, 3), key=lambda s: len(s["frame"])):
        frames = sequence["frame"]
        rows = slice(start, start + len(frames))
        sums = np.cumsum(frames, axis=0)
        np.testing.assert_array_equal(rollout.frames["frame"][rows], frames)
        np.testing.assert_array_equal(rollout.next_states["state_0"][rows], sums)
        np.testing.assert_array_equal(
            rollout.states["state_0"][rows], np.concatenate([np.zeros((1, 3)), sums[:-1]])
        )
        start += len(frames)


@pytest.mark.parametrize("limit", [10, 50, 1000])
def test_samples_give_a_state_the_same_range_in_and_out(limit):
    rollout = rolled(53, 101, 7)
    samples = list(calibration.samples(rollout, limit))
    assert len(samples) <= limit + 4
    taken_in = np.concatenate([sample["state_0"] for sample in samples])
    given_out = np.concatenate([sample["state_0"] + sample["frame"] for sample in samples])
    every = np.concatenate([rollout.states["state_0"], rollout.next_states["state_0"]])
    for seen in (taken_in, given_out):
        assert (seen.min(), seen.max()) == (every.min(), every.max())


def test_samples_are_single_steps_by_name():
    sample = next(iter(calibration.samples(rolled(4), 10)))
    assert {name: value.shape for name, value in sample.items()} == {
        "frame": (1, 3),
        "state_0": (1, 3),
    }


def test_samples_have_the_loudest_frames():
    rollout = rolled(997)
    loudest = rollout.frames["frame"][rollout.posteriors["posterior"].argmax()]
    chosen = np.concatenate([sample["frame"] for sample in calibration.samples(rollout, 20)])
    assert (chosen == loudest).all(axis=1).any()


def test_silent_channels_are_named_with_their_peak():
    posterior = np.array([[0.2, 0.6], [0.4, 0.1]], "float32")
    rollout = calibration.Rollout({"frame": np.zeros((2, 1))}, {}, {"posterior": posterior}, {})
    assert calibration.silent_channels(rollout, 0.5) == [("posterior", 0, pytest.approx(0.4))]
    assert calibration.silent_channels(rollout, 0.0) == []


def test_silent_channels_do_not_trust_nan():
    rollout = calibration.Rollout({}, {}, {"posterior": np.full((2, 1), np.nan)}, {})
    assert len(calibration.silent_channels(rollout, 0.0)) == 1
