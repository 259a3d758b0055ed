package kerassal.detector;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Random;

/**
 * Gives the golden posteriors, and random states that it must be given in the next step.
 *
 * <p>It refuses other samples than those of the golden sound.
 */
final class GoldenInterpreter implements StepInterpreter {
  private final DetectorSettings settings;
  private final Golden golden;
  private final GoldenSound sound = new GoldenSound();
  private final byte[][] states;
  private final Random random = new Random(1);
  private int step;

  GoldenInterpreter(DetectorSettings settings, Golden golden) {
    this.settings = settings;
    this.golden = golden;
    states = new byte[settings.states()][];
    for (int i = 0; i < states.length; ++i) states[i] = new byte[settings.state(i).input.bytes()];
  }

  @Override
  public int inputBytes(String name) {
    if (name.equals(settings.input.name)) return settings.stepSamples() * Float.BYTES;
    for (int i = 0; i < settings.states(); ++i) {
      if (name.equals(settings.state(i).input.name)) return settings.state(i).input.bytes();
    }
    return -1;
  }

  @Override
  public int outputBytes(String name) {
    if (name.equals(settings.output.name)) return settings.classes() * Float.BYTES;
    for (int i = 0; i < settings.states(); ++i) {
      if (name.equals(settings.state(i).output.name)) return settings.state(i).input.bytes();
    }
    return -1;
  }

  @Override
  public Step prepare(Map<String, ByteBuffer> inputs, Map<String, ByteBuffer> outputs) {
    ByteBuffer samples = inputs.get(settings.input.name);
    ByteBuffer posteriors = outputs.get(settings.output.name);
    ByteBuffer[] from = new ByteBuffer[states.length];
    ByteBuffer[] to = new ByteBuffer[states.length];
    for (int i = 0; i < states.length; ++i) {
      from[i] = inputs.get(settings.state(i).input.name);
      to[i] = outputs.get(settings.state(i).output.name);
    }
    return () -> run(samples, from, posteriors, to);
  }

  @Override
  public void close() {}

  private void run(ByteBuffer samples, ByteBuffer[] from, ByteBuffer posteriors, ByteBuffer[] to) {
    short[] expected = new short[settings.stepSamples()];
    sound.read(expected);
    for (int i = 0; i < expected.length; ++i) {
      check(samples.getFloat(i * Float.BYTES) == expected[i] / 32768f, "sample " + i);
    }
    for (int i = 0; i < states.length; ++i) {
      for (int k = 0; k < states[i].length; ++k) {
        check(from[i].get(k) == states[i][k], "state " + settings.state(i).input.name);
      }
      random.nextBytes(states[i]);
      for (int k = 0; k < states[i].length; ++k) to[i].put(k, states[i][k]);
    }
    int frame = step++ - settings.delayFrames;
    for (int c = 0; c < settings.classes(); ++c) {
      posteriors.putFloat(c * Float.BYTES, frame < 0 ? 1 : golden.posteriors[frame][c]);
    }
  }

  private void check(boolean equal, String what) {
    if (!equal) throw new AssertionError("step " + step + " was given another " + what);
  }
}
