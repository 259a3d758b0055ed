"""What noise costs the detectors of `wake_words.py`, from digital silence to as loud as the speech.

    python benchmarks/noise_levels.py --recordings DIR
    python benchmarks/noise_levels.py --words jarvis --models gru --seeds 0 1

Clean streams have digital silence between recordings, which no microphone has; so the first levels
are those of a quiet room. Detectors are float, trained by the recipe as `wake_words.py` does it, or
taken from its cache. Each run is written as it is done; what is there is not done again.
"""

import itertools
from dataclasses import replace
from functools import cache as once
from functools import partial
from pathlib import Path

import study
import wake_words
from rows import Rows, figures, hours_and_events

from keras_sal import recipe
from keras_sal.console import Console
from keras_sal.datasets import evaluation_streams
from keras_sal.finding import require_recordings
from keras_sal.recordings import load_recordings

SNRS_DB = (60.0, 40.0, 30.0, 20.0, 10.0, 5.0, 0.0)


def main():
    parser = study.options(
        __doc__,
        words=study.WORDS,
        steps=recipe.STEPS,
        cache="wake_words_cache",
        result="noise_levels",
    )
    wake_words.add_detectors(parser)
    options = parser.parse_args()

    console, cache = Console(), Path(options.cache)
    folder = require_recordings(options.recordings)
    recordings = load_recordings(folder)
    settings = {"recordings": folder.name, "hours": options.hours, "steps": options.steps}
    rows = Rows(options.result, settings | {"snrs_db": SNRS_DB})
    for word in options.words:
        keys = [
            {"case": f"{word}, {kind}", "word": word, "model": kind, "seed": seed}
            for kind, seed in itertools.product(options.models, options.seeds)
        ]
        keys = [key for key in keys if key not in rows]
        if not keys:
            continue
        material = study.make_streams(recordings, word, console, hours=options.hours, cache=cache)
        test = {"clean": material.test["clean"]}
        for snr_db in SNRS_DB:
            with console.stage(f"Make test streams, {snr_db:g} dB"):
                test[f"{snr_db:g} dB"] = evaluation_streams(
                    recordings, word, "test", snr_db=snr_db, cache=cache
                )
        heard = replace(material, test=test)
        refined = once(partial(study.refined, material.train, console))
        for key in keys:
            kind, seed = key["model"], key["seed"]
            streams = partial(refined, seed=seed)
            model, _ = wake_words.trained(word, kind, seed, streams, options, cache, console)
            with console.stage(f"Listen, {kind}, seed {seed}"):
                found = figures(model, heard)
            rows.add(key, found, streams=hours_and_events(heard))
    rows.show(console, "Test, at 1 false alarm an hour, by noise")


if __name__ == "__main__":
    main()
