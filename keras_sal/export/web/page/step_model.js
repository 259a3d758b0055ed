/** The model in LiteRT.js, one step at a time, its states carried by name. */

import { names, size } from "./description.js";
import { Fault, require } from "./fault.js";

// This build needs no instructions that only some browsers have, and computes the same on all.
const BUILD = "@litertjs/core/wasm/litert_wasm_compat_internal.js";

export class StepModel {
  /**
   * Loads a model.
   *
   * @param {Uint8Array} content The `.tflite` file.
   * @param {object} description What `readDescription` returns.
   * @returns {Promise<StepModel>}
   */
  static async load(content, description) {
    const { loadAndCompile, Tensor } = await startRuntime();
    let compiled;
    try {
      compiled = await loadAndCompile(content, { accelerator: "wasm" });
    } catch (error) {
      throw new Fault(
        `${description.model} must be a model that LiteRT.js runs. It says: ${error.message}. ` +
          "Convert the model again.",
      );
    }
    return new StepModel(compiled, Tensor, description);
  }

  constructor(compiled, Tensor, description) {
    const { inputs, outputs, states } = description;
    sameNames("inputs", names(compiled.getInputDetails()), names(inputs));
    sameNames("outputs", names(compiled.getOutputDetails()), names(outputs));
    this.compiled = compiled;
    this.tensor = (values, { shape }) => new Tensor(values, shape);
    [this.frame, ...this.stateInputs] = inputs;
    [this.posterior] = outputs;
    this.pairs = states;
    this.samplesPerStep = size(this.frame);
    this.states = {};
    this.reset();
  }

  /** Starts a new stream: all states are zeros. */
  reset() {
    this.#release(this.states);
    this.states = {};
    for (const state of this.stateInputs) {
      this.states[state.name] = this.tensor(new Float32Array(size(state)), state);
    }
  }

  /**
   * Runs one step.
   *
   * @param {Float32Array} samples The samples of the step.
   * @returns {Promise<Float32Array>} The posteriors, one for each class.
   */
  async step(samples) {
    const frame = this.tensor(samples, this.frame);
    const before = this.states;
    const outputs = await this.compiled.run({ [this.frame.name]: frame, ...before });
    this.states = Object.fromEntries(this.pairs.map(([state, next]) => [state, outputs[next]]));
    const posterior = outputs[this.posterior.name];
    const posteriors = posterior.toTypedArray();
    this.#release({ ...before, frame, posterior });
    return posteriors;
  }

  #release(tensors) {
    for (const tensor of Object.values(tensors)) tensor.delete();
  }
}

/** Loads LiteRT.js, without a graphics processor: a detector is too small for it. */
async function startRuntime() {
  // What LiteRT only tells is no error, though it is written like one.
  globalThis.Module = {
    printErr: (line) => (/^(INFO|WARNING)/.test(line) ? console.debug : console.error)(line),
  };
  try {
    const litert = await import("@litertjs/core");
    const runtime = await litert.loadLiteRt(import.meta.resolve(BUILD));
    runtime.getWebGpuDevice()?.destroy();
    runtime.setDefaultEnvironment(await litert.Environment.create({ webGpuDevice: null }));
    return litert;
  } catch (error) {
    throw new Fault(
      "The runtime must load; it runs the model. It says: " +
        `${error.message ?? "a file can't be loaded"}. Check that the folder is complete, or ` +
        "that there is a network if it has no runtime, and that the browser is of the last years.",
    );
  }
}

function sameNames(kind, found, expected) {
  require(
    JSON.stringify([...found].sort()) === JSON.stringify([...expected].sort()),
    `The model must have the ${kind} that detector.json names; states are carried by name. ` +
      `Found: ${found.join(", ")} instead of ${expected.join(", ")}. Model and description are ` +
      "not of one export: write the folder again.",
  );
}
