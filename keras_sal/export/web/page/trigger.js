/**
 * The trigger of `keras_sal.detection`: posteriors become detections, frame by frame.
 *
 * It computes what Python computes, in the same order and the same precision: means are float32,
 * comparisons are float64.
 */
export class Trigger {
  /**
   * @param {object} rule `threshold` (a list for several classes, each of which has a trigger of
   *   its own), `smooth_frames`, `on_frames`, `hysteresis`, `refractory_s`.
   * @param {object} times `frame_step_s`, `frame_offset_s` of the posteriors.
   */
  constructor(rule, times) {
    this.thresholds = [rule.threshold].flat();
    this.rule = rule;
    this.times = times;
    const steps = rule.refractory_s / times.frame_step_s;
    this.refractoryFrames = Math.max(1, Math.ceil(steps - 1e-6));
    this.reset();
  }

  /** Starts a new stream at time 0. */
  reset() {
    this.frame = 0;
    this.states = this.thresholds.map(() => ({
      posteriors: [], // the newest first, as all histories here
      scores: [],
      armedAt: 0,
      latched: false,
    }));
  }

  /**
   * Takes the posteriors of the next frame.
   *
   * @param {ArrayLike<number>} posteriors One for each class, float32.
   * @returns {{time_s: number, scores: number[], detections: object[]}} The time of the frame, the
   *   smoothed posteriors, and the `{time_s, score, class_index}` of each class that is detected.
   */
  feed(posteriors) {
    const time_s = this.times.frame_offset_s + this.frame * this.times.frame_step_s;
    const scores = this.states.map((state, i) => this.#score(state, posteriors[i]));
    const detections = [];
    this.states.forEach((state, class_index) => {
      if (this.#fires(state, this.thresholds[class_index])) {
        detections.push({ time_s, score: scores[class_index], class_index });
      }
    });
    this.frame += 1;
    return { time_s, scores, detections };
  }

  #score(state, posterior) {
    const { smooth_frames, on_frames } = this.rule;
    remember(state.posteriors, posterior, smooth_frames);
    let score = state.posteriors.reduce((sum, earlier) => Math.fround(sum + earlier));
    if (smooth_frames > 1) score = Math.fround(score / smooth_frames);
    remember(state.scores, score, on_frames);
    return score;
  }

  #fires(state, threshold) {
    const { on_frames, hysteresis } = this.rule;
    const lasting = state.scores.length < on_frames ? -Infinity : Math.min(...state.scores);
    if (!(lasting >= threshold)) {
      if (hysteresis !== null && lasting + hysteresis < threshold) state.latched = false;
      return false;
    }
    if (this.frame < state.armedAt || state.latched) return false;
    state.armedAt = this.frame + this.refractoryFrames;
    state.latched = hysteresis !== null;
    return true;
  }
}

/** Puts a value in front of a history of limited length. */
function remember(history, value, most) {
  history.unshift(value);
  if (history.length > most) history.pop();
}
