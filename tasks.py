"""Sets up a virtual environment and runs a task in it, with nothing but Python 3.11.4 or newer.

python3 tasks.py demo [arguments of `keras-sal demo`]
python3 tasks.py test [arguments of pytest]      the tests and doctests, on every Keras backend
python3 tasks.py core [arguments of pytest]      the tests with Keras, NumPy and JAX only, in their
                                                 latest or in the lowest versions allowed
python3 tasks.py lint                            the linter, the formatter and the type checker
python3 tasks.py docs [arguments of mkdocs]      the site, with its tutorials and examples run
"""

import contextlib
import functools
import os
import subprocess
import sys
import threading
import time
import tomllib
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent

# PyTorch comes first: where a CPU build of this version is at hand, the range in pyproject.toml
# would still pick a newer build with gigabytes of CUDA.
TORCH = "torch==2.13.0"

# What can't depend on the backend runs once.
TESTS = {"jax": (), "tensorflow": ("-m", "not any_backend"), "torch": ("-m", "not any_backend")}

# One test after the other on each core; the cores share what is left, so that all end together.
ALL_CORES = ("--numprocesses", str(os.cpu_count()), "--dist", "worksteal")

# Tests on JAX compile for most of their time: with these settings, less than half as long.
QUICK_COMPILER = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1 "
    "--xla_cpu_use_fusion_emitters=false"
}

# Packages are compiled when they are first imported, not all of them when they are installed. Where
# that is switched off, each of the hundreds of processes of the tests would compile them anew.
KEEP_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}


@contextlib.contextmanager
def elapsed_time(text):
    """Prints a text, and the seconds that have gone by: on a terminal as they go by."""
    started, done, terminal = time.monotonic(), threading.Event(), sys.stdout.isatty()

    def show(start):
        print(f"{start}: {time.monotonic() - started:.0f} s", end="", flush=True)

    def count():
        while not done.wait(1):
            show(f"\r{text}")

    print(text, end="", flush=True)
    if terminal:
        threading.Thread(target=count, daemon=True).start()
    try:
        yield
    finally:
        done.set()
        show(f"\r{text}" if terminal else "")
        print(flush=True)


class Environment:
    """A virtual environment beside this file, made when something is installed into it."""

    def __init__(self, name):
        self.folder = HERE / name
        self.programs = self.folder / ("Scripts" if os.name == "nt" else "bin")

    def install(self, *requirements):
        """Installs requirements."""
        if not self.programs.is_dir():
            print(f"Making {self.folder}", flush=True)
            venv.create(self.folder, with_pip=True)
        text = f"Installing {' '.join(requirements)}, which may take minutes"
        quiet = ("--quiet", "--disable-pip-version-check", "--no-compile")
        with elapsed_time(text):
            status, output = self.output("python", "-m", "pip", "install", *quiet, *requirements)
        if status:
            sys.exit(f"{output}\nThe installation failed; see above.")

    def run(self, program, *arguments, **environment):
        """Runs a program and returns its exit status."""
        command = [str(self.programs / program), *arguments]
        settings = {**os.environ, **KEEP_BYTECODE, **environment}
        return subprocess.call(command, cwd=HERE, env=settings)

    def output(self, program, *arguments, **environment):
        """Runs a program; returns its exit status and what it printed."""
        result = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=HERE,
            env={**os.environ, **KEEP_BYTECODE, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        return result.returncode, result.stdout


def demo(*arguments):
    """Runs `keras-sal demo`."""
    environment = Environment(".venv")
    environment.install("--editable", ".[demo]")
    return environment.run("keras-sal", "demo", *arguments)


def test(*arguments):
    """Runs the tests and doctests on one backend after the other, on all cores.

    Their output appears when they are done.
    """
    environment = Environment(".venv")
    environment.install(TORCH)
    environment.install("--editable", ".[dev]")
    tests = {
        backend: (environment, (*ALL_CORES, *options, *arguments), backend)
        for backend, options in TESTS.items()
    }
    return _run_tests(tests, at_once=1)


COMPILE = """
import keras
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
model.compile("sgd", "mse", jit_compile=True)
model.train_on_batch(keras.ops.ones((1, 1)), keras.ops.ones((1, 1)))
"""


@functools.cache
def quick_compiler(environment, backend):
    """Returns the settings of the compiler of a backend; none where its version has others."""
    if backend == "torch":
        return {}
    settings = {"KERAS_BACKEND": backend, **QUICK_COMPILER}
    status, _ = environment.output("python", "-c", COMPILE, **settings)
    return {} if status else QUICK_COMPILER


def _run_tests(tests, at_once):
    """Runs `{title: (environment, arguments of pytest, backend)}` and says which failed."""

    def tested(job):
        environment, arguments, backend = job
        settings = quick_compiler(environment, backend)
        return environment.output(
            "python", "-m", "pytest", *arguments, KERAS_BACKEND=backend, **settings
        )

    print(f"Testing: {'; '.join(tests)}", flush=True)
    failed = []
    with ThreadPoolExecutor(at_once) as pool:
        for title, (status, output) in zip(tests, pool.map(tested, tests.values()), strict=True):
            print(f"\nTests: {title}\n{output}", flush=True)
            if status:
                failed.append(title)
    if failed:
        print(f"Failed: {'; '.join(failed)}")
    return bool(failed)


def requirements(*extras):
    """Returns the requirements of the core, then those of the extras that are named."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    return [*project["dependencies"], *(each for extra in extras for each in optional[extra])]


def core(*arguments):
    """Runs the tests where no optional package is installed.

    Those that can't depend on the backend run with the latest versions, the others with the lowest.
    """
    latest = requirements("jax")
    lowest = [requirement.replace(">=", "==") for requirement in latest]
    tests = {}
    for name, packages, marker in (
        ("latest", latest, "any_backend"),
        ("lowest", lowest, "not any_backend"),
    ):
        environment = Environment(f".venv-{name}")
        environment.install(*packages, "pytest>=8", "hypothesis>=6.100")
        environment.install("--no-deps", "--editable", ".")
        tests[f"{name} versions"] = environment, ("tests", "-m", marker, *arguments), "jax"
    return _run_tests(tests, at_once=len(tests))


def lint(*arguments):
    """Runs the linter, checks the formatting and the types."""
    environment = Environment(".venv-lint")
    environment.install("ruff>=0.12", "mypy>=1.18", "numpy>=2")
    return (
        environment.run("ruff", "check", *arguments)
        or environment.run("ruff", "format", "--check", *arguments)
        or environment.run("mypy")
    )


def docs(*arguments):
    """Builds the site strictly, which runs the tutorials, then runs the examples of the guides."""
    environment = Environment(".venv-docs")
    environment.install("--editable", ".[docs]")
    quiet = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "NO_MKDOCS_2_WARNING": "1"}
    pages = [*sorted(map(str, HERE.glob("docs/guides/*.md"))), "docs/index.md"]
    pages.append("docs/pretrained/index.md")
    return (
        environment.run("mkdocs", "build", "--strict", *arguments, **quiet)
        or environment.run("python", "docs/builder/pages.py", "build/docs", **quiet)
        or environment.run("python", "docs/builder/examples.py", *pages, **quiet)
    )


TASKS = {
    "demo": demo,
    "test": test,
    "core": core,
    "lint": lint,
    "docs": docs,
}

if __name__ == "__main__":
    if sys.version_info < (3, 11, 4):
        sys.exit(f"Python 3.11.4 or newer is needed. Received: {sys.version.split()[0]}.")
    task, *rest = sys.argv[1:] or [""]
    if task not in TASKS:
        sys.exit(__doc__)
    sys.exit(TASKS[task](*rest))
