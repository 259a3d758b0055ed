package kerassal.detector;

import java.util.Locale;

/** The self-test: whether this machine computes with the model what Python computed. */
public final class SelfTest {
  private SelfTest() {}

  /**
   * Runs the golden sound through the detector, and the golden posteriors through its trigger.
   *
   * @param detector the detector; its stream starts anew
   * @param golden what was exported with it
   * @return null if all is as it must be, else what differs
   */
  public static String run(Detector detector, Golden golden) {
    for (Golden.Run run : golden.runs) {
      String difference = trigger(detector.settings(), golden, run);
      if (difference != null) return difference;
    }
    String difference = model(detector, golden);
    detector.reset();
    return difference;
  }

  private static String model(Detector detector, Golden golden) {
    GoldenSound sound = new GoldenSound();
    short[] samples = new short[detector.settings().stepSamples()];
    detector.reset();
    for (int frame = 0; frame < golden.frames(); ) {
      sound.read(samples);
      if (!detector.step(samples)) continue;
      for (int c = 0; c < detector.settings().classes(); ++c) {
        float expected = golden.posteriors[frame][c];
        float found = detector.posterior(c);
        if (!(Math.abs(found - expected) <= golden.tolerance)) {
          return difference(frame, detector.settings().className(c), found, expected);
        }
      }
      ++frame;
    }
    return null;
  }

  private static String trigger(DetectorSettings settings, Golden golden, Golden.Run run) {
    int next = 0;
    Trigger[] triggers = new Trigger[settings.classes()];
    for (int c = 0; c < triggers.length; ++c) {
      triggers[c] = new Trigger(settings.trigger, run.thresholds[c]);
    }
    for (int frame = 0; frame < golden.frames(); ++frame) {
      for (int c = 0; c < triggers.length; ++c) {
        boolean fired = triggers[c].feed(golden.posteriors[frame][c]);
        boolean expected =
            next < run.frames.length && run.frames[next] == frame && run.classes[next] == c;
        if (fired != expected || (fired && triggers[c].score() != run.scores[next])) {
          return "the trigger of '" + settings.className(c) + "' differs in frame " + frame;
        }
        if (fired) ++next;
      }
    }
    return next == run.frames.length ? null : "a detection is missing";
  }

  private static String difference(int frame, String name, float found, float expected) {
    return String.format(
        Locale.ROOT,
        "the posterior of '%s' is %.6f in frame %d, and must be %.6f",
        name,
        found,
        frame,
        expected);
  }
}
