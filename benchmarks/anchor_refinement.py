"""Distance of refined anchors to the recorded ones, on real recordings.

    python benchmarks/anchor_refinement.py --recordings DIR --cache DIR

The positive recordings of the train split of "computer" start with three kinds of anchors: the
recorded ones (forced alignment), those from the energy of the recording, and the recorded ones
moved by up to 0.4 s, each by its own amount. A small GRU is trained on each for five epochs of 80
steps and refines them from the third epoch on. The figures are the distances of the anchors to the
recorded ones, before and after. These aren't exact either, so the distance that the refinement
moves *them* is the least that can be expected. Writes `benchmarks/results/anchor_refinement.json`.
"""

from dataclasses import replace

import keras
import numpy as np
import recipe_study
from runs import RESULTS

from keras_sal import StreamingAnchorLoss, files, models, provenance
from keras_sal.audio import SAMPLE_RATE
from keras_sal.data import training_streams
from keras_sal.data.alignment import energy_events
from keras_sal.training.anchor_refinement import AnchorRefinement, RefinedBatches, anchors_s
from keras_sal.training.recipe import word_targets

WORD = "computer"
JITTER_S = 0.4
EPOCHS, STEPS, FIRST = 5, 80, 3


def first_anchors():
    """Return how each kind of first anchors is found: functions of a recording by name."""
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


def with_anchors(streams, find):
    """Return the streams with other times for their positives, one for each recording.

    A recording in which none are found keeps its times.
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

    return [replace(stream, placed=tuple(map(altered, stream.placed))) for stream in streams]


def distances(found_s, recorded_s):
    """Return the distances of anchors to the recorded ones."""
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


def main():
    parser = recipe_study.parser(__doc__, hours=4.0)
    arguments = parser.parse_args()
    _, _, recordings = recipe_study.load(arguments)
    streams = training_streams(
        recordings, WORD, hours=arguments.hours, seed=0, cache=arguments.cache
    )
    recorded_s = anchors_s(streams)
    results = {}
    for name, find in first_anchors().items():
        keras.utils.set_random_seed(0)
        batches = RefinedBatches(with_anchors(streams, find), word_targets(), batches=STEPS)
        before = distances(batches.anchors_s(), recorded_s)
        model = models.gru_detector()
        model.compile(keras.optimizers.Adam(4e-3, clipnorm=1.0), StreamingAnchorLoss("sal"))
        refinement = AnchorRefinement(batches, first=FIRST)
        model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[refinement])
        after = distances(batches.anchors_s(), recorded_s)
        results[name] = {"before": before, "after": after, "moves": batches.moves}
        print(name, before, after, sep="\n  ", flush=True)
    RESULTS.mkdir(exist_ok=True)
    files.write_json(
        RESULTS / "anchor_refinement.json",
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
    main()
