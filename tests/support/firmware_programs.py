"""Builds the C++ of a bundle, for this machine and for a Cortex-M, and runs it."""

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

from keras_sal.export.firmware import sources

PROGRAMS = Path(__file__).parents[1] / "firmware"
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Werror"]
DIALECT = ["-fno-exceptions", "-fno-rtti", "-DTF_LITE_STATIC_MEMORY"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CORTEX_M4 = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
RUN_TIMEOUT_S = 60

CROSS_COMPILER, EMULATOR = "arm-none-eabi-g++", "qemu-system-arm"
needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")


def run(command, **options):
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
        **options,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stderr[-4000:]}"
    return done.stdout


def compile_only(file, *, standard="c++14", flags=(), include=()):
    includes = [f"-I{folder}" for folder in (Path(file).parent, *include)]
    command = ["g++", f"-std={standard}", *WARNINGS, *DIALECT, *flags, *includes]
    conversions = ["-Wconversion", "-Wsign-conversion"]
    run([*command, *conversions, "-fsyntax-only", file])


class Host:
    """This machine, under the address and undefined behaviour sanitizers."""

    name = "host"

    def build(self, files, folder, *include, flags=()):
        program = folder / "program"
        command = ["g++", "-std=c++14", "-g", *WARNINGS, *DIALECT, *SANITIZERS, *flags]
        run([*command, *(f"-I{each}" for each in include), *files, "-o", program])
        return [program]


class CortexM4:
    """A Cortex-M4 of QEMU."""

    name = "cortex-m4"

    def build(self, files, folder, *include, flags=()):
        for tool in (CROSS_COMPILER, EMULATOR):
            if not shutil.which(tool):
                pytest.skip(f"needs {tool}")
        if reason := no_cross_library():
            pytest.skip(reason)
        program = folder / "program.elf"
        command = [CROSS_COMPILER, "-std=c++14", "-O2", *CORTEX_M4, *WARNINGS, *DIALECT, *flags]
        linking = ["--specs=rdimon.specs", "-nostartfiles", "-T", PROGRAMS / "cortex_m.ld"]
        startup = PROGRAMS / "startup.cc"
        includes = [f"-I{each}" for each in include]
        run([*command, *includes, *files, startup, *linking, "-o", program])
        machine = [EMULATOR, "-M", "mps2-an386", "-nographic", "-monitor", "none"]
        return [*machine, "-semihosting-config", "enable=on,target=native", "-kernel", program]


def trigger_source(folder):
    """The trigger alone, which no model is needed for."""
    for name in ("trigger.h", "trigger.cc"):
        (folder / name).write_text(sources.fixed(name), encoding="utf-8")
    return folder / "trigger.cc"


@functools.cache
def no_cross_library():
    """Why nothing can be linked for a Cortex-M, or None."""
    command = [CROSS_COMPILER, *CORTEX_M4, "--specs=rdimon.specs", "-xc++", "-", "-o/dev/null"]
    program = "#include <string.h>\n#include <limits>\nint main() { return 0; }"
    done = subprocess.run(command, input=program, capture_output=True, text=True, check=False)
    return f"{CROSS_COMPILER} has no C++ library" if done.returncode else None
