"""What all tests share: the backends they run on, one converter, repeatable properties.

Tests marked `any_backend` run on one backend. Doctests of packages that never compute with Keras
are marked here. A test that needs an optional package is skipped where it is missing.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

PACKAGE = Path(__file__).parents[1] / "keras_sal"
collect_ignore = ["support", "fuzz"]  # imported by the tests by their own names
WITHOUT_KERAS = ("augmentation", "cli", "data", "detection", "evaluation", "export")

# Property tests try the same examples in every run, so that a failure is found again.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_configure():
    """Keep each process of pytest-xdist on a core: threads of several would wait for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture(scope="session", autouse=True)
def one_converter():
    """TensorFlow is imported once for all conversions."""
    from keras_sal.export import shared_converter

    with shared_converter():
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    folders = [PACKAGE / name for name in WITHOUT_KERAS]
    for item in items:
        if any(folder in item.path.parents for folder in folders):
            item.add_marker(pytest.mark.any_backend)
    # Long ones first: a core that is done early takes over what is short, and no fixture of theirs.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup():
    return (yield from skip_without_package())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    return (yield from skip_without_package())


def skip_without_package():
    """Skip a test that needs an optional package where it is not installed."""
    try:
        return (yield)
    except ImportError as error:
        package = (error.name or "keras_sal").partition(".")[0]
        if find_spec(package):
            raise
        pytest.skip(f"{package} is not installed")
