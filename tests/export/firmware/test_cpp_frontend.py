"""The C++ front-end against `keras_sal.audio.MicroFrontend`, to the bit."""

import re
import shutil

import numpy as np
import pytest
from firmware_programs import CORTEX_M4, PROGRAMS, CortexM4, Host, needs_compiler, run

from keras_sal.audio import MicroFrontend
from keras_sal.export.firmware import sources
from keras_sal.export.firmware.contents import FRONTEND, MICRO_FRONTEND
from keras_sal.export.firmware.costs import MICRO_FRONTEND_COST

pytestmark = pytest.mark.any_backend

MOST_FLASH_BYTES, MOST_RAM_BYTES = 8192, 6144
RESET = -1  # as in check_frontend.cc
SECONDS = {"host": 4, "cortex-m4": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frontend")
    for name in FRONTEND:
        (folder / name).write_text(sources.fixed(name), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=[Host(), CortexM4()], ids=lambda machine: machine.name)
def machine(request, folder):
    """A machine, and how it runs the program."""
    built = folder / request.param.name
    built.mkdir()
    files = [PROGRAMS / "check_frontend.cc", folder / "micro_frontend.cc"]
    return request.param.name, request.param.build(files, built, folder)


def speech(rng, samples):
    """Vowels: pulses of a wandering pitch through three resonances, in syllables, with noise."""
    t = np.arange(samples) / 16_000
    phase = np.cumsum(120 + 40 * np.sin(2 * np.pi * 1.3 * t)) / 16_000
    pulses = (np.diff(np.floor(phase), prepend=0) > 0).astype(float)
    echo = np.arange(400) / 16_000
    ring = sum(
        np.exp(-np.pi * width * echo) * np.cos(2 * np.pi * hertz * echo)
        for hertz, width in (
            (rng.uniform(300, 800), 80),
            (rng.uniform(900, 2300), 120),
            (2900, 200),
        )
    )
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * t), 0, 1)
    voiced = np.convolve(pulses, ring)[:samples] * syllables
    return 9_000 * voiced + rng.normal(0, 60, samples)


def unwindowed(rng, samples):
    """Square waves in quadrature that the window makes flat, at full scale: the sums wrap."""
    level = 1010 / (np.maximum(table("kWindow"), 1) / 4096)
    pair, odd = np.divmod(np.arange(480), 2)
    waves = []
    for _ in range(-(-samples // 480)):
        turns = rng.integers(5, 250) * pair / 256 + rng.uniform() - odd / 4
        waves.append(level * np.sign(np.cos(2 * np.pi * turns)))
    return np.concatenate(waves)[:samples]


SOUNDS = {
    "unwindowed": unwindowed,
    "speech": speech,
    "noise of any level": lambda rng, n: (
        rng.normal(0, 1, n) * 10 ** (2.2 + 2.4 * np.sin(np.arange(n) / 3000))
    ),
    "silence": lambda rng, n: np.zeros(n),
    "one bit": lambda rng, n: rng.integers(-1, 2, n),
    "all values": lambda rng, n: rng.integers(-32768, 32768, n),
    "full-scale square": lambda rng, n: 32768 * np.sign(np.sin(np.arange(n) * 0.131)),
    "full-scale bits": lambda rng, n: rng.choice([-32768, 32767], n),
    "tone in one bin": lambda rng, n: 40_000 * np.sin(2 * np.pi * 48 / 512 * np.arange(n)),
    "lowest value": lambda rng, n: np.full(n, -32768),
    "highest value": lambda rng, n: np.full(n, 32767),
    "lowest value, rarely": lambda rng, n: np.where(rng.random(n) < 0.004, -32768, 0),
}


def chunks_of(rng, samples):
    """Sizes from 1 to 1,000, and new streams in between."""
    sizes = []
    while samples:
        sizes.append(int(min(samples, rng.choice([1, 7, 159, 160, 161, 480, 481, 1000]))))
        samples -= sizes[-1]
        if rng.random() < 0.02:
            sizes.append(RESET)
    return sizes


def features_in_python(samples, sizes):
    """Features by `MicroFrontend`, from the same chunks."""
    frontend, frames, at = MicroFrontend(), [], 0
    for size in sizes:
        if size == RESET:
            frontend.reset()
            continue
        frames.append(frontend(samples[at : at + size]))
        at += size
    return np.concatenate(frames)


def features_in_cpp(program, samples, sizes, folder):
    samples.astype("<i2").tofile(folder / "sound.bin")
    np.int32(sizes).tofile(folder / "chunks.bin")
    run(program, cwd=folder)
    return np.fromfile(folder / "features.bin", "float32").reshape(-1, MICRO_FRONTEND["features"])


@needs_compiler
@pytest.mark.parametrize("sound", SOUNDS)
def test_features_are_those_of_python_to_the_bit(machine, sound, tmp_path):
    """Under the sanitizers on this machine, and on a Cortex-M4; in chunks, with resets."""
    name, program = machine
    rng = np.random.default_rng([len(sound), len(name)])
    count = SECONDS[name] * 16_000
    samples = np.clip(np.rint(SOUNDS[sound](rng, count)), -32768, 32767).astype("int16")
    sizes = chunks_of(rng, count)
    expected = features_in_python(samples, sizes)
    np.testing.assert_array_equal(features_in_cpp(program, samples, sizes, tmp_path), expected)
    assert len(expected) > 50 * SECONDS[name]
    assert sound in ("silence", "one bit") or len(np.unique(expected)) > 20


@needs_compiler
def test_roots_are_rounded_and_saturated(folder, tmp_path):
    run(Host().build([PROGRAMS / "check_root.cc"], tmp_path, folder))


@needs_compiler
def test_cost_is_as_stated_and_below_the_bounds(folder, tmp_path):
    if not shutil.which("arm-none-eabi-size"):
        pytest.skip("needs arm-none-eabi-size")
    (tmp_path / "ram.cc").write_text('#include "micro_frontend.h"\nkeras_sal::MicroFrontend made;')
    flash, ram = (
        _section_bytes(file, folder, tmp_path)
        for file in (folder / "micro_frontend.cc", tmp_path / "ram.cc")
    )
    assert flash["data"] == flash["bss"] == ram["text"] == ram["data"] == 0
    assert ram["bss"] == MICRO_FRONTEND_COST["ram_bytes"] <= MOST_RAM_BYTES
    assert flash["text"] == pytest.approx(MICRO_FRONTEND_COST["flash_bytes"], rel=0.1)
    assert flash["text"] <= MOST_FLASH_BYTES


def _section_bytes(file, include, folder):
    command = ["arm-none-eabi-g++", "-std=c++11", "-Os", *CORTEX_M4, "-fno-exceptions", "-fno-rtti"]
    run([*command, f"-I{include}", "-c", file, "-o", folder / "made.o"])
    names, sizes = run(["arm-none-eabi-size", folder / "made.o"]).splitlines()
    return dict(zip(names.split()[:3], map(int, sizes.split()[:3]), strict=True))


# --- the tables, from their formulas ---------------------------------------------------------


def table(name):
    """The numbers of a table."""
    text = re.search(rf" {name}\[\] = ({{.*?}});", sources.fixed("frontend_tables.h"), re.DOTALL)[1]
    return np.array([int(number) for number in re.findall(r"-?\d+", text)])


def assert_rounded(numbers, exact, error):
    """Rounded from values that float32 has with an error."""
    assert np.abs(numbers - exact).max() <= 0.5 + error
    assert np.mean(numbers == np.floor(exact + 0.5)) > 0.98


def test_window_is_that_of_hann():
    turns = (np.arange(480) + 0.5) / 480
    assert_rounded(table("kWindow"), 4096 * (1 - np.cos(2 * np.pi * turns)) / 2, 1e-3)


def test_sine_is_one_period():
    assert_rounded(table("kSine"), 32767 * np.sin(2 * np.pi * np.arange(512) / 512), 0)


def test_excess_is_that_of_the_logarithm():
    x = np.arange(129) / 128
    assert_rounded(table("kLogExcess"), 65536 * (np.log2(1 + x) - x), 0)


def test_filters_are_triangles_in_mel():
    def mel(hertz):
        return 1127 * np.log1p(hertz / 700)

    lowest, highest = mel(MICRO_FRONTEND["lower_band_hz"]), mel(MICRO_FRONTEND["upper_band_hz"])
    centers = np.linspace(lowest, highest, MICRO_FRONTEND["features"] + 2)
    bins, widths = 5 + np.arange(len(table("kFilterWeights"))), table("kFilterBins")
    above = np.repeat(np.arange(1, len(centers)), widths)
    np.testing.assert_array_equal(above, np.searchsorted(centers, mel(31.25 * bins)))
    share = (centers[above] - mel(31.25 * bins)) / (centers[1] - centers[0])
    assert_rounded(table("kFilterWeights"), 4096 * share, 0.05)


def test_gains_are_a_power_of_the_noise():
    def gain(noise):
        exact = (
            2.0 ** MICRO_FRONTEND["pcan_gain_bits"]
            * (noise / 128 + MICRO_FRONTEND["pcan_offset"]) ** -MICRO_FRONTEND["pcan_strength"]
        )
        return np.floor(np.minimum(exact, 32767) + 0.5)

    np.testing.assert_array_equal(table("kLowestGains"), gain(np.arange(2)))
    start = 2.0 ** np.arange(1, 32)
    end = np.minimum(2 * start, 2.0**32 - 1)
    value, half, whole = gain(start), gain(1.5 * start) - gain(start), gain(end) - gain(start)
    slope = 4 * half - whole
    curves = np.stack([value, slope, whole - slope], axis=1)
    np.testing.assert_array_equal(table("kGainCurves").reshape(-1, 3), curves)
