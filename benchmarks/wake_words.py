"""Misses, latency and size of the micro detectors of `keras-sal train`, word by word.

    python benchmarks/wake_words.py                          four words, GRU and conv, seed 0
    python benchmarks/wake_words.py --words alexa --models conv --seeds 1 2

Trains each detector by the recipe, converts it, and predicts the dev and test streams with the file
in the interpreter of TensorFlow Lite Micro. The threshold is chosen on dev, clean and noisy
together, at the budget. Beside its figures stand those of the best threshold on test within the
budget, and the misses with duplicates counted as one utterance. Each run is written when it is
finished, and is not repeated; trained models are kept in the cache.
"""

import itertools
import json
import zlib
from functools import cache as once
from functools import partial
from pathlib import Path

import keras
import recipe_study
from runs import BUDGET, Runs, hours_and_events, recipe_settings
from utterances import utterance_frr, utterance_paths

from keras_sal.detection import Scoring
from keras_sal.evaluation.collection import collect_predictions
from keras_sal.evaluation.protocol import ScoringProtocol
from keras_sal.evaluation.results import evaluate
from keras_sal.export import micro
from keras_sal.files import write_atomically
from keras_sal.runtime import drop_remainder, open_runner
from keras_sal.training import apply_temperature, calibration_sequences, recipe

KINDS = ("gru", "conv")
POINT = ("threshold", "frr", "fa_per_hour", "latency_p50_s", "latency_p90_s", "events")


def parser(description, result):
    """Return an argument parser for a study of these detectors; see `recipe_study.parser`."""
    found = recipe_study.parser(
        description,
        words=recipe_study.WORDS,
        steps=recipe.TrainingOptions.steps,
        cache="wake_words_cache",
        result=result,
    )
    found.add_argument("--models", nargs="+", choices=KINDS, default=KINDS)
    found.add_argument("--seeds", nargs="+", type=int, default=[0])
    return found


def detectors(arguments, recordings, runs, console):
    """Yield the key of each run, streams, detector and seconds of training, word by word.

    Args:
        arguments: Arguments of the command line.
        recordings: Recordings that streams are made of.
        runs: Finished runs, which are left out.
        console: Receiver of the progress.
    """
    cache = Path(arguments.cache)
    cache.mkdir(parents=True, exist_ok=True)
    for word in arguments.words:
        keys = [
            {"word": word, "model": kind, "seed": seed}
            for seed, kind in itertools.product(arguments.seeds, arguments.models)
        ]
        keys = [key for key in keys if key not in runs]
        if not keys:
            continue
        splits = recipe_study.streams_of(
            word, recordings, console, hours=arguments.hours, cache=cache
        )
        refined = once(partial(recipe.refine_anchors, splits.train, reporter=console))
        for key in keys:
            yield (
                key,
                splits,
                *trained(**key, refined=refined, arguments=arguments, console=console),
            )


def trained(word, model, seed, *, refined, arguments, console):
    """Return a detector trained by the recipe or from the cache, and the seconds of its training.

    Args:
        word: The wake word.
        model: Kind of the detector.
        seed: Seed of weights and crops.
        refined: Function that returns the training streams, called as `refined(seed=seed)`.
        arguments: Arguments of the command line.
        console: Receiver of the progress.
    """
    settings = json.dumps([recipe_settings(), arguments.hours, arguments.steps])
    digest = f"{zlib.crc32(settings.encode()):08x}"
    path = Path(arguments.cache) / f"{word.replace(' ', '_')}-{model}-{seed}-{digest}.keras"
    if path.is_file():
        return keras.models.load_model(path, compile=False), None
    detector, train_s = recipe_study.train(
        f"Train {model}, {word!r}, seed {seed}",
        partial(recipe.detector, model),
        recipe.make_loss(),
        refined(seed=seed),
        console,
        recipe.TrainingOptions(steps=arguments.steps, seed=seed),
    )
    write_atomically(path, detector.save)
    return detector, train_s


def scored(model, key, splits, folder, cache, console):
    """Return bytes and both operating points by condition, of the float model and the int8 file."""
    runner = open_runner(apply_temperature(model))
    with console.stage("Convert to int8"):
        file = micro.convert(
            model,
            cache / f"{key['model']}.tflite",
            drop_remainder(runner, calibration_sequences(splits.train)),
            quantization="int8",
        )
    systems = {"float32": runner, "int8": file}
    size = {
        "float32": {},
        "int8": {
            "flash_bytes": file.flash_bytes,
            "arena_bytes": file.arena_bytes,
            "macs": file.macs,
        },
    }
    with console.stage("Predict"):
        predictions = collect_predictions(systems, key["word"], splits.held_out, root=folder)
    with console.stage("Score"):
        results = evaluate(
            predictions, ScoringProtocol(BUDGET, scoring=recipe.TRIGGER_OPTIONS, replicates=300)
        )
    utterances = utterance_paths(splits.test["clean"])

    def of_utterances(system, condition, threshold):
        posteriors = predictions.posteriors_of(system["name"], "test", condition)
        scoring = Scoring(**system["scoring"])
        return utterance_frr(posteriors, splits.test[condition], threshold, scoring, utterances)

    return {
        system["name"]: size[system["name"]]
        | {
            condition: {
                point: {name: found[point][name] for name in POINT}
                | {"frr_95": found[point]["intervals"]["frr"]}
                | {"frr_of_utterances": of_utterances(system, condition, found[point]["threshold"])}
                for point in ("at_budget", "at_threshold")
                if found[point]
            }
            for condition, found in system["conditions"].items()
        }
        for system in results["systems"]
    }


class WordRuns(Runs):
    """The runs by word, detector and seed."""

    def summary(self):
        """Return the main figures, a row for each file and condition."""
        return [
            {
                "word": run["word"],
                "detector": f"{run['model']} {name}",
                "seed": run["seed"],
                "flash_bytes": system.get("flash_bytes"),
                "condition": condition,
                **_figures(system[condition]),
            }
            for run in self.runs
            for name, system in run["figures"].items()
            for condition in run["conditions"]
        ]

    def show(self, console):
        """Print the summary."""
        columns = ["word", "detector", "seed", "flash", "noise"]
        columns += ["missed % [95 % by voice]", "of utterances %", "P50 ms"]
        columns += ["at dev threshold %", "FA/h there"]
        rows = [
            [
                row["word"],
                row["detector"],
                str(row["seed"]),
                f"{row['flash_bytes'] or 0:,}",
                row["condition"],
                _percent(row["frr"], row["frr_95_by_speaker"]),
                _percent(row["frr_of_utterances"], None),
                _scaled(row["latency_p50_s"], 1000),
                _percent(row.get("frr_at_dev_threshold"), None),
                _scaled(row.get("fa_per_hour_at_dev_threshold"), 1),
            ]
            for row in self.summary()
        ]
        console.table(f"Test, at {BUDGET:g} false alarm an hour", columns, rows)


def _figures(found):
    best, chosen = found["at_budget"], found.get("at_threshold")
    figures = {
        "frr": best["frr"],
        "frr_of_utterances": best["frr_of_utterances"],
        "frr_95_by_speaker": best["frr_95"]["speakers"],
        "latency_p50_s": best["latency_p50_s"],
    }
    if chosen:
        figures |= {
            "frr_at_dev_threshold": chosen["frr"],
            "frr_of_utterances_at_dev_threshold": chosen["frr_of_utterances"],
            "fa_per_hour_at_dev_threshold": chosen["fa_per_hour"],
            "latency_p50_s_at_dev_threshold": chosen["latency_p50_s"],
        }
    return figures


def _percent(share, interval):
    if share is None:
        return "-"
    low_high = "" if interval is None else " [{:.0f}, {:.0f}]".format(*(100 * x for x in interval))
    return f"{100 * share:.1f}{low_high}"


def _scaled(value, scale):
    return "-" if value is None else f"{scale * value:.1f}"


def main():
    arguments = parser(__doc__, result="wake_words").parse_args()
    console, folder, recordings = recipe_study.load(arguments)
    settings = {"recordings": folder.name, "hours": arguments.hours, "fa_per_hour": BUDGET}
    runs = WordRuns(arguments.result, settings)
    for key, splits, model, train_s in detectors(arguments, recordings, runs, console):
        runs.add(
            key,
            scored(model, key, splits, folder, Path(arguments.cache), console),
            steps=arguments.steps,
            train_s=train_s,
            backend=keras.backend.backend(),
            parameters=model.count_params(),
            conditions=list(splits.test),
            streams=hours_and_events(splits),
        )
    runs.show(console)


if __name__ == "__main__":
    main()
