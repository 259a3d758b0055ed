package kerassal.detector;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The model of the exported files, replayed from the start again and again, or once. */
public final class ReplayedModel implements StepInterpreter {
  private final DetectorSettings settings;
  private final Golden golden;
  private GoldenInterpreter replay;
  private final boolean once;
  private int steps;

  /** Takes the exported files, and whether whatever comes after the first time is ignored. */
  public ReplayedModel(DetectorSettings settings, Golden golden, boolean once) {
    this.once = once;
    this.settings = settings;
    this.golden = golden;
    replay = new GoldenInterpreter(settings, golden);
  }

  /** The names of the inputs, in an order of their own. */
  public List<String> inputNames() {
    List<String> names = new ArrayList<>();
    for (int i = settings.states() - 1; i >= 0; --i) names.add(settings.state(i).input.name);
    names.add(names.size() / 2, settings.input.name);
    return names;
  }

  /** The names of the outputs, in another order. */
  public List<String> outputNames() {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < settings.states(); ++i) names.add(settings.state(i).output.name);
    names.add(settings.output.name);
    return names;
  }

  /** The sound that it knows. */
  public short[] sound() {
    short[] sound = new short[length() * settings.stepSamples()];
    new GoldenSound().read(sound);
    return sound;
  }

  @Override
  public int inputBytes(String name) {
    return replay.inputBytes(name);
  }

  @Override
  public int outputBytes(String name) {
    return replay.outputBytes(name);
  }

  @Override
  public Step prepare(Map<String, ByteBuffer> inputs, Map<String, ByteBuffer> outputs) {
    Step[] step = {replay.prepare(inputs, outputs)};
    return () -> {
      if (once && steps == length()) return;
      if (steps++ % length() == 0) {
        replay = new GoldenInterpreter(settings, golden);
        step[0] = replay.prepare(inputs, outputs);
      }
      step[0].run();
    };
  }

  @Override
  public void close() {}

  private int length() {
    return golden.frames() + settings.delayFrames;
  }
}
