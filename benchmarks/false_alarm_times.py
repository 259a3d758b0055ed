"""False alarms of detectors by the time since the sentence began.

    python benchmarks/false_alarm_times.py --recordings DIR
    python benchmarks/false_alarm_times.py --models gru --steps 6000

The detectors are the float models of `wake_words.py`, trained in the same way or taken from its
cache. Each runs over the dev and test streams at the threshold that gives it 20 false alarms an
hour there, which are enough to count. Recordings of the corpus speechocean762 are read sentences
that begin after a few tenths of a second of silence. Each run is written when it is finished, and
is not repeated.
"""

import itertools
import warnings
from collections import Counter

import numpy as np
import recipe_study
import wake_words
from runs import Runs, hours_and_events

from keras_sal.detection import detect, match_events
from keras_sal.training import recipe

CORPUS = "sentences"  # the folder of its recordings
RATE = 20.0  # false alarms an hour
EDGES_S = (0.0, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, np.inf)
NAMES = [f"{a:g} to {b:g} s" for a, b in itertools.pairwise(EDGES_S[:-1])] + ["from 4 s on"]


def sentences(stream):
    """Return the recordings of sentences in a stream."""
    return [each for each in stream.placed if each.recording.path.parent.name == CORPUS]


def alarms_s(predictions, streams):
    """Yield the times of false alarms in sentences since their recording began."""
    curve = recipe.score(predictions, streams, **recipe.TRIGGER_OPTIONS)
    scoring, threshold = curve.scoring, curve.threshold_at(RATE)
    for posteriors, stream in zip(predictions, streams, strict=True):
        matches = match_events(
            detect(posteriors, threshold, **vars(scoring)),
            stream.events[:, 1],
            early_s=scoring.early_s,
            max_delay_s=scoring.max_delay_s,
        )
        for alarm in matches.false_alarms:
            placed = stream.placed_at(alarm.time_s)
            if placed in sentences(stream):
                yield alarm.time_s - placed.start_s


def heard_h(streams):
    """Return the hours of sentences by the time since their recording began."""
    lengths_s = [each.end_s - each.start_s for stream in streams for each in sentences(stream)]
    return np.diff(np.minimum.outer(lengths_s, EDGES_S)).sum(axis=0) / 3600


class TimeRuns(Runs):
    """The runs by word, detector and seed: false alarms and hours by time since the beginning."""

    def summary(self):
        """Return false alarms and their rate over all runs, by detector and time."""
        rows = []
        for kind in dict.fromkeys(run["model"] for run in self.runs):
            found = [run["figures"] for run in self.runs if run["model"] == kind]
            for name in NAMES:
                alarms = sum(each[name]["false_alarms"] for each in found)
                hours = sum(each[name]["hours"] for each in found)
                row = {"model": kind, "runs": len(found), "since": name}
                rows.append(row | {"false_alarms": alarms, "per_hour": alarms / hours})
        return rows

    def show(self, console):
        """Print the summary."""
        console.table(
            f"False alarms in sentences, at {RATE:g} an hour of everything",
            ["detector", "since the recording began", "false alarms", "an hour of that"],
            [
                [
                    f"{row['model']} ({row['runs']})",
                    row["since"],
                    str(row["false_alarms"]),
                    f"{row['per_hour']:.1f}",
                ]
                for row in self.summary()
            ],
        )
        console.say(f"Number of detectors in (). In {self.path}")


def main():
    arguments = wake_words.parser(__doc__, result="false_alarm_times").parse_args()
    console, folder, recordings = recipe_study.load(arguments)
    settings = {"recordings": folder.name, "hours": arguments.hours, "steps": arguments.steps}
    runs = TimeRuns(arguments.result, settings | {"rate": RATE})
    for key, splits, model, _ in wake_words.detectors(arguments, recordings, runs, console):
        counts, hours = Counter(), np.zeros(len(NAMES))
        with console.stage("Predict"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the few hours, which each run says
            for streams in splits.held_out.values():
                times_s = list(alarms_s(recipe.predict(model, streams), streams))
                counts.update(NAMES[np.searchsorted(EDGES_S, t, "right") - 1] for t in times_s)
                hours += heard_h(streams)
        found = {
            name: {"false_alarms": counts[name], "hours": round(float(h), 4)}
            for name, h in zip(NAMES, hours, strict=True)
        }
        runs.add(key, found, streams=hours_and_events(splits))
    runs.show(console)


if __name__ == "__main__":
    main()
