"""From trained models to what is shipped: firmware with its threshold, figures and a page.

What `keras-sal demo` and `keras-sal train` have in common, once their models are trained.
"""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import keras

from keras_sal.detection import threshold_record
from keras_sal.evaluation.outcomes import read_words
from keras_sal.evaluation.predictions import FILE, collect
from keras_sal.evaluation.protocol import Judge
from keras_sal.evaluation.results import evaluate
from keras_sal.export import bundle, micro
from keras_sal.extras import require_package
from keras_sal.files import write_json
from keras_sal.provenance import machine, versions
from keras_sal.runtime import drop_remainder, open_runner
from keras_sal.training.recipe import TRIGGER, Material, temper

CALIBRATION_STREAMS = 12
FIRMWARE = "firmware"
FOOTPRINT = ("flash_bytes", "arena_bytes", "macs", "operators")
PACKAGES = {  # extra: purpose, packages by the names they are imported by
    "audio": (
        "read and alter recordings",
        ("soundfile", "soxr", "pymicro_features", "python_stretch", "pyroomacoustics"),
    ),
    "export": ("make firmware", ("tensorflow", "tflite_micro", "flatbuffers")),
    "report": ("write a report", ("matplotlib", "jinja2")),
}


def check_packages():
    """Refuses before the work begins if a package is missing that its end needs."""
    for extra, (purpose, packages) in PACKAGES.items():
        for package in packages:
            require_package(package, purpose, extra=extra)


@dataclass(frozen=True)
class Order:
    """What is to be shipped.

    Args:
        word: The wake word.
        folder: The folder of its recordings.
        material: The streams of the three splits.
        quantization: `"int8"`, `"int16x8"` or `"float32"`, of the firmware.
        fa_per_hour: The false-alarm budget.
        command: What was typed, for the results.
        options: The options of the training, for the results.
        seed: Of the bootstrap.
    """

    word: str
    folder: Path
    material: Material
    quantization: str
    fa_per_hour: float
    command: str
    options: dict
    seed: int = 0


def ship(models, order, output, console):
    """Scores models, makes firmware of the best one, and writes what became of it.

    The best one is that with the fewest misses on dev at the budget; its threshold is chosen on dev
    with the converted model. Logits are tempered for int8. The artefacts appear together, once all
    are made; those of an earlier run are replaced.

    Args:
        models: Trained detectors, by name.
        order: An `Order`.
        output: The folder to write to: `model.keras`, the bundle `firmware`, `report.html` with
            its figures, `results.json` and `posteriors.npz`.
        console: A `keras_sal.cli.console.Console` that shows progress.

    Returns:
        The results, as written to `results.json`; see `keras_sal.evaluation`.

    Raises:
        ValueError: If `output` holds something else than a bundle under the name `firmware`.
    """
    check_output(output)
    judge = Judge(
        order.fa_per_hour, scoring=TRIGGER, words=read_words(order.folder), seed=order.seed
    )
    if order.quantization == "int8":
        models = {name: temper(model) for name, model in models.items()}
    runners = {name: open_runner(model) for name, model in models.items()}
    answers = _listen(runners, order, console)

    def on_dev(name):
        return answers.curve(name, "dev", max_fa_per_hour=judge.max_fa_per_hour, **judge.scoring)

    def misses(name):
        return on_dev(name).frr_at(order.fa_per_hour)

    best = min(models, key=misses)
    shipped = f"{best}, {order.quantization}"
    with tempfile.TemporaryDirectory(prefix=".shipping-", dir=output) as made:
        made = Path(made)
        models[best].save(made / "model.keras")
        with console.stage(f"Convert {best} to {order.quantization} TensorFlow Lite Micro"):
            detector = micro.convert(
                models[best],
                made / "cache.tflite",
                drop_remainder(runners[best], calibration_sequences(order.material.train)),
                quantization=order.quantization,
            )
        answers = answers.joined(_listen({shipped: detector}, order, console))
        record = threshold_record(
            on_dev(shipped),
            order.fa_per_hour,
            data=f"dev, {order.quantization} model in TensorFlow Lite Micro",
        )
        firmware = bundle.write(
            detector,
            made / FIRMWARE,
            threshold=record,
            class_names=[order.word],
            frontend="micro",
        )
        (made / "cache.tflite").unlink()
        with console.stage("Score") as stage:
            results = evaluate(
                answers,
                judge,
                about={shipped: {name: firmware.manifest[name] for name in FOOTPRINT}},
                provenance=_provenance(order),
                progress=stage.progress,
            )
        write_json(made / "results.json", results)
        answers.save(made / FILE)
        with console.stage("Draw the report") as stage:
            _report(made, answers, results, order, judge, stage)
        _put_in_place(made, Path(output))
    return results


def check_output(output):
    """Refuses a file, and a folder with something else under the name of the firmware."""
    if Path(output).exists() and not Path(output).is_dir():
        raise NotADirectoryError(
            "`output` must be a folder, or nothing yet; the artefacts are written into it. "
            f"Received: {output}, a file. Name another one."
        )
    firmware = Path(output) / FIRMWARE
    if firmware.is_dir() and any(firmware.iterdir()):
        bundle.read_manifest(firmware)


def supported_fa_per_hour(material):
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


def _put_in_place(made, output):
    former = made / "former"
    artefacts = list(made.iterdir())
    former.mkdir()
    for artefact in artefacts:
        place = output / artefact.name
        if place.exists():
            place.replace(former / artefact.name)
        artefact.replace(place)


def _listen(systems, order, console):
    with console.stage(f"{' and '.join(systems)}: listen") as stage:
        return collect(
            systems,
            order.word,
            order.material.held_out,
            root=order.folder,
            progress=lambda name, done, total: stage.progress(done, total),
        )


def _provenance(order):
    return {
        "command": order.command,
        "recordings": order.folder.name,
        "options": order.options,
        "backend": keras.backend.backend(),
        "versions": versions(),
        "machine": machine(),
    }


def _report(folder, answers, results, order, judge, stage):
    from keras_sal.evaluation import report

    report.write(
        folder,
        answers,
        results,
        streams=order.material.test,
        words=judge.words,
        progress=stage.progress,
    )
