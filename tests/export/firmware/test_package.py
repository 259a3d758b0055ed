"""Packages: what their build files say, that their C++ compiles, and what their examples do.

The headers of ESP-IDF, Arduino and Zephyr are stand-ins of these tests, and so is TensorFlow Lite
Micro: it replays what the interpreter computed in Python.
"""

import json
import re
import shutil
import subprocess
import warnings

import numpy as np
import pytest
from firmware_programs import (
    CORTEX_M4,
    CROSS_COMPILER,
    PROGRAMS,
    SANITIZERS,
    WARNINGS,
    needs_compiler,
    no_cross_library,
    run,
)
from replays import NOTHING, replay

from keras_sal.audio import MicroFrontend
from keras_sal.detection import Trigger
from keras_sal.export import bundle
from keras_sal.export.firmware import golden
from keras_sal.export.firmware.package import ECOSYSTEMS
from keras_sal.runtime import open_runner

pytestmark = pytest.mark.any_backend

TRIGGER = {"frame_step_s": 0.01, "frame_offset_s": 0.03, "smooth_frames": 3, "refractory_s": 0.6}
STATIC_MEMORY = ["-DTF_LITE_STATIC_MEMORY"]
STRICT = [*WARNINGS, "-Wconversion", "-Wsign-conversion", "-fno-exceptions", "-fno-rtti"]
NAMES = {"sound": "bundle", "frames": "gestures"}


@pytest.fixture(scope="module")
def level(two_states_int8):
    two_states_int8.reset()
    return float(np.quantile(two_states_int8.stream(MicroFrontend()(golden.sound())), 0.9))


@pytest.fixture(scope="module")
def packages(two_states_int8, level, tmp_path_factory):
    """The packages of each ecosystem, with sound and with frames of one's own."""
    folder, made = tmp_path_factory.mktemp("packages"), {}
    for name in ECOSYSTEMS:
        (folder / name).mkdir()
        for kind, own in NAMES.items():
            made[name, kind] = bundle.write(
                two_states_int8,
                folder / name / own,
                threshold=level,
                class_names="hello",
                frontend="micro" if kind == "sound" else None,
                package=name,
                **TRIGGER,
            )
    return made


@pytest.fixture(scope="module")
def heard(packages, level):
    """What is replayed for the golden sound, and the times and scores of detections in it."""
    written, features = packages["cmake", "sound"], MicroFrontend()(golden.sound())
    ends = written.manifest["inputs"] + written.manifest["outputs"]
    positions = {end["name"]: end["index"] for end in ends}
    events = np.full(len(features), NOTHING)
    content, posteriors = replay(written.open(), {"frame": features}, events, positions)
    found = list(Trigger(level, **TRIGGER).feed(np.array(posteriors)[:, 0]))
    assert len(found) >= 2
    return content, [(detection.time_s, detection.score) for detection in found]


@pytest.fixture
def folder(heard, tmp_path):
    """A folder with sound and what is replayed for it."""
    (tmp_path / "replay.bin").write_bytes(heard[0])
    golden.sound().astype("<i2").tofile(tmp_path / "sound.bin")
    return tmp_path


def texts(written):
    """The texts of a package by their paths."""
    return {
        path.relative_to(written.folder).as_posix(): path.read_text()
        for path in sorted(written.folder.rglob("*"))
        if path.is_file() and path.suffix != ".tflite"
    }


def model_of(written):
    return written.manifest["namespace"].removeprefix("keras_sal::")


# --- the folder ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", ECOSYSTEMS)
def test_package_is_a_bundle_whose_sources_lie_in_src(packages, name, kind):
    written, suffix = packages[name, kind], ECOSYSTEMS[name].suffix
    inside, model = texts(written), model_of(written)
    for path, text in inside.items():
        assert "model_name" not in text.lower(), path
        assert not re.search(r"@\w+@", text), path
    hashed, yours = set(written.manifest["sha256"]), set(ECOSYSTEMS[name].yours)
    assert yours <= {*inside}
    assert hashed == {*inside, "model.tflite"} - yours - {"manifest.json"}
    assert all(f"`{path}`" in inside["README.md"] for path in yours)
    assert f"src/{model}/detector{suffix}" in hashed
    assert not [path for path in hashed if path.endswith(f"main{suffix}")]
    assert (f"src/{model}/listener.h" in hashed) == (kind == "sound")
    assert bundle.read(written.folder).manifest == written.manifest
    runner = open_runner(written.folder)
    assert runner.stream(np.zeros((3, 40), "float32")).shape == (3, 1)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", ECOSYSTEMS)
def test_readme_tells_the_way_and_what_was_not_checked(packages, name, kind):
    text = texts(packages[name, kind])["README.md"]
    assert not re.search(r"\$[a-z]", text), "a placeholder was left"
    steps, after = text.split("## Files")
    assert ("blinking light" in steps) == (name != "cmake")
    assert ("**Not checked:**" in steps) == (name != "cmake")
    assert f"The sources are in `src/{model_of(packages[name, kind])}`." in after
    assert "main.cc` needs two functions" not in text
    assert "of one of them only" not in text
    assert "self-test" in steps.lower() or "SELF_TEST" in steps
    assert ("ReadFrame" in steps) == (kind == "frames" and name != "cmake")


def test_examples_may_be_edited_but_nothing_else(two_states_int8, tmp_path):
    def write(**arguments):
        return bundle.write(
            two_states_int8, tmp_path / "own", threshold=0.5, frame_step_s=0.01, **arguments
        )

    written = write(package="esp-idf")
    example = written.folder / "examples/detect/main/main.cc"
    example.write_text("// mine")
    (written.folder / "sdkconfig").write_text("# of the build")
    assert bundle.read(written.folder).manifest == written.manifest
    for name in ("src/model_own/detector.cc", "CMakeLists.txt", "examples/detect/main/light.h"):
        original = (written.folder / name).read_text()
        (written.folder / name).write_text("// mine")
        with pytest.raises(ValueError, match=rf"another hash.*'{re.escape(name)}'"):
            bundle.read(written.folder)
        (written.folder / name).write_text(original)
    write()
    assert sorted(path.name for path in (tmp_path / "own").iterdir() if path.is_dir()) == [
        "examples"
    ]
    assert example.read_text() == "// mine"
    assert (written.folder / "sdkconfig").read_text() == "# of the build"
    assert not (written.folder / "examples/detect/sdkconfig.defaults").exists()


def test_a_bundle_written_again_keeps_what_it_did_not_write(two_states_int8, tmp_path):
    def write(threshold, **arguments):
        return bundle.write(
            two_states_int8,
            tmp_path / "own",
            threshold=threshold,
            **({"frame_step_s": 0.01, "package": "cmake"} | arguments),
        )

    folder = write(0.5).folder
    example, original = folder / "program/main.cc", (folder / "program/main.cc").read_text()
    notes = {"mynotes.txt": "mine", "src/model_own/mine.h": "// mine", "build/a/b.o": "object"}
    for name, text in notes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "link").symlink_to("mynotes.txt")
    (folder / ".git/refs").mkdir(parents=True)
    example.write_text("// mine")
    with pytest.warns(UserWarning, match=r"were edited and stay.*: program/main\.cc\."):
        again = write(0.75)
    assert again.threshold == 0.75
    assert "0.75" in (folder / "src/model_own/detector_settings.cc").read_text()
    assert example.read_text() == "// mine"
    assert {name: (folder / name).read_text() for name in notes} == notes
    assert (folder / "link").readlink().name == "mynotes.txt"
    assert (folder / ".git/refs").is_dir()
    example.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(0.5)
        assert example.read_text() == original
        write(0.5, package=None)  # the example was not edited
    assert not example.exists()
    assert (folder / "mynotes.txt").read_text() == "mine"
    (folder / "CMakeLists.txt").write_text("# mine")
    (folder / "README.md").unlink()
    with pytest.raises(ValueError, match=r"the places of the exported files free.*\['CMakeLists"):
        write(0.5)
    assert (folder / "CMakeLists.txt").read_text() == "# mine"
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_a_bundle_without_hashes_of_the_example_keeps_it(two_states_int8, tmp_path):
    def write():
        return bundle.write(
            two_states_int8, tmp_path / "own", threshold=0.5, frame_step_s=0.01, package="cmake"
        )

    folder = write().folder
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["yours"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "program/main.cc").write_text("// mine, or of another version")
    with pytest.warns(UserWarning, match=r"program/main\.cc"):
        write()
    assert (folder / "program/main.cc").read_text() == "// mine, or of another version"


@pytest.mark.parametrize("name", ["driver", "main", "log", "nvs_flash", "Console", "esp-nn"])
def test_write_rejects_names_of_components_of_esp_idf(two_states_int8, tmp_path, name):
    def write(package):
        bundle.write(
            two_states_int8, tmp_path / name, threshold=0.5, frame_step_s=0.01, package=package
        )

    with pytest.raises(ValueError, match=rf"take the place .*named '{name}'.*'{name}_detector'"):
        write("esp-idf")
    with pytest.raises(ValueError, match="take the place"):
        bundle.check_folder(tmp_path / name, "esp-idf")
    assert bundle.check_folder(tmp_path / name, "cmake")
    assert list(tmp_path.iterdir()) == []


def test_write_rejects_other_ecosystems(two_states_int8, tmp_path):
    with pytest.raises(ValueError, match=r"`package` must be one of \('esp-idf', .*'mbed'"):
        bundle.write(
            two_states_int8, tmp_path / "x", threshold=0.5, frame_step_s=0.01, package="mbed"
        )
    with pytest.raises(ValueError, match=r"`package` must be one of .*package=\['cmake'\]"):
        bundle.write(
            two_states_int8, tmp_path / "x", threshold=0.5, frame_step_s=0.01, package=["cmake"]
        )
    assert list(tmp_path.iterdir()) == []


# --- build files -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NAMES)
def test_esp_idf_manifest_pins_what_it_needs(packages, kind):
    yaml = pytest.importorskip("yaml")
    inside = texts(packages["esp-idf", kind])
    manifest = yaml.safe_load(inside["idf_component.yml"])
    assert set(manifest) == {"version", "description", "dependencies"}
    pinned = {name: spec for name, spec in manifest["dependencies"].items() if name != "idf"}
    assert set(pinned) == {"espressif/esp-tflite-micro", "espressif/esp-nn"}
    assert all(re.fullmatch(r"==\d+\.\d+\.\d+", spec) for spec in pinned.values())
    assert manifest["dependencies"]["idf"] == ">=5.1"
    used = set(re.findall(r"CONFIG_(DETECTOR_\w+)", "".join(inside.values())))
    options = inside["examples/detect/main/Kconfig.projbuild"]
    assert used == set(re.findall(r"config (\w+)", options))


@pytest.mark.parametrize("kind", NAMES)
def test_arduino_library_is_as_specified(packages, kind):
    written = packages["arduino", kind]
    inside, model = texts(written), model_of(written)
    lines = inside["library.properties"].splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    assert set(properties) == {
        "name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url",
        "architectures", "includes", "dot_a_linkage",
    }  # fmt: skip
    assert properties["name"] == model
    assert re.fullmatch(r"[a-zA-Z0-9][\w .-]{0,62}", properties["name"])
    assert properties["category"] in ("Data Processing", "Sensors", "Signal Input/Output")
    assert (written.folder / "src" / properties["includes"]).is_file()
    library = json.loads(inside["library.json"])
    assert (library["name"], library["version"]) == (model, properties["version"])
    assert (written.folder / "src" / library["headers"]).is_file()
    (dependency,) = library["dependencies"]
    assert re.search(r"\.git#[0-9a-f]{40}$", dependency["version"])
    assert dependency["version"].split("#")[1] in inside["README.md"]
    for example in library["examples"]:
        assert all((written.folder / example["base"] / name).is_file() for name in example["files"])
    assert "#include <TensorFlowLite.h>" in inside[f"src/{model}.h"]
    assert not [path for path in inside if path.endswith(".cc")]


@pytest.mark.parametrize("kind", NAMES)
def test_zephyr_module_is_as_specified(packages, kind):
    yaml = pytest.importorskip("yaml")
    written = packages["zephyr", kind]
    inside, model = texts(written), model_of(written)
    module = yaml.safe_load(inside["zephyr/module.yml"])
    assert module["name"] == model
    assert (written.folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (written.folder / module["build"]["kconfig"]).is_file()
    assert all((written.folder / folder).is_dir() for folder in module["samples"])
    sample = yaml.safe_load(inside["samples/detect/sample.yaml"])
    assert list(sample["tests"]) == [f"sample.keras_sal.{model}"]
    symbols = set(re.findall(r"^config (\w+)", inside["Kconfig"], re.MULTILINE))
    used = "".join(text for path, text in inside.items() if not path.endswith(".h"))
    assert set(re.findall(r"CONFIG_(KERAS_SAL_\w+)", used)) == symbols
    settings = inside["samples/detect/prj.conf"].splitlines()
    assert all(re.fullmatch(r"CONFIG_[A-Z0-9_]+=(y|\d+)", setting) for setting in settings)
    assert f"CONFIG_KERAS_SAL_{model.upper()}=y" in settings


# --- the C++ ---------------------------------------------------------------------------------

BUILDS = {  # the standard of each ecosystem, its macros, the folder of its headers
    "esp-idf": ("gnu++2b", ["-DESP_PLATFORM", *STATIC_MEMORY], PROGRAMS / "esp_idf"),
    "arduino": ("gnu++14", ["-DARDUINO=10819", "-DARDUINO_ARCH_MBED"], PROGRAMS / "arduino"),
    "zephyr": ("c++17", ["-D__ZEPHYR__=1"], PROGRAMS / "zephyr"),
    "cmake": ("c++17", STATIC_MEMORY, PROGRAMS / "tensorflow"),
}


def compiling(name, written, standard=None, compiler=("g++",)):
    own, macros, headers = BUILDS[name]
    includes = [f"-I{written.folder / 'src'}", "-isystem", headers, "-isystem", PROGRAMS]
    return [*compiler, f"-std={standard or own}", *STRICT, *macros, *includes]


def sources_of(written, name):
    """All C++ of a package, with the language of sketches said."""
    files = sorted(
        path
        for path in written.folder.rglob("*")
        if path.suffix in (ECOSYSTEMS[name].suffix, ".cc", ".ino")
    )
    return [file for file in files if file.suffix != ".ino"], [
        part for file in files if file.suffix == ".ino" for part in ("-x", "c++", file)
    ]


@needs_compiler
@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", ECOSYSTEMS)
def test_package_compiles_without_a_warning(packages, name, kind):
    written = packages[name, kind]
    files, sketches = sources_of(written, name)
    assert len(files) >= 8
    run([*compiling(name, written), "-fsyntax-only", *files, *sketches])


@needs_compiler
@pytest.mark.parametrize("standard", ["c++11", "c++14", "c++17"])
def test_sources_in_src_compile_in_every_standard(packages, standard):
    written = packages["esp-idf", "sound"]
    files = sorted((written.folder / "src").rglob("*.cc"))
    run([*compiling("esp-idf", written, standard), "-fsyntax-only", *files])


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", ["esp-idf", "arduino", "zephyr"])
def test_package_compiles_for_a_cortex_m(packages, name, kind):
    if not shutil.which(CROSS_COMPILER) or no_cross_library():
        pytest.skip(f"needs {CROSS_COMPILER} and its C++ library")
    written, compiler = packages[name, kind], (CROSS_COMPILER, *CORTEX_M4, "-Os")
    files, sketches = sources_of(written, name)
    run([*compiling(name, written, compiler=compiler), "-fsyntax-only", *files, *sketches])


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4"])
def test_example_needs_no_locks_on_a_cortex_m(packages, core, tmp_path):
    """Neither for the ring buffer nor to make its objects, of which systems have none or others."""
    if not shutil.which(CROSS_COMPILER) or no_cross_library():
        pytest.skip(f"needs {CROSS_COMPILER} and its C++ library")
    written = packages["zephyr", "sound"]
    sources = [written.folder / "samples/detect/src/main.cc"]
    sources += sorted((written.folder / "src").rglob("*.cc"))
    compiler = (CROSS_COMPILER, f"-mcpu={core}", "-mthumb", "-Os", "-DKERAS_SAL_SELF_TEST")
    run([*compiling("zephyr", written, compiler=compiler), "-c", *sources], cwd=tmp_path)
    symbols = run(["arm-none-eabi-nm", *tmp_path.glob("*.o")])
    assert "RingBuffer" in symbols
    assert not re.findall(r"\w*(?:__atomic|__sync|__cxa_guard|malloc|_Znw)\w*", symbols)


def build_example(name, written, folder):
    """Build the example of a package for the machine of these tests."""
    files, sketches = sources_of(written, name)
    model = written.folder / "src" / model_of(written)
    stand_ins = [PROGRAMS / "tensorflow/replaying.cc"]
    stand_ins += [] if name == "cmake" else [BUILDS[name][2] / "fake.cc"]
    own = ["-isystem", model, "-I", written.folder / "examples/detect/main"]
    program = [*SANITIZERS, "-pthread", "-o", folder / "program"]
    # The stand-ins are no part of the package.
    objects = []
    macros, headers = BUILDS[name][1:]
    for file in stand_ins:
        objects.append(folder / f"{file.stem}.o")
        command = ["g++", "-std=gnu++17", *macros, *SANITIZERS, "-I", headers, "-I", PROGRAMS]
        run([*command, "-I", model, "-c", file, "-o", objects[-1]])
    run([*compiling(name, written), *own, *program, *objects, *files, *sketches])
    return folder / "program"


@needs_compiler
@pytest.mark.parametrize("name", ["esp-idf", "arduino", "zephyr"])
def test_example_hears_the_microphone_and_lights_up(packages, heard, name, folder):
    said = run([build_example(name, packages[name, "sound"], folder)], cwd=folder)
    lines = said.splitlines()
    form = "score {:.3f}".format if name != "zephyr" else None
    scores = [
        form(score) if form else f"score {int(1000 * np.float32(score))} / 1000"
        for _, score in heard[1]
    ]
    assert lines[0] == "Listening."
    assert [line for line in lines if line.startswith("hello")] == [f"hello, {s}" for s in scores]
    lights = [line.split() for line in lines if line.startswith("light")]
    on = [int(time) for _, level, _, time, _ in lights if level == "1"]
    assert len(on) == len(scores)
    for at_ms, (time_s, _) in zip(on, heard[1], strict=True):
        assert 0 <= at_ms - round(1000 * time_s) < 20
    off = [int(time) for _, level, _, time, _ in lights if level == "0"]
    assert all(480 <= b - a <= 540 for a, b in zip(on, off, strict=False))
    assert len(off) >= 1
    assert not [line for line in lines if "lost" in line]


@needs_compiler
def test_program_detects_in_frames_as_python(two_states_int8, level, heard, folder):
    own = {name: value for name, value in TRIGGER.items() if name != "frame_offset_s"}
    written = bundle.write(
        two_states_int8, folder / "bundle", threshold=level, package="cmake", **own
    )
    program = build_example("cmake", written, folder)
    features = MicroFrontend()(golden.sound())
    done = subprocess.run(program, cwd=folder, input=features.tobytes(), capture_output=True)
    expected = [
        f"{round((time_s - 0.03) / 0.01)}  detection  {score:.6f}" for time_s, score in heard[1]
    ]
    assert (done.returncode, done.stdout.decode().splitlines()) == (0, expected)


# --- CMake -----------------------------------------------------------------------------------


needs_cmake = pytest.mark.skipif(not shutil.which("cmake"), reason="needs cmake")


def cmake(source, build, *options):
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    run(["cmake", "-S", source, "-B", build, *generator, *options])
    run(["cmake", "--build", build])


def write_wav(path, samples, *, rate=16_000, channels=1, bits=16, extra=b""):
    data = samples.astype("<i2").tobytes()
    head = [1, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits]
    form = b"".join(
        int(value).to_bytes(size, "little")
        for value, size in zip(head, (2, 2, 4, 4, 2, 2), strict=True)
    )
    chunks = [(b"fmt ", form), *([(b"LIST", extra)] if extra else []), (b"data", data)]
    body = b"WAVE"
    for name, content in chunks:
        body += name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)
    path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)


@pytest.fixture(scope="module")
def program(packages, tmp_path_factory):
    """The program of the package for a PC, built by CMake."""
    written, folder = packages["cmake", "sound"], tmp_path_factory.mktemp("cmake")
    model = written.folder / "src" / model_of(written)
    command = ["g++", "-std=c++17", *STATIC_MEMORY, "-I", PROGRAMS, "-I", model]
    run([*command, "-c", PROGRAMS / "tensorflow/replaying.cc", "-o", folder / "tflm.o"])
    run(["ar", "rcs", folder / "libtflm.a", folder / "tflm.o"])
    options = [f"-DTFLM_DIR={PROGRAMS}", f"-DTFLM_LIBRARY={folder / 'libtflm.a'}"]
    cmake(written.folder, folder / "build", *options)
    return folder / "build" / "detect"


@needs_compiler
@needs_cmake
def test_program_detects_in_sound_as_python(program, heard, folder):
    expected = [f"{time_s:.3f} s  hello  {score:.6f}" for time_s, score in heard[1]]
    write_wav(folder / "sound.wav", golden.sound(), extra=b"odd")
    assert run([program, folder / "sound.wav"], cwd=folder).splitlines() == expected
    with (folder / "sound.bin").open("rb") as raw:
        assert run([program, "-"], cwd=folder, stdin=raw).splitlines() == expected


@needs_compiler
@needs_cmake
def test_program_says_what_it_can_not_use(program, folder):
    sound = golden.sound()[:100]
    write_wav(folder / "fast.wav", sound, rate=48_000)
    write_wav(folder / "stereo.wav", sound, channels=2)
    write_wav(folder / "short.wav", sound)
    content = (folder / "short.wav").read_bytes()
    (folder / "cut.wav").write_bytes(content[:30])
    (folder / "text.wav").write_text("no sound at all")
    (folder / "bare.wav").write_bytes(content[:12] + b"data" + bytes(4))
    messages = {
        "fast.wav": "it must have 16 bits, one channel and 16,000",
        "stereo.wav": "it must have 16 bits, one channel and 16,000",
        "cut.wav": "its format is cut off",
        "text.wav": "it is no WAV file",
        "bare.wav": "it has no format before its samples",
        "none.wav": "can't be opened",
    }
    for name, message in messages.items():
        done = subprocess.run([program, name], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 2
        assert message in done.stderr
    assert subprocess.run([program], cwd=folder, capture_output=True).returncode == 2


@needs_compiler
@needs_cmake
def test_program_says_that_it_needs_tensorflow(packages, tmp_path):
    command = ["cmake", "-S", packages["cmake", "frames"].folder, "-B", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "TFLM_DIR must be the tree of TensorFlow Lite Micro" in done.stderr


BUILD_SYSTEMS = {  # stand-ins for the functions of each, and how its program takes a library
    "esp-idf": ("""
function(idf_component_register)
  cmake_parse_arguments(PARSE_ARGV 0 A "" "" "SRCS;INCLUDE_DIRS")
  get_filename_component(name ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  set(COMPONENT_LIB ${name} PARENT_SCOPE)
  add_library(${name} STATIC ${A_SRCS})
  target_include_directories(${name} PUBLIC ${A_INCLUDE_DIRS})
  target_compile_definitions(${name} PUBLIC ESP_PLATFORM TF_LITE_STATIC_MEMORY)
  target_compile_options(${name} PRIVATE %(flags)s)
endfunction()
""", "%(folder)s"),
    "zephyr": ("""
set(CONFIG_%(one)s y)
set(CONFIG_%(other)s y)
set(CONFIG_%(other)s_SELF_TEST y)
macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC)
  target_compile_definitions(${name} PUBLIC __ZEPHYR__=1)
  target_compile_options(${name} PRIVATE %(flags)s)
endmacro()
macro(zephyr_include_directories)
  include_directories(${ARGN})
  target_include_directories(app PRIVATE src)
endmacro()
macro(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endmacro()
macro(zephyr_library_compile_definitions)
  target_compile_definitions(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endmacro()
""", "-Wl,--whole-archive %(model)s -Wl,--no-whole-archive"),
    "cmake": ("", "%(model)s"),
}  # fmt: skip
PROJECT = """cmake_minimum_required(VERSION 3.20)
project(app CXX)
add_executable(app main.cc fake.cc)
target_include_directories(app PRIVATE %(programs)s)
%(functions)s
add_subdirectory(%(first)s first)
add_subdirectory(%(second)s second)
target_link_libraries(app PRIVATE %(linked)s)
"""
TWO_DETECTORS = """
#include "{0}.h"
#include "{1}.h"
int main() {{
  return keras_sal::{0}::SetUp() == nullptr && keras_sal::{1}::SetUp() == nullptr &&
         keras_sal::{0}::kFrameValues == 40 && keras_sal::{1}::kFrameValues == 40 ? 0 : 1;
}}
"""


@needs_compiler
@needs_cmake
@pytest.mark.parametrize("name", BUILD_SYSTEMS)
def test_two_packages_are_built_and_linked_into_one_program(packages, name, tmp_path):
    """The first has fewer sources than the second, with which it shares some."""
    written = [packages[name, "frames"], packages[name, "sound"]]
    models = [model_of(each) for each in written]
    functions, linked = BUILD_SYSTEMS[name]
    symbols = [f"KERAS_SAL_{model.upper()}" for model in models]
    flags = " ".join([*STRICT, "-isystem", str(PROGRAMS)])
    libraries = [
        linked % {"folder": each.folder.name, "model": model}
        for each, model in zip(written, models, strict=True)
    ]
    project = PROJECT % {
        "programs": PROGRAMS, "first": written[0].folder, "second": written[1].folder,
        "functions": functions % {"flags": flags, "one": symbols[0], "other": symbols[1]},
        "linked": " ".join(libraries),
    }  # fmt: skip
    (tmp_path / "CMakeLists.txt").write_text(project)
    (tmp_path / "main.cc").write_text(TWO_DETECTORS.format(*models))
    shutil.copy(PROGRAMS / "tensorflow/fake.cc", tmp_path)
    tree = tmp_path / "tflm"
    shutil.copytree(PROGRAMS / "tensorflow", tree / "tensorflow")
    (tree / "tensorflow/lite/micro/core.cc").write_text("int core() { return 0; }\n")
    cmake(tmp_path, tmp_path / "build", f"-DTFLM_DIR={tree}", "-DCMAKE_BUILD_TYPE=Debug")
    run([tmp_path / "build" / "app"])
    compiled = [path.name for path in tmp_path.rglob("*.o")]
    assert compiled.count("set_up.cc.o") == 2
    assert compiled.count("micro_frontend.cc.o") == 1
    assert compiled.count("trigger.cc.o") == (2 if name == "esp-idf" else 1)
    assert compiled.count("core.cc.o") == (name == "cmake")
    assert len(compiled) == {"esp-idf": 19, "zephyr": 18, "cmake": 19}[name]


def test_a_package_may_be_named_after_a_header_of_another(two_states_int8, tmp_path):
    """`hey/detector.h` and `hey_detector.h` are in one firmware."""
    guards = []
    for name in ("hey", "hey_detector"):
        bundle.write(
            two_states_int8, tmp_path / name, threshold=0.5, frame_step_s=0.01, package="cmake"
        )
        for path in (tmp_path / name).rglob("*.h"):
            guards += re.findall(r"^#ifndef (\w+MODEL_\w+)", path.read_text(), re.MULTILINE)
    assert len(guards) == len(set(guards)) >= 8


@pytest.mark.parametrize("name", ECOSYSTEMS)
def test_packages_have_names_of_their_own(packages, name):
    """Of options, libraries, headers and their guards, so that two fit in one firmware."""
    forms = (
        r"^#ifndef (KERAS_SAL_(?:PACKAGE_)?MODEL_\w+)",
        r"^\s*config (KERAS_SAL_\w+)", r"^name[=:] ?(\w+)",
        r'"name": "(model_\w+)"', r"add_library\((model_\w+)", r"^project\((\w+)",
        r"zephyr_library_named\((\w+)\)",
    )  # fmt: skip
    own = [
        {
            found
            for path, text in texts(packages[name, kind]).items()
            for form in forms
            if not path.startswith(("examples/", "samples/"))
            for found in re.findall(form, text, re.MULTILINE)
        }
        for kind in NAMES
    ]
    assert all(len(each) >= 10 for each in own)
    assert not own[0] & own[1]
