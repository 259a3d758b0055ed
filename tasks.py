"""Sets up a virtual environment and runs a task in it, with nothing but Python 3.11 or newer.

python3 tasks.py demo [arguments of `keras-sal demo`]
python3 tasks.py test [arguments of pytest]      the tests, once per Keras backend
python3 tasks.py lint
"""

import os
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv"
PROGRAMS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
BACKENDS = ("tensorflow", "jax", "torch")

# PyTorch comes first: where a CPU build of this version is at hand, the range in pyproject.toml
# would still pick a newer build with gigabytes of CUDA.
TORCH = "torch==2.13.0"


def run(*command, **environment):
    """Runs a program of the environment and returns its exit status."""
    command = [str(PROGRAMS / command[0]), *command[1:]]
    return subprocess.call(command, cwd=HERE, env={**os.environ, **environment})


def install(*requirements):
    """Installs into the environment, made if it is missing."""
    if not PROGRAMS.is_dir():
        print(f"Making {ENVIRONMENT}", flush=True)
        venv.create(ENVIRONMENT, with_pip=True)
    print(f"Installing {' '.join(requirements)}", flush=True)
    if run("python", "-m", "pip", "install", "--quiet", *requirements):
        sys.exit("The installation failed; see above.")


def demo(*arguments):
    """Runs `keras-sal demo`."""
    install("--editable", ".[demo,tensorflow]")
    return run("keras-sal", "demo", *arguments)


def test(*arguments):
    """Runs the tests and doctests once per backend, as many backends at a time as there are cores.

    What they print comes when they are done.
    """
    install(TORCH)
    install("--editable", ".[dev]")

    def tested(backend):
        return subprocess.run(
            [str(PROGRAMS / "python"), "-m", "pytest", *arguments],
            cwd=HERE,
            env={**os.environ, "KERAS_BACKEND": backend},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    print(f"Testing on {', '.join(BACKENDS)}", flush=True)
    failed = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for backend, result in zip(BACKENDS, pool.map(tested, BACKENDS), strict=True):
            print(f"\nKERAS_BACKEND={backend}\n{result.stdout}", flush=True)
            if result.returncode:
                failed.append(backend)
    if failed:
        print(f"Failed on {', '.join(failed)}")
    return bool(failed)


def lint(*arguments):
    """Runs the linter and checks the formatting."""
    install("ruff>=0.12")
    return run("ruff", "check", *arguments) or run("ruff", "format", "--check", *arguments)


TASKS = {"demo": demo, "test": test, "lint": lint}

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs before anything is installed
        sys.exit(f"Python 3.11 or newer is needed. Received: {sys.version.split()[0]}.")
    task, *rest = sys.argv[1:] or [""]
    if task not in TASKS:
        sys.exit(__doc__)
    sys.exit(TASKS[task](*rest))
