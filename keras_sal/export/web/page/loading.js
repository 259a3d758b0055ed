/** Loading of the detector from the folder of the page. */

import { readDescription } from "./description.js";
import { Detector } from "./detector.js";
import { Fault, require } from "./fault.js";
import { StepModel } from "./step_model.js";

/**
 * Loads description and model.
 *
 * @returns {Promise<{detector: Detector, description: object, warnings: string[]}>} The warnings
 *   are about what does not keep the detector from running.
 */
export async function loadDetector() {
  const description = readDescription(await (await request("detector.json")).text());
  const response = await request(description.model);
  const content = new Uint8Array(await response.arrayBuffer());
  const warnings = [];
  if (crypto.subtle) await checkHash(content, description);
  else warnings.push(`${description.model} could not be checked; browsers do that by https only.`);
  if (!description.states.length) {
    warnings.push(
      "The model has no states, so each step is judged without the sound before it. If it was " +
        "trained to remember, write the folder again with `keras-sal export MODEL OUT --to web`.",
    );
  }
  const model = await StepModel.load(content, description);
  return { detector: new Detector(description, model), description, warnings };
}

async function request(name) {
  let response;
  try {
    const url = new URL(encodeURIComponent(name), import.meta.url);
    response = await fetch(url, { cache: "no-cache" });
  } catch (error) {
    throw new Fault(`${name} must load from the folder of this page. It says: ${error.message}.`);
  }
  require(
    response.ok,
    `${name} must lie in the folder of this page. Found: ${response.status} ` +
      `${response.statusText}. Copy the whole folder to the server.`,
  );
  return response;
}

async function checkHash(content, { model, sha256 }) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  require(
    found === sha256[model],
    `${model} must be the file that detector.json describes; they are of different versions. ` +
      `Found: SHA-256 ${found.slice(0, 12)}… instead of ${sha256[model].slice(0, 12)}…. Copy ` +
      "the whole folder again, and reload the page.",
  );
}
