"""The bundle in the real TensorFlow Lite Micro, and the program that compares it with Python."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tflm_library
from export_task import need
from firmware_programs import PROGRAMS

from keras_sal.detection import Detection

pytestmark = pytest.mark.any_backend

ROOT = PROGRAMS.parents[1]
RESULT = ROOT / "benchmarks" / "results" / "firmware.json"
BUILD = ROOT / "build" / "tflm"  # kept, since the library takes minutes
MAP = """
Discarded input sections
 .text.unused   0x00000000       0x99 /b/bundle_objects/detector.o
Linker script and memory map
.text           0x00000000     0x1000
 .text._ZN3Foo  0x00000000       0x10 /b/bundle_objects/detector.o
 .rodata._ZN9keras_sal10kModelDataE
                0x00000010      0x200 /b/bundle_objects/model_data.o
 *fill*         0x00000210        0x8
 .text.Invoke   0x00000218       0x20 /b/libtflm_core_reference.a(micro_graph.cc.o)
 .text.Eval     0x00000238       0x40 /b/libtflm_kernels_reference.a(conv.cc.o)
 .text          0x00000278        0x4 /usr/lib/libc_nano.a(lib_a-memset.o)
                0x0000027c                . = ALIGN (0x4)
.data           0x20000000        0x4
 .data.x        0x20000000        0x4 /b/bundle_objects/main.o
.bss            0x20000004      0x300
 .bss._ZN5arenaE
                0x20000004      0x2f0 /b/bundle_objects/main.o
 COMMON         0x200002f4       0x10 /b/bundle_objects/startup.o
.comment        0x00000000       0x50
 .comment       0x00000000       0x50 /b/bundle_objects/main.o
"""


@pytest.fixture(scope="module")
def real_tflm():
    need("tensorflow", "tflite_micro")
    spec = importlib.util.spec_from_file_location("real_tflm", PROGRAMS / "real_tflm.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_tree_it_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.delenv(tflm_library.VARIABLE, raising=False)
    root, missing = tflm_library.tree()
    assert root is None
    assert "git clone https://github.com/tensorflow/tflite-micro" in missing
    monkeypatch.setenv(tflm_library.VARIABLE, str(tmp_path))
    root, missing = tflm_library.tree()
    assert root is None
    assert "has no folder tensorflow/lite/micro/kernels" in missing


def test_map_of_the_linker_is_split_into_parts(real_tflm, monkeypatch, tmp_path):
    (tmp_path / "main.elf.map").write_text(MAP)
    sizes = "text data bss dec hex filename\n{} 4 768 0 0 main.elf"
    whole = 0x10 + 0x200 + 0x20 + 0x40 + 0x4
    monkeypatch.setattr(real_tflm, "call", lambda _: sizes.format(whole))
    found = real_tflm.image_bytes(tmp_path / "main.elf", arena_bytes=0x2E0)
    assert found["flash_bytes"] == {
        "bundle": 0x10 + 0x4,
        "model": 0x200,
        "tflm_core": 0x20,
        "tflm_kernels": 0x40,
        "libc": 0x4,
    }
    assert found["ram_bytes"] == {"bundle": 0x14, "arena": 0x2E0, "test": 0x10}
    monkeypatch.setattr(real_tflm, "call", lambda _: sizes.format(2 * whole))
    with pytest.raises(RuntimeError, match=r"the parts of .* have 632 of 1260 bytes"):
        real_tflm.image_bytes(tmp_path / "main.elf", arena_bytes=0x2E0)


@pytest.fixture
def played(real_tflm, monkeypatch, tmp_path):
    """What Python makes of a sound, and files in which a program found the same."""
    sound = real_tflm.made_sound(1, seed=0)
    posteriors = np.linspace(0, 1, 40, dtype="float32")
    detections = [Detection(0.06 + 0.03 * 7, posteriors[7], 0)]
    detector = SimpleNamespace(process=lambda _: (posteriors[:, None], detections))
    monkeypatch.setattr(real_tflm.StreamingDetector, "from_bundle", lambda _: detector)
    scoring = {"frame_step_s": 0.03, "frame_offset_s": 0.06}
    written = SimpleNamespace(folder=tmp_path, scoring=scoring, manifest={"quantization": "int8"})
    expected = real_tflm.Expected(written, sound)
    expected.features.tofile(tmp_path / "features.bin")
    rows = np.stack([posteriors, posteriors, np.arange(40) == 7], axis=1)
    rows.astype("float32").tofile(tmp_path / "outputs.bin")
    posteriors[7:8].tofile(tmp_path / "detections.bin")
    return expected, tmp_path


def test_what_is_equal_passes(real_tflm, played):
    expected, folder = played
    row = expected.compare(folder)
    assert real_tflm.passed(row | {"self_test_ok": True})
    assert not real_tflm.passed(row | {"self_test_ok": False})
    assert row["steps"] == 40
    assert row["detections"] == 1


@pytest.mark.parametrize(
    ("name", "at", "differing"),
    [
        ("features.bin", 50, "features_equal"),
        ("outputs.bin", 3 * 20, "posteriors_equal"),
        ("outputs.bin", 3 * 20 + 1, "scores_equal"),
        ("outputs.bin", 3 * 20 + 2, "detections_equal"),
        ("detections.bin", 0, "main_equal"),
    ],
)
def test_a_single_difference_is_found(real_tflm, played, name, at, differing):
    expected, folder = played
    values = np.fromfile(folder / name, "float32")
    values[at] = np.nextafter(values[at], np.float32(9))
    values.tofile(folder / name)
    row = expected.compare(folder)
    assert not row[differing]
    assert sum(not row[each] for each in row if each.endswith("_equal")) == 1


def test_a_detection_that_main_misses_is_found(played):
    expected, folder = played
    (folder / "detections.bin").write_bytes(b"")
    assert not expected.compare(folder)["main_equal"]


def test_stored_figures_are_of_runs_that_agree(real_tflm):
    stored = json.loads(RESULT.read_text())
    assert len(stored["rows"]) == 36
    assert all(map(real_tflm.passed, stored["rows"]))
    goal = real_tflm.goal(stored["rows"])
    assert goal == stored["goal"]
    assert goal["flash_bytes"] <= real_tflm.MOST_FLASH_BYTES
    assert goal["ram_bytes"] <= real_tflm.MOST_RAM_BYTES
    for row in stored["rows"]:
        assert row["arena_bytes_least"] <= row["arena_bytes_reserved"]


@pytest.mark.slow
@pytest.mark.parametrize(("target", "kernels"), [("host", "reference"), ("cortex-m4", "cmsis_nn")])
def test_bundle_is_as_in_python(real_tflm, target, kernels):
    """`python tests/firmware/real_tflm.py` tries every bundle."""
    root, missing = tflm_library.tree()
    missing = missing or real_tflm.TARGETS[target].missing()
    if missing:
        pytest.skip(missing)
    rows = []
    job = ("conv", "int8", "explicit", target, kernels)
    real_tflm.measure([job], root, BUILD, real_tflm.made_sound(5, seed=1), rows.append)
    assert real_tflm.passed(rows[0])
    assert rows[0]["detections"] > 0
