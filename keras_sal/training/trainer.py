"""Trains detectors on the same streams, each once."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import keras

from keras_sal import __version__
from keras_sal.cli.console import Console
from keras_sal.files import write_atomically
from keras_sal.training import recipe
from keras_sal.training.remaining_time import RemainingTime

TRAIN = ("steps", "batch_size", "crop_frames", "rate")


@dataclass(frozen=True)
class Trainer:
    """Trains detectors by the recipe, and keeps them.

    Attributes:
        objective: A loss over packed targets.
        streams: Training streams.
        recordings: What they are made of.
        options: What was asked for: those of `recipe.train` that `TRAIN` names, the `size` of
            detectors, whether to `refine` anchors, and the first `seed`. A detector that was
            trained with other options is another one.
        cache: The folder to keep the detectors in.
        console: A `keras_sal.cli.console.Console` that shows progress.
    """

    objective: keras.losses.Loss
    streams: list
    recordings: list
    options: dict
    cache: Path
    console: Console

    def detector(self, kind, number, teachers, *, resume=False):
        """A trained detector.

        Args:
            kind: `"gru"`, `"conv"` or `"conv-gru"`.
            number: How many seeds after the first its own is.
            teachers: How many detectors it learns from; they have the first seeds.
            resume: Whether to take those that were trained before.

        Returns:
            The model.
        """
        path = self._path(kind, number, teachers)
        if resume and path.is_file():
            self.console.say(f"Trained before: {path}")
            return keras.models.load_model(path, compile=False)
        taught_by = [
            self.detector(recipe.TEACHER, before, 0, resume=resume) for before in range(teachers)
        ]
        model = self._trained(kind, self.options["seed"] + number, taught_by)
        self.cache.mkdir(parents=True, exist_ok=True)
        write_atomically(path, model.save)
        return model

    def _trained(self, kind, seed, teachers):
        keras.utils.set_random_seed(seed)
        streams = self.streams
        if self.options["refine"]:
            with self.console.stage("Refine anchors") as stage:
                streams = recipe.refine_anchors(streams, seed=seed, callbacks=[stage.callback()])
        model = recipe.detector(kind, self.options["size"])
        with self.console.stage(f"Train {model.name}, seed {seed}") as stage:
            return recipe.train(
                model,
                self.objective,
                streams,
                **{name: self.options[name] for name in TRAIN},
                seed=seed,
                teachers=teachers,
                callbacks=[RemainingTime(self.console, stage)],
            )

    def _path(self, kind, number, teachers):
        own = self.options | {"model": kind, "number": number, "teachers": teachers}
        heard = [
            (str(r.path), r.split, r.text, r.duration_s, r.onset_s, r.offset_s)
            for r in self.recordings
        ]
        told = json.dumps([__version__, own, heard], sort_keys=True, default=str)
        digest = hashlib.sha256(told.encode()).hexdigest()[:16]
        return self.cache / f"trained-{kind}-{digest}.keras"
