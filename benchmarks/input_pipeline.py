"""Speed of the input pipeline, relative to train steps.

    python benchmarks/input_pipeline.py

Measures the time to make features of training streams, to cut a batch of 32 crops of 4 s from
features in memory (by `StreamBatches` with 1 and 2 threads, `tf.data`, `grain`) and in files (with
and without the cache of what was read), and to train the small GRU on such a batch on each backend,
each in a process of its own. The figures are medians of wall-clock time and of CPU time, which a
busy machine changes little.
Writes `benchmarks/results/input_pipeline.json`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np

RESULT = Path(__file__).parent / "results" / "input_pipeline.json"
BACKENDS = ("tensorflow", "jax", "torch")
BATCH_SIZE, CROP_FRAMES = 32, 400
HOURS = 1.0


def timed(run, rounds, blocks=5):
    """Return milliseconds of a round: the median wall-clock time of blocks of rounds, and CPU time.

    Blocks, because a batch that threads have made ahead takes no time when it is asked for.
    """
    for _ in range(rounds):
        run()
    clock, started = [], time.process_time()
    for _ in range(blocks):
        before = time.perf_counter()
        for _ in range(rounds):
            run()
        clock.append((time.perf_counter() - before) / rounds)
    return {
        "clock_ms": 1000 * statistics.median(clock),
        "cpu_ms": 1000 * (time.process_time() - started) / (blocks * rounds),
        "rounds": blocks * rounds,
    }


def make_batches(workers=1, stored=lambda number, features: features):
    """Return batches of streams with random features of the right size, as `stored` keeps them."""
    from keras_sal.audio.micro_features import FEATURE_STEP
    from keras_sal.data import PlacedRecording, Recording, Stream, StreamBatches
    from keras_sal.training import recipe

    rng = np.random.default_rng(0)
    word = Recording(Path("word.wav"), "train", "word", 2.0, 0.5, 1.1)
    streams = [
        Stream(
            str(number),
            tuple(PlacedRecording(word, 1.0 + 7.5 * n, class_index=0) for n in range(8)),
            60.0,
            features=stored(number, np.float32(FEATURE_STEP) * rng.integers(0, 640, (5998, 40))),
        )
        for number in range(round(60 * HOURS))
    ]
    targets = recipe.word_targets(CROP_FRAMES)
    return StreamBatches(streams, targets, batch_size=BATCH_SIZE, workers=workers)


def stored_in(folder):
    """Return a function that writes the features of a stream to a file of a folder."""
    from keras_sal.data.features_file import read_features, write_features

    def stored(number, features):
        path = Path(folder) / f"{number}.arrayrecord"
        write_features(path, [features.astype("float32")])
        return read_features(path)[0][0]

    return stored


def from_plans(rounds=3):
    """Measure the seconds of sound turned to features in a CPU second, by augmentation."""
    import soundfile

    from keras_sal.augmentation import room_response
    from keras_sal.data import NoiseVariety, Recording, StreamAugmentation, training_streams
    from keras_sal.data.stream_augmentation import ROOMS

    rng = np.random.default_rng(0)
    plain = {"speed": (1, 1), "tempo": (1, 1), "tilt_db": (0, 0), "rooms": 0.0, "clean": 1.0}
    kinds = {
        "unaltered": plain,
        "altered as by default, without noise": {"clean": 1.0},
        "altered as by default, with noise": {"clean": 0.0},
        "with varied noise": {"clean": 0.0, "noise_variety": NoiseVariety(babble=0.0)},
        "with babble": {"clean": 0.0, "noise_variety": NoiseVariety(babble=1.0)},
    }
    for room in range(ROOMS):  # simulated once
        room_response(room)
    with tempfile.TemporaryDirectory() as folder:
        recordings = []
        for number in range(40):
            path = Path(folder) / f"{number}.flac"
            seconds = 10 if number % 4 == 0 else 2
            sound = 0.1 * rng.standard_normal(16_000 * seconds).clip(-3, 3)
            soundfile.write(path, sound, 16_000)
            kind = {0: ("", True), 1: ("word", False)}.get(number % 4, ("other", False))
            times_s = (0.5, 1.1) if kind[0] == "word" else ()
            recordings.append(Recording(path, "train", kind[0], seconds, *times_s, noise=kind[1]))
        rates = {}
        for name, given in kinds.items():

            def run(given=given, seed=0):
                return training_streams(
                    recordings,
                    "word",
                    hours=2 / 60,
                    augmentation=StreamAugmentation(**given),
                    seed=seed,
                    workers=1,
                )

            run()
            found = []
            for seed in range(rounds):
                before = time.process_time()
                streams = run(seed=seed)
                seconds = sum(stream.duration_s for stream in streams)
                found.append(seconds / (time.process_time() - before))
            rates[name] = statistics.median(found)
            print(f"features, {name}: {rates[name]:.0f} s of sound a CPU second", flush=True)
    return rates


def cutting(rounds=30):
    """Measure the time of a batch by pipeline."""
    import grain

    from keras_sal.data import features_file
    from keras_sal.data.record_cache import RecordCache
    from keras_sal.data.sources import grain_dataset, tf_dataset

    def in_turn(batches):
        numbers = iter(range(10**9))
        return lambda: batches[next(numbers) % len(batches)]

    def following(dataset):
        elements = iter(dataset)
        return lambda: next(elements)

    batches = make_batches()
    threads = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)
    makers = {
        "StreamBatches": in_turn(batches),
        "StreamBatches, 2 workers": in_turn(make_batches(workers=2)),
        "tf.data, 2 parallel calls": following(tf_dataset(batches, num_parallel_calls=2)),
        "grain, 2 threads": following(grain_dataset(batches).to_iter_dataset(threads)),
        "grain, single crops, 2 threads": following(
            grain_dataset(batches, crops=True).batch(BATCH_SIZE).to_iter_dataset(threads)
        ),
    }
    found = {name: timed(make, rounds) for name, make in makers.items()}
    with tempfile.TemporaryDirectory() as folder:
        batches = make_batches(stored=stored_in(folder))
        found["StreamBatches, from files"] = timed(in_turn(batches), rounds)
        with patch.object(features_file, "_CACHE", RecordCache(max_bytes=0)):
            found["StreamBatches, from files, nothing cached"] = timed(in_turn(batches), rounds)
    for name, times in found.items():
        print(f"batch, {name}: {times['clock_ms']:.1f} ms, {times['cpu_ms']:.1f} CPU")
    return found


def train_step():
    """Measure a train step of the small GRU on the backend of this process."""
    import keras

    import keras_sal

    x, y = make_batches()[0]
    keras.utils.set_random_seed(0)
    model = keras_sal.models.gru_detector()
    model.compile("adam", loss=keras_sal.StreamingAnchorLoss())
    rounds = 1 if keras.backend.backend() == "torch" else 3
    return timed(lambda: model.train_on_batch(x, y), rounds)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--train-step", action="store_true", help="measure only a train step, and print JSON"
    )
    if parser.parse_args().train_step:
        print(json.dumps(train_step()))
        return
    from keras_sal import files, provenance

    found = {
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "load_average_before": os.getloadavg()[0],
        "batch": [BATCH_SIZE, CROP_FRAMES, 40],
        "sound_s_per_cpu_s": from_plans(),
        "batches": cutting(),
        "train_steps": {},
    }
    for backend in BACKENDS:
        program = [sys.executable, __file__, "--train-step"]
        environment = os.environ | {"KERAS_BACKEND": backend}
        said = subprocess.run(program, env=environment, capture_output=True, check=True, text=True)
        found["train_steps"][backend] = json.loads(said.stdout.splitlines()[-1])
        print(f"train step, {backend}: {found['train_steps'][backend]['clock_ms']:.0f} ms")
    step_ms = min(step["clock_ms"] for step in found["train_steps"].values())
    found["times_as_fast_as_the_fastest_train_step"] = {
        name: step_ms / batch["clock_ms"] for name, batch in found["batches"].items()
    }
    found["load_average_after"] = os.getloadavg()[0]
    files.write_json(RESULT, found)
    print(f"Written to {RESULT}")


if __name__ == "__main__":
    main()
