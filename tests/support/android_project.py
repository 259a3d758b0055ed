"""Compiles the Java of an Android project against stubs of Android, and runs it."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import replayed_detector

from keras_sal.export import android

SOURCES = Path(__file__).parents[1] / "android"
JUNIT = [Path("/usr/share/java") / name for name in ("junit4.jar", "hamcrest.jar")]
JUNIT_THERE = all(jar.is_file() for jar in JUNIT)
RUN_TIMEOUT_S = 60

needs_jdk = pytest.mark.skipif(
    not (shutil.which("javac") and shutil.which("java")),
    reason="needs javac and java, as of default-jdk-headless",
)


class Written(NamedTuple):
    """A project, and the detector in it."""

    folder: Path
    detector: replayed_detector.ReplayedDetector
    assets: Path


def written(folder, **changes):
    """Write a project of a replayed detector to `folder / "phone"`."""
    detector = replayed_detector.write(folder, **changes)
    project = android.write(detector, folder / "phone")
    return Written(project, detector, project / "detector/src/main/assets")


def run(command, **options):
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
        **options,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"{command[:3]} ended with {done.returncode}\n{output[-6000:]}"
    return done.stdout


def compile_project(project, classes):
    """Compile a project without a warning, with its unit tests and the programs beside ours."""
    files = set(project.rglob("*.java")) - set([] if JUNIT_THERE else _unit_tests(project))
    classes.mkdir()
    options = ["-Xlint:all", "-Werror", "--release", "11", "-d", classes]
    path = os.pathsep.join(map(str, JUNIT if JUNIT_THERE else [classes]))
    sources = [_resource_names(project, classes), *files, *SOURCES.rglob("*.java")]
    run(["javac", *options, "-cp", path, *sources])


def run_java(program, *arguments, class_path):
    options = ["-Xshare:auto", "-XX:TieredStopAtLevel=1"]  # start quickly
    path = os.pathsep.join(map(str, class_path))
    return run(["java", *options, "-cp", path, program, *arguments])


def run_unit_tests(project, assets, classes):
    """Run the unit tests with the exported files of a folder; return what JUnit prints."""
    if not JUNIT_THERE:
        pytest.skip("needs the jars of junit4")
    names = [f"kerassal.detector.{file.stem}" for file in _unit_tests(project)]
    return run_java("org.junit.runner.JUnitCore", *names, class_path=[classes, assets, *JUNIT])


def _unit_tests(project):
    return list((project / "detector/src/test").rglob("*Test.java"))


def _resource_names(project, folder):
    """Write the class `R`, which the build makes of the resources."""
    resources = project / "app/src/main/res/values/strings.xml"
    names = re.findall(r'<string name="(\w+)">', resources.read_text(encoding="utf-8"))
    constants = " ".join(f"public static final int {name} = {i};" for i, name in enumerate(names))
    inner = f"public static final class string {{ {constants} }}"
    (folder / "R.java").write_text(f"package kerassal.app; public final class R {{ {inner} }}")
    return folder / "R.java"
