"""The bundle: what is in the folder, what is refused, and the C++ of a real model."""

import hashlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from export_task import FEATURES, streams_with_events
from firmware_programs import (
    CORTEX_M4,
    CROSS_COMPILER,
    PROGRAMS,
    CortexM4,
    Host,
    compile_only,
    needs_compiler,
    no_cross_library,
    run,
)
from replays import FAILURE, NOTHING, RESET, expected_outputs, replay

from keras_sal import pretrained
from keras_sal.detection import Scoring, det_curve, detect, tuning
from keras_sal.export import bundle
from keras_sal.export.detector_settings import TRIGGER as TRIGGER_NAMES
from keras_sal.export.firmware.costs import MICRO_FRONTEND_COST
from keras_sal.export.scratch import least_arena, with_margin
from keras_sal.runtime import StreamingDetector

pytestmark = pytest.mark.any_backend

TRIGGER = {
    "frame_step_s": 0.01,
    "frame_offset_s": 0.03,
    "smooth_frames": 3,
    "on_frames": 2,
    "hysteresis": 0.01,
    "refractory_s": 0.07,
}
NO_STEP = {"threshold": 0.5, "scoring": {"frame_step_s": None}}
CPP = ("detector.cc", "detector_settings.cc", "trigger.cc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundle")


@pytest.fixture(scope="module")
def stream():
    return streams_with_events(1, 300, seed=2)[0][0]


@pytest.fixture(scope="module")
def model(two_states_int8):
    return two_states_int8


@pytest.fixture(scope="module")
def threshold(model, stream):
    model.reset()
    return float(np.quantile(model.stream(stream), 0.7))


@pytest.fixture(scope="module")
def written(model, folder, threshold):
    return bundle.write(
        model,
        folder / "bundle",
        threshold=threshold,
        class_names="computer",
        frontend="micro",
        **TRIGGER,
    )


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- the folder ------------------------------------------------------------------------------


def test_folder_holds_what_a_firmware_engineer_needs(written, model):
    assert set(files(written.folder)) == {
        "README.md", "golden.cc", "listener.h", "log.h", "ring_buffer.h", "self_test.cc",
        "self_test.h", "self_test_data.cc", "self_test_data.h", "set_up.cc", "set_up.h",
        "detector.cc", "detector.h", "detector_settings.cc",
        "detector_settings.h", "frontend.h", "frontend_tables.h", "interpreter.h", "main.cc",
        "manifest.json", "micro_frontend.cc", "micro_frontend.h", "model.tflite", "model_data.cc",
        "model_data.h", "op_resolver.h", "tflm_interpreter.h", "trigger.cc", "trigger.h",
    }  # fmt: skip
    assert written.model_path.read_bytes() == model.path.read_bytes()


def test_manifest_says_it_all(written, model, threshold):
    manifest = json.loads((written.folder / "manifest.json").read_text())
    assert manifest == written.manifest
    frame, *states = manifest["inputs"]
    assert (frame["name"], frame["shape"], frame["dtype"]) == ("frame", [1, FEATURES], "int8")
    assert (frame["scale"], frame["zero_point"]) == model.inputs[0][3:]
    assert {end["index"] for end in manifest["inputs"]} == {0, 1, 2}
    assert [state["name"] for state in states] == ["state_0", "state_1"]
    assert manifest["states"] == [["state_0", "state_0_next"], ["state_1", "state_1_next"]]
    assert manifest["classes"] == ["computer"]
    assert manifest["frontend"]["kind"] == "micro"
    assert manifest["frontend_cost"] == MICRO_FRONTEND_COST
    assert manifest["trigger"] == {
        "threshold": threshold,
        **{name: TRIGGER[name] for name in TRIGGER_NAMES},
    }
    assert manifest["threshold"] == {"rule": "set by hand", "threshold": threshold}
    assert (manifest["frame_step_s"], manifest["frame_offset_s"]) == (0.01, 0.03)
    assert manifest["flash_bytes"] == model.flash_bytes
    assert manifest["arena_bytes"] == model.arena_bytes
    assert manifest["arenas"]["reference"] == model.arena_bytes
    assert manifest["arenas"]["esp_nn"] >= model.arena_bytes
    assert manifest["namespace"] == "keras_sal::model_bundle"
    assert manifest["macs"] == model.macs
    assert manifest["operators"] == list(model.operators)
    assert (manifest["state"], manifest["resource_variables"]) == ("explicit", 0)
    assert "keras" in manifest["versions"]
    for name, content in files(written.folder).items():
        if name != "manifest.json":
            assert manifest["sha256"][name] == hashlib.sha256(content).hexdigest()


def test_bundle_runs_as_the_model(written, model, threshold, stream):
    opened = bundle.read(written.folder)
    assert opened.threshold == threshold
    assert opened.scoring == TRIGGER
    model.reset()
    np.testing.assert_array_equal(opened.open().stream(stream), model.stream(stream))


def test_streaming_detector_is_that_of_the_bundle(model, folder, threshold, stream):
    made = bundle.write(model, folder / "own_features", threshold=threshold, **TRIGGER)
    live = StreamingDetector.from_bundle(made.folder)
    found = [d for part in np.split(stream, [7, 8, 130]) for d in live.process(part).detections]
    model.reset()
    expected = detect(model.stream(stream), threshold, **TRIGGER)
    assert [(d.time_s, d.score) for d in found] == [(d.time_s, d.score) for d in expected]
    assert len(found) >= 3


def test_same_inputs_give_the_same_bytes(written, model, folder, threshold):
    (folder / "again").mkdir()
    again = bundle.write(
        model.path,
        folder / "again" / "bundle",
        threshold=threshold,
        class_names=["computer"],
        frontend="micro",
        **TRIGGER,
    )
    assert files(again.folder) == files(written.folder)


def test_model_data_holds_the_model(written):
    text = (written.folder / "model_data.cc").read_text()
    array = text[text.index("{\n    0x") : text.index("};")]
    content = bytes(int(byte, 16) for byte in array.replace("{", "").replace(",", " ").split())
    assert content == written.model_path.read_bytes()
    assert "alignas(16) const unsigned char kModelData[]" in text
    header = (written.folder / "model_data.h").read_text()
    assert f"kModelDataBytes = {len(content)};" in header


def test_readme_names_every_file_and_figure(written, model):
    text = (written.folder / "README.md").read_text()
    assert not re.search(r"\$[a-z]", text), "a placeholder was left"
    assert f"{model.flash_bytes:,} bytes of flash" in text
    for kernels, needed in written.manifest["arenas"].items():
        assert f"{with_margin(needed, kernels):,} bytes for" in text
    assert "says which of its classes (computer)" in text
    assert "| RAM: front-end | 2,148 | 2,148 |" in text
    reserved = with_margin(written.manifest["arenas"]["cmsis_nn"], "cmsis_nn")
    assert f"| RAM: arena | {reserved:,} | {reserved:,} |" in text
    assert "the one that the sources reserve on a\nCortex-M4, that for CMSIS-NN" in text
    assert "Cortex-M4 ran in 64 to 88 % of it" in text
    assert "instructions a step, estimated" in text
    assert written.manifest["costs"]["estimated"]
    assert "two functions that you write:\n\n```cpp\nbool ReadSamples(" in text
    for name in set(files(written.folder)) - {"README.md"}:
        stem = name.rsplit(".", 1)[0]
        assert name in text or f"{stem}.h/.cc" in text


def test_threshold_record_brings_its_trigger(model, folder, stream):
    posterior = np.zeros(36_000)
    posterior[[500, 20_000]] = 0.9, 0.4
    curve = det_curve([posterior], [[5.0]], frame_step_s=0.01, refractory_s=0.5)
    record = tuning.threshold_record(curve, 40.0, data="dev, int8 model")
    made = bundle.write(model, folder / "chosen", threshold=record)
    assert made.threshold == record["threshold"]
    assert made.manifest["threshold"]["data"] == "dev, int8 model"
    assert made.scoring["refractory_s"] == 0.5
    assert (
        "for 40 false alarms an hour; on dev, int8 model" in (made.folder / "README.md").read_text()
    )
    assert "frontend.h" not in files(made.folder)
    assert "ReadFrame" in (made.folder / "main.cc").read_text()
    with pytest.raises(ValueError, match=r"`refractory_s` must be the one .* in the record 0\.5"):
        bundle.write(model, folder / "chosen", threshold=record, refractory_s=2.0)


# --- complete or not at all ------------------------------------------------------------------


def test_an_interrupted_export_leaves_nothing(model, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_sal.export.bundle.json.dumps", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bundle.write(model, tmp_path / "bundle", threshold=0.5, frame_step_s=0.01)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_keeps_the_former_bundle(model, tmp_path, monkeypatch):
    first = bundle.write(model, tmp_path / "bundle", threshold=0.5, frame_step_s=0.01)
    before = files(first.folder)
    monkeypatch.setattr("keras_sal.export.bundle.json.dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bundle.write(model, tmp_path / "bundle", threshold=0.7, frame_step_s=0.01)
    monkeypatch.undo()
    assert files(tmp_path / "bundle") == before
    second = bundle.write(model, tmp_path / "bundle", threshold=0.7, frame_step_s=0.01)
    assert second.threshold == 0.7
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"`frame_step_s` must be given.*Received: none"),
        ({"threshold": float("inf"), "frame_step_s": 0.01}, r"`threshold` must be in \[0, 1\]"),
        ({"threshold": 1.5, "frame_step_s": 0.01}, r"`threshold` must be in \[0, 1\].*1\.5"),
        ({"threshold": {"a": 1}}, r"`threshold` must be a number.*\['a'\]"),
        ({"class_names": ["a", "b"], "frame_step_s": 0.01}, r"`class_names` must name each of t"),
        ({"class_names": "a\0b", "frame_step_s": 0.01}, r"no character U\+0000.*'a\\x00b'"),
        ({"class_names": ["\ud800"], "frame_step_s": 0.01}, r"written as UTF-8.*'\\ud800'"),
        ({"class_names": 7, "frame_step_s": 0.01}, r"`class_names` must name.*=\[7\]"),
        ({"frontend": ["micro"], "frame_step_s": 0.01}, r"`frontend` must be 'micro' or None"),
        ({"frontend": "mel", "frame_step_s": 0.01}, r"`frontend` must be 'micro' or None.*'mel'"),
        ({"frame_step_s": 0.01, "on_frames": 0}, r"`on_frames` must be an integer >= 1"),
        ({"frame_step_s": None}, r"`frame_step_s` must be a positive number.*=None\."),
        ({"frame_step_s": "a"}, r"`frame_step_s` must be a positive number.*='a'\."),
        ({"frame_step_s": 0.01, "delay_frames": 10**7}, r"`delay_frames` must be less than 100, "),
        ({"frame_step_s": 0.03, "frontend": "micro"}, r"`frame_step_s` must be 0\.01 with this"),
        ({"frame_step_s": 1e-9, "frontend": "micro"}, r"`frame_step_s` must be 0\.01.*=1e-09\."),
        ({"threshold": NO_STEP}, r"`frame_step_s` must be a positive number.*=None\."),
    ],
)
def test_write_rejects(model, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        bundle.write(model, tmp_path / "bundle", **({"threshold": 0.5} | arguments))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ['a"b', "a#b", "a;b", "a\nb", "a\\b"])
def test_write_rejects_names_that_build_tools_take_apart(model, tmp_path, name):
    for package in (None, "cmake"):
        with pytest.raises(ValueError, match="`folder` must have a name without"):
            bundle.write(model, tmp_path / name, threshold=0.5, frame_step_s=0.01, package=package)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("manifest", [None, '{"name": "web app"}', "[1]", "{"])
def test_write_rejects_a_folder_that_holds_something_else(model, tmp_path, manifest):
    (tmp_path / "notes.txt").write_text("mine")
    if manifest:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ValueError, match=r"`folder` must be new, empty or a bundle"):
        bundle.write(model, tmp_path, threshold=0.5, frame_step_s=0.01)
    with pytest.raises(ValueError, match=r"`folder` must be in a folder that exists"):
        bundle.write(model, tmp_path / "a" / "b", threshold=0.5, frame_step_s=0.01)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_read_rejects_what_was_changed(model, tmp_path):
    made = bundle.write(model, tmp_path / "bundle", threshold=0.5, frame_step_s=0.01)
    settings = made.folder / "detector_settings.cc"
    original = settings.read_text()
    settings.write_text(original.replace("0.5", "0.6"))
    with pytest.raises(ValueError, match=r"another hash.*'detector_settings\.cc'"):
        bundle.read(made.folder)
    settings.unlink()
    with pytest.raises(ValueError, match=r"is missing.*'detector_settings\.cc'"):
        bundle.read(made.folder)
    settings.write_text(original)
    (made.folder / "yours.cc").write_text("// files of one's own are no concern of the bundle")
    assert bundle.read(made.folder).manifest == made.manifest
    manifest = made.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 7'))
    with pytest.raises(ValueError, match=r"a bundle of format 1.*Received: format=7"):
        bundle.read(made.folder)
    manifest.write_text("{")
    with pytest.raises(ValueError, match=r"`folder` must hold a readable manifest\.json"):
        bundle.read(made.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trigger": {"on_frames": 1}}, "whose 'trigger' is that of its sources"),
        ({"trigger": {"refractory_s": 9}}, "whose 'trigger' is that of its sources"),
        ({"frame_step_s": 0.02}, "whose 'trigger' is that of its sources"),
        ({"classes": ["other"]}, "whose 'classes' is that of its sources"),
        ({"delay_frames": 1}, "whose 'delay_frames' is that of its sources"),
        ({"trigger": {"threshold": 0.25}}, "the threshold 0.25, which is not the one chosen"),
        (
            {"trigger": {"threshold": 0.25}, "threshold": {"threshold": 0.25}},
            "whose 'trigger' is that of its sources",
        ),
    ],
)
def test_read_rejects_a_manifest_of_another_trigger(written, tmp_path, change, message):
    copy = shutil.copytree(written.folder, tmp_path / "bundle")
    assert bundle.read(copy).manifest == written.manifest
    manifest = json.loads((copy / "manifest.json").read_text())
    for name, value in change.items():
        manifest[name] = manifest[name] | value if isinstance(value, dict) else value
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=message):
        bundle.read(copy)


def test_read_rejects_sources_of_another_trigger(written, tmp_path):
    copy = shutil.copytree(written.folder, tmp_path / "bundle")
    settings = copy / "detector_settings.cc"
    settings.write_text(settings.read_text().replace(", 3, 2, 7}", ", 3, 1, 7}"))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["sha256"][settings.name] = hashlib.sha256(settings.read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"whose 'trigger' is that.*another one in detector_set"):
        bundle.read(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"frontend": None},
        {"quantization": "float32"},
        {"states": []},
        {"arenas": {}},
        {"inputs": []},
        {"threshold": None},
        {"yours": {"main.cc": "00"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_read_rejects_any_other_change_of_a_manifest(written, tmp_path, change):
    copy = shutil.copytree(written.folder, tmp_path / "bundle")
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest, sort_keys=True))  # says the same
    assert bundle.read(copy).manifest == written.manifest
    (copy / "manifest.json").write_text(json.dumps(manifest | change))
    with pytest.raises(ValueError, match=r"the manifest\.json that was written.*another SHA-256"):
        bundle.read(copy)


def test_read_takes_a_manifest_without_its_own_hash(written, tmp_path):
    copy = shutil.copytree(written.folder, tmp_path / "bundle")
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["manifest_sha256"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert bundle.read(copy).manifest == manifest


def test_step_with_the_front_end_is_that_of_the_model(tmp_path):
    model, rule = pretrained.path("computer") / "model.tflite", {"threshold": 0.5}
    for wrong in (0.01, 1e-9):
        with pytest.raises(ValueError, match=r"must be 0\.03 .* takes 3 of its frames"):
            bundle.write(model, tmp_path / "b", frontend="micro", frame_step_s=wrong, **rule)
    assert list(tmp_path.iterdir()) == []


# --- the C++ ---------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("machine", [Host(), CortexM4()], ids=lambda machine: machine.name)
def test_cpp_detects_what_tensorflow_lite_micro_and_python_do(
    machine, written, model, threshold, stream, tmp_path
):
    events = np.random.default_rng(5).choice(
        [NOTHING, RESET, FAILURE], len(stream), p=[0.97, 0.01, 0.02]
    )
    positions = {
        end["name"]: end["index"]
        for end in written.manifest["inputs"] + written.manifest["outputs"]
    }
    model.reset()
    content, posteriors = replay(model, {"frame": stream}, events, positions)
    expected = expected_outputs(posteriors, events, [threshold], Scoring(**TRIGGER))
    (tmp_path / "replay.bin").write_bytes(content)
    sources = [PROGRAMS / "check_detector.cc", *(written.folder / name for name in CPP)]
    run(machine.build(sources, tmp_path, written.folder), cwd=tmp_path)
    outputs = np.fromfile(tmp_path / "outputs.bin", "float32").reshape(expected.shape)
    np.testing.assert_array_equal(outputs, expected)
    assert expected[..., 2].sum() >= 3


@needs_compiler
@pytest.mark.parametrize("standard", ["c++11", "c++14", "c++17", "c++20"])
def test_every_source_compiles_without_a_warning(written, folder, model, standard):
    own = bundle.write(model, folder / "own", threshold=0.5, frame_step_s=0.01)
    for made in (written, own):
        for source in made.folder.glob("*.cc"):
            compile_only(source, standard=standard, include=[PROGRAMS])


ARDUINO_CORE = PROGRAMS / "arduino"


@needs_compiler
@pytest.mark.parametrize("platform", ["ARDUINO=10819", "ESP_PLATFORM"])
def test_example_compiles_for_platforms_with_a_main_of_their_own(written, platform):
    include = [PROGRAMS, ARDUINO_CORE]
    compile_only(written.folder / "main.cc", flags=[f"-D{platform}"], include=include)


@needs_compiler
def test_arduino_core_finds_setup_and_loop(written, tmp_path):
    include = [f"-I{folder}" for folder in (written.folder, PROGRAMS, ARDUINO_CORE)]
    main = [written.folder / "main.cc", "-o", tmp_path / "main.o"]
    run(["g++", "-std=c++17", "-DARDUINO=10819", *include, "-c", *main])
    symbols = run(["nm", tmp_path / "main.o"]).split()
    assert {"setup", "loop"} <= set(symbols)


FAKE = PROGRAMS / "tensorflow" / "fake.cc"


@needs_compiler
def test_set_up_says_which_stage_failed_in_arenas_of_all_sizes(written, tmp_path):
    files = [PROGRAMS / "check_setup.cc", FAKE, *sorted(written.folder.glob("*.cc"))]
    files = [file for file in files if file.name != "main.cc"]
    run(Host().build(files, tmp_path, written.folder, PROGRAMS), cwd=tmp_path)


@needs_compiler
def test_example_prints_why_it_ends_and_fails(written, tmp_path):
    yours = tmp_path / "yours.cc"
    yours.write_text(
        "#include <stdint.h>\n"
        '#include "tensorflow/fake.h"\n'
        "bool ReadSamples(int16_t*, int) { return false; }\n"
        "void OnDetection(const char*, float) {}\n"
        "static const bool kFails = TheFake().allocates = false;\n"
        "bool Fails() { return kFails; }\n"
    )
    files = [yours, FAKE, *sorted(written.folder.glob("*.cc"))]
    program = Host().build(files, tmp_path, written.folder, PROGRAMS)
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == "No detector: the tensors could not be allocated in the arena.\n"


@needs_compiler
def test_two_bundles_fit_in_one_firmware(written, model, folder, tmp_path):
    other = bundle.write(model, folder / "lights", threshold=0.5, frame_step_s=0.01)
    main = tmp_path / "main.cc"
    headers = ("detector.h", "model_data.h", "op_resolver.h", "tflm_interpreter.h")
    main.write_text(
        "".join(
            f'#include "{made.folder / header}"\n'
            for made in (written, other)
            for header in headers
        )
        + "using namespace keras_sal;\n"
        "static model_bundle::Detector first(nullptr);\n"
        "static model_lights::Detector second(nullptr);\n"
        "int main() {\n"
        "  return first.Begin() == second.Begin() && first.Begin() == Setup::kTensors &&\n"
        "         &model_bundle::kModelData[0] != &model_lights::kModelData[0] ? 0 : 1;\n"
        "}\n"
    )
    own = ("detector.cc", "detector_settings.cc", "model_data.cc")
    files = [main, FAKE, written.folder / "trigger.cc"]
    files += [made.folder / name for made in (written, other) for name in own]
    run(Host().build(files, tmp_path, PROGRAMS), cwd=tmp_path)


ARENA_MACRO = "KERAS_SAL_MODEL_BUNDLE_ARENA_BYTES"


@needs_compiler
def test_arena_is_that_of_the_target(written, tmp_path):
    arenas = written.manifest["arenas"]
    own = arenas["reference"] + 160
    targets = {
        "reference": [],
        "esp_nn": ["-DESP_PLATFORM"],
        "cmsis_nn": ["-D__ARM_FEATURE_DSP=1"],
        "cmsis_nn_mve": ["-D__ARM_FEATURE_DSP=1", "-D__ARM_FEATURE_MVE=1"],
        "own": [f"-D{ARENA_MACRO}={own}"],
    }
    for kernels, flags in targets.items():
        least = arenas.get(kernels, own)
        check = tmp_path / f"{kernels}.cc"
        check.write_text(
            f'#include "{written.folder}/detector_settings.h"\n'
            "namespace model = keras_sal::model_bundle;\n"
            f'static_assert(model::kLeastArenaBytes == {least}, "");\n'
            f'static_assert(model::kArenaBytes >= {least}, "");\n'
            f'static_assert(model::kArenaBytes <= {least} * 9 / 8 + 16, "");\n'
            'static_assert(model::kArenaBytes % model::kArenaAlignment == 0, "");\n'
        )
        compile_only(check, flags=flags)


def refusal_of_arena(written, arena_bytes, compiler):
    """What a compiler says of an arena of one's own; nothing if it takes it."""
    source = written.folder / "detector_settings.cc"
    command = [*compiler, "-std=c++11", f"-D{ARENA_MACRO}={arena_bytes}", "-fsyntax-only", source]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@needs_compiler
def test_arena_of_ones_own_is_at_least_what_the_processor_needs(written):
    needed, compiler = written.manifest["arenas"]["reference"], ("g++",)
    assert refusal_of_arena(written, needed, compiler) == ""
    said = refusal_of_arena(written, needed - 16, compiler)
    assert f"{ARENA_MACRO} must be at least {needed} on a 64-bit processor" in said


def test_arena_of_ones_own_is_smaller_on_a_cortex_m(written):
    if not shutil.which(CROSS_COMPILER) or no_cross_library():
        pytest.skip(f"needs {CROSS_COMPILER} with a C++ library")
    arenas, compiler = written.manifest["arenas"], (CROSS_COMPILER, *CORTEX_M4)
    least = least_arena(arenas)
    assert 2 * least - arenas["reference"] in range(32)
    assert refusal_of_arena(written, least, compiler) == ""
    said = refusal_of_arena(written, least - 16, compiler)
    assert f"{ARENA_MACRO} must be at least {least}: no device runs the model in less" in said
