"""What anchors of different sources cost in misses and latency, when they are trained on.

    python benchmarks/anchor_cost.py --recordings DIR --word computer --seeds 3

The positives of the train split get other event times, one for each recording; everything else is
the same: the streams, the weights at first, the crops, the recipe, and the dev and test streams
with their recorded times. Sources:

- "recorded": the times that come with the recordings, from forced alignment;
- "energy", "vad": from the sound alone; where the detector of speech finds none or several
  stretches, the energy's;
- "end of clip": the word is somewhere in the clip, and its end is taken as the anchor;
- "..., refined": the same, moved to where a model finds them (`recipe.refine`), before the
  recipe trains another one on them;
- "jitter": the recorded ones, each moved by its own amount, uniformly up to so much either way.

Each run is written to `benchmarks/results/anchor_cost_<word>.json` as it is done; what is there is
not done again. `benchmarks/alignment_sources.py` compares the times themselves.
"""

import itertools

import numpy as np
import study
from anchor_refinement import distances, started
from rows import Rows, figures, hours_and_events

from keras_sal.audio import SAMPLE_RATE
from keras_sal.data.alignment import energy_events, speech_events
from keras_sal.training import recipe
from keras_sal.training.anchor_refinement import anchors_s

REFINED = ", refined"
REACH_S = 1.5  # of the refinement: clips end up to that much after the word
WORD_S = 0.5  # how long a word is taken to be that ends with its clip


def recorded(recording, rng):
    return recording.onset_s, recording.offset_s


def energy(recording, rng):
    return energy_events(recording.samples(), SAMPLE_RATE)


def vad(recording, rng):
    events = speech_events(recording.samples(), SAMPLE_RATE)
    return tuple(events[0]) if len(events) == 1 else energy(recording, rng)


def end_of_clip(recording, rng):
    return max(0.0, recording.duration_s - WORD_S), recording.duration_s


def jitter(most_s):
    def moved(recording, rng):
        shift_s = rng.uniform(-most_s, most_s)
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
    parser = study.options(__doc__, word="computer", seeds=3, steps=6000, result=None)
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    arguments = parser.parse_args()

    console, folder, recordings = study.begin(arguments)
    material = study.make_streams(
        recordings, arguments.word, console, hours=arguments.hours, cache=arguments.cache
    )
    settings = {
        "word": arguments.word,
        "recordings": folder.name,
        "steps": arguments.steps,
        "hours": arguments.hours,
        "streams": hours_and_events(material),
    }
    rows = Rows(arguments.result or f"anchor_cost_{arguments.word}", settings)
    recorded_s = anchors_s(material.train)
    for seed, source in itertools.product(range(arguments.seeds), arguments.sources):
        key = {"case": source, "seed": seed}
        if key in rows:
            continue
        rng = np.random.default_rng(seed)
        find = SOURCES[source]
        streams = started(
            material.train, lambda recording, find=find, rng=rng: find(recording, rng)
        )
        if source.endswith(REFINED):
            streams = study.refined(streams, console, seed=seed, reach_s=REACH_S)
        model, train_s = study.trained(
            f"Seed {seed}, {source}",
            recipe.detector,
            recipe.objective(),
            streams,
            console,
            steps=arguments.steps,
            seed=seed,
        )
        rows.add(
            key,
            figures(model, material),
            train_s=train_s,
            from_recorded=distances(anchors_s(streams), recorded_s),
        )
    rows.show(console, f"{arguments.word!r} at 1 false alarm an hour, by source of anchors")


if __name__ == "__main__":
    main()
