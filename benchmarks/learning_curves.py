"""Misses of detectors of the recipe that are trained with less of one thing at a time.

    python benchmarks/learning_curves.py --recordings DIR --word jarvis --seeds 2

The detector is trained with half of the data, one kind at a time, and at other sizes. The kind
whose loss costs most is the one of which more would help most. Voices, and the speakers of
everything else, are halved by speaker: within a seed the same half in all cases. Dev and test
streams are the same in all cases.

Each run is written to `benchmarks/results/learning_curves_<word>.json` when it is finished, and is
not repeated.
"""

import itertools
from functools import partial

import numpy as np
import recipe_study
from runs import Runs, figures, hours_and_events

from keras_sal.data import partition
from keras_sal.training import recipe

CASES = {
    "all": {},
    "half of the voices that say the word": {"halved": "positives"},
    "half of the recordings of the word": {"halved": "takes"},
    "half of the speakers of everything else": {"halved": "negatives"},
    "half of the hours of streams": {"hours": 0.5},
    "half of the steps": {"steps": 0.5},
    "a third of the steps": {"steps": 1 / 3},
    "nano": {"size": "nano"},
    "small": {"size": "small"},
}


def halved(recordings, word, what, seed):
    """Return the recordings without half of one kind in the train split."""
    train = [recording for recording in recordings if recording.split == "train"]
    positives, negatives = partition(train, word)
    name_of = {"positives": _speaker, "takes": _path, "negatives": _speaker}[what]
    part = negatives if what == "negatives" else positives
    names = sorted({name_of(recording) for recording in part if not recording.noise})
    dropped = set(np.random.default_rng(seed).permutation(names)[: len(names) // 2])
    out = {recording.path for recording in part if name_of(recording) in dropped}
    return [recording for recording in recordings if recording.path not in out]


def _speaker(recording):
    return recording.speaker or _path(recording)


def _path(recording):
    return str(recording.path)


def main():
    parser = recipe_study.parser(__doc__, word="jarvis", seeds=2, steps=6000, result=None)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    options = parser.parse_args()

    console, folder, recordings = recipe_study.load(options)
    settings = {
        "word": options.word,
        "recordings": folder.name,
        "steps": options.steps,
        "hours": options.hours,
    }
    runs = Runs(options.result or f"learning_curves_{options.word.replace(' ', '_')}", settings)
    for seed, case in itertools.product(range(options.seeds), options.cases):
        key, less = {"case": case, "seed": seed}, CASES[case]
        if key in runs:
            continue
        what = less.get("halved")
        heard = halved(recordings, options.word, what, seed) if what else recordings
        streams = recipe_study.streams_of(
            options.word,
            heard,
            console,
            hours=options.hours * less.get("hours", 1),
            cache=options.cache,
        )
        model, train_s = recipe_study.train(
            f"Seed {seed}, {case}",
            partial(recipe.detector, size=less.get("size", "micro")),
            recipe.make_loss(),
            recipe.refine_anchors(streams.train, seed=seed, reporter=console),
            console,
            recipe.TrainingOptions(steps=round(options.steps * less.get("steps", 1)), seed=seed),
        )
        runs.add(
            key,
            figures(model, streams),
            train_s=train_s,
            recordings=len(heard),
            streams=hours_and_events(streams),
        )
    runs.show(console, f"{options.word!r} at 1 false alarm an hour, with less to learn from")


if __name__ == "__main__":
    main()
