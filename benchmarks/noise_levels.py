"""What noise costs the detectors of `wake_words.py`, from digital silence to as loud as the speech.

    python benchmarks/noise_levels.py --recordings DIR
    python benchmarks/noise_levels.py --words jarvis --models gru --seeds 0 1

Clean streams have digital silence between recordings, which no microphone has; so the first levels
are those of a quiet room. Detectors are float, trained by the recipe as `wake_words.py` does it, or
taken from its cache. Each run is written as it is done; what is there is not done again.
"""

from dataclasses import replace
from functools import cache as once

import study
import wake_words
from rows import Rows, figures, hours_and_events

from keras_sal.data import evaluation_streams

SNRS_DB = (60.0, 40.0, 20.0, 10.0, 0.0)


def main():
    arguments = wake_words.options(__doc__, result="noise_levels").parse_args()
    console, folder, recordings = study.begin(arguments)

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
    settings |= {"teachers": arguments.teachers, "snrs_db": SNRS_DB}
    rows = Rows(arguments.result, settings)
    for key, material, model, _ in wake_words.detectors(arguments, recordings, rows, console):
        word, kind, seed = key.values()
        heard = replace(material, test={"clean": material.test["clean"], **noisy(word)})
        with console.stage(f"Listen, {kind}, seed {seed}"):
            found = figures(model, heard)
        rows.add(key | {"case": f"{word}, {kind}"}, found, streams=hours_and_events(heard))
    rows.show(console, "Test, at 1 false alarm an hour, by noise")


if __name__ == "__main__":
    main()
