"""Runs bundles with the real TensorFlow Lite Micro, and compares them with Python to the bit.

    KERAS_SAL_TFLM=~/tflite-micro python tests/firmware/real_tflm.py

`KERAS_SAL_TFLM` names a checkout of TensorFlow Lite Micro with its third-party sources, which its
own makefile downloads:

    git clone https://github.com/tensorflow/tflite-micro
    cd tflite-micro
    make -f tensorflow/lite/micro/tools/make/Makefile OPTIMIZED_KERNEL_DIR=cmsis_nn \
      third_party_downloads

The detectors are those of `keras_sal.training.recipe` with random weights, in every quantization,
with explicit and with internal state. Each bundle is compiled without an edit and run on this
machine with reference kernels, and on a Cortex-M4 of QEMU with reference kernels and with those of
CMSIS-NN. Features, posteriors, scores and detections must be those of
`StreamingDetector.from_bundle`; posteriors of float models may differ by 1e-5. `main.cc` must find
the same detections, and the self-test must say OK.

The figures are those of `-Os`: instructions, which QEMU counts, one a nanosecond; the stack, which
is painted; the smallest arena in which a step runs, by bisection, from the least on that the
sources take; and the bytes of the image of `main.cc`, by the linker's map. Inline functions that
several objects have are the first one's, so those of TensorFlow's headers that the bundle uses
count as its own. Writes `benchmarks/results/firmware.json`.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import keras
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parents[1])]

from tflm_library import CortexM4, Host, Library, Toolchain, call, tree  # noqa: E402

from keras_sal import files, provenance  # noqa: E402
from keras_sal.audio import SAMPLE_RATE, MicroFrontend, output_times  # noqa: E402
from keras_sal.detection import Scoring  # noqa: E402
from keras_sal.export import (  # noqa: E402
    arena,
    bundle,
    internal_state,
    micro,
    scratch,
    shared_converter,
)
from keras_sal.runtime import StreamingDetector  # noqa: E402
from keras_sal.training import recipe  # noqa: E402

RESULT = HERE.parents[1] / "benchmarks" / "results" / "firmware.json"
NETWORKS = ("gru", "conv")
QUANTIZATIONS = ("int8", "int16x8", "float32")
STATES = ("explicit", "internal")
PLACES = (("host", "reference"), ("cortex-m4", "reference"), ("cortex-m4", "cmsis_nn"))
TARGETS = {target.name: target for target in (Host(), CortexM4())}
TRIGGER = {"smooth_frames": 3, "on_frames": 2, "hysteresis": 0.01, "refractory_s": 0.3}
LOUD_QUANTILE = 0.8  # of the scores: the threshold
FLOAT_TOLERANCE = 1e-5
RUN_TIMEOUT_S = 600
MOST_ARENA_BYTES = 96 << 10
MOST_FLASH_BYTES, MOST_RAM_BYTES = 20_000, 10_000  # the goal for an int8 GRU
MAIN = "check_main.cc"
CHECK = "check_tflm.cc"
SELF_TEST = ("self_test", "golden")  # how the names of its sources begin
# The kernels for which the sources reserve the arena on a target, whichever it has.
ARENA_OF = {"host": "reference", "cortex-m4": "cmsis_nn"}
MAP_ROW = re.compile(r"^ (?:\S+)?\s+0x[0-9a-f]+\s+0x([0-9a-f]+) (\S.*)$")
IMAGE = {".text": "flash", ".ARM.extab": "flash", ".ARM.exidx": "flash"}
IMAGE |= {".rodata": "flash", ".data": "both", ".bss": "ram"}


def made_sound(seconds, seed):
    """Silence, noise, tones that rise, clicks and a full-scale square wave, by turns."""
    rng = np.random.default_rng(seed)
    parts, count = [], round(0.4 * SAMPLE_RATE)
    t = np.arange(count) / SAMPLE_RATE
    kinds = [
        lambda: np.zeros(count),
        lambda: rng.normal(0, 10 ** rng.uniform(0, 4), count),
        lambda: 10 ** rng.uniform(2, 4.5) * np.sin(2 * np.pi * (rng.uniform(100, 2000) * t
                + rng.uniform(0, 4000) * t**2)),
        lambda: np.where(rng.random(count) < 1e-3, 30_000, rng.normal(0, 30, count)),
        lambda: 32_767 * np.sign(np.sin(2 * np.pi * rng.uniform(50, 3000) * t + 1e-9)),
    ]  # fmt: skip
    while len(parts) * count < seconds * SAMPLE_RATE:
        parts.append(kinds[rng.integers(len(kinds))]())
    return np.clip(np.rint(np.concatenate(parts)), -32768, 32767).astype("int16")


def make_bundle(network, quantization, state, sound, folder):
    """Write a bundle of a detector with random weights, whose trigger fires on the sound."""
    keras.utils.set_random_seed(11)
    model = recipe.detector(network)
    features = [MicroFrontend()(made_sound(6, seed)) for seed in range(4)]
    frames = len(features[0]) // recipe.FRAMES_PER_OUTPUT * recipe.FRAMES_PER_OUTPUT
    path = folder / "model.tflite"
    convert = micro.convert if state == "explicit" else internal_state.from_model
    made = convert(
        model, path, [f[:frames] for f in features], quantization=quantization, min_posterior=0.0
    )
    scoring = Scoring(**output_times(recipe.FRAMES_PER_OUTPUT), **TRIGGER)
    heard = MicroFrontend()(sound)
    heard = heard[: len(heard) // recipe.FRAMES_PER_OUTPUT * recipe.FRAMES_PER_OUTPUT]
    made.reset()
    posteriors = np.asarray(made.stream(heard)).reshape(-1)
    threshold = float(np.quantile(scoring.scores(posteriors)[0], LOUD_QUANTILE))
    return bundle.write(
        made, folder / "bundle", threshold=threshold, frontend="micro", **vars(scoring)
    )


class Expected:
    """What Python makes of a sound: features, posteriors, scores, detections."""

    def __init__(self, written, sound):
        detector = StreamingDetector.from_bundle(written.folder)
        self.features = MicroFrontend()(sound)
        posteriors, detections = detector.process(sound)
        scoring = Scoring(**written.scoring)
        self.posteriors = np.asarray(posteriors, "float32")[:, 0]
        self.scores = scoring.scores(self.posteriors)[0]
        self.detection_scores = np.float32([found.score for found in detections])
        times = np.array([found.time_s for found in detections]) - scoring.frame_offset_s
        self.detected = np.zeros(len(self.posteriors), "float32")
        self.detected[np.rint(times / scoring.frame_step_s).astype(int)] = 1
        self.exact = written.manifest["quantization"] != "float32"

    def compare(self, folder):
        """Compare with what a program wrote; a dict of answers and differences."""
        features = np.fromfile(folder / "features.bin", "float32").reshape(self.features.shape)
        rows = np.fromfile(folder / "outputs.bin", "float32").reshape(-1, 3)
        posteriors, scores, detected = rows[: len(self.posteriors)].T
        assert len(rows) == len(self.posteriors), (len(rows), len(self.posteriors))
        tolerance = 0.0 if self.exact else FLOAT_TOLERANCE
        scores_of_main = np.fromfile(folder / "detections.bin", "float32")
        same_number = len(scores_of_main) == len(self.detection_scores)
        return {
            "features_equal": bool(np.array_equal(features, self.features)),
            "posteriors_equal": near(posteriors, self.posteriors, tolerance),
            "scores_equal": near(scores, self.scores, tolerance),
            "detections_equal": bool(np.array_equal(detected, self.detected)),
            "main_equal": same_number and near(scores_of_main, self.detection_scores, tolerance),
            "largest_difference": float(np.abs(posteriors - self.posteriors).max()),
            "frames": len(features),
            "steps": len(rows),
            "detections": int(self.detected.sum()),
        }


def near(found, wanted, tolerance):
    """Whether all numbers are within a tolerance, which may be 0."""
    return bool(np.abs(np.float32(found) - np.float32(wanted)).max(initial=0) <= tolerance)


class Programs:
    """The two programs of a bundle for a target: the check, and the image of `main.cc`."""

    def __init__(self, written, toolchain, folder):
        self.toolchain, self.folder = toolchain, folder
        self.include = f"-I{written.folder}"
        shared, own = list(toolchain.target.startup), []
        for file in sorted(written.folder.glob("*.cc")):
            if file.name != "main.cc":
                (own if file.name.startswith(SELF_TEST) else shared).append(file)
        common = self._compile(shared)
        # The check sets the size of the arena itself, from the least that can be compiled on.
        arenas = written.manifest["arenas"]
        on_arm = toolchain.target.name != "host"
        least = scratch.least_arena(arenas) if on_arm else arenas["reference"]
        flags = ("-DKERAS_SAL_SELF_TEST", f"-DKERAS_SAL_MODEL_BUNDLE_ARENA_BYTES={least}")
        self.check = self._compile([*own, HERE / CHECK], *flags) + common
        self.main = self._compile([written.folder / "main.cc", HERE / MAIN]) + common

    def _compile(self, sources, *flags):
        return [
            self.toolchain.compile(file, self.folder / f"{file.stem}.o", self.include, *flags)
            for file in sources
        ]

    def link(self, archives, kernels):
        """Link both, and return them."""
        return tuple(
            self.toolchain.link(objects, archives, self.folder / f"{name}_{kernels}.elf")
            for name, objects in (("check", self.check), ("main", self.main))
        )


def run_program(target, program, folder, *, arena_bytes=0, one_step=False):
    """Run a program in the folder of its files; its exit status and the numbers that it says."""
    np.int32([arena_bytes, one_step]).tofile(folder / "job.bin")
    done = subprocess.run(
        [str(part) for part in target.command(program)],
        cwd=folder, capture_output=True, text=True, check=False,
        timeout=30 if one_step else RUN_TIMEOUT_S,
    )  # fmt: skip
    numbers = re.findall(r"^(\w+) (\d+)$", done.stdout, re.MULTILINE)
    return done.returncode, {name: int(number) for name, number in numbers}, done.stderr


def runs_in(target, program, folder, arena_bytes):
    """Whether a step runs in so many bytes of arena."""
    try:
        status, _, _ = run_program(target, program, folder, arena_bytes=arena_bytes, one_step=True)
    except subprocess.TimeoutExpired:
        return False
    return status == 0


def image_bytes(program, arena_bytes):
    """Flash and RAM of an image by the linker's map: model, bundle, TensorFlow, the rest."""
    flash, ram = Counter(), Counter()
    kind = "none"
    lines = Path(f"{program}.map").read_text("utf-8").partition("memory map")[2]
    for line in lines.splitlines():
        if line[:1] == ".":
            kind = IMAGE.get(line.split()[0], "none")
        found = MAP_ROW.match(line)
        if found is None or kind == "none":
            continue
        part, size = part_of(found[2]), int(found[1], 16)
        if kind in ("flash", "both"):
            flash[part] += size
        if kind in ("ram", "both"):
            ram[part] += size
    ram["arena"] = arena_bytes
    ram["bundle"] -= arena_bytes
    _, sizes = call(["arm-none-eabi-size", program]).splitlines()
    text, data, bss = map(int, sizes.split()[:3])
    for named, whole in ((flash, text + data), (ram, data + bss)):
        found = sum(named.values())
        if abs(found - whole) > 0.02 * whole:  # the linker's padding, and texts that it merges
            raise RuntimeError(f"the parts of {program} have {found} of {whole} bytes: {named}")
    return {"flash_bytes": dict(flash), "ram_bytes": dict(ram)}


def part_of(place):
    """The part of an image that a row of the linker's map belongs to."""
    if "libtflm_core" in place:
        return "tflm_core"
    if "libtflm_kernels" in place:
        return "tflm_kernels"
    name = Path(place).name
    names = {"model_data.o": "model", "micro_frontend.o": "frontend"}
    names |= {"check_main.o": "test", "startup.o": "test"}
    return names.get(name, "bundle" if "/bundle_objects/" in place else "libc")


def place_row(written, expected, target, kernels, programs, archives, folder):
    """Run a bundle at a place, and return what was found."""
    check, main = programs.link(archives, kernels)
    planned = ARENA_OF[target.name]
    reserved = scratch.with_margin(written.manifest["arenas"][planned], planned)
    on_arm = target.name != "host"
    status, said, errors = run_program(target, check, folder, arena_bytes=reserved)
    if status:
        raise RuntimeError(f"{check} ended with {status}: {errors[-2000:]}")
    (folder / "detections.bin").write_bytes(b"")
    status, _, errors = run_program(target, main, folder)
    if status:
        raise RuntimeError(f"{main} ended with {status}: {errors[-2000:]}")
    row = expected.compare(folder) | {"self_test_ok": said.pop("self_test") == 0}
    said.pop("self_test_index")
    least = arena.bisect(lambda size: runs_in(target, check, folder, size), MOST_ARENA_BYTES)
    row |= {"arena_bytes_reserved": reserved, "arena_bytes_least": least}
    row["arena_bytes_used"] = said.pop("arena_bytes_used")
    if on_arm:
        row |= said | image_bytes(main, reserved)
    return row


def measure(jobs, root, folder, sound, report):
    """Make and run the bundles, and report a row for each bundle and place."""
    made = {}
    with shared_converter():
        for key in dict.fromkeys(job[:3] for job in jobs):
            place = folder / "_".join(key)
            place.mkdir(parents=True, exist_ok=True)
            written = make_bundle(*key, sound, place)
            sound.astype("<i2").tofile(place / "sound.bin")
            made[key] = place, written, Expected(written, sound)
    operators = sorted({op for _, w, _ in made.values() for op in w.manifest["operators"]})
    libraries, programs = {}, {}
    for *key, name, kernels in jobs:
        place, written, expected = made[tuple(key)]
        toolchain = Toolchain(root, TARGETS[name])
        if (name, kernels) not in libraries:
            library = Library(toolchain, kernels, operators, folder / "tflm")
            libraries[name, kernels] = library.build()
        if (*key, name) not in programs:
            programs[(*key, name)] = Programs(written, toolchain, place / name / "bundle_objects")
        row = place_row(
            written, expected, TARGETS[name], kernels, programs[(*key, name)],
            libraries[name, kernels], place,
        )  # fmt: skip
        head = dict(zip(("network", "quantization", "state"), key, strict=True))
        head |= {"target": name, "kernels": kernels, "macs": written.manifest["macs"]}
        head["model_bytes"] = written.manifest["flash_bytes"]
        report(head | row)


def passed(row):
    """Whether all of a row is as in Python."""
    return row["self_test_ok"] and all(row[name] for name in row if name.endswith("_equal"))


def goal(rows):
    """What the image of an int8 GRU takes beside TensorFlow, model, arena and C library."""
    wanted = {"network": "gru", "quantization": "int8", "state": "explicit", "kernels": "cmsis_nn"}
    for row in rows:
        if wanted.items() <= row.items():
            stack_bytes = max(row[f"{name}_stack_bytes"] for name in ("setup", "frontend", "step"))
            elsewhere = ("arena", "libc", "test")
            ram = sum(size for part, size in row["ram_bytes"].items() if part not in elsewhere)
            return wanted | {
                "flash_bytes": row["flash_bytes"]["bundle"] + row["flash_bytes"]["frontend"],
                "most_flash_bytes": MOST_FLASH_BYTES,
                "ram_bytes": ram + stack_bytes,
                "most_ram_bytes": MOST_RAM_BYTES,
            }
    return None


def main():
    """Run everything, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--quantizations", nargs="+", choices=QUANTIZATIONS, default=QUANTIZATIONS)
    parser.add_argument("--states", nargs="+", choices=STATES, default=STATES)
    parser.add_argument("--seconds", type=float, default=12.0, help="of sound (%(default)s)")
    parser.add_argument(
        "--build", type=Path, help="folder of the build, kept, for one checkout (a temporary one)"
    )
    parser.add_argument("--output", type=Path, default=RESULT, help="(%(default)s)")
    arguments = parser.parse_args()
    root, missing = tree()
    if root is None:
        print(missing)
        return 0
    for target in TARGETS.values():
        if target.missing():
            print(f"Skipped: {target.name} {target.missing()}.")
            return 0
    jobs = [
        (network, quantization, state, *place)
        for place in PLACES
        for network in arguments.networks
        for quantization in arguments.quantizations
        for state in arguments.states
    ]
    rows = []

    def report(row):
        rows.append(row)
        names = ("network", "quantization", "state", "target", "kernels")
        print(*(row[name] for name in names), "equal" if passed(row) else "DIFFERS", flush=True)

    with tempfile.TemporaryDirectory(prefix="keras_sal_tflm_") as temporary:
        folder = (arguments.build or Path(temporary)).resolve()
        measure(jobs, root, folder, made_sound(arguments.seconds, seed=0), report)
    versions = provenance.versions() | {
        "tflite-micro-sources": call(["git", "-C", root, "rev-parse", "HEAD"]).strip(),
        "g++": call(["g++", "-dumpfullversion"]).strip(),
        "arm-none-eabi-g++": call(["arm-none-eabi-g++", "-dumpfullversion"]).strip(),
        "qemu": call(["qemu-system-arm", "--version"]).split()[3],
    }
    files.write_json(
        arguments.output,
        {
            "command": shlex.join(["python", *sys.argv]),
            "versions": versions,
            "machine": provenance.machine(),
            "seconds_of_sound": arguments.seconds,
            "goal": goal(rows),
            "rows": rows,
        },
    )
    reached = goal(rows)
    small = reached is None or (
        reached["flash_bytes"] <= MOST_FLASH_BYTES and reached["ram_bytes"] <= MOST_RAM_BYTES
    )
    return 0 if small and all(map(passed, rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
