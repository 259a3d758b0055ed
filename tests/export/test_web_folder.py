"""The folder of the page, as it is written."""

import base64
import hashlib
import io
import json
import re
import tarfile

import pytest

from keras_sal.export import detector_file, web
from keras_sal.export.web import folder as web_folder
from keras_sal.export.web import runtime

pytestmark = pytest.mark.any_backend

MIRROR = "https://npm.example/files"
DESCRIPTION = {"model": "d.tflite", "input": "samples", "frontend": {"sample_rate": 16_000}}


@pytest.fixture
def detector(tmp_path, monkeypatch):
    """Makes a file with a description, which is taken as it is."""

    def make(**changes):
        manifest = DESCRIPTION | changes
        path = tmp_path / manifest["model"]
        path.write_text("model")
        path.with_suffix(".json").write_text(json.dumps(manifest))
        described = detector_file.DetectorFile(tmp_path, manifest)
        monkeypatch.setattr(web_folder.detector_file, "read", lambda given: described)
        return path

    return make


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """Archives with what the page needs and more, and their hashes."""
    paths, packages = {}, []
    for package in runtime.PACKAGES:
        path = tmp_path / package.archive
        with tarfile.open(path, "w:gz") as archive:
            for name in (*package.files, "README.md"):
                entry = tarfile.TarInfo(f"package/{name}")
                entry.size = len(name)
                archive.addfile(entry, io.BytesIO(name.encode()))
        paths[package.name] = path
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        packages.append(package._replace(sha256=sha256))
    monkeypatch.setattr(runtime, "PACKAGES", tuple(packages))
    return paths


def policy(page):
    """The content security policy, by directive."""
    text = re.search('Content-Security-Policy" content="([^"]+)"', page)[1]
    return {name: values for name, *values in map(str.split, text.split(";"))}


def imports(page):
    return re.search('<script type="importmap">(.+?)</script>', page)[1]


def test_folder_holds_page_model_and_runtime(detector, archives, tmp_path):
    page = web.write(detector(), tmp_path / "page", runtime=archives)
    assert (page / "d.tflite").read_text() == "model"
    assert json.loads((page / "detector.json").read_text())["model"] == "d.tflite"
    assert {"index.html", "main.js", "style.css"} < {path.name for path in page.iterdir()}
    index = (page / "index.html").read_text()
    for address in json.loads(imports(index))["imports"].values():
        assert (page / address).exists()
    copied = [path for path in (page / "runtime").rglob("*") if path.is_file()]
    assert len(copied) == sum(len(package.files) for package in runtime.PACKAGES)
    assert policy(index)["connect-src"] == ["'self'"]


def test_policy_allows_the_import_map_and_no_other_script(detector, archives, tmp_path):
    page = web.write(detector(), tmp_path / "page", runtime=archives)
    index = (page / "index.html").read_text()
    digest = base64.b64encode(hashlib.sha256(imports(index).encode()).digest()).decode()
    allowed = ["'self'", "'wasm-unsafe-eval'", f"'sha256-{digest}'"]
    assert policy(index)["script-src"] == allowed
    assert policy(index)["default-src"] == ["'none'"]


def test_runtime_can_come_from_a_mirror(detector, tmp_path):
    page = web.write(detector(), tmp_path / "page", runtime=f"{MIRROR}/")
    index = (page / "index.html").read_text()
    found = json.loads(imports(index))["imports"]
    assert found["@litertjs/core"] == f"{MIRROR}/@litertjs/core@2.5.3/dist/index.js"
    assert policy(index)["connect-src"] == ["'self'", "https://npm.example"]
    assert not (page / "runtime").exists()


def test_page_is_replaced_and_nothing_else(detector, tmp_path):
    page = web.write(detector(), tmp_path / "page", runtime=MIRROR)
    (page / "old").touch()
    web.write(detector(model="e.tflite"), page, runtime=MIRROR)
    assert (page / "old").exists()  # not of the page
    assert not (page / "d.tflite").exists()
    (page / "x.tflite").write_text("mine")
    with pytest.raises(ValueError, match=r"places of the exported files free.*\['x\.tflite'\]"):
        web.write(detector(model="x.tflite"), page, runtime=MIRROR)
    assert (page / "x.tflite").read_text() == "mine"
    (tmp_path / "other").mkdir()
    web.write(detector(), tmp_path / "other", runtime=MIRROR)  # which was empty
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "index.html").write_text("of another page")
    with pytest.raises(ValueError, match="`folder` must be new, empty or hold a page"):
        web.write(detector(), tmp_path / "foreign", runtime=MIRROR)
    with pytest.raises(ValueError, match="`folder` must be in a folder that exists"):
        web.write(detector(), tmp_path / "missing" / "page", runtime=MIRROR)


def test_files_below_the_runtime_stay(detector, archives, tmp_path):
    """Packages of any version are the page's own, and nothing else there."""
    page = web.write(detector(), tmp_path / "page", runtime=archives)
    (page / "runtime" / "mine.js").write_text("mine")
    former = page / "runtime" / "@litertjs" / "core@1.0.0"
    former.mkdir()
    (former / "index.js").touch()
    web.write(detector(), page, runtime=archives)
    assert not former.exists()
    assert (page / "runtime" / "mine.js").read_text() == "mine"
    web.write(detector(), page, runtime=MIRROR)
    assert [path.name for path in (page / "runtime").iterdir()] == ["mine.js"]


def test_a_file_in_the_place_of_the_runtime_is_refused(detector, archives, tmp_path):
    page = web.write(detector(), tmp_path / "page", runtime=MIRROR)
    (page / "runtime").write_text("mine")
    with pytest.raises(ValueError, match=r"places of the exported files free.*\['runtime'\]"):
        web.write(detector(), page, runtime=archives)
    assert (page / "runtime").read_text() == "mine"


@pytest.mark.parametrize(
    "changes",
    [{"input": "features"}, {"model": "d.onnx"}, {"frontend": {"sample_rate": 8000}}],
)
def test_rejects_a_detector_that_the_page_can_not_run(detector, changes, tmp_path):
    with pytest.raises(ValueError, match=r"`detector` must be a .tflite file that takes samples"):
        web.write(detector(**changes), tmp_path / "page", runtime=MIRROR)
    assert not (tmp_path / "page").exists()


def test_rejects_another_runtime(detector, archives, tmp_path):
    archives["@litertjs/core"].write_text("another")
    with pytest.raises(ValueError, match=r"`archives` must hold @litertjs/core 2.5.3"):
        web.write(detector(), tmp_path / "page", runtime=archives)
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    "address", ["runtime", "ftp://a/b", "https://", "https://a/'b", "https://a b"]
)
def test_rejects_what_is_no_address(detector, address, tmp_path):
    with pytest.raises(ValueError, match="`runtime` must be an address that begins with https"):
        web.write(detector(), tmp_path / "page", runtime=address)
