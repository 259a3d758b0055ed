"""From recordings to a verified microcontroller model, once through: `keras-sal demo`.

The same small GRU is trained twice, with frame-wise cross entropy and with `StreamingAnchorLoss`,
from the same weights on the same crops. Both are scored on streams of speakers they have not heard;
the better one on dev becomes firmware for a microcontroller, whose model answers to the same
streams in the interpreter of TensorFlow Lite Micro. A page shows and plays what all three did.
"""

from pathlib import Path

import keras

from keras_sal.data import find_recordings, load_recordings, partition
from keras_sal.training import recipe
from keras_sal.training.release import Order, check_packages, ship, supported_rate

QUANTIZATION = "int8"
DEFAULTS = {
    "steps": 6000,
    "crop_frames": 400,
    "rate": 4e-3,
    "hours": 8.0,
    "fa_per_hour": None,
    "seed": 0,
}


def synthetic_recordings(word, folder, progress):
    """Returns a folder of synthesised speech, made on the first call."""
    from keras_sal.data import synthesis

    folder.mkdir(parents=True, exist_ok=True)
    name = f"{word.replace(' ', '_')}-{synthesis.VERSION}"
    return synthesis.synthesize(word, folder / name, progress=progress)


def run(
    output,
    console,
    *,
    recordings=None,
    word="computer",
    variant="sa+fl",
    command="keras-sal demo",
    **options,
):
    """Does the whole job and writes its artefacts to one folder.

    Args:
        output: The folder to write to: `model.keras`, the bundle `firmware`, `report.html` with
            its figures, `results.json` and `posteriors.npz`.
        console: A `keras_sal.cli.console.Console` that shows progress.
        recordings: Folder of recordings, or `None`; see `keras_sal.data.find_recordings`. Where
            there are none, speech is synthesised.
        word: The wake word.
        variant: Variant of `StreamingAnchorLoss`.
        command: What was typed, for the results.
        **options: `steps` (6000), `crop_frames` (400) and `rate` (0.004) of the training,
            `hours` of training streams (8), `seed` (0), and `fa_per_hour`, the false-alarm budget
            (1, or the least that the hours of negatives can tell from none).

    Returns:
        The results, as written to `results.json`; see `keras_sal.evaluation`.
    """
    options = DEFAULTS | options
    output = Path(output)
    check_packages()
    folder = find_recordings(recordings)
    if folder is None:
        with console.stage("Synthesise speech") as stage:
            folder = synthetic_recordings(word, output / "speech", stage.progress)
    console.say(f"Recordings: {folder}")
    found = load_recordings(folder)
    positives, negatives = partition(found, word)
    console.say(f"{len(positives)} times {word!r}, {len(negatives)} other recordings")
    output.mkdir(parents=True, exist_ok=True)

    with console.stage("Make streams") as stage:
        material = recipe.prepare(
            found,
            word,
            hours=options["hours"],
            seed=options["seed"],
            cache=output / "cache",
            progress=stage.named_progress,
        )
    options["fa_per_hour"] = options["fa_per_hour"] or supported_rate(material)

    keras.utils.set_random_seed(options["seed"])
    with console.stage("Refine anchors") as stage:
        train = recipe.refine(material.train, seed=options["seed"], callbacks=[stage.callback()])
    losses = {"cross entropy": recipe.objective("cross-entropy")}
    losses[variant.upper()] = recipe.objective(variant)
    models = {}
    for name, loss in losses.items():
        keras.utils.set_random_seed(options["seed"])
        models[name] = recipe.detector()
        with console.stage(f"Train with {name}") as stage:
            recipe.train(
                models[name],
                loss,
                train,
                steps=options["steps"],
                crop_frames=options["crop_frames"],
                rate=options["rate"],
                seed=options["seed"],
                callbacks=[stage.callback()],
            )
    order = Order(
        word,
        folder,
        material,
        QUANTIZATION,
        options["fa_per_hour"],
        command=command,
        options=options,
        seed=options["seed"],
    )
    return ship(models, order, output, console)
