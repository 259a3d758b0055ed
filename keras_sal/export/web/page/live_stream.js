/** A live stream: sound waits until the detector has time for it, or is dropped. */

import { SAMPLE_RATE } from "./description.js";

const MOST_WAITING = 2 * SAMPLE_RATE;

export class LiveStream {
  /**
   * @param {object} detector Has `feed(samples)` and `skip(samples)`, as a `Detector`.
   * @param {object} handlers `onOutput(output)` gets each output of the detector; `onDrop(samples)`
   *   how many samples were dropped; `onError(error)` what stopped the stream.
   */
  constructor(detector, handlers) {
    this.detector = detector;
    this.handlers = handlers;
    this.waiting = [];
    this.running = null;
    this.ended = false;
  }

  /** Takes the next samples, a Float32Array at 16 kHz. */
  push(samples) {
    if (this.ended) return;
    this.waiting.push(samples);
    this.running ??= this.#run().finally(() => (this.running = null));
  }

  /** Ends the stream; resolves when the detector is free. */
  async end() {
    this.ended = true;
    await this.running;
  }

  async #run() {
    try {
      while (this.waiting.length && !this.ended) {
        this.#dropOldest();
        for await (const output of this.detector.feed(this.waiting.shift())) {
          this.handlers.onOutput(output);
        }
      }
    } catch (error) {
      this.ended = true;
      this.handlers.onError(error);
    }
  }

  #dropOldest() {
    const count = (chunks) => chunks.reduce((total, chunk) => total + chunk.length, 0);
    const waiting = count(this.waiting);
    if (waiting <= MOST_WAITING) return;
    while (count(this.waiting) > MOST_WAITING / 2) this.waiting.shift();
    const dropped = waiting - count(this.waiting);
    this.detector.skip(dropped);
    this.handlers.onDrop(dropped);
  }
}
