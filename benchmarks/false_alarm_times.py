"""When in a sentence a detector fires falsely: by the time since its recording began.

    python benchmarks/false_alarm_times.py --recordings DIR
    python benchmarks/false_alarm_times.py --models gru --steps 6000

The detectors of `wake_words.py`, float, trained as it does it or taken from its cache, over the dev
and test streams, each at the threshold that gives it 20 false alarms an hour there: enough of them
to count. Recordings of the corpus speechocean762 are read sentences that begin after a few tenths
of a second of silence. Each run is written as it is done; what is there is not done again.
"""

import itertools
import warnings
from collections import Counter

import numpy as np
import study
import wake_words
from rows import Rows, hours_and_events

from keras_sal.detection import detect, match_events
from keras_sal.training import recipe

CORPUS = "sentences"  # the folder of its recordings
RATE = 20.0  # false alarms an hour
EDGES_S = (0.0, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, np.inf)
NAMES = [f"{a:g} to {b:g} s" for a, b in itertools.pairwise(EDGES_S[:-1])] + ["from 4 s on"]


def sentences(stream):
    """The recordings of sentences in a stream."""
    return [clip for clip in stream.clips if clip.recording.path.parent.name == CORPUS]


def alarms_s(posteriors, streams):
    """When, since their recording began, the false alarms in sentences are."""
    curve = recipe.score(posteriors, streams, **recipe.TRIGGER)
    rule, threshold = curve.scoring, curve.threshold_at(RATE)
    for posterior, stream in zip(posteriors, streams, strict=True):
        matches = match_events(
            detect(posterior, threshold, **vars(rule)),
            stream.events[:, 1],
            early_s=rule.early_s,
            max_delay_s=rule.max_delay_s,
        )
        said = sentences(stream)
        for alarm in matches.false_alarms:
            clip = stream.clip_at(alarm.time_s)
            if clip in said:
                yield alarm.time_s - clip.start_s


def heard_h(streams):
    """How long sentences are heard, by the time since their recording began, in hours."""
    lengths_s = [c.end_s - c.start_s for stream in streams for c in sentences(stream)]
    return np.diff(np.minimum.outer(lengths_s, EDGES_S)).sum(axis=0) / 3600


class Times(Rows):
    """The runs by word, detector and seed: false alarms and hours, by time since the beginning."""

    def summary(self):
        """False alarms, hours and their ratio over all runs, by detector and time."""
        rows = []
        for kind in dict.fromkeys(run["model"] for run in self.runs):
            mine = [run["figures"] for run in self.runs if run["model"] == kind]
            for name in NAMES:
                alarms = sum(found[name]["false_alarms"] for found in mine)
                hours = sum(found[name]["hours"] for found in mine)
                row = {"model": kind, "runs": len(mine), "since": name}
                rows.append(row | {"false_alarms": alarms, "per_hour": alarms / hours})
        return rows

    def show(self, console):
        """Prints the summary."""
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
    arguments = wake_words.options(__doc__, result="false_alarm_times").parse_args()
    console, folder, recordings = study.begin(arguments)
    settings = {"recordings": folder.name, "hours": arguments.hours, "steps": arguments.steps}
    rows = Times(arguments.result, settings | {"teachers": arguments.teachers, "rate": RATE})
    for key, material, model, _ in wake_words.detectors(arguments, recordings, rows, console):
        counts, hours = Counter(), np.zeros(len(NAMES))
        with console.stage("Listen"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the few hours, which each run says
            for streams in material.held_out.values():
                times_s = list(alarms_s(recipe.answer(model, streams), streams))
                counts.update(NAMES[np.searchsorted(EDGES_S, t, "right") - 1] for t in times_s)
                hours += heard_h(streams)
        found = {
            name: {"false_alarms": counts[name], "hours": round(float(h), 4)}
            for name, h in zip(NAMES, hours, strict=True)
        }
        rows.add(key, found, streams=hours_and_events(material))
    rows.show(console)


if __name__ == "__main__":
    main()
