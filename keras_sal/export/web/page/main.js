/** The page: loads the detector, and runs it over the microphone or a sound file. */

import { SAMPLE_RATE } from "./description.js";
import { Fault } from "./fault.js";
import { LiveStream } from "./live_stream.js";
import { loadDetector } from "./loading.js";
import { Microphone } from "./microphone.js";
import { Pace } from "./pace.js";
import { Silence } from "./silence.js";
import { readSoundFile } from "./sound_file.js";
import { View } from "./view.js";

const LIVE_SPAN_S = 10;
const TURN_MS = 50; // so long a file runs before the page may draw
const SILENT =
  "The microphone gives nothing but silence. It may be muted, or blocked in the settings of the " +
  "system.";
const READY = "Ready. Listen to the microphone, or drop a sound file.";

const view = new View({
  listen: () => start(listen),
  openFile: (file) => start((signal) => runFile(file, signal)),
  stop: () => current.controller.abort(),
});
let detector = null;
let current = { controller: new AbortController(), done: Promise.resolve() };

/**
 * Runs the detector over one source of sound, after the one before has ended.
 *
 * @param {function(AbortSignal): Promise<string>} source Feeds the detector until it ends or is
 *   aborted; returns what is said then.
 */
function start(source) {
  const before = current;
  before.controller.abort();
  const own = { controller: new AbortController() };
  own.done = before.done.then(async () => {
    let result = READY;
    view.clearFaults();
    try {
      detector.reset();
      result = (await source(own.controller.signal)) ?? READY;
    } catch (error) {
      view.fault(error.message);
    }
    if (current === own) view.say(result);
  });
  current = own;
}

/** Listens to the microphone until it is aborted. */
async function listen(signal) {
  const { promise: ended, resolve: end, reject: fail } = withResolvers();
  signal.addEventListener("abort", () => end());
  const losses = new Losses();
  const silence = new Silence();
  const stream = new LiveStream(detector, {
    onOutput: (output) => view.show(output),
    onDrop: (samples) => losses.dropped(samples),
    onError: fail,
  });
  view.say("Waiting for the microphone …", { running: true });
  const opening = Microphone.open({
    onSamples: (samples) => {
      losses.arrived(samples.length);
      if (silence.lasts(samples)) view.fault(SILENT);
      stream.push(samples);
    },
    onEnd: (message) => fail(new Fault(message)),
    onPause: (paused) => {
      view.say(paused ? "The system has paused the microphone." : "Listening.", { running: true });
    },
  });
  opening.then((microphone) => ended.catch(() => {}).then(() => microphone.close()), fail);
  if (await Promise.race([opening, ended])) {
    view.begin(LIVE_SPAN_S);
    view.say("Listening.", { running: true });
  }
  try {
    await ended;
  } finally {
    await stream.end();
  }
}

/** Counts the samples that are lost on the way, and says why. */
class Losses {
  #pace = new Pace();
  #lost = 0;

  /** Counts samples that came from the microphone. */
  arrived(samples) {
    const missing = this.#pace.count(samples, performance.now() / 1000);
    if (missing > 0) {
      this.#lose(
        missing,
        "Sound comes slower than real time, so some of it is missing. The page was in the " +
          "background, or the computer is busy.",
      );
      detector.skip(missing);
    } else if (missing < 0) {
      view.fault(
        "Sound comes faster than real time, as after a pause, or from a microphone that records " +
          "at another rate than it says. Times may be late.",
      );
    }
  }

  /** Counts samples that the detector had no time for. */
  dropped(samples) {
    this.#lose(
      samples,
      "The detector is slower than real time here, so some sound was dropped. Close other pages " +
        "and programs.",
    );
  }

  #lose(samples, message) {
    this.#lost += samples;
    view.showLost(this.#lost, this.#lost / SAMPLE_RATE);
    view.fault(message);
  }
}

/** Runs the detector over a sound file, as fast as it goes. */
async function runFile(file, signal) {
  view.say(`Reading ${file.name} …`, { running: true });
  const samples = await readSoundFile(file);
  const duration_s = samples.length / SAMPLE_RATE;
  view.begin(Math.max(duration_s, LIVE_SPAN_S));
  const begun_ms = performance.now();
  let [turn_ms, found] = [begun_ms, 0];
  for await (const output of detector.feed(samples)) {
    view.show(output);
    found += output.detections.length;
    if (performance.now() - turn_ms > TURN_MS) {
      const percent = 10 * Math.floor((10 * output.time_s) / duration_s); // which is read aloud
      view.say(`${file.name}: ${percent} %`, { running: true });
      await new Promise((resolve) => setTimeout(resolve));
      turn_ms = performance.now();
    }
    if (signal.aborted) return `${file.name}: stopped at ${output.time_s.toFixed(1)} s.`;
  }
  const times = (1000 * duration_s) / (performance.now() - begun_ms);
  return (
    `${file.name}: ${found} ${found === 1 ? "detection" : "detections"} in ` +
    `${duration_s.toFixed(1)} s of sound, ${times.toFixed(0)} times as fast as real time.`
  );
}

function withResolvers() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

document.addEventListener("visibilitychange", () => {
  if (view.isRunning && document.hidden) {
    view.fault(
      "While this page is in the background, the browser may slow it down or stop it. Lost sound " +
        "is counted.",
    );
  }
});
addEventListener("error", ({ message }) => view.fault(message));
addEventListener("unhandledrejection", ({ reason }) => view.fault(reason?.message ?? `${reason}`));

try {
  const loaded = await loadDetector();
  detector = loaded.detector;
  view.showDetector(loaded.description);
  loaded.warnings.forEach((warning) => view.fault(warning));
  view.say(READY);
} catch (error) {
  view.say("There is no detector to run.", { ready: false });
  view.fault(error.message);
}
