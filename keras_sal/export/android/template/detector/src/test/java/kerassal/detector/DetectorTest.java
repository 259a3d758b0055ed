package kerassal.detector;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.nio.ByteBuffer;
import java.util.Map;
import org.junit.Test;

public final class DetectorTest {
  private final DetectorSettings settings = Exported.settings();
  private final Golden golden = Exported.golden();

  @Test
  public void selfTestIsPassedByTheGoldenPosteriors() {
    Detector detector = new Detector(settings, new GoldenInterpreter(settings, golden));
    assertNull(SelfTest.run(detector, golden));
  }

  @Test
  public void selfTestNamesAPosteriorThatDiffers() {
    golden.posteriors[3][0] += golden.posteriors[3][0] < 0.5f ? 0.5f : -0.5f;
    Golden other = Exported.golden();
    Detector detector = new Detector(settings, new GoldenInterpreter(settings, golden));
    String difference = SelfTest.run(detector, other);
    assertTrue(difference, difference.contains("in frame 3"));
  }

  @Test
  public void detectionsAreThoseOfPython() {
    Detector detector = new Detector(settings, new GoldenInterpreter(settings, golden));
    Golden.Run expected = golden.runs[0];
    GoldenSound sound = new GoldenSound();
    short[] samples = new short[settings.stepSamples()];
    int next = 0;
    for (int frame = 0; frame < golden.frames(); ) {
      sound.read(samples);
      if (!detector.step(samples)) continue;
      for (int c = 0; c < settings.classes(); ++c) {
        assertEquals(golden.posteriors[frame][c], detector.posterior(c), 0);
        Detection found = detector.detection(c);
        if (found == null) continue;
        assertEquals(expected.frames[next], frame);
        assertEquals(expected.classes[next], found.classIndex);
        assertEquals(expected.scores[next], found.score, 0);
        assertEquals(timeOf(frame), found.timeSeconds, 0);
        ++next;
      }
      ++frame;
    }
    assertEquals(expected.frames.length, next);
  }

  @Test
  public void timeGoesOnOverLostSamples() {
    Detector detector = new Detector(settings, new Constant(0));
    short[] silence = new short[settings.stepSamples()];
    while (!detector.step(silence)) {}
    assertEquals(timeOf(0), detector.timeSeconds(), 0);
    detector.skip(settings.sampleRate);
    while (!detector.step(silence)) {}
    double steps = (settings.delayFrames + 1) * (double) settings.stepSamples();
    assertEquals(timeOf(0) + 1 + steps / settings.sampleRate, detector.timeSeconds(), 1e-9);
    detector.reset();
    while (!detector.step(silence)) {}
    assertEquals(timeOf(0), detector.timeSeconds(), 0);
  }

  @Test
  public void floatsAndIntegersAreTheSameSound() {
    Detector detector = new Detector(settings, new GoldenInterpreter(settings, golden));
    GoldenSound sound = new GoldenSound();
    short[] integers = new short[settings.stepSamples()];
    float[] floats = new float[settings.stepSamples()];
    for (int step = 0; step < 4; ++step) {
      sound.read(integers);
      for (int i = 0; i < floats.length; ++i) floats[i] = integers[i] / 32768f;
      detector.step(floats); // the interpreter compares the samples
    }
  }

  @Test
  public void posteriorsThatAreNoneAreRefused() {
    for (float posterior : new float[] {Float.NaN, -0.5f, 7}) {
      Detector detector = new Detector(settings, new Constant(posterior));
      Exception error =
          assertThrows(
              IllegalStateException.class, () -> detector.step(new short[settings.stepSamples()]));
      assertTrue(error.getMessage(), error.getMessage().contains("must be in [0, 1]"));
      assertFalse(detector.fired(0));
    }
  }

  @Test
  public void stepsOfAnotherLengthAreRefused() {
    Detector detector = new Detector(settings, new Constant(0));
    assertThrows(IllegalArgumentException.class, () -> detector.step(new short[1]));
    assertThrows(IllegalArgumentException.class, () -> detector.step(new float[1]));
  }

  @Test
  public void aModelWithoutStatesIsRefused() {
    StepInterpreter stateless =
        new Constant(0) {
          @Override
          public int inputBytes(String name) {
            return name.equals(settings.input.name) ? super.inputBytes(name) : -1;
          }
        };
    Exception error =
        assertThrows(SettingsException.class, () -> new Detector(settings, stateless));
    String expected = "must have an input '" + settings.state(0).input.name + "'";
    assertTrue(error.getMessage(), error.getMessage().contains(expected));
  }

  private double timeOf(int frame) {
    double late = settings.delayFrames * settings.frameStepSeconds;
    return settings.frameOffsetSeconds + late + frame * settings.frameStepSeconds;
  }

  /** A model that always gives the same posterior. */
  private class Constant implements StepInterpreter {
    private final float posterior;
    private final GoldenInterpreter tensors = new GoldenInterpreter(settings, golden);

    Constant(float posterior) {
      this.posterior = posterior;
    }

    @Override
    public int inputBytes(String name) {
      return tensors.inputBytes(name);
    }

    @Override
    public int outputBytes(String name) {
      return tensors.outputBytes(name);
    }

    @Override
    public Step prepare(Map<String, ByteBuffer> inputs, Map<String, ByteBuffer> outputs) {
      ByteBuffer values = outputs.get(settings.output.name);
      return () -> {
        for (int c = 0; c < settings.classes(); ++c) values.putFloat(c * Float.BYTES, posterior);
      };
    }

    @Override
    public void close() {}
  }
}
