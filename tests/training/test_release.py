"""What a release leaves as it was: the models that it is made of, and files of the user."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_sal import models
from keras_sal.files import write_json
from keras_sal.training import ReleasePlan, release, write_release
from keras_sal.training.temperature import TEMPERATURE

RESULTS = {"format": 2, "word": "computer", "systems": []}


def write(folder, texts):
    """Writes text files, with the folders that they are in."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def texts(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "detector",
    [
        models.gru_detector,
        models.conv_detector,
        models.conv_gru_detector,
        models.multimodal_detector,
    ],
)
def test_models_stay_as_they_are(tmp_path, monkeypatch, detector):
    """So that another release, as after an error, divides their logits by the same temperature."""
    opened = []

    def interrupt(model):
        opened.append(model)
        raise InterruptedError

    monkeypatch.setattr(release, "open_runner", interrupt)
    model = detector(size="nano")
    before = model.get_weights()
    plan = ReleasePlan("computer", tmp_path, None, None, "int8", 1.0, command="", options={})
    for _ in range(2):
        with pytest.raises(InterruptedError):
            write_release({"a": model}, plan, tmp_path)
    for weights, same in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, same)
    frames = keras.tree.map_structure(
        lambda each: np.random.default_rng(0).random((1, 60, each.shape[-1])), model.input
    )
    if isinstance(frames, dict):
        frames["slow"] = frames["slow"][:, :15]
    logits = [_logits(each, frames) for each in (model, *opened)]
    for tempered, found in zip(opened, logits[1:], strict=True):
        assert tempered.get_config() == model.get_config()
        np.testing.assert_allclose(TEMPERATURE * found, logits[0], atol=1e-4)


def _logits(model, frames):
    posteriors = keras.ops.convert_to_numpy(model(frames)).astype(float)
    return np.log(posteriors / (1 - posteriors))


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("reports/2024.pdf", "reports/2024.pdf"),
        ("reports/january/report.html", "reports/january"),
        ("reports", "reports"),
        ("report.html", "report.html"),
        ("results.json", "results.json"),
        ("posteriors.npz", "posteriors.npz"),
    ],
)
def test_reports_of_others_are_refused(tmp_path, name, received):
    write(tmp_path, {name: "mine", "figures/det.png": "mine"})
    with pytest.raises(ValueError, match="`output` must hold no `reports`") as refused:
        release.prepare_output(tmp_path)
    assert f"Received: {[str(tmp_path / received)]}." in str(refused.value)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.any_backend
@pytest.mark.parametrize("folder", [".", "reports/computer"])
def test_reports_of_earlier_releases_are_replaced(tmp_path, folder):
    write(tmp_path / folder, {"report.html": "old", "figures/det-0.png": "old"})
    write_json(tmp_path / folder / "results.json", RESULTS)
    (tmp_path / "reports" / ".DS_Store").parent.mkdir(exist_ok=True)
    (tmp_path / "reports" / ".DS_Store").touch()
    release.prepare_output(tmp_path)


@pytest.mark.any_backend
@pytest.mark.parametrize("new", ["report.html", "reports/on/report.html"])
def test_pictures_beside_the_figures_stay(tmp_path, new):
    """Of one word, figures take the places of older ones; of several, these go."""
    mine = {"figures/photo.png": "mine", "figures/trip/det-0.png": "mine"}
    write(tmp_path, mine | {"figures/det-0.png": "old", "figures/false-alarm-12.png": "old"})
    figure = str(Path(new).with_name("figures") / "det-0.png")
    write(tmp_path / release.COMPLETE, {new: "new", figure: "new"})
    release.prepare_output(tmp_path)
    assert texts(tmp_path) == mine | {new: "new", figure: "new"}


@pytest.fixture
def firmware(tmp_path, monkeypatch):
    """An output with a bundle that was edited, and a complete release with a new one."""

    def manifest(folder):
        return json.loads((folder / "manifest.json").read_text())

    monkeypatch.setattr(release.bundle, "read_manifest", manifest)
    hashes = {"sha256": {"old.cc": "0", "model.cc": "0"}, "yours": {"light.h": "0"}}
    old = {"manifest.json": json.dumps(hashes), "old.cc": "old", "model.cc": "old"}
    mine = {"light.h": "edited", "notes/wiring.txt": "mine"}
    new = {"manifest.json": json.dumps({"sha256": {"model.cc": "1"}}), "model.cc": "new"}
    write(tmp_path / "firmware", old | mine)
    write(tmp_path / release.COMPLETE / "firmware", new)
    return tmp_path / "firmware", mine | new


@pytest.mark.any_backend
def test_firmware_keeps_what_you_edited(firmware):
    folder, expected = firmware
    release.prepare_output(folder.parent)
    assert texts(folder) == expected
    assert [path.name for path in folder.parent.iterdir()] == ["firmware"]


@pytest.mark.any_backend
@pytest.mark.parametrize("moves", [0, 1])
def test_firmware_that_was_killed_on_its_way(firmware, monkeypatch, moves):
    """By now its files are copied, or the former folder is moved away, too."""
    folder, expected = firmware
    move, left = Path.replace, [moves]

    def killed(path, target):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return move(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            release.prepare_output(folder.parent)
    release.prepare_output(folder.parent)
    assert texts(folder) == expected
    assert [path.name for path in folder.parent.iterdir()] == ["firmware"]


@pytest.mark.any_backend
def test_firmware_takes_the_place_of_no_other_file(firmware):
    folder, expected = firmware
    write(folder.parent / release.COMPLETE / "firmware", {"notes": "new"})
    manifest = {"sha256": {"model.cc": "1", "notes": "1"}}
    write_json(folder.parent / release.COMPLETE / "firmware" / "manifest.json", manifest)
    with pytest.raises(ValueError, match=r"Received: \['notes/wiring.txt'\] .* Move them"):
        release.prepare_output(folder.parent)
    (folder / "notes").rename(folder / "my notes")
    release.prepare_output(folder.parent)
    names = {name.replace("notes/", "my notes/") for name in expected}
    assert texts(folder).keys() == {*names, "notes"}
