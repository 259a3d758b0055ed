"""From recordings to a verified microcontroller model, once through: `keras-sal demo`.

The same small GRU is trained twice, with frame-wise cross entropy and with `StreamingAnchorLoss`,
from the same weights on the same crops. Both are scored on streams of speakers they have not heard;
the better one on dev becomes firmware for a microcontroller, whose model answers to the same
streams in the interpreter of TensorFlow Lite Micro. A page shows and plays what all three did.
"""

import math
import os
from pathlib import Path

import keras

from keras_sal import recipe
from keras_sal.answers import FILE, collect
from keras_sal.evaluation import evaluate
from keras_sal.export import bundle, micro
from keras_sal.extras import check
from keras_sal.files import write_json, write_whole
from keras_sal.judge import Judge
from keras_sal.losses import FrameCrossEntropy, StreamingAnchorLoss
from keras_sal.models import gru_detector
from keras_sal.outcomes import read_words
from keras_sal.provenance import machine, versions
from keras_sal.recordings import load_recordings, partition
from keras_sal.runners import open_runner
from keras_sal.tuning import threshold_record

RECORDINGS = "KERAS_SAL_RECORDINGS"
QUANTIZATION = "int16x8"
CALIBRATION_STREAMS = 12
DEFAULTS = {
    "steps": 3000,
    "crop_frames": 400,
    "rate": 4e-3,
    "hours": 8.0,
    "fa_per_hour": None,
    "seed": 0,
}


def find_recordings(directory=None):
    """Finds a folder of recordings: given, named by the environment, or beside the checkout.

    Args:
        directory: A folder, or `None` to look at `KERAS_SAL_RECORDINGS` and then for
            `../shared/recordings` beside the checkout.

    Returns:
        The folder, or `None` if none was named and none lies beside the checkout.
    """
    named = directory or os.environ.get(RECORDINGS)
    if named:
        return Path(named)
    beside = Path(__file__).resolve().parents[2] / "shared" / "recordings"
    return beside if (beside / "recordings.csv").is_file() else None


def synthetic_recordings(word, folder, progress):
    """Returns a folder of synthesised speech, made on the first call."""
    from keras_sal import synthesis

    folder.mkdir(parents=True, exist_ok=True)
    name = f"{word.replace(' ', '_')}-{synthesis.VERSION}"
    return synthesis.synthesize(word, folder / name, progress=progress)


def run(output, console, *, recordings=None, word="computer", variant="sa+fl", **options):
    """Does the whole job and writes its artefacts to one folder.

    Args:
        output: The folder to write to: `model.keras`, the bundle `firmware`, `report.html` with
            its figures, `results.json` and `posteriors.npz`.
        console: A `keras_sal.console.Console` that shows progress.
        recordings: Folder of recordings, or `None`; see `find_recordings`. Where there are none,
            speech is synthesised.
        word: The wake word.
        variant: Variant of `StreamingAnchorLoss`.
        **options: `steps` (3000), `crop_frames` (400) and `rate` (0.004) of the training,
            `hours` of training streams (8), `seed` (0), and `fa_per_hour`, the false-alarm budget
            (1, or the least that the hours of negatives can tell from none).

    Returns:
        The results, as written to `results.json`; see `keras_sal.evaluation`.
    """
    options = DEFAULTS | options
    output = Path(output)
    for package in ("matplotlib", "jinja2"):
        check(package, "write a report", extra="report")
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

    budget = options["fa_per_hour"] = options["fa_per_hour"] or supported_rate(material)
    judge = Judge(budget, words=read_words(folder), seed=options["seed"])

    def listen(systems):
        with console.stage(f"{' and '.join(systems)}: listen") as stage:
            return collect(
                systems,
                word,
                material.held_out,
                root=folder,
                progress=lambda name, done, total: stage.progress(done, total),
            )

    losses = {"cross entropy": FrameCrossEntropy(), variant.upper(): StreamingAnchorLoss(variant)}
    models = {}
    for name, loss in losses.items():
        keras.utils.set_random_seed(options["seed"])
        models[name] = gru_detector()
        with console.stage(f"Train with {name}") as stage:
            recipe.train(
                models[name],
                loss,
                material.train,
                steps=options["steps"],
                crop_frames=options["crop_frames"],
                rate=options["rate"],
                seed=options["seed"],
                callbacks=[stage.callback()],
            )
    answers = listen({name: open_runner(model) for name, model in models.items()})

    def misses(name):
        return answers.curve(name, "dev", max_fa_per_hour=judge.max_fa_per_hour).frr_at(budget)

    best = min(models, key=misses)
    write_whole(output / "model.keras", models[best].save)
    with console.stage(f"Convert {best} to {QUANTIZATION} TensorFlow Lite Micro"):
        detector = micro.convert(
            models[best],
            output / "cache" / "model.tflite",
            calibration_sequences(material.train),
            quantization=QUANTIZATION,
        )
    shipped = f"{best}, {QUANTIZATION}"
    answers = answers.joined(listen({shipped: detector}))
    record = threshold_record(
        answers.curve(shipped, "dev", max_fa_per_hour=judge.max_fa_per_hour),
        budget,
        data=f"dev, {QUANTIZATION} model in TensorFlow Lite Micro",
    )
    firmware = bundle.write(
        detector, output / "firmware", threshold=record, class_names=[word], frontend="micro"
    )

    with console.stage("Score") as stage:
        results = evaluate(
            answers,
            judge,
            about={
                shipped: {
                    name: firmware.manifest[name]
                    for name in ("flash_bytes", "arena_bytes", "macs", "operators")
                }
            },
            provenance={
                "command": f"keras-sal demo --word {word!r} --variant {variant}",
                "recordings": folder.name,
                "options": options,
                "backend": keras.backend.backend(),
                "versions": versions(),
                "machine": machine(),
            },
            progress=stage.progress,
        )
    write_json(output / "results.json", results)
    answers.save(output / FILE)
    with console.stage("Draw the report") as stage:
        _report(output, answers, results, material, judge, stage)
    return results


def _report(output, answers, results, material, judge, stage):
    from keras_sal import report

    report.write(
        output,
        answers,
        results,
        streams=material.test,
        words=judge.words,
        progress=stage.progress,
    )


def supported_rate(material):
    """Returns the least false-alarm rate >= 1 an hour that dev and each test condition support.

    No false alarm in H hours only says that there are at most 3/H an hour (95 %).
    """
    dev = sum(stream.hours for streams in material.dev.values() for stream in streams)
    test = [sum(stream.hours for stream in streams) for streams in material.test.values()]
    return max(1.0, math.ceil(3.1 / min(dev, *test)))


def calibration_sequences(streams):
    """Picks the training streams with most events, to roll the state through."""
    ranked = sorted(streams, key=lambda stream: -len(stream.events))
    return [stream.features for stream in ranked[:CALIBRATION_STREAMS]]
