"""What the refinement of anchors during training is worth, on real recordings.

    python benchmarks/anchor_refinement.py [cache folder]

The positives of the train split of "computer" start with three kinds of anchors: the recorded ones
(forced alignment), those from the energy of the recording, and the recorded ones moved by up to
0.4 s either way, each by its own amount. A small GRU is trained on each for five epochs of 80 steps
and refines them from the third epoch on. Quoted is how far the anchors lie from the recorded ones,
before and after: those aren't the truth either, so what the refinement does to *them* is the floor.
Writes `benchmarks/results/anchor_refinement.json`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from alignment_sources import RECORDINGS, RESULTS

from keras_sal import StreamingAnchorLoss, files, models, provenance
from keras_sal.audio import SAMPLE_RATE
from keras_sal.data import load_recordings, training_streams
from keras_sal.data.alignment import energy_events
from keras_sal.training.anchor_refinement import AnchorRefinement, RefinedBatches, anchors_s
from keras_sal.training.recipe import word_targets

WORD = "computer"
JITTER_S = 0.4
EPOCHS, STEPS, FIRST = 5, 80, 3


def starts():
    """How each kind of first anchors is found, in a dict of functions of a recording."""
    rng = np.random.default_rng(0)

    def moved(recording):
        shift_s = rng.uniform(-JITTER_S, JITTER_S)
        offset_s = float(np.clip(recording.offset_s + shift_s, 0.1, recording.duration_s))
        return max(0.0, offset_s - (recording.offset_s - recording.onset_s)), offset_s

    return {
        "recorded": lambda recording: (recording.onset_s, recording.offset_s),
        "energy": lambda recording: energy_events(recording.samples(), SAMPLE_RATE),
        "moved": moved,
    }


def started(streams, find):
    """The streams with other times for their positives, one for each recording.

    A recording in which none are found keeps those it has.
    """
    times = {}

    def altered(clip):
        recording = clip.recording
        if clip.class_index is None:
            return clip
        if recording.path not in times:
            times[recording.path] = find(recording)
        onset_s, offset_s = times[recording.path]
        if np.isnan(offset_s):
            return clip
        return replace(clip, recording=replace(recording, onset_s=onset_s, offset_s=offset_s))

    return [replace(stream, clips=tuple(map(altered, stream.clips))) for stream in streams]


def distances(found_s, recorded_s):
    """How anchors lie around the recorded ones."""
    away_s = np.array([found_s[path] - time_s for path, time_s in recorded_s.items()])
    median_s = np.median(away_s)
    half_s, most_s = np.percentile(np.abs(away_s - median_s), [50, 90])
    return {
        name: round(float(value), 4)
        for name, value in (
            ("median_s", median_s),
            ("half_within_s", half_s),
            ("nine_tenths_within_s", most_s),
            ("standard_deviation_s", np.std(away_s)),
        )
    }


def main(cache=None):
    recordings = load_recordings(RECORDINGS)
    streams = training_streams(recordings, WORD, hours=4.0, seed=0, cache=cache)
    recorded_s = anchors_s(streams)
    results = {}
    for name, find in starts().items():
        keras.utils.set_random_seed(0)
        batches = RefinedBatches(started(streams, find), word_targets(), batches=STEPS)
        before = distances(batches.anchors_s(), recorded_s)
        model = models.gru_detector()
        model.compile(keras.optimizers.Adam(4e-3, clipnorm=1.0), StreamingAnchorLoss())
        refinement = AnchorRefinement(batches, first=FIRST)
        model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[refinement])
        after = distances(batches.anchors_s(), recorded_s)
        results[name] = {"before": before, "after": after, "moves": batches.moves}
        print(name, before, after, sep="\n  ", flush=True)
    RESULTS.mkdir(exist_ok=True)
    files.write_json(
        Path(RESULTS) / "anchor_refinement.json",
        {
            "word": WORD,
            "recordings": len(recorded_s),
            "starts": results,
            "backend": keras.backend.backend(),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
