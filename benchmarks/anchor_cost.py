"""Misses and latency of detectors trained on anchors of different sources.

    python benchmarks/anchor_cost.py --recordings DIR --word computer --seeds 3

The positive recordings of the train split get other event times, one for each recording. All else
is the same: streams, initial weights, crops, recipe, and the dev and test streams with their
recorded times. Sources:

- "recorded": the times of the table, from forced alignment;
- "energy", "vad": from the sound alone; if the voice activity detector finds none or several
  stretches of speech, from the energy;
- "end of clip": the end of the recording;
- "..., refined": the same, moved to where a model finds them (`recipe.refine_anchors`) before the
  recipe trains another model on them;
- "jitter": the recorded times, each moved by its own amount, uniformly up to that many ms.

Each run is written to `benchmarks/results/anchor_cost_<word>.json` when it is finished, and is not
repeated. `benchmarks/alignment_sources.py` compares the times themselves.
"""

import itertools

import numpy as np
import recipe_study
from anchor_refinement import distances, with_anchors
from runs import Runs, figures, hours_and_events

from keras_sal.audio import SAMPLE_RATE
from keras_sal.data.alignment import energy_events, speech_events
from keras_sal.training import recipe
from keras_sal.training.anchor_refinement import anchors_s

REFINED = ", refined"
MAX_SHIFT_S = 1.5  # of the refinement: recordings end up to that long after the word
WORD_S = 0.5  # assumed length of a word that ends with its recording


def recorded(recording, rng):
    return recording.onset_s, recording.offset_s


def energy(recording, rng):
    return energy_events(recording.samples(), SAMPLE_RATE)


def vad(recording, rng):
    events = speech_events(recording.samples(), SAMPLE_RATE)
    return tuple(events[0]) if len(events) == 1 else energy(recording, rng)


def end_of_clip(recording, rng):
    return max(0.0, recording.duration_s - WORD_S), recording.duration_s


def jitter(max_shift_s):
    def moved(recording, rng):
        shift_s = rng.uniform(-max_shift_s, max_shift_s)
        offset_s = float(np.clip(recording.offset_s + shift_s, 0.1, recording.duration_s))
        return max(0.0, offset_s - (recording.offset_s - recording.onset_s)), offset_s

    return moved


SOURCES = {
    "recorded": recorded,
    "jitter 50 ms": jitter(0.05),
    "jitter 100 ms": jitter(0.1),
    "energy": energy,
    "vad": vad,
    "end of clip": end_of_clip,
    f"recorded{REFINED}": recorded,
    f"energy{REFINED}": energy,
    f"end of clip{REFINED}": end_of_clip,
}


def main():
    parser = recipe_study.parser(__doc__, word="computer", seeds=3, steps=6000, result=None)
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    arguments = parser.parse_args()

    console, folder, recordings = recipe_study.load(arguments)
    splits = recipe_study.streams_of(
        arguments.word, recordings, console, hours=arguments.hours, cache=arguments.cache
    )
    settings = {
        "word": arguments.word,
        "recordings": folder.name,
        "steps": arguments.steps,
        "hours": arguments.hours,
        "streams": hours_and_events(splits),
    }
    runs = Runs(arguments.result or f"anchor_cost_{arguments.word}", settings)
    recorded_s = anchors_s(splits.train)
    for seed, source in itertools.product(range(arguments.seeds), arguments.sources):
        key = {"case": source, "seed": seed}
        if key in runs:
            continue
        rng = np.random.default_rng(seed)
        find = SOURCES[source]
        streams = with_anchors(
            splits.train, lambda recording, find=find, rng=rng: find(recording, rng)
        )
        if source.endswith(REFINED):
            streams = recipe.refine_anchors(
                streams, seed=seed, max_shift_s=MAX_SHIFT_S, reporter=console
            )
        model, train_s = recipe_study.train(
            f"Seed {seed}, {source}",
            recipe.detector,
            recipe.make_loss(),
            streams,
            console,
            recipe.TrainingOptions(steps=arguments.steps, seed=seed),
        )
        runs.add(
            key,
            figures(model, splits),
            train_s=train_s,
            from_recorded=distances(anchors_s(streams), recorded_s),
        )
    runs.show(console, f"{arguments.word!r} at 1 false alarm an hour, by source of anchors")


if __name__ == "__main__":
    main()
