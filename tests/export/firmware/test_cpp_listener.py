"""From the microphone to the detections: the ring buffer, and front-end and detector together."""

import subprocess

import numpy as np
import pytest
from firmware_programs import (
    PROGRAMS,
    SANITIZERS,
    WARNINGS,
    CortexM4,
    Host,
    compile_only,
    needs_compiler,
    run,
)
from replays import NOTHING, RESET, replay

from keras_sal.audio import MicroFrontend
from keras_sal.detection import Trigger
from keras_sal.export import bundle
from keras_sal.export.firmware import golden, sources

pytestmark = [pytest.mark.any_backend, needs_compiler]

TRIGGER = {"frame_step_s": 0.01, "smooth_frames": 3, "on_frames": 2, "refractory_s": 0.07}
NEW_STREAM = -1  # as in check_listener.cc
THREADS = ("-fsanitize=thread",)


# --- the ring buffer -------------------------------------------------------------------------


@pytest.mark.parametrize("sanitizers", [SANITIZERS, THREADS], ids=["address", "thread"])
def test_ring_buffer_gives_what_it_took_and_counts_what_was_lost(sanitizers, tmp_path):
    (tmp_path / "ring_buffer.h").write_text(sources.fixed("ring_buffer.h"))
    program, warnings = tmp_path / "program", [*WARNINGS, "-Wconversion", "-Wsign-conversion"]
    command = ["g++", "-std=c++11", "-O1", "-g", "-pthread", *warnings, *sanitizers]
    build = [*command, f"-I{tmp_path}", PROGRAMS / "check_ring_buffer.cc", "-o", program]
    done = subprocess.run(list(map(str, build)), capture_output=True, text=True, check=False)
    if "cannot find" in done.stderr:
        pytest.skip(f"needs the library of {sanitizers[0]}")
    assert done.returncode == 0, done.stderr
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the thread sanitizer can't run in the address space of this system")
    assert done.returncode == 0, done.stderr
    slow, _, wide = (int(line.split()[0]) for line in done.stdout.splitlines())
    assert slow > 0
    assert wide == 0


# --- from sound to detections ----------------------------------------------------------------


@pytest.fixture(scope="module")
def written(two_states_int8, tmp_path_factory):
    model, features = two_states_int8, MicroFrontend()(golden.sound())
    model.reset()
    level = float(np.quantile(model.stream(features), 0.6))
    folder = tmp_path_factory.mktemp("listener") / "bundle"
    return bundle.write(
        model, folder, threshold=level, class_names="hello", frontend="micro", **TRIGGER
    )


def expected_lines(written, streams):
    """What a listener prints for streams of sound, and what its interpreter replays."""
    ends = written.manifest["inputs"] + written.manifest["outputs"]
    positions = {end["name"]: end["index"] for end in ends}
    features = [MicroFrontend()(stream) for stream in streams]
    events = np.full(sum(map(len, features)), NOTHING)
    events[np.cumsum([len(stream) for stream in features])[:-1]] = RESET
    runner = written.open()
    content, posteriors = replay(runner, {"frame": np.concatenate(features)}, events, positions)
    lines = []
    for own in np.split(np.array(posteriors), np.flatnonzero(events == RESET)):
        trigger = Trigger(written.threshold, **TRIGGER)
        lines += [f"hello {found.score:.9g}" for found in trigger.feed(own[:, 0])]
    return lines, content


@pytest.mark.parametrize("machine", [Host(), CortexM4()], ids=lambda machine: machine.name)
def test_listener_detects_as_python_in_pieces_and_streams(machine, written, tmp_path):
    sound = golden.sound()
    streams = [sound[:20_000], sound[12_000:]]
    lines, content = expected_lines(written, streams)
    rng = np.random.default_rng(3)
    chunks = []
    for stream in streams:
        cuts = np.sort(rng.choice(len(stream), 60, replace=False))
        sizes = np.diff([0, *cuts, len(stream)])
        assert sizes.max() < 4096
        # None is longer than the ring buffer.
        sizes = [part for size in sizes for part in [1000] * (size // 1000) + [size % 1000]]
        chunks += [*sizes, NEW_STREAM]
    (tmp_path / "replay.bin").write_bytes(content)
    np.concatenate(streams).astype("<i2").tofile(tmp_path / "sound.bin")
    np.array(chunks[:-1], "int32").tofile(tmp_path / "chunks.bin")
    names = ("detector.cc", "detector_settings.cc", "trigger.cc", "micro_frontend.cc")
    files = [PROGRAMS / "check_listener.cc", *(written.folder / name for name in names)]
    said = run(machine.build(files, tmp_path, written.folder), cwd=tmp_path)
    assert said.split("\n")[:-1] == lines
    assert len(lines) >= 3


def test_listener_says_how_many_samples_were_lost(written, tmp_path):
    sound = golden.sound()[:1024]
    lines, content = expected_lines(written, [sound])
    (tmp_path / "replay.bin").write_bytes(content)
    golden.sound()[:1500].astype("<i2").tofile(tmp_path / "sound.bin")
    np.int32([1500]).tofile(tmp_path / "chunks.bin")
    names = ("detector.cc", "detector_settings.cc", "trigger.cc", "micro_frontend.cc")
    files = [PROGRAMS / "check_listener.cc", *(written.folder / name for name in names)]
    said = run(Host().build(files, tmp_path, written.folder), cwd=tmp_path)
    assert said.splitlines() == ["476 samples were lost: the detector is too slow.", *lines]


# --- one way to be compiled ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-UTF_LITE_STATIC_MEMORY"], "Define TF_LITE_STATIC_MEMORY, or"),
        (["-UTF_LITE_STATIC_MEMORY", "-DESP_PLATFORM"], "Define TF_LITE_STATIC_MEMORY, or"),
        (["-D__ZEPHYR__=1"], "Do not define TF_LITE_STATIC_MEMORY, or"),
        (["-DARDUINO=10819"], "Do not define TF_LITE_STATIC_MEMORY, or"),
        (["-DKERAS_SAL_TFLM_STATIC_MEMORY=0"], "Do not define TF_LITE_STATIC_MEMORY, or"),
        (["-UTF_LITE_STATIC_MEMORY", "-DKERAS_SAL_TFLM_STATIC_MEMORY=0"], None),
        (["-UTF_LITE_STATIC_MEMORY", "-D__ZEPHYR__=1"], None),
        (["-DARDUINO=10819", "-DKERAS_SAL_TFLM_STATIC_MEMORY=1"], None),
    ],
)
def test_layout_of_tensors_must_be_that_of_tensorflow(written, flags, message):
    file = written.folder / "set_up.cc"
    if message is None:
        compile_only(file, flags=flags, include=[PROGRAMS])
    else:
        with pytest.raises(AssertionError, match=message):
            compile_only(file, flags=flags, include=[PROGRAMS])


@pytest.mark.parametrize("flag", ["-ffast-math", "-Ofast", "-ffinite-math-only"])
def test_mathematics_must_be_exact(written, flag):
    for name in ("trigger.cc", "detector.cc", "detector_settings.cc"):
        with pytest.raises(AssertionError, match="without -ffast-math and -Ofast"):
            compile_only(written.folder / name, flags=[flag])
