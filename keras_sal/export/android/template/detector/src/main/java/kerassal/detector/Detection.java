package kerassal.detector;

import java.util.Locale;

/** A moment at which a class was detected. */
public final class Detection {
  /** Seconds from the start of the stream. */
  public final double timeSeconds;

  /** The smoothed posterior at that time. */
  public final float score;

  /** Index of the class. */
  public final int classIndex;

  /** Name of the class. */
  public final String className;

  Detection(double timeSeconds, float score, int classIndex, String className) {
    this.timeSeconds = timeSeconds;
    this.score = score;
    this.classIndex = classIndex;
    this.className = className;
  }

  @Override
  public String toString() {
    return String.format(Locale.ROOT, "%s at %.2f s, score %.3f", className, timeSeconds, score);
  }
}
