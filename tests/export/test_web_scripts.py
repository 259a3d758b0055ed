"""The scripts of the page that need no browser: trigger, detector, description, sound."""

import json
import re

import numpy as np
import pytest
from javascript import copy_scripts, needs_node, run_javascript

from keras_sal.detection import Scoring, detect

pytestmark = [pytest.mark.any_backend, needs_node]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs JavaScript beside the scripts of the page."""
    folder = copy_scripts(tmp_path_factory.mktemp("scripts"))
    return lambda script, given=None: run_javascript(folder, script, given)


# --- the trigger


def trigger_cases():
    """Random posteriors and rules, many of them at the edges of what counts."""
    random = np.random.default_rng(0)
    for number in range(400):
        frames, classes = int(random.integers(1, 80)), int(random.integers(1, 4))
        coarse = number % 2 == 0  # thresholds are met exactly
        posteriors = random.uniform(0, 1, (frames, classes)).astype("float32")
        if coarse:
            posteriors = np.round(posteriors * 8) / np.float32(8)
        posteriors[random.uniform(size=frames) < 0.2] = random.integers(0, 2)
        thresholds = random.integers(0, 9, classes) / 8 if coarse else random.uniform(0, 1, classes)
        rule = {
            "smooth_frames": int(random.choice([1, 1, 2, 3, 7, 100])),
            "on_frames": int(random.choice([1, 1, 2, 3, 90])),
            "hysteresis": random.choice([None, 0.0, 0.125, 0.3]),
            "refractory_s": float(random.choice([0.0, 0.03, 0.1, 0.255, 1.0])),
        }
        times = {
            "frame_step_s": float(random.choice([0.01, 0.03, 0.1])),
            "frame_offset_s": float(random.choice([0.0, 0.03])),
        }
        yield posteriors, thresholds, rule, times


TRIGGER = """
import { Trigger } from "./trigger.js";
tell(given.map(({ posteriors, rule, times }) => {
  const trigger = new Trigger(rule, times);
  return posteriors.map((frame) => trigger.feed(Float32Array.from(frame)));
}));
"""


def test_trigger_is_that_of_python_to_the_bit(run):
    cases = list(trigger_cases())
    given = [
        {
            "posteriors": posteriors.tolist(),
            "rule": rule | {"threshold": thresholds.tolist()},
            "times": times,
        }
        for posteriors, thresholds, rule, times in cases
    ]
    fired = 0
    for (posteriors, thresholds, rule, times), steps in zip(
        cases, run(TRIGGER, given), strict=True
    ):
        scoring = rule | times
        expected = detect(posteriors, thresholds, **scoring)
        found = [
            (each["time_s"], each["score"], each["class_index"])
            for step in steps
            for each in step["detections"]
        ]
        assert found == [detection[:3] for detection in expected]
        scores = Scoring(**scoring).scores(posteriors)[0].astype("float64")
        assert [step["scores"] for step in steps] == scores.tolist()
        fired += len(found)
    assert fired > 1000


# --- the detector

FAKE_MODEL = """
const model = {
  samplesPerStep: 4,
  reset() {},
  async step(samples) { return [Math.max(...samples)]; },
};
"""
DETECTOR = f"""
import {{ Detector }} from "./detector.js";
{FAKE_MODEL}
const found = [];
for (const sizes of given.chunkings) {{
  const detector = new Detector(given.description, model);
  let at = 0;
  const outputs = [];
  for (const size of sizes) {{
    const chunk = Float32Array.from(given.samples.slice(at, at + size));
    for await (const output of detector.feed(chunk)) outputs.push(output);
    at += size;
  }}
  found.push(outputs);
}}
tell(found);
"""


def description(**changes):
    tensors = {"shape": [1, 4], "dtype": "float32"}
    states = {"shape": [1, 2], "dtype": "float32"}
    return {
        "format": 1,
        "model": "detector.tflite",
        "sha256": {"detector.tflite": "0" * 64},
        "input": "samples",
        "frontend": {"sample_rate": 16_000},
        "inputs": [{"name": "frame"} | tensors, {"name": "state_0"} | states],
        "outputs": [
            {"name": "posterior", "shape": [1, 1], "dtype": "float32"},
            {"name": "state_0_next"} | states,
        ],
        "states": [["state_0", "state_0_next"]],
        "frame_step_s": 0.5,
        "frame_offset_s": 0.5,
        "delay_frames": 2,
        "classes": ["word"],
        "trigger": {
            "threshold": 0.5,
            "smooth_frames": 1,
            "on_frames": 1,
            "hysteresis": None,
            "refractory_s": 1.0,
        },
    } | changes


def test_detector_cuts_chunks_of_any_size_into_steps(run):
    samples = np.tile([0.0, 0.25, 0.0, 0.0], 10)
    samples[5 * 4] = 1.5  # beyond what a microphone gives
    chunkings = [[40], [1] * 40, [3, 0, 7, 30], [39]]
    given = {"samples": samples.tolist(), "chunkings": chunkings, "description": description()}
    whole, single, odd, short = run(DETECTOR, given)
    assert whole == single == odd
    assert whole[:-1] == short  # the last step is not complete
    # Two outputs are dropped; the others have the times at which they come.
    assert [output["time_s"] for output in whole] == [1.5 + 0.5 * k for k in range(8)]
    [fired] = [output["detections"] for output in whole if output["detections"]]
    assert fired == [{"time_s": 3.0, "score": 1.0, "class_index": 0, "class_name": "word"}]


def test_detector_refuses_what_is_no_posterior(run):
    script = f"""
    import {{ Detector }} from "./detector.js";
    {FAKE_MODEL}
    model.step = async () => [NaN];
    const detector = new Detector(given, model);
    try {{ for await (const output of detector.feed(new Float32Array(40))) {{}} }}
    catch (error) {{ tell(error.message); }}
    """
    assert run(script, description()).startswith("Posteriors must lie in [0, 1]. Found: NaN.")


def test_detector_that_is_slower_than_sound_drops_it_and_counts(run):
    script = f"""
    import {{ Detector }} from "./detector.js";
    import {{ LiveStream }} from "./live_stream.js";
    {FAKE_MODEL}
    const detector = new Detector(given, model);
    let dropped = 0, last = 0, outputs = 0;
    const stream = new LiveStream(detector, {{
      onOutput: ({{ time_s }}) => {{ last = time_s; outputs += 1; }},
      onDrop: (samples) => {{ dropped += samples; }},
      onError: (error) => {{ throw error; }},
    }});
    for (let i = 0; i < 80; i += 1) stream.push(new Float32Array(1600)); // 8 s at once
    await stream.running;
    await stream.end();
    tell({{ dropped, last, outputs }});
    """
    settings = description(frame_step_s=4 / 16_000, frame_offset_s=4 / 16_000, delay_frames=0)
    found = run(script, settings)
    heard = 1600 + 16_000  # the first chunk, and one second of what waited for it
    assert found["dropped"] == 8 * 16_000 - heard
    assert found["outputs"] == heard // 4
    assert found["last"] == pytest.approx(8.0)


# --- the description

DESCRIBE = """
import { readDescription } from "./description.js";
const fault = (text) => {
  try { readDescription(text); return ""; } catch (error) { return error.message; }
};
tell(given.map(fault));
"""


def test_description_is_checked(run):
    faults = {
        "{": "detector.json must be JSON",
        "null": "must have format 1.*different versions.*Found: format nothing",
        json.dumps(description(format=2)): "Found: format 2",
        json.dumps(
            description(input="features")
        ): 'must take samples at 16000 Hz.*Found: "features"',
        json.dumps(description(frontend={"sample_rate": 8000})): "Found: .* at 8000 Hz",
        json.dumps(description(states=None)): "must list the states of the model.*Found: null",
        json.dumps(description(states=[])): "must hold states",
        json.dumps(description(states=[["state_0", "other"]])): "must hold states",
        json.dumps(description(classes=["a", "b"])): "must hold outputs",
        json.dumps(description(classes=[])): "must hold classes",
        json.dumps(description(model="other.tflite")): "must hold model",
        json.dumps(description(inputs=[])): "must hold inputs",
        json.dumps(description(frame_step_s=0)): "must hold frame_step_s",
        json.dumps(description(delay_frames=-1)): "must hold delay_frames",
        json.dumps(description(trigger={})): "must hold trigger",
        json.dumps(description(trigger=description()["trigger"] | {"threshold": None})): "trigger",
    }
    found = run(DESCRIBE, [json.dumps(description()), *faults])
    assert found[0] == ""
    for message, expected in zip(found[1:], faults.values(), strict=True):
        assert "keras-sal export MODEL OUT --to web" in message
        assert re.search(expected, message), message


# --- the sound

RESAMPLE = """
import { Resampler } from "./resampler.js";
const resampler = new Resampler(given.rate, 16000);
const found = [];
for (let at = 0; at < given.samples.length; at += given.chunk) {
  found.push(...resampler.process(Float32Array.from(given.samples.slice(at, at + given.chunk))));
}
tell(found);
"""


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000])
def test_resampler_keeps_speech_and_its_time(run, rate):
    seconds, hertz = 0.4, np.array([200.0, 1000.0, 3000.0])

    def wave(t):
        return np.sin(2 * np.pi * hertz * t[:, None]).sum(axis=1) / 4

    samples = wave(np.arange(int(seconds * rate)) / rate)
    given = {"rate": rate, "samples": samples.tolist(), "chunk": 512}
    found = np.array(run(RESAMPLE, given))
    assert 0 <= seconds * 16_000 - len(found) < 200  # the rest waits
    inner = slice(200, -200)
    expected = wave(np.arange(len(found)) / 16_000)
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-3)
    assert run(RESAMPLE, given | {"chunk": 77}) == found.tolist()


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_resampler_removes_what_would_fold_back(run, rate):
    samples = np.sin(2 * np.pi * 8100 * np.arange(rate // 4) / rate)
    found = np.array(run(RESAMPLE, {"rate": rate, "samples": samples.tolist(), "chunk": 4096}))
    assert abs(found[200:-200]).max() < 1e-4


PACE = """
import { Pace } from "./pace.js";
const pace = new Pace();
const found = [];
for (const [now_s, samples] of given) found.push(pace.count(samples, now_s));
tell(found.filter((samples) => samples !== 0));
"""


@pytest.mark.parametrize(("share", "sign"), [(1.0, 0), (1.01, 0), (0.8, 1), (1.5, -1)])
def test_pace_tells_lost_sound(run, share, sign):
    blocks = [(0.03 * k, round(480 * share)) for k in range(1000)]
    found = run(PACE, blocks)
    assert np.sign(found).tolist() == [sign] * (2 if sign else 0)
    if sign:
        assert sum(found) == pytest.approx((1 - share) * 20 * 16_000, rel=0.02)


def test_pace_tells_a_pause(run):
    blocks = [(0.03 * k, 480) for k in range(100)] + [(60 + 0.03 * k, 480) for k in range(100)]
    assert run(PACE, blocks) == [pytest.approx(57 * 16_000, abs=500)]


def test_silence_that_lasts_is_told(run):
    script = """
    import { Silence } from "./silence.js";
    const silence = new Silence();
    tell(given.map((value) => silence.lasts(new Float32Array(16000).fill(value))));
    """
    found = run(script, [0, 0, 0.1, 0, 0, 0, 0, 1e-6])
    assert found == [False] * 5 + [True] * 2 + [False]
