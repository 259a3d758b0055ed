package kerassal.detector;

/** The numbers of a trigger that all classes share. */
public final class TriggerRule {
  /** Number of posteriors whose mean is the score. */
  public final int smoothFrames;

  /** Number of frames in a row in which the score must reach the threshold. */
  public final int onFrames;

  /** How far below the threshold a score must fall before the next detection; NaN for none. */
  public final double hysteresis;

  /** Least number of frames from one detection to the next. */
  public final int refractoryFrames;

  /** Takes the numbers. */
  public TriggerRule(int smoothFrames, int onFrames, double hysteresis, int refractoryFrames) {
    this.smoothFrames = smoothFrames;
    this.onFrames = onFrames;
    this.hysteresis = hysteresis;
    this.refractoryFrames = refractoryFrames;
  }

  TriggerRule(Fields trigger, double frameStepSeconds) {
    this(
        trigger.integer("smooth_frames", 1),
        trigger.integer("on_frames", 1),
        trigger.isNull("hysteresis") ? Double.NaN : trigger.number("hysteresis", 0),
        framesOf(trigger.number("refractory_s", 0), frameStepSeconds));
  }

  private static int framesOf(double seconds, double frameStepSeconds) {
    return (int) Math.max(1, Math.ceil(seconds / frameStepSeconds - 1e-6));
  }
}
