"""What `evaluate` and `compare` share: models and bundles that hear the dev and test streams."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from keras_sal.cli.arguments import TRIGGER, add_recordings, positive, typed

SPLITS = ("dev", "test")
SHIPPED = "shipped with the model"
RUNTIMES = {
    "MicroModel": "TensorFlow Lite Micro",
    "LiteModel": "LiteRT",
    "OnnxModel": "ONNX Runtime",
}


class Heard(NamedTuple):
    """Answers of opened systems, and what is known of these."""

    answers: object
    streams: dict
    words: dict
    about: dict
    given: dict


def add_hearing(parser):
    """Adds the arguments that say what is heard."""
    add_recordings(parser)
    parser.add_argument(
        "--snr-db",
        type=float,
        nargs="*",
        default=[10.0],
        metavar="DB",
        help="signal-to-noise ratios to score at besides clean streams (10)",
    )
    parser.add_argument(
        "--class-index",
        type=int,
        default=0,
        metavar="N",
        help="which output is the word, where there are several (%(default)s)",
    )
    parser.add_argument(
        "--runtime", choices=("keras", "micro", "litert", "onnx"), help="to run models in (by kind)"
    )


def add_judgement(parser, budget):
    """Adds the arguments that say how it is judged; `budget` is the default budget."""
    parser.add_argument(
        "--fa-per-hour",
        type=positive(float),
        default=budget,
        help="false alarms an hour that are allowed (0.5)",
    )
    parser.add_argument(
        "--replicates", type=positive(int), default=1000, help="of the bootstrap (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (%(default)s)")


def hear(
    console,
    models: Sequence[str],
    bundles: Sequence[str] = (),
    *,
    recordings,
    word,
    snr_db,
    cache,
    class_index,
    runtime,
    names=None,
) -> Heard:
    """Opens models and bundles, makes the streams, and lets everyone hear them."""
    from keras_sal.data import evaluation_streams, load_recordings, partition, require_recordings
    from keras_sal.evaluation.outcomes import read_words
    from keras_sal.evaluation.predictions import collect

    paths = [Path(model) for model in models]
    folders = [Path(bundle) for bundle in bundles]
    names = _names([*paths, *folders], names)
    systems, about, given, times = {}, {}, {}, {}
    for name, path in zip(names, [*paths, *folders], strict=True):
        with console.stage(f"Open {name}"):
            systems[name], about[name] = _open(path, runtime)
    for name, folder in zip(names[len(paths) :], folders, strict=True):
        given[name], times[name] = _shipped(folder)

    folder = require_recordings(recordings)
    found = load_recordings(folder)
    partition(found, word)
    conditions = {"clean": None} | {f"{snr:g} dB": snr for snr in snr_db}
    material = {}
    with console.stage("Make streams") as stage:
        for split in SPLITS:
            for condition, snr in conditions.items():

                def tell(done, total, name=f"{split} streams, {condition}"):
                    stage.named_progress(name, done, total)

                material[split, condition] = evaluation_streams(
                    found, word, split, snr_db=snr, cache=cache, progress=tell
                )
    with console.stage("Listen") as stage:
        answers = collect(
            systems,
            word,
            material,
            class_index=class_index,
            root=folder,
            progress=lambda name, done, total: stage.named_progress(f"{name} listens", done, total),
        )
    for name, shipped in times.items():
        _check_times(name, shipped, answers.times[name])
    streams = {condition: material["test", condition] for condition in conditions}
    return Heard(answers, streams, read_words(folder), about, given)


def provenance(recordings=None) -> dict:
    """What results say of where they come from."""
    import keras

    from keras_sal.data import find_recordings
    from keras_sal.provenance import machine, versions

    found = find_recordings(recordings)
    return {
        "command": typed(),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "recordings": str(found.resolve()) if found else "",
        "stream_seed": 0,
        "machine": machine(),
        "backend": keras.backend.backend(),
        "versions": versions(),
    }


def _open(path, runtime):
    """A runner and what is known of its file."""
    import keras

    from keras_sal.runtime import open_runner

    if not path.exists():
        raise FileNotFoundError(
            f"`MODEL` must be a .keras, .tflite or .onnx file or a bundle. Received: {path}, which "
            "is not there."
        )
    model, about = path, {"model": str(path)}
    if path.suffix == ".keras":
        model = keras.models.load_model(path, compile=False)
        about["parameters"] = model.count_params()
    runner = open_runner(model, runtime if path.suffix == ".tflite" else None)
    file = Path(getattr(runner, "path", path))
    content = file.read_bytes()
    kind = type(runner).__name__
    about |= {
        "runtime": RUNTIMES.get(kind, f"Keras on {keras.backend.backend()}"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    if kind == "MicroModel":
        about |= {
            "arena_bytes": runner.arena_bytes,
            "macs": runner.macs,
            "operators": list(runner.operators),
        }
    return runner, about


def _shipped(folder) -> tuple[dict, dict]:
    """The trigger of a bundle, and the times of its frames."""
    from keras_sal.export.bundle import read_manifest

    manifest = read_manifest(folder)
    trigger = manifest["trigger"]
    thresholds = trigger["threshold"]
    threshold = thresholds[0] if isinstance(thresholds, list) else thresholds
    record = {
        key: value for key, value in (manifest["threshold"] or {}).items() if key != "scoring"
    }
    given = {
        "scoring": {name: trigger[name] for name in TRIGGER},
        "threshold": {**record, "threshold": threshold, "rule": SHIPPED},
    }
    return given, {name: manifest[name] for name in ("frame_step_s", "frame_offset_s")}


def _check_times(name, shipped, heard):
    """Refuses a bundle whose frames are others than those of the recordings."""
    if any(abs(shipped[key] - heard[key]) > 1e-9 for key in heard):
        raise ValueError(
            f"`--bundle` must answer to the frames of the recordings; {name!r} answers at other "
            f"times. Received: {shipped} for frames at {heard}. Export it again with these times."
        )


def _names(paths, names) -> list[str]:
    """A name for each: those given, else that of the file, with its folder where that is needed."""
    from keras_sal.evaluation.predictions import unused_name

    if names and len(names) != len(paths):
        raise ValueError(
            "`--names` must name every model, then every bundle. "
            f"Received: {len(names)} names for {len(paths)} systems."
        )
    short = [path.name for path in paths]
    chosen = names or [
        path.name if short.count(path.name) == 1 else f"{path.parent.name}/{path.name}"
        for path in paths
    ]
    unique = []
    for name in chosen:
        unique.append(unused_name(name, unique))
    return unique


def read_results(folder) -> dict:
    """The `results.json` of a folder that `keras-sal evaluate` wrote.

    Raises:
        ValueError: If it is something else, or of another format.
    """
    from keras_sal.evaluation.results import FORMAT

    path = Path(folder) / "results.json"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        if results["format"] != FORMAT:
            raise ValueError(f"its format is {results['format']}, not {FORMAT}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`{folder}` must be a folder written by this version of `keras-sal evaluate`. "
            f"{path}: {error}. Evaluate again."
        ) from error
    return results
