/** The detector: samples of a stream, in chunks of any length, become detections. */

import { SAMPLE_RATE } from "./description.js";
import { require } from "./fault.js";
import { Trigger } from "./trigger.js";

export class Detector {
  /**
   * @param {object} description What `readDescription` returns.
   * @param {object} model Has `samplesPerStep`, `step(samples)` and `reset()`, as a `StepModel`.
   */
  constructor(description, model) {
    const { trigger, classes, frame_step_s, frame_offset_s, delay_frames } = description;
    const times = { frame_step_s, frame_offset_s: frame_offset_s + delay_frames * frame_step_s };
    this.classNames = classes;
    this.delayFrames = delay_frames;
    this.model = model;
    this.trigger = new Trigger(trigger, times);
    this.reset();
  }

  /** Starts a new stream at time 0. */
  reset() {
    this.model.reset();
    this.trigger.reset();
    this.toDrop = this.delayFrames;
    this.rest = new Float32Array(0);
    this.lost_s = 0;
  }

  /** Leaves samples out of the stream; the times of what comes after count them. */
  skip(samples) {
    this.lost_s += samples / SAMPLE_RATE;
  }

  /**
   * Runs the detector over the next samples. What does not fill a step waits for more.
   *
   * @param {Float32Array} samples At 16 kHz; what is beyond [-1, 1] is cut off.
   * @yields {{time_s: number, scores: number[], detections: object[]}} The outputs of each step.
   */
  async *feed(samples) {
    const joined = new Float32Array(this.rest.length + samples.length);
    joined.set(this.rest);
    joined.set(samples.map(clipped), this.rest.length);
    const length = this.model.samplesPerStep;
    const whole = joined.length - (joined.length % length);
    this.rest = joined.slice(whole);
    for (let at = 0; at < whole; at += length) {
      const posteriors = await this.model.step(joined.slice(at, at + length));
      if (this.toDrop > 0) {
        this.toDrop -= 1;
        continue;
      }
      require(
        posteriors.every((posterior) => posterior >= 0 && posterior <= 1),
        `Posteriors must lie in [0, 1]. Found: ${posteriors.join(", ")}. Start again; if they ` +
          "come again, compare the file with the model with `keras-sal verify`.",
      );
      yield this.#output(posteriors);
    }
  }

  #output(posteriors) {
    const { time_s, scores, detections } = this.trigger.feed(posteriors);
    const named = detections.map((detection) => ({
      ...detection,
      time_s: detection.time_s + this.lost_s,
      class_name: this.classNames[detection.class_index],
    }));
    return { time_s: time_s + this.lost_s, scores, detections: named };
  }
}

function clipped(sample) {
  return Math.min(1, Math.max(-1, sample));
}
