"""Posteriors of systems for streams, kept on disk, so that hours of sound are heard once.

A system has a `name`, the `version` of its files, the `times` of its outputs, and
`predict(stream)`, which returns the posteriors of a stream from a fresh state.
"""

import hashlib
from pathlib import Path

import numpy as np

from keras_sal.audio import output_times
from keras_sal.data.features_cache import fingerprint
from keras_sal.evaluation import Predictions, StreamAnnotation, StreamSet
from keras_sal.files import write_atomically
from keras_sal.runtime import open_runner, runner_steps, runners


class Detector:
    """A detector of one word as a system.

    Args:
        name: Its name.
        path: What `keras_sal.runtime.open_runner` opens.
        runtime: The runtime, or `None` for that of the kind of file. Defaults to `None`.
    """

    def __init__(self, name, path, runtime=None):
        self.name, self._runner = name, open_runner(path, runtime)
        self.content = Path(getattr(self._runner, "path", path)).read_bytes()
        self.version = version_of([self.content, str(runtime).encode()])
        self.times = output_times(runner_steps.frames_per_output(self._runner))

    def predict(self, stream):
        """Return the posteriors of a stream, `(outputs,)`."""
        [found] = runners.predict(self._runner, [stream.features])
        return found[:, 0]


def version_of(contents):
    """Return eight digits that stand for the contents of files."""
    return hashlib.sha256(b"".join(contents)).hexdigest()[:8]


def predict(system, streams, cache, progress=None):
    """Return the posteriors of streams, those found in the cache from there.

    Args:
        system: The system.
        streams: Streams with features.
        cache: Folder of posteriors.
        progress: Called as `progress(done, total)` after each stream, or `None`.
    """
    found = []
    for stream in streams:
        name = f"posteriors-{system.name}-{system.version}-{fingerprint(stream)}.npy"
        path = Path(cache) / name.replace(" ", "_")
        if not path.is_file():
            posteriors = system.predict(stream)
            write_atomically(path, lambda path, posteriors=posteriors: np.save(path, posteriors))
        found.append(np.load(path))
        if progress:
            progress(len(found), len(streams))
    return found


def collect(systems, word, material, cache, *, root, console):
    """Return the `Predictions` of systems.

    Args:
        systems: The systems.
        word: The wake word.
        material: Streams with features by `(split, condition)`.
        cache: Folder of posteriors.
        root: Folder of the recordings.
        console: Shows the progress.
    """
    posteriors = {}
    for system in systems:
        with console.stage(f"Predict {word!r}: {system.name}") as stage:
            posteriors[system.name] = [
                predict(system, streams, cache, stage.progress) for streams in material.values()
            ]
    sets = tuple(
        StreamSet(split, condition, tuple(StreamAnnotation.from_stream(s, root) for s in streams))
        for (split, condition), streams in material.items()
    )
    return Predictions(word, sets, posteriors, {each.name: each.times for each in systems})
