"""The project for Android Studio: its files, and the app against stubs of Android."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pytest
import replayed_detector
from android_project import needs_jdk, run_java, run_unit_tests, written

from keras_sal.detection import Scoring, detect
from keras_sal.export import android
from keras_sal.export.android.golden import golden_values
from keras_sal.export.android.project import TEMPLATES
from keras_sal.export.firmware import golden

pytestmark = pytest.mark.any_backend

ANDROID = "{http://schemas.android.com/apk/res/android}"


def steps(detector):
    sound = golden.sound()
    size = detector.samples_per_step
    return sound[: len(sound) // size * size].reshape(-1, size).astype("float32") / 32768


# --- files -----------------------------------------------------------------------------------


def test_the_assets_are_the_detector(project):
    assets = project.assets
    assert json.loads((assets / "detector.json").read_text()) == project.detector.manifest
    assert (assets / "detector.tflite").read_bytes() == replayed_detector.CONTENT
    assert sorted(path.name for path in assets.iterdir()) == [
        *("detector.json", "detector.tflite", "golden.json")
    ]


@pytest.mark.parametrize("name", ["project", "late"])
def test_golden_values_are_those_of_the_detector(name, request):
    _, detector, assets = request.getfixturevalue(name)
    values = json.loads((assets / "golden.json").read_text())
    delay, scoring = detector.manifest["delay_frames"], Scoring(**detector.scoring)
    posteriors = detector.open().stream(steps(detector))[delay:]
    np.testing.assert_array_equal(np.float32(values["posteriors"]), posteriors)
    own, reached = values["runs"]
    assert own["threshold"] == detector.threshold
    for run in (own, reached):
        found = detect(posteriors, run["threshold"], **vars(scoring))
        expected = [(scoring.time_s(d["frame"]), d["score"]) for d in run["detections"]]
        assert [(d.time_s, d.score) for d in found] == expected
        assert [d.class_index for d in found] == [d["class_index"] for d in run["detections"]]
    assert len(reached["detections"]) > 2
    assert values["tolerance"] == pytest.approx(0.1 * posteriors.max())


def test_tolerance_of_an_int8_model_is_at_least_two_steps_of_its_output(tmp_path, monkeypatch):
    detector = replayed_detector.write(tmp_path, quantization="int8")
    quiet = SimpleNamespace(stream=lambda steps: np.zeros((len(steps), 1), "float32"))
    monkeypatch.setattr(type(detector), "open", lambda detector: quiet)
    assert golden_values(detector)["tolerance"] == 2 / 256


def test_every_template_is_completed(project):
    for name in TEMPLATES:
        text = (project.folder / name).read_text(encoding="utf-8")
        assert not re.search(r"\$(?!s)", text), name
    assert "my detector" in (project.folder / "README.md").read_text()
    build = (project.folder / "app/build.gradle.kts").read_text()
    assert re.search(r'applicationId = "kerassal\.app\.model_my_detector_[0-9a-f]{6}"', build)
    assert "build/" in (project.folder / ".gitignore").read_text()
    assert not (project.folder / "gitignore").exists()


def test_names_are_texts_wherever_they_stand(tmp_path):
    folder = written(tmp_path, name='@it\'s <b> & "$x"', classes=["a|b"]).folder
    resources = ElementTree.parse(folder / "app/src/main/res/values/strings.xml")
    assert resources.find("string[@name='app_name']").text == '\\@it\\\'s <b> & \\"$x\\"'
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert readme.startswith('# @it\'s \\<b\\> \\& "$x"\n')
    assert r"(a\|b)" in readme


def test_manifests_name_what_is_there(project):
    app = ElementTree.parse(project.folder / "app/src/main/AndroidManifest.xml")
    activity = app.find("application/activity").get(f"{ANDROID}name")
    source = project.folder / "app/src/main/java" / f"{activity.replace('.', '/')}.java"
    assert f"package {activity.rpartition('.')[0]};" in source.read_text()
    library = ElementTree.parse(project.folder / "detector/src/main/AndroidManifest.xml")
    asked = library.find("uses-permission").get(f"{ANDROID}name")
    assert asked == "android.permission.RECORD_AUDIO"
    texts = "".join(path.read_text() for path in (project.folder / "app").rglob("*.java"))
    strings = (project.folder / "app/src/main/res/values/strings.xml").read_text()
    used = set(re.findall(r"R\.string\.(\w+)", texts)) | {"app_name"}
    assert used == set(re.findall(r'<string name="(\w+)">', strings))


def test_versions_are_those_of_the_readme(project):
    readme = (project.folder / "README.md").read_text()
    builds = "".join(path.read_text() for path in project.folder.rglob("*.kts"))
    wrapper = (project.folder / "gradle/wrapper/gradle-wrapper.properties").read_text()
    [runtime] = re.findall(r'"(com\.google\.ai\.edge\.litert:[^"]+)"', builds)
    [plugin] = set(re.findall(r'"com\.android\.\w+"\) version "([\d.]+)"', builds))
    [gradle] = re.findall(r"gradle-([\d.]+)-bin", wrapper)
    for part in (f"`{runtime}`", f"plugin {plugin}", f"Gradle {gradle}"):
        assert part in " ".join(readme.split())


def test_rejects_a_detector_that_takes_features(tmp_path):
    detector = replayed_detector.write(tmp_path, input="features")
    with pytest.raises(ValueError, match=r"`detector` must be a \.tflite file that takes samples"):
        android.write(detector, tmp_path / "phone")


def test_rejects_an_onnx_file(tmp_path):
    detector = replayed_detector.write(tmp_path, file="detector.onnx")
    with pytest.raises(ValueError, match=r"`detector` must be a \.tflite file.*'detector\.onnx'"):
        android.write(detector.model_path, tmp_path / "phone")


def test_rejects_a_folder_that_holds_something(tmp_path):
    detector = replayed_detector.write(tmp_path)
    with pytest.raises(ValueError, match=r"`folder` must be new or empty; code in a project"):
        android.write(detector, tmp_path)
    with pytest.raises(ValueError, match=r"`folder` must be in a folder that exists"):
        android.write(detector, tmp_path / "none" / "phone")


# --- on the JVM ------------------------------------------------------------------------------


@needs_jdk
def test_the_golden_sound_is_that_of_python(classes):
    printed = run_java("kerassal.detector.CheckSound", 32_000, class_path=[classes])
    np.testing.assert_array_equal(np.array(printed.split(), int), golden.sound())


@needs_jdk
def test_no_step_allocates_memory(late, classes):
    path = [classes, late.assets]
    assert int(run_java("kerassal.detector.CheckAllocation", class_path=path)) < 1000  # of 10,000


@needs_jdk
@pytest.mark.parametrize("name", ["project", "late"])
def test_unit_tests_of_the_project_pass(name, project, classes, request):
    assets = request.getfixturevalue(name).assets
    assert re.search(r"OK \(\d\d tests\)", run_unit_tests(project.folder, assets, classes))


@needs_jdk
def test_the_microphone_is_heard_and_its_faults_are_told(late, classes):
    faults = {
        "none": "The microphone stopped, with error -6.",
        "silence": "The microphone stopped, with error -6.",
        "no microphone": "This device has no microphone.",
        "refused": "The app may not use the microphone. Allow it.",
        "no rate": "The microphone does not record at 16000 Hz, which the detector needs.",
        "other rate": "The microphone records at 48000 Hz; the detector needs 16000.",
        "busy": "The microphone can't be opened at 16000 Hz.",
        "does not start": "The microphone does not start; another app may use it.",
        "no states": "detector.tflite can't be used: it must have an input 'state_0' of 1280 bytes"
        ", it has none. Export the detector again.",
    }
    stops = ("stop", "stop at once", "stop by the listener")
    printed = run_java(
        *("kerassal.android.CheckMicrophone", late.assets, *faults, *stops),
        class_path=[classes],
    )
    told = dict(part.split("\n", 1) for part in printed.split("# ")[1:])
    values = json.loads((late.assets / "golden.json").read_text())
    for fault, message in faults.items():
        assert f"error: {message}\n" in told[fault]
        assert told[fault].endswith("0 open, 0 open\n")
        assert ("ready null\n" in told[fault]) == (fault != "no states")
        if fault not in ("none", "silence"):
            assert "\n0 steps\n" in f"\n{told[fault]}"
    assert f"\n{len(values['posteriors'])} steps\n" in told["none"]
    assert [text.count("silence\n") for text in told.values()] == [f == "silence" for f in told]
    for stop in stops:
        assert "error" not in told[stop]
        assert told[stop].endswith("0 open, 0 open\n")
    heard = re.findall(r"detected (\S+) (\S+) (\S+)", told["none"])
    posteriors = np.float32(values["posteriors"])
    scoring = late.detector.scoring
    scoring["frame_offset_s"] += late.detector.manifest["delay_frames"] * scoring["frame_step_s"]
    found = detect(posteriors, late.detector.threshold, **scoring)
    names = late.detector.manifest["classes"]
    assert [(float(t), np.float32(score), name) for t, score, name in heard] == [
        (d.time_s, d.score, names[d.class_index]) for d in found
    ]
    assert {name for *_, name in heard} == set(names)


@needs_jdk
def test_files_that_do_not_belong_together_are_told(project, classes, tmp_path):
    changes = {
        "another model": ("detector.tflite", "another", "it is not the model that detector.json"),
        "another format": ("detector.json", '{"format": 2}', "'format' must be 1"),
        "no JSON": ("golden.json", "{", "golden.json can't be used: it is no JSON"),
        "no file": ("golden.json", None, "A file of the detector is missing in the assets"),
    }
    for name, (file, content, message) in changes.items():
        assets = shutil.copytree(project.assets, tmp_path / name)
        (assets / file).write_text(content) if content else (assets / file).unlink()
        program = ("kerassal.android.CheckMicrophone", assets, name)
        assert message in run_java(*program, class_path=[classes])
