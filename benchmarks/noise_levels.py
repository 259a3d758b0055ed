"""Misses of the detectors of `wake_words.py` in noise, from digital silence to an SNR of 0 dB.

    python benchmarks/noise_levels.py --recordings DIR
    python benchmarks/noise_levels.py --words jarvis --models gru --seeds 0 1

Clean streams have digital silence between recordings, which no microphone has, so the first levels
are those of a quiet room. The detectors are float models, trained as by `wake_words.py` or taken
from its cache. Each run is written when it is finished, and is not repeated.
"""

from dataclasses import replace
from functools import cache as once

import recipe_study
import wake_words
from runs import Runs, figures, hours_and_events

from keras_sal.data import evaluation_streams

SNRS_DB = (60.0, 40.0, 20.0, 10.0, 0.0)


def main():
    arguments = wake_words.parser(__doc__, result="noise_levels").parse_args()
    console, folder, recordings = recipe_study.load(arguments)

    @once
    def noisy(word):
        with console.stage(f"Make noisy test streams of {word!r}"):
            return {
                f"{snr_db:g} dB": evaluation_streams(
                    recordings, word, "test", snr_db=snr_db, cache=arguments.cache
                )
                for snr_db in SNRS_DB
            }

    settings = {"recordings": folder.name, "hours": arguments.hours, "steps": arguments.steps}
    runs = Runs(arguments.result, settings | {"snrs_db": SNRS_DB})
    for key, streams, model, _ in wake_words.detectors(arguments, recordings, runs, console):
        word, kind, seed = key.values()
        heard = replace(streams, test={"clean": streams.test["clean"], **noisy(word)})
        with console.stage(f"Predict, {kind}, seed {seed}"):
            found = figures(model, heard)
        runs.add(key | {"case": f"{word}, {kind}"}, found, streams=hours_and_events(heard))
    runs.show(console, "Test, at 1 false alarm an hour, by noise")


if __name__ == "__main__":
    main()
