"""The sources of the site, checked without building it: links, lengths, names, drawings."""

import importlib
import importlib.util
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import keras_sal

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCES = sorted(DOCS.rglob("*.md"))
PAGES = [*SOURCES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
PUBLIC = [
    *(f"keras_sal.{name}" for name in keras_sal._PACKAGES),
    *("keras_sal.data.alignment", "keras_sal.data.downloads", "keras_sal.data.shards"),
    "keras_sal.data.synthesis",
    *("keras_sal.evaluation.report", "keras_sal.export.micro", "keras_sal.training.recipe"),
]


def load(name):
    """The module of the builder with that name, which is in no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / "builder" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(path):
    """The text of a page without its code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)


def heading_ids(path):
    """The fragments by which headings of a page are linked."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.M)
    return {re.sub(r"[^\w\s-]", "", each).strip().lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_resolve(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if "://" in link or link.startswith("reference/"):
            continue
        name, _, fragment = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.is_file(), f"{path.name}: {link}"
        assert not fragment or fragment in heading_ids(target), f"{path.name}: {link}"


def test_every_page_is_in_the_navigation():
    listed = set(re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert listed == {path.relative_to(DOCS).as_posix() for path in SOURCES}


@pytest.mark.parametrize("path", sorted(DOCS.glob("guides/*.md")), ids=lambda path: path.stem)
def test_guides_are_short_and_have_an_example(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.split()) <= 700
    if path.stem != "index":
        assert re.search(r"^\*\*.+\?.*\*\*$", text, re.M), "no question"
        examples = load("examples").find_examples(text)
        assert any(example.printed for example in examples)
        for example in examples:
            compile(example.code, path.name, "exec")


def test_tutorials_are_listed_and_hold_no_outputs():
    index = (DOCS / "tutorials" / "index.md").read_text(encoding="utf-8")
    for path in load("tutorials").tutorial_paths():
        text = path.read_text(encoding="utf-8")
        assert f"({path.name})" in index
        assert set(re.findall(r"^```(\w+)", text, re.M)) == {"python"}  # all others run, too
        assert "![" not in text


def test_examples_are_run_and_compared(tmp_path, capsys):
    examples = load("examples")
    page = tmp_path / "page.md"
    page.write_text("```python\na = 2\n```\n\n```python\nprint(a)\n```\n\n```text\n2\n```\n")
    assert examples.run_page(page) == []
    page.write_text(page.read_text().replace("text\n2", "text\n3"))
    [message] = examples.run_page(page)
    assert f"{page}:6 printed\n2\n" in message


def test_reference_has_every_public_name():
    reference = load("reference")
    modules = reference.public_modules(ROOT)
    assert set(PUBLIC) <= set(modules)
    for name in PUBLIC:
        module = importlib.import_module(name)
        page = reference.page(name, ROOT)
        for exported in getattr(module, "__all__", []):
            assert f"{name}.{exported}" in reference.all_names(ROOT)
            assert f"::: {name}.{exported}\n" in page or f"{name}.{exported}" in modules


def test_reference_reads_names_without_a_list(tmp_path):
    package = tmp_path / "keras_sal"
    package.mkdir()
    (package / "__init__.py").write_text("_MORE = ('b',)\n__all__ = ['a', *_MORE]\n")
    (package / "b.py").write_text(
        "ONE = 1\n'''Documented.'''\nTWO = 2\ndef f(): ...\ndef _g(): ...\n"
    )
    reference = load("reference")
    assert reference.public_modules(tmp_path) == ["keras_sal", "keras_sal.b"]
    assert reference.public_names("keras_sal.b", tmp_path) == ["ONE", "f"]


def test_links_public_names_in_code_spans_only():
    linked = load("reference").link_names(
        "<code>keras_sal.a</code> <code>keras_sal.b</code> <pre><code>keras_sal.a</code></pre>",
        {"keras_sal.a"},
    )
    assert linked.count("<autoref") == 1
    assert linked.startswith('<autoref optional identifier="keras_sal.a">')


def test_fences_examples_of_docstrings():
    pytest.importorskip("griffe")
    fence = load("docstrings").fence_examples
    assert fence("Text:\n>>> 1 + 1\n2\n\nMore.") == (
        "Text:\n\n```pycon\n>>> 1 + 1\n2\n```\n\nMore."
    )
    fenced = "```python\n>>> 1\n```"
    assert fence(fenced) == fenced


def test_indents_lists_of_docstrings():
    pytest.importorskip("griffe")
    indent = load("docstrings").indent_lists
    assert indent("- a\n  b\n\n      code\n- c\nd\n  e") == (
        "- a\n    b\n\n        code\n\n- c\nd\n  e"
    )
    assert indent("1. a\n   b") == "1. a\n    b"


def test_drawings_are_valid_and_complete():
    drawing = load("drawing")
    floors = drawing.read_floors()
    names = [each.text for each in ET.fromstring(drawing.draw_floors(floors)).iter("text")]
    assert sorted(names) == sorted(room for floor in floors for room in floor)


def test_the_stored_picture_is_what_the_package_draws():
    """Numbers may differ by the last digit between backends."""
    stored = (DOCS / "anchor.svg").read_text(encoding="utf-8")
    drawn = load("drawing").picture()
    number = re.compile(r"\d+\.\d")
    assert number.sub("0", stored) == number.sub("0", drawn), "run python docs/builder/drawing.py"
    assert [float(each) for each in number.findall(stored)] == pytest.approx(
        [float(each) for each in number.findall(drawn)], abs=0.11
    )
    assert len(stored) < 10_000
    labels = {each.text for each in ET.fromstring(stored).iter("{http://www.w3.org/2000/svg}text")}
    assert {"anchor", "detection", "event", "kernel", "posterior", "threshold"} <= labels


def test_the_picture_shows_a_detection_at_the_threshold():
    drawing = load("drawing")
    circle = ET.fromstring(drawing.picture()).find("{http://www.w3.org/2000/svg}circle")
    late = float(circle.get("cx")) / drawing.FRAME_WIDTH - drawing.EVENT[1]
    height = (drawing.BASE - float(circle.get("cy"))) / drawing.TOP
    assert 0 < late < 10
    assert drawing.THRESHOLD <= height < drawing.THRESHOLD + 0.15


def test_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {keras_sal.__version__}" in text
    assert "2310.05886" in text
