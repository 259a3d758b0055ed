"""How far the recipe of `keras-sal train` takes the micro detectors, word by word.

    python benchmarks/wake_words.py                          four words, GRU and conv, seed 0
    python benchmarks/wake_words.py --words alexa --models conv --seeds 1 2 --teachers 2

Trains each detector as `keras-sal train --seed` does, teachers first if there are any, converts it,
and lets the file answer to the dev and test streams in the interpreter of TensorFlow Lite Micro.
The threshold is chosen on dev, clean and noisy together, at the budget; beside it stand the fewest
misses that some threshold has on test within the budget, and what is missed where recordings that
are copies of one another count as one. Runs are kept as they are done, and trained models in the
cache, so that a study that was interrupted goes on.
"""

import itertools
import json
import zlib
from functools import cache as once
from functools import partial
from pathlib import Path

import keras
import study
from rows import BUDGET, Rows, hours_and_events, of_recipe
from spoken import missed, spoken

from keras_sal.detection import Scoring
from keras_sal.evaluation.predictions import collect
from keras_sal.evaluation.protocol import Judge
from keras_sal.evaluation.results import evaluate
from keras_sal.export import micro
from keras_sal.files import write_atomically
from keras_sal.runtime import drop_remainder, open_runner
from keras_sal.training import recipe
from keras_sal.training.release import calibration_sequences

KINDS = ("gru", "conv")
POINT = ("threshold", "frr", "fa_per_hour", "latency_p50_s", "latency_p90_s", "events")


def options(about, result):
    """A parser of the command line of a study of these detectors; see `study.options`."""
    parser = study.options(
        about, words=study.WORDS, steps=recipe.STEPS, cache="wake_words_cache", result=result
    )
    parser.add_argument("--models", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--teachers",
        type=int,
        default=0,
        help="detectors that are trained first, for the others to learn from (%(default)s)",
    )
    return parser


def detectors(arguments, recordings, rows, console):
    """Yields what there is to study, word by word: the key of a run, streams, detector, seconds.

    Args:
        arguments: Of the command line.
        recordings: What to make streams of.
        rows: Runs that are there are left out.
        console: Where to show how far it is.
    """
    cache = Path(arguments.cache)
    cache.mkdir(parents=True, exist_ok=True)
    for word in arguments.words:
        keys = [
            {"word": word, "model": kind, "seed": seed}
            for seed, kind in itertools.product(arguments.seeds, arguments.models)
        ]
        keys = [key for key in keys if key not in rows]
        if not keys:
            continue
        material = study.make_streams(recordings, word, console, hours=arguments.hours, cache=cache)
        refined = once(partial(study.refined, material.train, console))
        for key in keys:
            word, kind, seed = key.values()
            teachers = arguments.teachers
            yield (
                key,
                material,
                *trained(word, kind, seed + teachers, teachers, refined, arguments, console),
            )


def trained(word, kind, seed, teachers, refined, arguments, console):
    """A detector trained by the recipe, or as it was kept, and the seconds that took.

    Args:
        word: The wake word.
        kind: Of detector.
        seed: Of its weights and crops; those of its teachers are the seeds before.
        teachers: How many there are.
        refined: Called as `refined(seed=seed)`, the streams to train on.
        arguments: Of the command line.
        console: Where to show how far it is.
    """
    told = [of_recipe(), arguments.hours, arguments.steps, *([teachers] if teachers else [])]
    told = zlib.crc32(json.dumps(told).encode())
    path = Path(arguments.cache) / f"{word.replace(' ', '_')}-{kind}-{seed}-{told:08x}.keras"
    if path.is_file():
        return keras.models.load_model(path, compile=False), None
    taught_by = [
        trained(word, recipe.TEACHER, before, 0, refined, arguments, console)[0]
        for before in range(seed - teachers, seed)
    ]
    model, train_s = study.trained(
        f"Train {kind}, {word!r}, seed {seed}",
        partial(recipe.detector, kind),
        recipe.make_loss(),
        refined(seed=seed),
        console,
        steps=arguments.steps,
        seed=seed,
        teachers=taught_by,
    )
    write_atomically(path, model.save)
    return model, train_s


def scored(model, key, material, folder, cache, console):
    """The float model and the int8 file: bytes, and both operating points by condition."""
    runner = open_runner(recipe.apply_temperature(model))
    with console.stage("Convert to int8"):
        file = micro.convert(
            model,
            cache / f"{key['model']}.tflite",
            drop_remainder(runner, calibration_sequences(material.train)),
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
    with console.stage("Listen"):
        answers = collect(systems, key["word"], material.held_out, root=folder)
    with console.stage("Score"):
        results = evaluate(answers, Judge(BUDGET, scoring=recipe.TRIGGER_OPTIONS, replicates=300))
    groups = spoken(material.test["clean"])

    def of_utterances(system, condition, threshold):
        heard = answers.of(system["name"], "test", condition), material.test[condition]
        return missed(*heard, threshold, Scoring(**system["scoring"]), groups)

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


class Words(Rows):
    """The runs by word, detector and seed."""

    def summary(self):
        """The figures that the bar is about, a row for each file and condition."""
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
        """Prints the summary."""
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
    arguments = options(__doc__, result="wake_words").parse_args()
    console, folder, recordings = study.begin(arguments)
    settings = {"recordings": folder.name, "hours": arguments.hours, "fa_per_hour": BUDGET}
    rows = Words(arguments.result, settings | {"teachers": arguments.teachers})
    for key, material, model, train_s in detectors(arguments, recordings, rows, console):
        rows.add(
            key,
            scored(model, key, material, folder, Path(arguments.cache), console),
            steps=arguments.steps,
            train_s=train_s,
            backend=keras.backend.backend(),
            parameters=model.count_params(),
            conditions=list(material.test),
            streams=hours_and_events(material),
        )
    rows.show(console)


if __name__ == "__main__":
    main()
