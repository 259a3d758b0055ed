"""The page of a detector in a real browser, which hears a file as its microphone."""

import base64
import contextlib
import functools
import http.server
import io
import json
import os
import shutil
import threading

import numpy as np
import pytest
from browser import browser, needs_browser

from keras_sal import StreamingDetector, audio
from keras_sal.cli import serve, web_runtime
from keras_sal.export import detector_file, litert, web

pytestmark = [pytest.mark.any_backend, pytest.mark.slow, needs_browser]

soundfile = pytest.importorskip("soundfile", reason="needs the audio extra")
pytest.importorskip("ai_edge_litert", reason="needs the export extra")
pytest.importorskip("pooch", reason="needs the download extra")

FRAME_S = 0.03
TONES = ((900, 0.6), (300, 1.3), (900, 2.1))  # frequency and begin of those in the recording
TONE_S = 0.5
NAMES = ["a <b>tone</b>", "low"]  # must not become markup
ELSEWHERE = "elsewhere.test"  # a host that is not this computer to the browser


@pytest.fixture(scope="module")
def samples():
    """3.5 s of noise with three tones."""
    sound = 0.003 * np.random.default_rng(0).standard_normal(int(3.5 * audio.SAMPLE_RATE))
    t = np.arange(int(TONE_S * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
    for hertz, begin_s in TONES:
        begin = int(begin_s * audio.SAMPLE_RATE)
        sound[begin : begin + len(t)] += 0.3 * np.sin(2 * np.pi * hertz * t)
    return np.round(sound * 2**15).astype("int16")


@pytest.fixture(scope="module")
def detector(samples, tmp_path_factory):
    """A detector of both kinds of tones, an output every 30 ms, as a file that takes sound."""
    import keras

    features = audio.features(samples)
    times_s = audio.FRAME_OFFSET_S + audio.FRAME_STEP_S * np.arange(len(features))
    in_tones = np.zeros((len(features), len(NAMES)))
    for hertz, begin_s in TONES:
        in_tones[(times_s > begin_s) & (times_s < begin_s + TONE_S), int(hertz < 900)] = 1
    ones = np.ones((len(features), 1))
    weights = np.linalg.lstsq(np.hstack([features, ones]), 6 * in_tones - 3, rcond=None)[0]
    layer = keras.layers.Conv1D(len(NAMES), 3, strides=3, padding="causal", activation="sigmoid")
    model = keras.Sequential([keras.Input((None, audio.FEATURES)), layer])
    layer.set_weights([np.tile(weights[None, :-1] / 3, (3, 1, 1)), weights[-1]])
    path = tmp_path_factory.mktemp("detector") / "detector.tflite"
    litert.convert(model, path, frontend="micro")
    detector_file.write(
        path,
        threshold=[0.6, 0.7],
        class_names=NAMES,
        frontend="micro",
        smooth_frames=2,
        refractory_s=0.9,
    )
    return path


@pytest.fixture(scope="module")
def pages(detector, tmp_path_factory):
    """Folders of the page: one as it is written, others with a fault each."""
    try:
        archives = web_runtime.download(attempts=1)
    except OSError as error:
        pytest.skip(f"the runtime can't be downloaded: {error}")
    root = tmp_path_factory.mktemp("pages")
    web.write(detector, root / "good", runtime=archives)
    (root / "index.html").write_text("")
    described = json.loads((root / "good" / "detector.json").read_text())
    changes = {
        "format": {"format": 2},
        "hash": {"sha256": {described["model"]: "0" * 64}},
        "stateless": {"states": []},
    }
    for name, change in changes.items():
        shutil.copytree(root / "good", root / name, copy_function=os.link)
        (root / name / "detector.json").unlink()
        (root / name / "detector.json").write_text(json.dumps(described | change))
    shutil.copytree(root / "good", root / "incomplete", copy_function=os.link)
    (root / "incomplete" / described["model"]).unlink()
    web.write(detector, root / "no_runtime", runtime=f"http://{serve.HOST}:9")
    files = functools.partial(Mirror, directory=str(root / "good" / "runtime"))
    with running(http.server.ThreadingHTTPServer((serve.HOST, 0), files)) as mirror:
        web.write(detector, root / "mirror", runtime=f"http://{serve.HOST}:{mirror.server_port}")
        with running(serve.open_server(root, 0)) as server:
            yield server.server_port


class Mirror(http.server.SimpleHTTPRequestHandler):
    """Answers pages of any host, as a mirror of npm does."""

    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def running(server):
    """Runs a server in a thread."""
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def chromium(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    soundfile.write(folder / "heard.wav", samples, audio.SAMPLE_RATE)
    with browser(
        folder / "profile",
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-audio-capture={folder / 'heard.wav'}%noloop",
        f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
    ) as opened:
        yield opened


@pytest.fixture
def opened(chromium, pages):
    """Opens a page and waits until it says what it can do."""

    def open_page(name="good", host=serve.HOST, **window):
        chromium.open(f"http://{host}:{pages}/{name}/", **window)
        chromium.wait_for("!document.getElementById('status').textContent.startsWith('Load')")
        return chromium

    return open_page


def faults(page):
    return page.run("[...document.querySelectorAll('#faults span')].map((e) => e.textContent)")


def status(page):
    return page.run("document.getElementById('status').textContent")


def detections(page):
    """What is listed, in order of time."""
    script = "[...document.querySelectorAll('#detections li')].map((e) => ({...e.dataset}))"
    return page.run(script)[::-1]


def drop(page, content, name):
    """Drops a file on the page, and waits until it has run or was refused."""
    page.run(f"""(() => {{
      const content = Uint8Array.from(atob("{base64.b64encode(content).decode()}"),
        (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([content], "{name}"));
      const event = new DragEvent("drop", {{ dataTransfer, bubbles: true }});
      document.body.dispatchEvent(event); }})()""")
    page.wait_for(
        f"/^{name}: .* detections in/.test(document.getElementById('status').textContent)"
        f" || /{name} must/.test(document.getElementById('faults').textContent)"
    )


def wav(samples, rate=audio.SAMPLE_RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def assert_same(found, expected):
    assert [each["class_name"] for each in found] == [each.class_name for each in expected]
    for each, detection in zip(found, expected, strict=True):
        assert float(each["time_s"]) == pytest.approx(detection.time_s, abs=FRAME_S + 1e-6)
        assert float(each["score"]) == pytest.approx(detection.score, abs=0.02)


def test_file_gives_the_detections_of_python(opened, samples, detector):
    expected = StreamingDetector.from_file(detector).process(samples).detections
    assert [detection.class_index for detection in expected] == [0, 1, 0]
    times_s = [detection.time_s for detection in expected]
    np.testing.assert_allclose(times_s, [begin_s for _, begin_s in TONES], atol=0.2)
    page = opened()
    drop(page, wav(samples), "heard.wav")
    assert_same(detections(page), expected)
    said = status(page)
    assert said.startswith("heard.wav: 3 detections in 3.5 s of sound")
    assert float(said.split(" times")[0].split()[-1]) >= 2  # in real time, with room to spare
    stereo = audio.resample(samples / 2**15, audio.SAMPLE_RATE, 44_100)
    drop(page, wav(np.stack([stereo, stereo], axis=1), 44_100), "other.wav")
    assert_same(detections(page), expected)
    assert page.run("document.querySelectorAll('#detections b b, h1 b').length") == 0
    assert faults(page) == page.errors == []
    [base] = {url.rpartition("/good/")[0] for url in page.requests}
    assert base.startswith("http://127.0.0.1:")


def test_runtime_can_come_from_a_mirror(opened, samples):
    page = opened("mirror")
    drop(page, wav(samples), "heard.wav")
    assert len(detections(page)) == 3
    assert faults(page) == page.errors == []


RECORD = """(async () => { const { Detector } = await import("./detector.js");
  const { feed } = Detector.prototype; globalThis.heard = [];
  Detector.prototype.feed = function (samples) {
    heard.push(...samples);
    return feed.call(this, samples);
  };
})()"""


def test_microphone_gives_the_detections_of_python(opened, detector):
    page = opened()
    page.run(RECORD)
    page.run("document.getElementById('listen').focus()")
    page.press("Enter", "Enter", "\r")
    page.wait_for("globalThis.heard.length > 3.4 * 16000")
    assert status(page) == "Listening."
    assert page.run("document.activeElement.id") == "stop"
    page.press("Enter", "Enter", "\r")
    page.wait_for("document.getElementById('stop').hidden")
    heard = np.array(page.run("heard"), "float32")
    expected = StreamingDetector.from_file(detector).process(heard).detections
    assert len(expected) == 3
    assert_same(detections(page), expected)
    assert page.run("document.getElementById('lost').hidden")
    assert faults(page) == page.errors == []
    assert status(page).startswith("Ready.")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("format", "must have format 1, the one this page reads"),
        ("hash", "must be the file that detector.json describes"),
        ("stateless", "must hold states that can be used"),
        ("no_runtime", "The runtime must load; it runs the model. It says: "),
        ("incomplete", "must lie in the folder of this page. Found: 404"),
    ],
)
def test_page_says_what_is_wrong_with_its_folder(opened, name, fault):
    page = opened(name)
    [said] = faults(page)
    assert fault in said
    assert status(page) == "There is no detector to run."
    assert page.run("document.getElementById('listen').disabled")


def test_page_says_what_is_wrong_with_the_microphone_and_goes_on(opened, samples):
    page = opened()
    for name, fault in {
        "NotAllowedError": "The microphone must be allowed for this page",
        "NotFoundError": "A microphone must be connected",
        "NotReadableError": "The microphone must be free",
        "OtherError": "The microphone can't be opened: because.",
    }.items():
        page.run(
            "navigator.mediaDevices.getUserMedia = async () => "
            f"{{ throw new DOMException('because', '{name}'); }}"
        )
        page.run("document.getElementById('listen').click()")
        page.wait_for("document.querySelector('#faults span')")
        page.wait_for("document.getElementById('stop').hidden")
        [said] = faults(page)
        assert fault in said
        page.run("document.querySelector('#faults button').click()")
    drop(page, b"no sound", "text.wav")
    [said] = faults(page)
    assert "text.wav must be a sound file that this browser decodes" in said
    drop(page, wav(samples), "heard.wav")
    assert len(detections(page)) == 3
    assert faults(page) == []


def test_page_says_that_audio_does_not_start(opened):
    page = opened()
    page.run("AudioContext.prototype.resume = () => new Promise(() => {}); 0")
    page.run("Object.defineProperty(AudioContext.prototype, 'state', { value: 'suspended' }); 0")
    page.run("const { setTimeout: wait } = globalThis; setTimeout = (act) => wait(act, 1); 0")
    page.run("document.getElementById('listen').click()")
    page.wait_for("document.querySelector('#faults span')")
    [said] = faults(page)
    assert "The browser must start its audio" in said
    assert "Found: suspended after 5 s" in said
    page.wait_for("document.getElementById('stop').hidden")


def test_page_by_http_runs_files_and_says_why_it_hears_no_microphone(opened, samples):
    page = opened(host=ELSEWHERE)
    [unchecked] = faults(page)
    assert "could not be checked" in unchecked
    page.run("document.getElementById('listen').click()")
    page.wait_for("/https/.test(document.querySelector('#faults span').textContent)")
    [said] = faults(page)
    assert f"Found: http://{ELSEWHERE}" in said
    drop(page, wav(samples), "heard.wav")
    assert len(detections(page)) == 3


def test_page_says_that_it_is_in_the_background(opened):
    page = opened()
    page.run("document.getElementById('listen').click()")
    page.wait_for("document.getElementById('status').textContent === 'Listening.'")
    page.run("Object.defineProperty(document, 'hidden', { value: true })")
    page.run("document.dispatchEvent(new Event('visibilitychange'))")
    [said] = faults(page)
    assert "in the background" in said


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_fits_its_window(opened, samples, scheme, width, tmp_path):
    page = opened(width=width, scheme=scheme, motion="reduce")
    page.run(
        "globalThis.draws = 0; const { scale } = CanvasRenderingContext2D.prototype; "
        "CanvasRenderingContext2D.prototype.scale = function (...all) { draws += 1; "
        "return scale.apply(this, all); }"
    )
    drop(page, wav(samples), "heard.wav")
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("draws") <= 3  # a calm page moves once a second
    page.screenshot(tmp_path / "page.png")
    colour = page.run("getComputedStyle(document.body).backgroundColor")
    assert colour == {"light": "rgb(246, 248, 250)", "dark": "rgb(13, 17, 23)"}[scheme]
    unnamed = (
        "[...document.querySelectorAll('button, input, canvas')].filter((e) => "
        "!(e.ariaLabel || e.textContent || e.labels?.[0]?.textContent)).length"
    )
    assert page.run(unnamed) == 0
