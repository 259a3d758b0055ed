/**
 * Compares the sound that comes with the time that passes, ten seconds at a time.
 *
 * The clocks of a sound card and of a computer differ by less than a thousandth, and sound comes in
 * bursts; what differs by far more is lost, or recorded at another rate than is said.
 */

import { SAMPLE_RATE } from "./description.js";

const WINDOW_S = 10;
const TOLERANCE = 0.05;

export class Pace {
  constructor() {
    this.reset();
  }

  /** Starts a new stream. */
  reset() {
    this.begun_s = null;
    this.samples = 0;
  }

  /**
   * Counts samples.
   *
   * @param {number} samples How many came.
   * @param {number} now_s When, in seconds of any clock.
   * @returns {number} Samples that are missing from the last seconds if positive, that were too
   *   many if negative; 0 where the sound keeps pace, and until enough time has passed.
   */
  count(samples, now_s) {
    this.begun_s ??= now_s;
    const passed_s = now_s - this.begun_s;
    if (passed_s < WINDOW_S) {
      this.samples += samples;
      return 0;
    }
    const missing = Math.round(passed_s * SAMPLE_RATE) - this.samples;
    this.begun_s = now_s;
    this.samples = samples;
    return Math.abs(missing) > TOLERANCE * passed_s * SAMPLE_RATE ? missing : 0;
  }
}
