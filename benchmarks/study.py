"""What the studies of the recipe have in common: options, streams, and a detector trained.

`rows` keeps what they find.
"""

import argparse
import time
import warnings

import keras

from keras_sal.cli.console import Console
from keras_sal.data import load_recordings, require_recordings
from keras_sal.training import recipe

WORDS = ("alexa", "computer", "jarvis", "smart mirror")
OPTIONS = {
    "recordings": {"help": "else as `keras-sal demo` finds them"},
    "word": {"help": "the wake word (%(default)s)"},
    "words": {"nargs": "+", "metavar": "WORD", "help": f"wake words ({', '.join(WORDS)})"},
    "hours": {"type": float, "help": "of training streams (%(default)s)"},
    "steps": {"type": int, "help": "train steps of each detector (%(default)s)"},
    "seeds": {"type": int, "help": "how many (%(default)s)"},
    "cache": {"help": "folder to keep features in, and whatever else takes long"},
    "result": {"help": "name in benchmarks/results, or a .json file"},
}


def options(about, **defaults):
    """A parser of the command line of a study, which adds what it alone has.

    Args:
        about: Text whose first line says what the study is.
        **defaults: By name, the defaults of the options of `OPTIONS` that the study has.
            `recordings` (None), `hours` (8) and `cache` (None) are always there.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    for name, default in ({"recordings": None, "hours": 8.0, "cache": None} | defaults).items():
        parser.add_argument(f"--{name}", default=default, **OPTIONS[name])
    return parser


def begin(arguments):
    """A console, the folder of recordings that the command line of a study asks for, and these."""
    folder = require_recordings(arguments.recordings)
    return Console(), folder, load_recordings(folder)


def make_streams(recordings, word, console, *, hours, cache, seed=0):
    """The streams of a word, by `recipe.prepare`, without warnings of what is left out."""
    with warnings.catch_warnings(), console.stage(f"Make streams of {word!r}") as stage:
        warnings.simplefilter("ignore")
        return recipe.prepare(
            recordings, word, hours=hours, seed=seed, cache=cache, progress=stage.named_progress
        )


def refined(streams, console, *, seed, **options):
    """The streams with their anchors refined as the recipe does it; `options` of its `refine`."""
    keras.utils.set_random_seed(seed)
    with console.stage(f"Refine anchors, seed {seed}") as stage:
        return recipe.refine(streams, seed=seed, callbacks=[stage.callback()], **options)


def trained(name, make, loss, streams, console, *, steps, seed, **options):
    """A detector trained by the recipe, and the seconds that took.

    Args:
        name: What is shown meanwhile.
        make: Makes the detector: from the same weights for the same seed.
        loss: A loss over packed targets.
        streams: Training streams.
        console: Where to show how far it is.
        steps: Train steps.
        seed: Of the weights and of the crops.
        **options: Others of `recipe.train`.
    """
    keras.utils.set_random_seed(seed)
    model, started = make(), time.monotonic()
    with console.stage(name) as stage:
        recipe.train(
            model, loss, streams, steps=steps, seed=seed, callbacks=[stage.callback()], **options
        )
    return model, time.monotonic() - started
