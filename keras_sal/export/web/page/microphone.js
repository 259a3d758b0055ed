/** The microphone: its sound at 16 kHz, as it is recorded. */

import { SAMPLE_RATE } from "./description.js";
import { Fault, require } from "./fault.js";
import { Resampler } from "./resampler.js";

// What a browser does to a voice in a call, a detector has not been trained on.
const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const GONE = "The microphone has gone away. Connect it, and start again.";
const START_MS = 5000;

const REFUSALS = {
  NotAllowedError:
    "The microphone must be allowed for this page; the browser or the system refused it. Allow " +
    "it in the settings of the page, and start again.",
  NotFoundError:
    "A microphone must be connected; the browser found none. Connect one, and start again.",
  NotReadableError:
    "The microphone must be free; another program uses it, or the system can't open it. Close " +
    "that program, and start again.",
};

export class Microphone {
  /**
   * Opens the microphone.
   *
   * @param {object} handlers `onSamples(samples)` gets Float32Arrays at 16 kHz; `onEnd(message)` is
   *   called if the microphone goes away; `onPause(paused)` where the system stops or resumes it.
   * @returns {Promise<Microphone>}
   */
  static async open(handlers) {
    require(
      window.isSecureContext && navigator.mediaDevices,
      "The page must come by https, or from localhost, to hear the microphone; browsers allow it " +
        `nowhere else. Found: ${location.origin}. Sound files work here.`,
    );
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: RAW });
    } catch (error) {
      throw new Fault(REFUSALS[error.name] ?? `The microphone can't be opened: ${error.message}.`);
    }
    try {
      return await Microphone.#listen(stream, handlers);
    } catch (error) {
      stopTracks(stream);
      throw error;
    }
  }

  static async #listen(stream, handlers) {
    const { context, source } = connect(stream);
    await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    const rate = context.sampleRate;
    const resampler = rate === SAMPLE_RATE ? null : new Resampler(rate, SAMPLE_RATE);
    node.port.onmessage = ({ data }) => handlers.onSamples(resampler?.process(data) ?? data);
    context.onstatechange = () => {
      if (context.state !== "closed") handlers.onPause(context.state !== "running");
    };
    for (const track of stream.getTracks()) {
      track.onended = () => handlers.onEnd(GONE);
    }
    source.connect(node);
    const microphone = new Microphone(stream, context, node);
    try {
      await started(context);
    } catch (error) {
      microphone.close();
      throw error;
    }
    return microphone;
  }

  constructor(stream, context, node) {
    this.stream = stream;
    this.context = context;
    this.node = node;
  }

  /** Lets go of the microphone. */
  async close() {
    this.node.port.onmessage = this.context.onstatechange = null;
    stopTracks(this.stream);
    await this.context.close();
  }
}

/** Connects a stream to a context of 16 kHz or, where the browser can't, of its own rate. */
function connect(stream) {
  const context = new AudioContext({ sampleRate: SAMPLE_RATE });
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch {
    context.close();
    const other = new AudioContext();
    return { context: other, source: other.createMediaStreamSource(stream) };
  }
}

/** Waits until a context runs; browsers without a sound device never start it, or tell. */
async function started(context) {
  const late = new Promise((resolve) => setTimeout(resolve, START_MS));
  await Promise.race([context.resume(), late]);
  require(
    context.state === "running",
    "The browser must start its audio; some need a loudspeaker or headphones for it, too. Found: " +
      `${context.state} after ${START_MS / 1000} s. Connect one, and start again.`,
  );
}

function stopTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}
