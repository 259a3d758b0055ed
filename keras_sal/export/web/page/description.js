/** `detector.json`: the description of the detector, checked before it is used. */

import { Fault, require } from "./fault.js";

export const FORMAT = 1;
export const SAMPLE_RATE = 16000;
const EXPORT = "Write the folder again with `keras-sal export MODEL OUT --to web`.";

/**
 * Reads and checks the description.
 *
 * @param {string} text The content of `detector.json`.
 * @returns {object} Its fields, as `keras_sal.export.detector_file` explains them.
 */
export function readDescription(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Fault(`detector.json must be JSON; it says: ${error.message}. ${EXPORT}`);
  }
  require(
    found?.format === FORMAT,
    `detector.json must have format ${FORMAT}, the one this page reads: page and detector are of ` +
      `different versions. Found: format ${show(found?.format)}. ${EXPORT}`,
  );
  const rate = found.frontend?.sample_rate;
  require(
    found.input === "samples" && rate === SAMPLE_RATE,
    `The detector must take samples at ${SAMPLE_RATE} Hz; the page hears sound. Found: ` +
      `${show(found.input)} at ${show(rate)} Hz. ${EXPORT}`,
  );
  require(
    Array.isArray(found.states),
    "detector.json must list the states of the model; without them it forgets all sound before a " +
      `step. Found: ${show(found.states)}. ${EXPORT}`,
  );
  check(found, "classes", (names) => names.length > 0 && names.every(isText));
  check(found, "model", (name) => isText(name) && isText(found.sha256[name]));
  check(found, "inputs", ([frame, ...states]) => isTensor(frame) && states.every(isTensor));
  check(found, "outputs", ([posterior, ...states]) => {
    return size(posterior) === found.classes.length && [posterior, ...states].every(isTensor);
  });
  check(found, "states", (states) => {
    const [before, after] = [names(found.inputs).slice(1), names(found.outputs).slice(1)];
    const pairs = states.every(([state, next]) => before.includes(state) && after.includes(next));
    return pairs && states.length === before.length && states.length === after.length;
  });
  check(found, "frame_step_s", (seconds) => seconds > 0);
  check(found, "frame_offset_s", (seconds) => seconds >= 0);
  check(found, "delay_frames", (frames) => isCount(frames, 0));
  check(found, "trigger", (trigger) => isTrigger(trigger, found.classes.length));
  return found;
}

/** Returns the names of tensors. */
export function names(tensors) {
  return tensors.map((tensor) => tensor.name);
}

/** Returns the number of values of a tensor. */
export function size({ shape }) {
  return shape.reduce((product, length) => product * length, 1);
}

function check(found, name, holds) {
  let good = false;
  try {
    good = holds(found[name]);
  } catch {
    // a field of another kind has no such parts
  }
  require(
    good,
    `detector.json must hold ${name} that can be used; a detector needs it. ` +
      `Found: ${show(found[name])}. ${EXPORT}`,
  );
}

function isTensor({ name, shape, dtype }) {
  return isText(name) && dtype === "float32" && shape.every((length) => isCount(length, 1));
}

function isTrigger({ threshold, smooth_frames, on_frames, hysteresis, refractory_s }, classes) {
  const thresholds = [threshold].flat();
  return (
    thresholds.length === classes &&
    thresholds.every((each) => typeof each === "number" && each >= 0 && each <= 1) &&
    isCount(smooth_frames, 1) &&
    isCount(on_frames, 1) &&
    (hysteresis === null || (hysteresis >= 0 && hysteresis < 1)) &&
    refractory_s >= 0
  );
}

function isText(value) {
  return typeof value === "string" && value !== "";
}

function isCount(value, least) {
  return Number.isInteger(value) && value >= least;
}

function show(value) {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
