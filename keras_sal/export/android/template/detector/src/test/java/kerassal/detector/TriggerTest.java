package kerassal.detector;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public final class TriggerTest {
  @Test
  public void firesAtTheThresholdAndNotBelowIt() {
    TriggerRule rule = new TriggerRule(1, 1, Double.NaN, 1);
    assertEquals("..x", run(rule, 0.5, 0, Math.nextDown(0.5f), 0.5f));
    double threshold = 0.1; // no float equals it, and the next one below must not reach it
    assertEquals(".x", run(rule, threshold, Math.nextDown(0.1f), 0.1f));
  }

  @Test
  public void scoreIsTheMeanOfTheLastPosteriors() {
    Trigger trigger = new Trigger(new TriggerRule(2, 1, Double.NaN, 1), 0.5);
    float[] expected = {0.2f, 0.6f, 0.5f};
    float[] posteriors = {0.4f, 0.8f, 0.2f};
    for (int i = 0; i < expected.length; ++i) {
      trigger.feed(posteriors[i]);
      assertEquals(expected[i], trigger.score(), 1e-7);
    }
  }

  @Test
  public void framesInARowAreNeeded() {
    assertEquals("....x", run(new TriggerRule(1, 3, Double.NaN, 9), 0.5, 1, 0, 1, 1, 1));
  }

  @Test
  public void nothingFiresInTheRefractoryTime() {
    assertEquals("x..x..", run(new TriggerRule(1, 1, Double.NaN, 3), 0.5, 1, 1, 1, 1, 1, 1));
  }

  @Test
  public void hysteresisKeepsOneAlarmFromFiringTwice() {
    TriggerRule rule = new TriggerRule(1, 1, 0.25, 1);
    assertEquals("x....x", run(rule, 0.5, 1, 1, 0.25f, 1, 0.2f, 1));
  }

  @Test
  public void aNewStreamIsArmed() {
    Trigger trigger = new Trigger(new TriggerRule(3, 1, 0.1, 100), 0.3);
    trigger.feed(1);
    trigger.reset();
    assertEquals(0, trigger.score(), 0);
    assertEquals(true, trigger.feed(1));
  }

  @Test
  public void aPosteriorThatIsNotANumberIsNotOn() {
    assertEquals(".x", run(new TriggerRule(1, 1, Double.NaN, 1), 0.5, Float.NaN, 1));
  }

  private static String run(TriggerRule rule, double threshold, float... posteriors) {
    Trigger trigger = new Trigger(rule, threshold);
    StringBuilder fired = new StringBuilder();
    for (float posterior : posteriors) fired.append(trigger.feed(posterior) ? 'x' : '.');
    return fired.toString();
  }
}
