"""Projects for Android, and their Java, compiled once."""

import pytest
from android_project import compile_project, written


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    return written(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def late(tmp_path_factory):
    """A detector of two classes whose posteriors are two steps late."""
    return written(tmp_path_factory.mktemp("late"), classes=("hey", "stop"), delay_frames=2)


@pytest.fixture(scope="session")
def classes(project, tmp_path_factory):
    """The classes of the project, and of the programs that test them."""
    folder = tmp_path_factory.mktemp("java") / "classes"
    compile_project(project.folder, folder)
    return folder
