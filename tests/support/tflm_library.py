"""Builds TensorFlow Lite Micro from its own tree: its core, and the kernels that models need."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from firmware_programs import CORTEX_M4, CROSS_COMPILER, EMULATOR, PROGRAMS, no_cross_library

VARIABLE = "KERAS_SAL_TFLM"
DOWNLOADS = "tensorflow/lite/micro/tools/make/downloads"
HOW_TO_GET = f"""Set {VARIABLE} to a checkout of TensorFlow Lite Micro with its third-party sources:
  git clone https://github.com/tensorflow/tflite-micro
  cd tflite-micro
  make -f tensorflow/lite/micro/tools/make/Makefile OPTIMIZED_KERNEL_DIR=cmsis_nn \\
    third_party_downloads"""
THIRD_PARTY = ("flatbuffers/include", "gemmlowp", "ruy", "cmsis_nn", "cmsis_nn/Include")
CORE = tuple(f"tensorflow/lite/micro{name}" for name in (
    "", "/arena_allocator", "/memory_planner", "/tflite_bridge"
))  # fmt: skip
KERNELS = "tensorflow/lite/micro/kernels"
ALWAYS = ("kernel_util", "micro_tensor_utils")  # kernels' own tools
# As its makefile has them; it takes -O2 for kernels.
DEFINES = ("-DTF_LITE_STATIC_MEMORY", "-DTF_LITE_DISABLE_X86_NEON")
OPTIMIZATION = ("-Os", "-ffunction-sections", "-fdata-sections")
CPP = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
NO_TABLES = ("-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
BUILD_TIMEOUT_S = 600


def tree():
    """The tree, and why there is none."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return None, HOW_TO_GET
    root = Path(folder).expanduser().resolve()
    for part in (KERNELS, *(f"{DOWNLOADS}/{name}" for name in THIRD_PARTY)):
        if not (root / part).is_dir():
            return None, f"{root} has no folder {part}. {HOW_TO_GET}"
    return root, ""


def call(command, **options):
    """Runs a compiler or linker; its messages are the error."""
    command = [str(part) for part in command]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False, **options
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} ... failed\n{done.stderr[-4000:]}")
    return done.stdout


class Host:
    """This machine."""

    name, prefix, flags, linking = "host", "", (), ("-Wl,--gc-sections",)
    startup = ()

    def missing(self):
        """What is missing to build and run, or an empty text."""
        return "" if shutil.which("g++") else "needs g++"

    def command(self, program):
        """The command that runs a program."""
        return [program]


class CortexM4(Host):
    """A Cortex-M4 of QEMU that takes one nanosecond for each instruction."""

    name, prefix, flags = "cortex-m4", "arm-none-eabi-", (*CORTEX_M4,)
    linking = (
        *("-nostartfiles", "--specs=nano.specs", "--specs=rdimon.specs"),
        *("-T", PROGRAMS / "cortex_m.ld", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments"),
    )
    startup = (PROGRAMS / "startup.cc",)

    def missing(self):
        """What is missing to build and run, or an empty text."""
        absent = [tool for tool in (CROSS_COMPILER, EMULATOR) if not shutil.which(tool)]
        return f"needs {' and '.join(absent)}" if absent else no_cross_library() or ""

    def command(self, program):
        """The command that runs a program."""
        machine = [EMULATOR, "-M", "mps2-an386", "-nographic", "-monitor", "none"]
        files = ["-semihosting-config", "enable=on,target=native"]
        return [*machine, "-icount", "shift=0", *files, "-kernel", program]


class Toolchain:
    """Compiles and links sources that include TensorFlow's headers.

    Args:
        root: The tree.
        target: A `Host` or `CortexM4`.
    """

    def __init__(self, root, target):
        self.root, self.target = root, target
        downloads = root / DOWNLOADS
        self.includes = [f"-I{each}" for each in (root, *(downloads / n for n in THIRD_PARTY))]

    def compile(self, source, made, *flags):
        """Compile a source, and return the object."""
        language = "gcc" if source.suffix == ".c" else "g++"
        dialect = () if language == "gcc" else CPP
        made.parent.mkdir(parents=True, exist_ok=True)
        call([
            f"{self.target.prefix}{language}", *dialect, *self.target.flags, *OPTIMIZATION,
            *NO_TABLES, *DEFINES, *flags, *self.includes, "-c", source, "-o", made,
        ])  # fmt: skip
        return made

    def link(self, objects, archives, program):
        """Link a program, and write the linker's map beside it."""
        found = [f"-Wl,--start-group,{','.join(map(str, archives))},--end-group", "-lm"]
        call([
            f"{self.target.prefix}g++", *self.target.flags, *objects, *found,
            *self.target.linking, f"-Wl,-Map={program}.map", "-o", program,
        ])  # fmt: skip
        return program


class Library:
    """TensorFlow Lite Micro as two archives, `core` and `kernels`.

    Args:
        toolchain: Compiles it.
        kernels: `"reference"` or `"cmsis_nn"`.
        operators: Names of the operators whose kernels are wanted.
        folder: Folder of the objects, which are kept.
    """

    def __init__(self, toolchain, kernels, operators, folder):
        self.toolchain, self.kernels = toolchain, kernels
        self.operators, self.folder = tuple(operators), Path(folder) / toolchain.target.name

    def build(self):
        """Compile what is missing, and return the archives."""
        archives = []
        for part, sources in (("core", self._core()), ("kernels", self._kernels())):
            archive = self.folder / f"libtflm_{part}_{self.kernels}.a"
            archive.unlink(missing_ok=True)
            objects = map(self._compile, sources)
            call([f"{self.toolchain.target.prefix}ar", "rcs", archive, *objects])
            archives.append(archive)
        return archives

    def _compile(self, source):
        """Compile a source unless it was; only those of CMSIS-NN see that it is there."""
        flags = ("-DCMSIS_NN",) if "cmsis_nn" in source.parts else ()
        name = "_".join(source.relative_to(self.toolchain.root).parts[-4:])
        made = self.folder / f"{name}.o"
        if made.exists() and made.stat().st_mtime > source.stat().st_mtime:
            return made
        return self.toolchain.compile(source, made, *flags)

    def _core(self):
        root = self.toolchain.root
        found = [file for name in CORE for file in (root / name).glob("*.cc")]
        found += (root / "tensorflow/lite/core").rglob("*.cc")
        found += (root / "tensorflow/compiler/mlir/lite").rglob("*.cc")
        unused = re.compile("_test|test_|mock_|fake_|recording_")
        return sorted(file for file in found if not unused.search(file.name))

    def _kernels(self):
        root = self.toolchain.root
        wanted = "|".join(map(re.escape, self.operators))
        registers = re.compile(rf"^(?:const )?TFLMRegistration\W+Register_(?:{wanted})\(\)", re.M)
        stems = {
            file.stem
            for file in (root / KERNELS).glob("*.cc")
            if not file.stem.endswith("_test") and registers.search(file.read_text("utf-8"))
        }
        stems |= {f"{stem}_common" for stem in stems} | set(ALWAYS)
        found = [root / KERNELS / f"{stem}.cc" for stem in sorted(stems)]
        found = [file for file in found if file.is_file()]
        found += sorted((root / "tensorflow/lite/kernels").rglob("*.cc"))
        if self.kernels != "cmsis_nn":
            return found
        optimized = {file.name: file for file in (root / KERNELS / "cmsis_nn").glob("*.cc")}
        floats = re.compile(r"_(f16|f32|flt)\.c$")
        routines = sorted((root / DOWNLOADS / "cmsis_nn/Source").rglob("*.c"))
        return [optimized.get(file.name, file) for file in found] + [
            file for file in routines if not floats.search(file.name)
        ]
