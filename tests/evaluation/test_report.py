"""The page, looked at in a real browser, and what is chosen to be on it."""

import copy
import json
import re

import numpy as np
import pytest
from browser import browser, needs_browser
from made_predictions import made_predictions
from toned import ODD, tone_weights, tones
from unrendered import unrendered_figures

from keras_sal.data import evaluation_streams, load_recordings
from keras_sal.evaluation import Predictions, evaluate, predictions_from_posteriors, report
from keras_sal.evaluation.collection import collect_predictions
from keras_sal.evaluation.protocol import ScoringProtocol
from keras_sal.evaluation.report import figures, page
from keras_sal.evaluation.report.example_cards import ROWS, SIZE
from keras_sal.evaluation.report.example_figure import (
    FeatureImage,
    KernelCurve,
    SpokenText,
    Trace,
    draw_example,
)
from keras_sal.evaluation.report.examples import Example, choose_examples
from keras_sal.evaluation.report.report import FIGURE
from keras_sal.evaluation.report.sounds import sounds
from keras_sal.evaluation.report.themes import DARK, LIGHT

pytestmark = pytest.mark.any_backend

pytest.importorskip("matplotlib", reason="no matplotlib: the report extra is not installed")
pytest.importorskip("jinja2", reason="no jinja2: the report extra is not installed")

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a report on two systems, one of them with a name that looks like markup."""
    folder = tmp_path_factory.mktemp("report")
    recordings = tones(folder / "recordings")
    found = load_recordings(recordings)
    material = {
        (split, "clean"): evaluation_streams(found, "computer", split) for split in ("dev", "test")
    }
    weights, bias = tone_weights(recordings)

    def plain(streams):
        return [1 / (1 + np.exp(-(stream.features @ weights + bias))) for stream in streams]

    def fading(streams):
        return [each * np.linspace(1, 0.2, len(each))[:, None] for each in plain(streams)]

    systems = {"float": plain, ODD: fading}
    predictions = collect_predictions(systems, "computer", material, root=recordings)
    results = evaluate(
        predictions,
        ScoringProtocol(60.0, replicates=50),
        provenance={"command": "keras-sal evaluate <x>"},
    )
    reported = []
    streams = {"clean": material["test", "clean"]}
    report.write(
        folder,
        predictions,
        results,
        streams=streams,
        most=1,
        progress=lambda *done_of_total: reported.append(done_of_total),
    )
    assert (
        reported[-1][0] == reported[-1][1] == len(choose_examples(predictions, results, {}, most=1))
    )
    return folder


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def shown(chromium, written):
    """Opens the page in a window, on a light or dark system."""
    return lambda **window: chromium.open((written / report.PAGE).as_uri(), **window)


# --- in the browser


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
class TestInBrowser:
    def test_no_complaints_and_no_network(self, shown, written, scheme):
        opened = shown(scheme=scheme)
        assert opened.complaints == []
        assert opened.requests == [(written / report.PAGE).as_uri()]

    def test_figures_are_there(self, shown, scheme):
        opened = shown(scheme=scheme)
        images = opened.run(
            "Promise.all([...document.images].map(async (i) => { await i.decode();"
            " return [i.naturalWidth, i.clientWidth, i.alt, i.currentSrc.slice(0, 18)]; }))"
        )
        assert len(images) >= 6  # two curves, misses, a false alarm, hits
        for natural, client, alt, source in images:
            assert natural > 300
            assert client > 300
            assert len(alt) > 30
            assert source == "data:image/svg+xml"

    def test_colours_suit_the_system(self, shown, scheme, tmp_path):
        opened = shown(scheme=scheme)
        opened.screenshot(tmp_path / "page.png", whole=False)
        from matplotlib.image import imread

        brightness = imread(tmp_path / "page.png")[..., :3].mean()
        assert brightness < 0.3 if scheme == "dark" else brightness > 0.7
        sources = opened.run("[...document.images].map((i) => i.currentSrc)")
        paper = (DARK if scheme == "dark" else LIGHT).paper
        import base64

        for source in sources:
            assert f"fill: {paper}" in base64.b64decode(source.partition(",")[2]).decode()

    def test_text_stands_out(self, shown, scheme):
        """Contrast of at least 4.5, as WCAG AA asks for, wherever text is."""
        weak = shown(scheme=scheme).run(
            """(() => {
              const parse = (c) => c.match(/[\\d.]+/g).map(Number);
              const light = (c) => { const [r, g, b] = parse(c).map((v) => { v /= 255;
                return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
              const behind = (e) => { for (; e; e = e.parentElement) {
                const c = getComputedStyle(e).backgroundColor;
                if ((parse(c)[3] ?? 1) > 0) return c; } };
              return [...document.querySelectorAll("h1,h2,h3,h4,p,dt,dd,li,th,td,small,a,code")]
                .filter((e) => e.textContent.trim()).map((e) => {
                  const a = light(getComputedStyle(e).color), b = light(behind(e));
                  return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML]; })
                .filter(([contrast]) => contrast < 4.5); })()"""
        )
        assert weak == []


@needs_browser
def test_sounds_load_and_play(shown):
    opened = shown()
    durations = opened.run(
        """Promise.all([...document.querySelectorAll("audio")].map((a) => new Promise((done) => {
          const tell = () => done(a.duration);
          a.readyState >= 1 ? tell() : a.addEventListener("loadedmetadata", tell);
          a.addEventListener("error", () => done(a.error.message)); })))"""
    )
    assert len(durations) >= 4
    assert durations == pytest.approx([3.0] * len(durations), abs=0.8)  # less at a stream's end
    heard = opened.run(
        """(async () => { const a = document.querySelector("audio"); await a.play();
          await new Promise((done) => a.addEventListener("timeupdate",
            () => a.currentTime > 0.1 && done()));
          a.pause(); return [a.currentTime, a.error]; })()"""
    )
    assert heard[0] > 0.1
    assert heard[1] is None
    assert opened.complaints == []


SORTED = """(() => { const t = document.querySelector("[aria-labelledby=operating-points] table");
  return [[...t.tHead.rows[0].cells].map((c) => c.getAttribute("aria-sort")),
          [...t.tBodies[0].rows].map((r) => r.cells[4].textContent)]; })()"""
BUTTON = 'document.querySelectorAll("[aria-labelledby=operating-points] table thead button")[4]'


@needs_browser
def test_tables_sort_by_mouse_and_by_keyboard(shown):
    opened = shown()
    opened.run(f"{BUTTON}.click()")
    state, cells = opened.run(SORTED)
    numbers = [float(re.match(r"[\d.]+", cell)[0]) for cell in cells]
    assert state[4] == "ascending"
    assert set(state) == {"ascending", "none"}
    assert numbers == sorted(numbers)
    assert numbers[0] < numbers[-1]
    opened.run(f"{BUTTON}.focus()")
    opened.press("Enter", "Enter", "\r")
    state, cells = opened.run(SORTED)
    numbers = [float(re.match(r"[\d.]+", cell)[0]) for cell in cells]
    assert state[4] == "descending"
    assert numbers == sorted(numbers, reverse=True)


@needs_browser
def test_names_do_not_become_markup(shown):
    opened = shown()
    assert opened.run('document.querySelectorAll(".injected").length') == 0
    assert ODD in opened.run("document.body.textContent")
    assert "keras-sal evaluate <x>" in opened.run('document.querySelector("pre").textContent')


@needs_browser
@pytest.mark.parametrize("width", [360, 768, 1200, 1600])
def test_fits_into_any_window(shown, width):
    opened = shown(width=width)
    assert opened.run("document.documentElement.scrollWidth") == width


CUT = """[...document.querySelectorAll(".scroll, td, th, dd, dt, h1, h2, p, li")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0).map((e) => e.outerHTML)"""


@needs_browser
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_cut_off(chromium, tmp_path, width):
    """Long names of systems, files and operators, too."""
    predictions = made_predictions()
    details = {
        name: {
            "model": f"models/{'long' * 10}.tflite",
            "runtime": "TensorFlow Lite Micro",
            "sha256": "b" * 64,
            "operators": ["FULLY_CONNECTED", "DEPTHWISE_CONV_2D", "LOGISTIC", "TANH", "MUL"],
            **dict.fromkeys(("bytes", "arena_bytes", "macs", "parameters"), 1234567),
        }
        for name in predictions.systems
    }
    protocol = ScoringProtocol(30.0, replicates=10)
    results = evaluate(predictions, protocol, details=details)
    with unrendered_figures():
        page = report.write(tmp_path, predictions, results, most=1)
    assert chromium.open(page.as_uri(), width=width).run(CUT) == []


@needs_browser
@pytest.mark.parametrize(("width", "height"), [(1200, 900), (360, 740)])
def test_first_screen_has_the_verdict_and_the_advice(shown, width, height):
    bottoms = shown(width=width, height=height).run(
        """[".verdict", ".card ul"].map((each) =>
          document.querySelector(each).getBoundingClientRect().bottom)"""
    )
    assert max(bottoms) <= height


@needs_browser
def test_parts_are_named_for_who_does_not_see_them(shown):
    opened = shown()
    assert opened.run("document.documentElement.lang") == "en"
    assert opened.run('[...document.querySelectorAll("audio")].every((a) => a.ariaLabel)')
    ids = opened.run('[...document.querySelectorAll("[id]")].map((e) => e.id)')
    assert len(ids) == len(set(ids))
    named = opened.run(
        '[...document.querySelectorAll("[aria-labelledby]")].map((e) => '
        'e.getAttribute("aria-labelledby"))'
    )
    assert set(named) <= set(ids)
    links = opened.run('[...document.querySelectorAll("nav a")].map((a) => a.hash.slice(1))')
    assert len(links) == 5
    assert set(links) <= set(ids)


# --- without a browser


def test_page_asks_for_nothing(written):
    html = (written / report.PAGE).read_text()
    assert not re.search(r"""(src|href|srcset)=["'](?!data:|#)""", html)
    assert "default-src 'none'" in html


def test_figures_are_files_too(written):
    pngs = sorted((written / "figures").glob("*.png"))
    assert {"det-0.png", "latency-0.png", "miss-0.png"} <= {path.name for path in pngs}
    assert all(path.read_bytes().startswith(PNG) for path in pngs)
    assert all(FIGURE.fullmatch(path.name) for path in pngs)  # another report replaces them


def test_an_interruption_leaves_the_earlier_report(tmp_path, monkeypatch):
    """Its page, its results and its posteriors belong together."""
    predictions = made_predictions()
    with unrendered_figures():
        report.write(
            tmp_path, predictions, evaluate(predictions, ScoringProtocol(30.0, replicates=2))
        )
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_sal.evaluation.report.report.examples_section", interrupt)
    one = predictions.select(["good"])
    with unrendered_figures(), pytest.raises(KeyboardInterrupt):
        report.write(tmp_path, one, evaluate(one, ScoringProtocol(90.0, replicates=2)))
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("figure", ["det-9.png", "false-alarm-12.png"])
def test_figures_of_yours_stay(tmp_path, figure):
    """Those of an earlier report go; that of this one has two of curves, and no example."""
    predictions = predictions_from_posteriors(
        {"ours": {split: [[[0.1], [0.9]]] for split in ("dev", "test")}},
        {"dev": [[]], "test": [[]]},
        frame_step_s=1.0,
    )
    results = evaluate(predictions, ScoringProtocol(60.0, replicates=2))
    for name in (figure, "photo.png", "trip/det-0.png"):
        (tmp_path / "figures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "figures" / name).touch()
    with unrendered_figures():
        report.write(tmp_path, predictions, results)
    files = [path for path in (tmp_path / "figures").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"photo.png", "det-0.png"}
    assert (tmp_path / "figures" / "trip" / "det-0.png").is_file()
    assert figure not in {path.name for path in files}


def test_shows_what_there_is_without_recordings(tmp_path):
    """Stored predictions are enough for all but the sounds; nothing fires for one system."""
    predictions = made_predictions()
    shipped = {"poor": {"threshold": {"threshold": None, "rule": "nothing fires"}}}
    results = evaluate(predictions, ScoringProtocol(30.0, replicates=10), shipped=shipped)
    with unrendered_figures():
        html = report.write(tmp_path, predictions, results, most=1).read_text()
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"det-1.png", "latency-1.png", "miss-0.png"} <= names
    assert "<audio" not in html
    assert "No threshold within 30 false alarms an hour hits an event on dev." in html
    assert json.loads((tmp_path / "results.json").read_text())["word"] == "computer"
    assert Predictions.load(tmp_path).systems == ["good", "poor"]
    assert len(names) == 10
    assert html.count("<article") == 6  # of two conditions, a miss and two hits of `good`


def test_worst_examples_are_chosen(results):
    """Event 4 both miss, 5 and 6 only `poor`; only `poor` answers to "alexa"."""
    predictions = made_predictions()
    chosen = [each for each in choose_examples(predictions, results, {}) if is_clean(each)]
    anchors = predictions.streams("test", "clean")[0].anchors_s
    misses = [example for example in chosen if example.kind == "miss"]
    assert [example.anchor_s for example in misses] == [anchors[event] for event in (4, 5, 6)]
    assert misses[1].verdicts == {
        "good": "hit after 100 ms, score 0.900",
        "poor": "missed, highest score 0.010",
    }
    [alarm] = [example for example in chosen if example.kind == "false alarm"]
    assert (alarm.text, alarm.file) == ("alexa", "alexa/test-clean-1.flac")
    assert alarm.verdicts == {
        "good": "silent, highest score 0.010",
        "poor": "fired, score 0.800",
    }
    assert [example.kind for example in chosen].count("hit") == 2
    most = choose_examples(predictions, results, {}, most=1)
    assert [example.kind for example in most if is_clean(example)] == [
        *("miss", "false alarm", "hit", "hit")
    ]


def test_an_example_needs_neither_features_nor_a_threshold():
    """The image grows with each of its parts."""
    example = Example("hit", "clean", 0, 5.0, 5.0, "computer", "a.flac", "", {"good": "hit"})
    times_s = np.linspace(4.0, 6.0, 41)
    scores = np.exp(-((times_s - 5.0) ** 2) / 0.1)
    artist = figures.Artist(LIGHT)

    def size(threshold=None, detections=(), **parts):
        trace = Trace("good", times_s, scores, threshold, list(detections), 0.5, 1.0)
        image = artist.draw(draw_example, example, [trace], **parts)
        assert image.startswith(b"<?xml")
        return len(image)

    kernel = KernelCurve(times_s, scores)
    sizes = [size(), size(0.5), size(0.5, [(5.0, 0.9)]), size(0.5, [(5.0, 0.9)], kernel=kernel)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4


def test_cards_are_small():
    """Twenty of them, as a report on two conditions has, are below 3 MB with figures and sounds."""
    rng = np.random.default_rng(0)
    example = Example("miss", "clean", 0, 2.0, 2.0, "computer", "a.flac", "", {})
    times_s = np.arange(0.5, 3.5, 0.01)
    noise = rng.uniform(0, 0.4, (2, 300))
    traces = [Trace(str(each[0]), times_s, each, 0.9, [(2.1, 0.95)], 0.5, 1.0) for each in noise]
    spoken = [SpokenText("computer", 1.2, 2.0)]
    features = np.outer(np.sin(times_s * 5), np.arange(40)) // 1
    image = FeatureImage(np.array([0.5, 3.5]), features)
    svg = figures.Artist(LIGHT).draw(
        *(draw_example, example, traces), image=image, spoken=spoken, size=SIZE, rows=ROWS
    )
    pytest.importorskip("soundfile", reason="no soundfile: the audio extra is not installed")
    hiss = type("Hiss", (), {"samples": lambda self: rng.normal(0, 0.1, 48_000)})()
    [sound] = sounds([example], {"clean": [hiss]})
    assert len(page.data_uri(sound, "audio/mpeg")) < 25_000
    assert 20 * (2 * len(page.data_uri(svg, "")) + len(page.data_uri(sound, ""))) < 2_500_000


def test_figures_look_the_same_when_they_are_compact(monkeypatch):
    def plot(artist, axes):
        axes.plot([0, 1.23456], [0, 2.34567], alpha=0.123)

    small = figures.Artist(LIGHT).draw(plot).decode()
    monkeypatch.setattr(figures, "compact", lambda svg: svg)
    large = figures.Artist(LIGHT).draw(plot).decode()
    assert "stroke-opacity: 0.123" in small
    numbers = [
        [
            float(each)
            for each in re.findall(r"-?[\d.]+", " ".join(re.findall(r' d="([^"]+)"', svg)))
        ]
        for svg in (small, large)
    ]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.1)
    assert len(small) < len(large)


def test_report_on_posteriors_of_ones_own(tmp_path):
    """Neither sound nor words: a sensor, two systems, thresholds from dev."""
    rng = np.random.default_rng(0)
    anchors_s = {split: [[20.0, 50.0], [30.0], []] for split in ("dev", "test")}

    def posteriors(height):
        found = rng.uniform(0, 0.3, (3, 600, 1))
        for row, anchors in zip(found, anchors_s["test"], strict=True):
            row[[round(each / 0.1) for each in anchors]] = height
        return found

    systems = {
        name: {split: posteriors(height) for split in anchors_s}
        for name, height in (("ours", 0.9), ("theirs", 0.1))
    }
    predictions = predictions_from_posteriors(
        systems, anchors_s, frame_step_s=0.1, event="double shake"
    )
    results = evaluate(predictions, ScoringProtocol(60.0, replicates=10))
    with unrendered_figures():
        html = report.write(tmp_path / "new", predictions, results, most=1).read_text()
    assert "Detecting “double shake”" in html
    assert "3 events in" in html
    assert results["systems"][0]["conditions"]["as given"]["at_threshold"]["frr"] == 0.0
    assert results["systems"][0]["name"] == "ours"


def is_clean(example):
    return example.condition == "clean"


def test_figures_are_the_same_every_time(results):
    artist = figures.Artist(LIGHT)
    first, second = (artist.draw(figures.draw_det, results, "clean") for _ in range(2))
    assert first == second


def test_curves_of_one_recording_have_no_band(results):
    """Nothing can be drawn again from a single recording, so that there are no intervals."""
    alone = copy.deepcopy(results)
    for system in alone["systems"]:
        system["conditions"]["clean"]["band"] |= {"low": None, "high": None}
    artist = figures.Artist(LIGHT)
    banded, plain = (artist.draw(figures.draw_det, each, "clean") for each in (results, alone))
    assert banded.count(b"FillBetweenPolyCollection") == 2
    assert plain.count(b"FillBetweenPolyCollection") == 0


def test_labels_are_not_read_as_mathematics():
    def plot(artist, axes):
        axes.plot([0, 1], label=figures.plain("_a $ b $ \\frac"))
        axes.legend()

    assert figures.Artist(LIGHT).draw(plot).startswith(b"<?xml")


@pytest.mark.parametrize(
    ("cell", "text", "sort"),
    [
        (page.number(0.1234, "{:.1f}", 100), "12.3", 0.1234),
        (page.number(-1e-17, "{:+.1f}"), "0.0", -1e-17),
        (page.number(None), page.NOTHING, ""),
        (page.number(float("nan")), page.NOTHING, ""),
    ],
)
def test_numbers_as_they_are_shown(cell, text, sort):
    assert (cell.text, cell.sort) == (text, sort)


def test_missing_packages_are_asked_for(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"draw a report.*pip install .*\[report\]"):
        figures.Artist(LIGHT)
