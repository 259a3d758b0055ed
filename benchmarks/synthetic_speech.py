"""Misses of detectors on real recordings that are trained on synthetic speech.

    python benchmarks/synthetic_speech.py --recordings DIR --word computer --seeds 3

The small GRU is trained by the recipe on synthetic speech alone (`keras_sal.data.synthesis`), with
the real negatives of the train split added, and with 10, 50 and all real positives added. For
comparison it is trained on real recordings without synthetic speech, and with its negatives only.
It is scored on the real dev and test streams. Within a seed the 10 are among the 50.

Each run is written to `benchmarks/results/synthetic_speech_<word>.json` when it is finished, and
is not repeated.
"""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import recipe_study
from runs import Runs, figures, hours_and_events

from keras_sal.data import load_recordings, partition
from keras_sal.data.synthesis import synthesize
from keras_sal.data.synthesis.voices import ENGINES
from keras_sal.training import recipe

ALL = 10**9
WORD, OTHERS = "the word", "others"
CASES = {  # what is synthetic, real negatives, how many real positives
    "synthetic alone": ((WORD, OTHERS), False, 0),
    "synthetic, real negatives": ((WORD, OTHERS), True, 0),
    "synthetic, real negatives, 10 real": ((WORD, OTHERS), True, 10),
    "synthetic, real negatives, 50 real": ((WORD, OTHERS), True, 50),
    "synthetic, real negatives, all real": ((WORD, OTHERS), True, ALL),
    "synthetic negatives, real negatives, all real": ((OTHERS,), True, ALL),
    "10 real": ((), True, 10),
    "50 real": ((), True, 50),
    "all real": ((), True, ALL),
}


def chosen(real, synthetic, word, case, seed):
    """Return the recordings of a case, of which only the train split differs."""
    made, with_negatives, count = CASES[case]
    positives, negatives = (
        [recording for recording in part if recording.split == "train"]
        for part in partition(real, word)
    )
    order = np.random.default_rng(seed).permutation(len(positives))[:count]
    train = [positives[index] for index in order]
    train += negatives if with_negatives else []
    for part, spoken in zip((WORD, OTHERS), partition(synthetic, word), strict=True):
        train += spoken if part in made else []
    return train + [recording for recording in real if recording.split != "train"]


def main():
    parser = recipe_study.parser(
        __doc__, word="computer", seeds=3, steps=6000, cache="synthetic_speech_cache", result=None
    )
    parser.add_argument("--utterances", type=int, default=600, help="of the word, synthesised")
    parser.add_argument("--others-s", type=float, help="other speech, s (default: 10 an utterance)")
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=ENGINES)
    parser.add_argument("--voice", action="append", default=[], help="a Piper voice, besides")
    parser.add_argument("--kokoro", nargs=2, help="files of Kokoro, besides")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    arguments = parser.parse_args()

    console, folder, real = recipe_study.load(arguments)
    word, cache = arguments.word, Path(arguments.cache)
    cache.mkdir(parents=True, exist_ok=True)
    voices = [Path(voice).stem for voice in arguments.voice]
    engines = [*arguments.engines, *voices, *(["kokoro"] if arguments.kokoro else [])]
    others_s = arguments.others_s or 10.0 * arguments.utterances
    name = "-".join([word.replace(" ", "_"), f"{arguments.utterances}", f"{others_s:g}", *engines])
    with console.stage("Synthesise speech") as stage:
        made = synthesize(
            word,
            cache / name,
            utterances=arguments.utterances,
            negatives_s=others_s,
            engines=arguments.engines,
            voices=arguments.voice,
            kokoro=arguments.kokoro,
            progress=stage.progress,
        )
    synthetic = [replace(recording, split="train") for recording in load_recordings(made)]
    settings = {
        "word": word,
        "recordings": folder.name,
        "steps": arguments.steps,
        "hours": arguments.hours,
        "utterances": arguments.utterances,
        "others_s": others_s,
        "engines": engines,
    }
    runs = Runs(arguments.result or f"synthetic_speech_{word}", settings)
    for seed, case in itertools.product(range(arguments.seeds), arguments.cases):
        key = {"case": case, "seed": seed}
        if key in runs:
            continue
        recordings = chosen(real, synthetic, word, case, seed)
        splits = recipe_study.streams_of(
            word, recordings, console, hours=arguments.hours, cache=cache, seed=seed
        )
        model, train_s = recipe_study.train(
            f"Seed {seed}, {case}",
            recipe.detector,
            recipe.make_loss(),
            recipe.refine_anchors(splits.train, seed=seed, reporter=console),
            console,
            recipe.TrainingOptions(steps=arguments.steps, seed=seed),
        )
        runs.add(
            key,
            figures(model, splits),
            train_s=train_s,
            real_positives=sum(r.path.is_relative_to(folder) for r in _positives(splits)),
            synthetic_positives=sum(r.path.is_relative_to(made) for r in _positives(splits)),
            streams=hours_and_events(splits),
        )
    runs.show(console, f"{word!r} at 1 false alarm an hour")


def _positives(splits):
    """Return the recordings of the word that are in the training streams."""
    return {
        placed.recording
        for stream in splits.train
        for placed in stream.placed
        if placed.class_index is not None
    }


if __name__ == "__main__":
    main()
