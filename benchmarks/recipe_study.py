"""Command line, streams and training that the studies of the recipe share.

`runs` keeps their results.
"""

import argparse
import time
import warnings

import keras

from keras_sal.cli.console import Console
from keras_sal.data import load_recordings, require_recordings
from keras_sal.training import make_streams, recipe

WORDS = ("alexa", "computer", "jarvis", "smart mirror")
ARGUMENTS = {
    "recordings": {"help": "folder of recordings (that of `keras-sal demo`)"},
    "word": {"help": "the wake word (%(default)s)"},
    "words": {"nargs": "+", "metavar": "WORD", "help": f"wake words ({', '.join(WORDS)})"},
    "hours": {"type": float, "help": "hours of training streams (%(default)s)"},
    "steps": {"type": int, "help": "train steps of each detector (%(default)s)"},
    "seeds": {"type": int, "help": "number of seeds (%(default)s)"},
    "cache": {"help": "folder for features and other intermediate results"},
    "result": {"help": "name in benchmarks/results, or a .json file"},
}


def parser(description, **defaults):
    """Return an argument parser for a study.

    Args:
        description: Text whose first line says what the study measures.
        **defaults: Defaults by the name of an argument of `ARGUMENTS`. `recordings` (None), `hours`
            (8) and `cache` (None) are always there.
    """
    found = argparse.ArgumentParser(description=description.splitlines()[0])
    for name, default in ({"recordings": None, "hours": 8.0, "cache": None} | defaults).items():
        found.add_argument(f"--{name}", default=default, **ARGUMENTS[name])
    return found


def load(arguments):
    """Return a console, the folder of recordings that was asked for, and the recordings."""
    folder = require_recordings(arguments.recordings)
    return Console(), folder, load_recordings(folder)


def streams_of(word, recordings, console, *, hours, cache, seed=0):
    """Make the streams of a word, without warnings about recordings that are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_streams(recordings, word, hours=hours, seed=seed, cache=cache, reporter=console)


def train(title, make, loss, streams, console, options, **others):
    """Train a detector by the recipe, and measure the time.

    Args:
        title: Title of the training.
        make: Function that makes the detector, from the same weights for the same seed.
        loss: A loss over packed targets.
        streams: Training streams.
        console: Receiver of the progress.
        options: `recipe.TrainingOptions`; their seed is also that of the weights.
        **others: Further arguments of `recipe.train`.

    Returns:
        The model and the seconds of the training.
    """
    keras.utils.set_random_seed(options.seed)
    model, started = make(), time.monotonic()
    recipe.train(model, loss, streams, options, title=title, reporter=console, **others)
    return model, time.monotonic() - started
