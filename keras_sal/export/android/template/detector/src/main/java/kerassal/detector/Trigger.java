package kerassal.detector;

import java.util.Arrays;

/**
 * The trigger of one class, from posteriors to detections.
 *
 * <p>It computes the same as {@code keras_sal.detection.Trigger} in Python, to the bit.
 */
public final class Trigger {
  private final TriggerRule rule;
  private final double threshold;
  private final float[] history;
  private float score;
  private int newest;
  private int on;
  private int wait;
  private boolean latched;

  /** Takes the rule, and the threshold in [0, 1] of this class. */
  public Trigger(TriggerRule rule, double threshold) {
    this.rule = rule;
    this.threshold = threshold;
    history = new float[rule.smoothFrames];
  }

  /** Starts a new stream. */
  public void reset() {
    Arrays.fill(history, 0);
    score = newest = on = wait = 0;
    latched = false;
  }

  /** Takes the next posterior; true if the trigger fires. */
  public boolean feed(float posterior) {
    newest = newest + 1 < history.length ? newest + 1 : 0;
    history[newest] = posterior;
    score = mean();
    if (!(score >= threshold)) {
      on = 0;
    } else if (on < rule.onFrames) {
      ++on;
    }
    if (score + rule.hysteresis < threshold) latched = false;
    if (wait > 0) --wait;
    if (on < rule.onFrames || wait > 0 || latched) return false;
    wait = rule.refractoryFrames;
    latched = !Double.isNaN(rule.hysteresis);
    return true;
  }

  /** The mean of the last posteriors; those before the start of the stream count as 0. */
  public float score() {
    return score;
  }

  private float mean() {
    float sum = history[newest]; // newest first, as in Python: the order changes the rounding
    int at = newest;
    for (int lag = 1; lag < history.length; ++lag) {
      at = (at > 0 ? at : history.length) - 1;
      sum += history[at];
    }
    return sum / history.length;
  }
}
