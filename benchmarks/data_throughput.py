"""Processor time that features, augmentation and alignment take for an hour of audio, by part.

    python benchmarks/data_throughput.py DIR [--hours 0.5]
    python benchmarks/data_throughput.py --tables

Each condition makes two shards of `--hours` in a process of its own, on one thread, by
`keras_sal.data.shards.writing.write_shard`, as a worker does. The first shard warms up: it makes
the impulse responses of the rooms, which a process keeps. The second one is measured. Time is that
of the processor, not of a clock: what else the machine does counts less. Then the shard is checked
as by a job that goes on, and batches of 32 crops of 4 s are cut from both, and from features in
memory. Alignment finds the times of `--recordings` recordings. Writes
`benchmarks/results/data_throughput.json`; `--tables` prints the tables of the guide and of the
costs from it, and a test compares the pages with them.
"""

import argparse
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "data_throughput.json"
WORD = "computer"
PLAIN = {
    "gain_db": (0.0, 0.0),
    "speed": (1.0, 1.0),
    "tempo": (1.0, 1.0),
    "tilt_db": (0.0, 0.0),
    "rooms": 0.0,
    "clean": 1.0,
}
CONDITIONS = {
    "none": PLAIN,
    "noise": PLAIN | {"clean": 0.25},
    "speed": PLAIN | {"speed": (0.8, 1.4)},
    "tempo": PLAIN | {"tempo": (0.7, 1.2)},
    "rooms": PLAIN | {"rooms": 0.5},
    "all, the default": {},
}
WHOLE_PART = "checks of recordings"  # reads each of them once, which counts here
METHODS = ("energy", "pocketsphinx")
BATCHES = 50
PLAN_HOURS = 10_000
PRICE = {
    "usd_per_core_hour": 0.0408,
    "what": "Amazon EC2 m7g.large, two cores, Linux on demand, us-east-1, 0.0816 USD an hour",
    "date": "June 2026",
    "source": "https://www.factualminds.com/blog/amazon-ec2-on-demand-pricing-instance-families-2026/",
}


class PartTimer:
    """Processor seconds by part; a part inside another one does not count in it."""

    def __init__(self):
        self.seconds = Counter()
        self._parts = ["drawing, else"]
        self._since = time.process_time()

    @contextmanager
    def part(self, name):
        self._lap()
        self._parts.append(name)
        yield
        self._lap()
        self._parts.pop()

    def wrap(self, place, function, name):
        """Count the time of a function of a module or class as a part."""
        wrapped = getattr(place, function)

        def timed(*args, **kwargs):
            if WHOLE_PART in self._parts:
                return wrapped(*args, **kwargs)
            with self.part(name):
                return wrapped(*args, **kwargs)

        setattr(place, function, timed)

    def restart(self):
        self._lap()
        self.seconds.clear()

    def shares(self):
        self._lap()
        total = sum(self.seconds.values())
        return {name: seconds / total for name, seconds in self.seconds.most_common()}

    def _lap(self):
        now = time.process_time()
        self.seconds[self._parts[-1]] += now - self._since
        self._since = now


def measure_shards(folder, condition, hours):
    """Make two shards, and return what the second one took."""
    from keras_sal import audio
    from keras_sal.data import (
        PlacedRecording,
        Stream,
        StreamAugmentation,
        load_recordings,
        recordings,
        training_set,
    )
    from keras_sal.data.shards import StreamSettings, load_shards, writing
    from keras_sal.data.shards.job_file import begin_job
    from keras_sal.data.shards.shard_plan import plan_shards

    augmentation = StreamAugmentation(**CONDITIONS[condition])
    settings = StreamSettings(WORD, 2 * hours, shard_hours=hours, augmentation=augmentation)
    plans = list(plan_shards(load_recordings(folder), settings, Path(folder)))
    before = peak_bytes()
    timer = PartTimer()
    timer.wrap(recordings.audio, "read_audio", "reading")
    timer.wrap(training_set, "select_split", WHOLE_PART)
    timer.wrap(PlacedRecording, "samples", "augmentation of recordings")
    timer.wrap(Stream, "samples", "levels, pauses, noise")
    timer.wrap(audio, "features", "front-end")
    timer.wrap(writing, "write_features", "compression, writing")
    timer.wrap(writing, "file_sha256", "hash")
    with tempfile.TemporaryDirectory() as output:
        output = Path(output)
        begin_job(output, settings, Path(folder))
        tasks = [pickle.loads(pickle.dumps(writing.ShardTask(plan, output))) for plan in plans]
        started = time.process_time()
        first = writing.write_shard(tasks[0]).shard
        warm_up = time.process_time() - started
        timer.restart()
        started = time.process_time()
        shard = writing.write_shard(tasks[1]).shard
        seconds = time.process_time() - started
        shares, peak = timer.shares(), peak_bytes()
        started = time.process_time()
        assert writing.write_shard(tasks[1]).shard == shard
        checked = time.process_time() - started
        writing.end_job(output, [first, shard])
        reading = reading_cost(output, load_shards)
    return {
        "condition": condition,
        "hours": shard.hours,
        "events": shard.events,
        "cpu_s_per_hour": seconds / shard.hours,
        "shares": shares,
        "bytes_per_hour": shard.bytes / shard.hours,
        "warm_up_cpu_s": warm_up - seconds / shard.hours * first.hours,
        "peak_bytes": peak,
        "peak_bytes_before": before,
        "check_cpu_s_per_hour": checked / shard.hours,
        **reading,
    }


def reading_cost(folder, load_shards):
    """Processor time and memory of streams that are loaded, and of batches cut from them."""
    from keras_sal import AnchorTargets
    from keras_sal.data import StreamBatches

    targets = AnchorTargets(400, frame_step_s=0.01, frame_offset_s=0.03)
    load_shards(folder)  # the recordings, which all streams share
    started = time.process_time()
    load_shards(folder)
    seconds = time.process_time() - started
    tracemalloc.start()
    streams = load_shards(folder)
    size = tracemalloc.get_traced_memory()[0]
    batches = StreamBatches(streams, targets)
    with_batches = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    def batch_ms(batches):
        started = time.process_time()
        for index in range(BATCHES):
            batches.at(0, index)
        return 1000 * (time.process_time() - started) / BATCHES

    in_memory = [replace(stream, features=np.asarray(stream.features)) for stream in streams]
    hours = sum(stream.hours for stream in streams)
    return {
        "load_cpu_s_per_hour": seconds / hours,
        "loaded_bytes_per_hour": size / hours,
        "bytes_per_hour_with_batches": with_batches / hours,
        "batch_cpu_ms": batch_ms(batches),
        "batch_cpu_ms_in_memory": batch_ms(StreamBatches(in_memory, targets)),
    }


def measure_alignment(folder, method, count):
    """Find the times of recordings of the word and others, and return what that took."""
    from keras_sal.data import load_recordings
    from keras_sal.data.alignment.sound_aligner import SoundAligner, find_times

    listed = [each for each in load_recordings(folder) if each.text]
    listed = listed[:: max(1, len(listed) // count)][:count]
    root = Path(folder)
    aligner = SoundAligner(root, method)
    find_times(aligner, str(listed[0].path.relative_to(root)), listed[0].text)  # loads the models
    started = time.process_time()
    found = [find_times(aligner, str(r.path.relative_to(root)), r.text) for r in listed]
    seconds = time.process_time() - started
    hours = sum(recording.duration_s for recording in listed) / 3600
    return {
        "method": method,
        "recordings": len(listed),
        "found": sum(not isinstance(each, str) for each in found),
        "hours": hours,
        "cpu_s_per_hour": seconds / hours,
    }


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_process(*arguments):
    program = [sys.executable, __file__, *map(str, arguments)]
    output = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def tables(found):
    """Return the tables of the pages: the plan, alignment, the parts, and use of the shards.

    Args:
        found: What this script wrote.
    """
    rate = found["price"]["usd_per_core_hour"]
    plan = [
        [
            "condition",
            "CPU seconds an hour",
            "hours a core and hour",
            "core hours",
            "on 64 cores",
            "price, USD",
            "shards, GB",
        ]
    ]
    for row in found["shards"]:
        core_hours = PLAN_HOURS * row["cpu_s_per_hour"] / 3600
        plan.append(
            [
                row["condition"],
                f"{row['cpu_s_per_hour']:.1f}",
                f"{3600 / row['cpu_s_per_hour']:.0f}",
                f"{core_hours:.0f}",
                f"{core_hours / 64:.1f} h",
                f"{core_hours * rate:.2f}",
                f"{PLAN_HOURS * row['bytes_per_hour'] / 1e9:.0f}",
            ]
        )
    names = list(found["shards"][-1]["shares"])
    parts = [["part", *(row["condition"] for row in found["shards"])]]
    for name in names:
        shares = (row["shares"].get(name, 0) for row in found["shards"])
        parts.append([name, *(f"{100 * share:.0f} %" for share in shares)])
    aligned = [["method", "CPU seconds an hour", "core hours", "price, USD"]]
    for row in found["alignment"]:
        core_hours = PLAN_HOURS * row["cpu_s_per_hour"] / 3600
        aligned.append(
            [
                row["method"],
                f"{row['cpu_s_per_hour']:.1f}",
                f"{core_hours:.0f}",
                f"{core_hours * rate:.2f}",
            ]
        )
    row = found["shards"][-1]
    use = [
        [f"{PLAN_HOURS:,} hours", ""],
        ["memory of a worker", f"{row['peak_bytes'] / 1e6:.0f} MB"],
        [
            "check of all shards",
            f"{PLAN_HOURS * row['check_cpu_s_per_hour'] / 3600:.1f} core hours",
        ],
        ["loading of all streams", f"{PLAN_HOURS * row['load_cpu_s_per_hour'] / 60:.1f} min"],
        ["their memory", f"{PLAN_HOURS * row['bytes_per_hour_with_batches'] / 1e9:.1f} GB"],
        ["a batch of 32 crops from shards", f"{row['batch_cpu_ms']:.1f} ms"],
        ["the same from memory", f"{row['batch_cpu_ms_in_memory']:.1f} ms"],
    ]
    return [table(rows) for rows in (plan, aligned, parts, use)]


def table(rows):
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", metavar="DIR", help="folder of recordings")
    parser.add_argument("--hours", type=float, default=0.5, help="of a shard")
    parser.add_argument("--recordings", type=int, default=200, help="that are aligned")
    parser.add_argument("--tables", action="store_true", help="print the tables of the page")
    parser.add_argument("--condition", choices=CONDITIONS, help=argparse.SUPPRESS)
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tables:
        print(*tables(json.loads(RESULTS.read_text(encoding="utf-8"))), sep="\n\n")
    elif arguments.condition:
        row = measure_shards(arguments.folder, arguments.condition, arguments.hours)
        print(json.dumps(row))
    elif arguments.method:
        print(
            json.dumps(measure_alignment(arguments.folder, arguments.method, arguments.recordings))
        )
    else:
        measure_all(arguments)


def measure_all(arguments):
    from keras_sal import files, provenance

    found = {
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "command": f"python benchmarks/data_throughput.py DIR --hours {arguments.hours:g}",
        "price": PRICE,
        "shards": [],
        "alignment": [],
    }
    for condition in CONDITIONS:
        row = in_process(arguments.folder, "--condition", condition, "--hours", arguments.hours)
        found["shards"].append(row)
        files.write_json(RESULTS, found)
        print(
            "{condition}: {cpu_s_per_hour:.1f} s, {bytes_per_hour:.3g} bytes".format(**row),
            flush=True,
        )
    for method in METHODS:
        row = in_process(arguments.folder, "--method", method, "--recordings", arguments.recordings)
        found["alignment"].append(row)
        files.write_json(RESULTS, found)
        print("{method}: {cpu_s_per_hour:.1f} s, {found} of {recordings}".format(**row), flush=True)


if __name__ == "__main__":
    main()
