"""From recordings to a verified microcontroller model, once through: `keras-sal demo`.

The same small GRU is trained twice, with frame-wise cross entropy and with `StreamingAnchorLoss`,
from the same weights on the same crops. Both are scored on streams of speakers they have not heard;
the better one on dev becomes an int8 file, which answers to the same streams in the interpreter of
TensorFlow Lite Micro.
"""

import dataclasses
import math
import os
from pathlib import Path

import keras

from keras_sal import recipe
from keras_sal.export import micro
from keras_sal.files import write_json, write_whole
from keras_sal.losses import FrameCrossEntropy, StreamingAnchorLoss
from keras_sal.models import gru_detector
from keras_sal.provenance import machine, versions
from keras_sal.recordings import load_recordings, partition
from keras_sal.uncertainty import binomial_interval

RECORDINGS = "KERAS_SAL_RECORDINGS"
CALIBRATION_STREAMS = 12
DEFAULTS = {
    "steps": 800,
    "crop_frames": 400,
    "rate": 4e-3,
    "hours": 4.0,
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


@dataclasses.dataclass(frozen=True)
class Result:
    """What one system achieves on the test streams.

    Args:
        system: Its name.
        fa_per_hour: The false-alarm budget.
        frr: By condition, `(estimate, low, high)`: share of words missed at the budget, with its
            exact 95 % interval.
        latency_s: By condition, `(P50, P90)` seconds after the end of the word, at the budget.
        threshold: Chosen on the dev streams for the budget.
        at_threshold: By condition, `(FRR, FA/h)` at that threshold.
        hours: By condition, hours of negatives.
        dev_frr: Share of words missed on dev at the budget.
    """

    system: str
    fa_per_hour: float
    frr: dict
    latency_s: dict
    threshold: float
    at_threshold: dict
    hours: dict
    dev_frr: float


def evaluate(system, answer, material, fa_per_hour):
    """Scores `answer(streams)` on dev, for the threshold, and on test.

    Args:
        system: Name of the system.
        answer: Function from streams to posteriors.
        material: A `keras_sal.recipe.Material`.
        fa_per_hour: False-alarm budget.

    Returns:
        A `Result`.
    """
    dev = [stream for streams in material.dev.values() for stream in streams]
    chosen = recipe.score(answer(dev), dev).at(fa_per_hour)
    curves = {name: recipe.score(answer(part), part) for name, part in material.test.items()}
    points = {name: curve.at(fa_per_hour) for name, curve in curves.items()}
    fixed = {name: curve.point(chosen.threshold) for name, curve in curves.items()}
    return Result(
        system=system,
        fa_per_hour=fa_per_hour,
        frr={n: tuple(binomial_interval(p.misses, p.events)) for n, p in points.items()},
        latency_s={n: (p.latency_p50_s, p.latency_p90_s) for n, p in points.items()},
        threshold=chosen.threshold,
        at_threshold={n: (p.frr, p.fa_per_hour) for n, p in fixed.items()},
        hours={n: c.hours for n, c in curves.items()},
        dev_frr=chosen.frr,
    )


def run(output, console, *, recordings=None, word="computer", variant="sa+fl", **options):
    """Does the whole job and writes its artefacts to one folder.

    Args:
        output: The folder to write to: `model.keras`, `model.tflite`, `results.json`.
        console: A `keras_sal.console.Console` that shows progress and the table.
        recordings: Folder of recordings, or `None`; see `find_recordings`. Where there are none,
            speech is synthesised.
        word: The wake word.
        variant: Variant of `StreamingAnchorLoss`.
        **options: `steps` (800), `crop_frames` (400) and learning `rate` (0.004) of the training,
            `hours` of training streams (4), `seed` (0), and `fa_per_hour`, the false-alarm budget
            (1, or the least that the hours of negatives can tell from none).

    Returns:
        The results, as written to `results.json`.
    """
    options = DEFAULTS | options
    output = Path(output)
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
    losses = {"cross entropy": FrameCrossEntropy(), variant.upper(): StreamingAnchorLoss(variant)}
    models, results = {}, []
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
        with console.stage(f"Score {name}"):
            results.append(
                evaluate(
                    f"{name}, float",
                    lambda streams, name=name: recipe.answer(models[name], streams),
                    material,
                    budget,
                )
            )

    best = min(range(len(results)), key=lambda i: results[i].dev_frr)
    name = list(models)[best]
    write_whole(output / "model.keras", models[name].save)
    with console.stage(f"Export {name} to int8 TensorFlow Lite Micro"):
        calibration = calibration_sequences(material.train)
        detector = micro.convert(models[name], output / "model.tflite", calibration)
    with console.stage("Run the file in TensorFlow Lite Micro") as stage:
        results.append(
            evaluate(
                f"{name}, int8",
                lambda streams: [
                    detector.stream(stream.features)[:, 0] for stream in stage.track(streams)
                ],
                material,
                budget,
            )
        )

    summary = {
        "word": word,
        "recordings": str(folder),
        "options": options,
        "results": [dataclasses.asdict(result) for result in results],
        "flash_bytes": detector.flash_bytes,
        "arena_bytes": detector.arena_bytes,
        "operators": list(detector.operators),
        "backend": keras.backend.backend(),
        "versions": versions(),
        "machine": machine(),
    }
    write_json(output / "results.json", summary)
    return summary


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
