"""The runs of a study in a JSON file, written after each run, so that a study can be resumed."""

import json
import shlex
import statistics
import sys
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_sal import files, provenance
from keras_sal.data import StreamAugmentation, training_streams
from keras_sal.training import recipe

BUDGET = 1.0  # false alarms an hour
MAX_FA_PER_HOUR = 100.0  # of the curves
RESULTS = Path(__file__).parent / "results"
AUGMENTATION_OPTIONS = ("speed", "tempo", "tilt_db", "gain_db", "snr_db", "clean", "rooms")
TRAINING_OPTIONS = ("batch_size", "learning_rate")
CONSTANTS = ("CROP_FRAMES", "EPOCHS", "WEIGHT_DECAY", "FRAMES_PER_OUTPUT", "LOSS")


def _without_folder(argument):
    """An argument of the command line; of a path of this machine, the name."""
    path = Path(argument)
    return path.name if path.is_absolute() else argument


class Runs:
    """The runs of a study in a JSON file.

    Args:
        name: Name of the file in `benchmarks/results`, without suffix, or a path with suffix.
        settings: Settings that all runs share. A file with other settings, or of another recipe,
            is refused.
    """

    def __init__(self, name, settings):
        self.path = Path(name) if Path(name).suffix else RESULTS / f"{name}.json"
        settings = settings | {"recipe": recipe_settings(), "trigger": recipe.TRIGGER_OPTIONS}
        self.settings = files.json_ready(settings)
        self.runs = []
        if self.path.is_file():
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if found["settings"] != self.settings:
                raise SystemExit(
                    f"{self.path} was written with other settings: {found['settings']}, not "
                    f"{self.settings}. Give another --result, or remove it."
                )
            self.runs = found["runs"]

    def __contains__(self, key):
        return any(all(run[name] == value for name, value in key.items()) for run in self.runs)

    def add(self, key, figures, **details):
        """Add a run, and write all runs to the file."""
        self.runs.append(files.json_ready({**key, **details, "figures": figures}))
        files.write_json(
            self.path,
            {
                "command": shlex.join(["python", *map(_without_folder, sys.argv)]),
                "settings": self.settings,
                "backend": keras.backend.backend(),
                "versions": provenance.versions(),
                "machine": provenance.machine(),
                "summary": self.summary(),
                "runs": self.runs,
            },
        )

    def summary(self):
        """Return mean, minimum and maximum of each figure over seeds, by case and condition."""
        rows = []
        for case in dict.fromkeys(run["case"] for run in self.runs):
            seeds = [run["figures"] for run in self.runs if run["case"] == case]
            for condition in seeds[0]:
                row = {"case": case, "condition": condition, "seeds": len(seeds)}
                for figure in seeds[0][condition]:
                    row[figure] = mean_and_range(each[condition][figure] for each in seeds)
                rows.append(row)
        return rows

    def show(self, console, title):
        """Print the summary."""
        console.table(
            title,
            ["case", "noise", "missed %", "P50 ms", "at dev threshold %", "FA/h there", "P50 ms"],
            [
                [
                    f"{row['case']} ({row['seeds']})",
                    row["condition"],
                    range_cell(row["frr"], 100),
                    range_cell(row["latency_p50_s"], 1000),
                    range_cell(row["frr_at_dev_threshold"], 100),
                    range_cell(row["fa_per_hour_at_dev_threshold"], 1),
                    range_cell(row["latency_p50_s_at_dev_threshold"], 1000),
                ]
                for row in self.summary()
            ],
        )
        console.say(f"Mean [minimum, maximum] over seeds, their number in (). In {self.path}")


def recipe_settings():
    """Return the settings that studies take from the recipe unchanged."""
    streams = provenance.defaults(StreamAugmentation, *AUGMENTATION_OPTIONS)
    streams |= provenance.defaults(training_streams, "events_per_minute")
    options = recipe.TrainingOptions()
    training = {name: getattr(options, name) for name in TRAINING_OPTIONS}
    constants = {name.lower(): getattr(recipe, name) for name in CONSTANTS}
    return streams | training | constants | {"augment": str(recipe.AUGMENT)}


def figures(model, streams):
    """Return what a model does on test at the budget and at the dev threshold, by condition.

    Args:
        model: The model.
        streams: `SplitStreams`.
    """

    def curve(streams):
        return recipe.score(
            recipe.predict(model, streams),
            streams,
            max_fa_per_hour=MAX_FA_PER_HOUR,
            **recipe.TRIGGER_OPTIONS,
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the few hours: the settings give them
        dev = [stream for streams in streams.dev.values() for stream in streams]
        threshold = curve(dev).threshold_at(BUDGET)
        found = {}
        for condition, held_out in streams.test.items():
            test = curve(held_out)
            best, chosen = test.at(BUDGET), test.point(max(threshold, np.nextafter(test.floor, 2)))
            found[condition] = {
                "frr": best.frr,
                "latency_p50_s": best.latency_p50_s,
                "threshold": threshold,
                "frr_at_dev_threshold": chosen.frr,
                "fa_per_hour_at_dev_threshold": chosen.fa_per_hour,
                "latency_p50_s_at_dev_threshold": chosen.latency_p50_s,
            }
    return found


def hours_and_events(streams):
    """Return hours and events of `SplitStreams` by split and condition."""
    return {
        " ".join(part): {
            "hours": round(sum(stream.hours for stream in held_out), 3),
            "events": sum(len(stream.events) for stream in held_out),
        }
        for part, held_out in streams.held_out.items()
    }


def mean_interval(differences):
    """Return the mean and its 95 % bootstrap interval, or `None` without differences."""
    if not differences:
        return None
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (10_000, len(differences))).mean(axis=1)
    return [float(np.mean(differences)), *map(float, np.percentile(means, [2.5, 97.5]))]


def mean_and_range(values):
    """Return mean, minimum and maximum of the values that are not `None`, or `None`."""
    known = [value for value in values if value is not None]
    return [statistics.mean(known), min(known), max(known)] if known else None


def cell(values, layout):
    """Format figures as the cell of a table."""
    return "-" if values is None or None in values else layout.format(*values)


def range_cell(values, scale):
    """Format mean, minimum and maximum as the cell of a table."""
    if values is None:
        return "-"
    mean, *ends = (scale * value for value in values)
    return f"{mean:.1f}" if ends[0] == ends[1] else "{:.1f} [{:.0f}, {:.0f}]".format(mean, *ends)
