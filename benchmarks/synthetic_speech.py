"""What a detector trained on synthetic speech does on real recordings.

    python benchmarks/synthetic_speech.py --recordings DIR --word computer --seeds 3

The small GRU is trained by the recipe on synthetic speech alone (`keras_sal.data.synthesis`), on it with
the real negatives of the train split, and with 10, 50 and all real positives besides; and, to tell
what the synthetic speech is worth, on the real ones without it, and with what is not the word only.
It is judged on the real dev and test streams. Within a seed the 10 are among the 50.

Each run is written to `benchmarks/results/synthetic_speech_<word>.json` as it is done; what is
there is not done again.
"""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import study
from rows import Rows, figures, hours_and_events

from keras_sal.data import load_recordings, partition
from keras_sal.data.synthesis import synthesize
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
    """The recordings of a case: the train split is another one each time, dev and test are not."""
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
    parser = study.options(
        __doc__, word="computer", seeds=3, steps=6000, cache="synthetic_speech_cache", result=None
    )
    parser.add_argument("--utterances", type=int, default=600, help="of the word, synthesised")
    parser.add_argument("--voice", action="append", default=[], help="a Piper voice, besides")
    parser.add_argument("--kokoro", nargs=2, help="files of Kokoro, besides")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    arguments = parser.parse_args()

    console, folder, real = study.begin(arguments)
    word, cache = arguments.word, Path(arguments.cache)
    cache.mkdir(parents=True, exist_ok=True)
    voices = [Path(voice).stem for voice in arguments.voice]
    name = "-".join([word.replace(" ", "_"), str(arguments.utterances), *voices])
    with console.stage("Synthesise speech") as stage:
        made = synthesize(
            word,
            cache / f"{name}{'-kokoro' if arguments.kokoro else ''}",
            utterances=arguments.utterances,
            negatives_s=10.0 * arguments.utterances,
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
        "voices": [*voices, *(["kokoro"] if arguments.kokoro else [])],
    }
    rows = None
    for seed, case in itertools.product(range(arguments.seeds), arguments.cases):
        key = {"case": case, "seed": seed}
        recordings = chosen(real, synthetic, word, case, seed)
        rows = rows or Rows(arguments.result or f"synthetic_speech_{word}", settings)
        if key in rows:
            continue
        material = study.make_streams(
            recordings, word, console, hours=arguments.hours, cache=cache, seed=seed
        )
        model, train_s = study.trained(
            f"Seed {seed}, {case}",
            recipe.detector,
            recipe.objective(),
            study.refined(material.train, console, seed=seed),
            console,
            steps=arguments.steps,
            seed=seed,
        )
        rows.add(
            key,
            figures(model, material),
            train_s=train_s,
            real_positives=sum(r.path.is_relative_to(folder) for r in _positives(material)),
            synthetic_positives=sum(r.path.is_relative_to(made) for r in _positives(material)),
            streams=hours_and_events(material),
        )
    rows.show(console, f"{word!r} at 1 false alarm an hour")


def _positives(material):
    """The recordings of the word that are in the training streams."""
    return {
        clip.recording
        for stream in material.train
        for clip in stream.clips
        if clip.class_index is not None
    }


if __name__ == "__main__":
    main()
