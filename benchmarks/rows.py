"""Runs of a study, kept as they are done, so that a study that was interrupted goes on."""

import json
import shlex
import statistics
import sys
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_sal import files, provenance
from keras_sal.data import training_streams
from keras_sal.training import recipe

BUDGET = 1.0
REACH = 100.0  # false alarms an hour up to which curves are computed
RESULTS = Path(__file__).parent / "results"
STREAMS = ("speed", "tempo", "tilt_db", "gain_db", "snr_db", "clean", "rooms", "events_per_minute")
TRAIN = ("batch_size", "rate")
TRAINING = ("CROP_FRAMES", "EPOCHS", "WEIGHT_DECAY", "FRAMES_PER_OUTPUT", "LOSS")


class Rows:
    """The runs of a study in a file of results.

    Args:
        name: Name of the file in `benchmarks/results`, without suffix, or a path.
        settings: What all runs have in common. A file with other settings, or of another recipe, is
            refused.
    """

    def __init__(self, name, settings):
        self.path = Path(name) if Path(name).suffix else RESULTS / f"{name}.json"
        settings = settings | {"recipe": of_recipe(), "trigger": recipe.TRIGGER_OPTIONS}
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

    def add(self, key, found, **about):
        """Keeps a run, and the whole study so far."""
        self.runs.append(files.json_ready({**key, **about, "figures": found}))
        files.write_json(
            self.path,
            {
                "command": shlex.join(["python", *sys.argv]),
                "settings": self.settings,
                "backend": keras.backend.backend(),
                "versions": provenance.versions(),
                "machine": provenance.machine(),
                "summary": self.summary(),
                "runs": self.runs,
            },
        )

    def summary(self):
        """Mean, least and greatest of each figure over the seeds, by case and condition."""
        rows = []
        for case in dict.fromkeys(run["case"] for run in self.runs):
            mine = [run["figures"] for run in self.runs if run["case"] == case]
            for condition in mine[0]:
                row = {"case": case, "condition": condition, "seeds": len(mine)}
                for figure in mine[0][condition]:
                    row[figure] = spread(found[condition][figure] for found in mine)
                rows.append(row)
        return rows

    def show(self, console, title):
        """Prints the summary."""
        console.table(
            title,
            ["case", "noise", "missed %", "P50 ms", "at dev threshold %", "FA/h there", "P50 ms"],
            [
                [
                    f"{row['case']} ({row['seeds']})",
                    row["condition"],
                    shown(row["frr"], 100),
                    shown(row["latency_p50_s"], 1000),
                    shown(row["frr_at_dev_threshold"], 100),
                    shown(row["fa_per_hour_at_dev_threshold"], 1),
                    shown(row["latency_p50_s_at_dev_threshold"], 1000),
                ]
                for row in self.summary()
            ],
        )
        console.say(f"Mean [least, greatest] over seeds, their number in (). In {self.path}")


def of_recipe():
    """What a trained model depends on that the studies take from the recipe as it is."""
    streams = provenance.defaults(training_streams, *STREAMS)
    train = provenance.defaults(recipe.train, *TRAIN)
    constants = {name.lower(): getattr(recipe, name) for name in TRAINING}
    return streams | train | constants | {"augment": str(recipe.AUGMENT)}


def figures(model, material):
    """What a model does on test, at its best and at the threshold chosen on dev, by condition."""

    def curve(streams):
        return recipe.score(
            recipe.predict(model, streams), streams, max_fa_per_hour=REACH, **recipe.TRIGGER_OPTIONS
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the few hours: the settings say how many there are
        dev = [stream for streams in material.dev.values() for stream in streams]
        threshold = curve(dev).threshold_at(BUDGET)
        found = {}
        for condition, streams in material.test.items():
            test = curve(streams)
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


def interval(differences):
    """Mean and 95 % bootstrap interval, or `None` where there is nothing to compare."""
    if not differences:
        return None
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (10_000, len(differences))).mean(axis=1)
    return [float(np.mean(differences)), *map(float, np.percentile(means, [2.5, 97.5]))]


def spread(values):
    """Mean, least and greatest of those that are known, or `None`."""
    known = [value for value in values if value is not None]
    return [statistics.mean(known), min(known), max(known)] if known else None


def cell(values, layout):
    """Figures as the cell of a table."""
    return "-" if values is None or None in values else layout.format(*values)


def hours_and_events(material):
    """How much is heard, for the settings."""
    return {
        " ".join(part): {
            "hours": round(sum(stream.hours for stream in streams), 3),
            "events": sum(len(stream.events) for stream in streams),
        }
        for part, streams in material.held_out.items()
    }


def shown(values, scale):
    """Mean, least and greatest of a figure as the cell of a table."""
    if values is None:
        return "-"
    mean, *ends = (scale * value for value in values)
    return f"{mean:.1f}" if ends[0] == ends[1] else "{:.1f} [{:.0f}, {:.0f}]".format(mean, *ends)
