"""Scoring of 100, 300 and 1,000 hours of posteriors in shards that merge, in bounded memory.

    python benchmarks/scoring_hours.py [--floor 0.3] [--minutes 10]

Each number of hours is scored in a process of its own, on one core, by two builders as two machines
would have: the posteriors of each hour are made, scored and forgotten. The first builder goes
through a file. `det_curve`, which holds all posteriors, scores 100 hours at once, and the curves
are compared. What takes longer than `--minutes` is stopped, and its row says at how many
hours. Writes `benchmarks/results/scoring_hours.json`.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from keras_sal import files, provenance
from keras_sal.detection import DetCurveBuilder, det_curve

RESULTS = Path(__file__).parent / "results" / "scoring_hours.json"
SHARDS = 2
SCORING = {"max_fa_per_hour": 10.0, "frame_step_s": 0.01, "smooth_frames": 5}
WHOLE_HOURS = 100


def hour_of_posteriors(number):
    """An hour of noise with 200 bursts of 0.4 s, and 60 events."""
    rng = np.random.default_rng(number)
    frames = 360_000
    posterior = rng.random(frames, dtype="float32") ** 8 * 0.6
    for start in rng.integers(0, frames - 41, 200):
        burst = posterior[start : start + 41]
        np.maximum(burst, np.hanning(41) * rng.random(), out=burst, casting="same_kind")
    anchors_s = np.sort(rng.uniform(5, 3595, 60))
    for start in np.round(anchors_s / SCORING["frame_step_s"]).astype(int) - 10:
        event = posterior[start : start + 61]
        level = 1 - 0.9 * rng.random() ** 4
        np.maximum(event, np.hanning(61) * level, out=event, casting="same_kind")
    return posterior, anchors_s


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def score_shards(hours, floor, seconds):
    """Score hours in shards; return CPU seconds, peak bytes, and the curve of what was scored."""
    before, used, scored, stored = peak_bytes(), 0.0, 0, 0
    began = time.process_time()
    merged = None
    for shard in range(SHARDS):
        builder = DetCurveBuilder(total_hours=hours, floor=floor, event="made", **SCORING)
        for number in range(shard * hours // SHARDS, (shard + 1) * hours // SHARDS):
            posterior, anchors_s = hour_of_posteriors(number)
            started = time.process_time()
            builder.update([posterior], [anchors_s], names=[f"hour {number}"])
            used += time.process_time() - started
            scored += 1
            if time.process_time() - began > seconds:
                break
        started = time.process_time()
        if merged is None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "shard.npz"
                builder.save(path)
                stored = path.stat().st_size
                merged = DetCurveBuilder.load(path)
        else:
            merged.merge(builder)
        used += time.process_time() - started
    started = time.process_time()
    curve = merged.curve()
    used += time.process_time() - started
    return curve, {
        "hours": hours,
        "scored_hours": scored,
        "floor": floor,
        "seconds": used,
        "hours_per_core_second": scored / used,
        "peak_bytes": peak_bytes(),
        "peak_bytes_before": before,  # imports
        "file_bytes": stored,
        "operating_points": len(curve.threshold),
        "events": curve.events,
        "end_of_curve": curve.floor,
        "frr_at_1": curve.frr_at(1.0),
    }


def score_whole(hours):
    """Score hours by `det_curve`, and say whether merged shards give the same curve."""
    before = peak_bytes()
    posteriors, anchors_s = zip(*map(hour_of_posteriors, range(hours)), strict=True)
    started = time.process_time()
    whole = det_curve(posteriors, anchors_s, **SCORING)
    seconds = time.process_time() - started
    row = {
        "hours": hours,
        "seconds": seconds,
        "hours_per_core_second": hours / seconds,
        "peak_bytes": peak_bytes(),
        "peak_bytes_before": before,
    }
    del posteriors
    merged, _ = score_shards(hours, -np.inf, np.inf)
    same = all(
        np.array_equal(getattr(merged, name), getattr(whole, name))
        for name in ("threshold", "hits", "false_alarms", "frr", "fa_per_hour", "hours", "floor")
    ) and all(
        np.array_equal(getattr(getattr(merged, table), column), values, equal_nan=True)
        for table in ("hit_table", "false_alarm_table", "repeat_table")
        for column in ("levels", "recording", "low", "high", "latency_s")
        for values in [getattr(getattr(whole, table), column)]
    )
    return row | {"merged_shards_are_equal": same}


def in_process(*arguments):
    program = [sys.executable, __file__, *map(str, arguments)]
    output = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--floor", type=float, default=0.3, help="of the second set of rows")
    parser.add_argument("--minutes", type=float, default=10, help="at most, for each row")
    parser.add_argument("--shards", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--whole", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.shards:
        print(json.dumps(score_shards(*arguments.shards)[1]))
        return
    if arguments.whole:
        print(json.dumps(score_whole(arguments.whole)))
        return
    found = {
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "command": "python benchmarks/scoring_hours.py",
        "scoring": SCORING,
        "shards": SHARDS,
        "all_at_once": in_process("--whole", min(WHOLE_HOURS, *arguments.hours)),
        "rows": [],
    }
    for floor in (arguments.floor, -np.inf):
        for hours in arguments.hours:
            row = in_process("--shards", json.dumps([hours, floor, 60 * arguments.minutes]))
            found["rows"].append(row)
            files.write_json(RESULTS, found)
            print(
                "scored {scored_hours} of {hours} h above {floor}: {hours_per_core_second:.3g} "
                "h/s, {peak_bytes:.3g} bytes".format(**row),
                flush=True,
            )
    print(f"Written to {RESULTS}")


if __name__ == "__main__":
    main()
