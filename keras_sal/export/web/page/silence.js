/** Tells a microphone that gives nothing at all, as one does that is muted or blocked. */

import { SAMPLE_RATE } from "./description.js";

const SILENCE = 3 * SAMPLE_RATE; // real microphones have noise

export class Silence {
  #zeros = 0;

  /**
   * Takes the next samples.
   *
   * @param {Float32Array} samples At 16 kHz.
   * @returns {boolean} Whether all samples of the last seconds were 0.
   */
  lasts(samples) {
    this.#zeros = samples.every((sample) => sample === 0) ? this.#zeros + samples.length : 0;
    return this.#zeros >= SILENCE;
  }
}
