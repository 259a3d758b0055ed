package kerassal.detector;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.Map;

/**
 * A detector that hears sound, one step at a time.
 *
 * <p>Each step takes {@link DetectorSettings#stepSamples} samples, carries the states of the model
 * by their names, and runs the trigger of each class. No step allocates memory. Detections are
 * those of {@code keras_sal.StreamingDetector} in Python. Call a detector from one thread.
 */
public final class Detector {
  private static final float FULL_SCALE = 32768;

  private final DetectorSettings settings;
  private final FloatBuffer samples;
  private final FloatBuffer output;
  private final ByteBuffer[] states;
  private final StepInterpreter.Step[] steps = new StepInterpreter.Step[2];
  private final Trigger[] triggers;
  private final float[] posteriors;
  private final boolean[] fired;
  private int turn;
  private int early;
  private long heard;
  private long frames;
  private double offsetSeconds;

  /**
   * Connects the settings with the model.
   *
   * @param settings the settings that were exported with the model
   * @param interpreter holds the model; it stays the caller's, who closes it
   * @throws SettingsException if the model has other tensors than the settings
   */
  public Detector(DetectorSettings settings, StepInterpreter interpreter) {
    this.settings = settings;
    ByteBuffer sound = direct(settings.input);
    ByteBuffer posterior = direct(settings.output);
    check(settings.input, "an input", interpreter.inputBytes(settings.input.name));
    check(settings.output, "an output", interpreter.outputBytes(settings.output.name));
    samples = sound.asFloatBuffer();
    output = posterior.asFloatBuffer();
    states = new ByteBuffer[2 * settings.states()];
    Map<String, ByteBuffer> inputs = new HashMap<>();
    Map<String, ByteBuffer> outputs = new HashMap<>();
    inputs.put(settings.input.name, sound);
    outputs.put(settings.output.name, posterior);
    for (int i = 0; i < settings.states(); ++i) {
      StateSettings state = settings.state(i);
      check(state.input, "an input", interpreter.inputBytes(state.input.name));
      check(state.output, "an output", interpreter.outputBytes(state.output.name));
      states[2 * i] = direct(state.input);
      states[2 * i + 1] = direct(state.output);
    }
    for (int from = 0; from < 2; ++from) { // the two steps exchange the buffers of each state
      for (int i = 0; i < settings.states(); ++i) {
        inputs.put(settings.state(i).input.name, states[2 * i + from]);
        outputs.put(settings.state(i).output.name, states[2 * i + 1 - from]);
      }
      steps[from] = interpreter.prepare(inputs, outputs);
    }
    triggers = new Trigger[settings.classes()];
    for (int c = 0; c < triggers.length; ++c) {
      triggers[c] = new Trigger(settings.trigger, settings.threshold(c));
    }
    posteriors = new float[triggers.length];
    fired = new boolean[triggers.length];
    reset();
  }

  /** Starts a new stream at time 0. */
  public void reset() {
    heard = 0;
    restart();
  }

  /** Leaves out samples that were lost: the time goes on, and everything before is forgotten. */
  public void skip(long lostSamples) {
    heard += lostSamples;
    restart();
  }

  /**
   * Hears the next samples.
   *
   * @param sound {@link DetectorSettings#stepSamples} samples of 16 bits
   * @return whether there are new posteriors; those at the start of a late model belong to no frame
   */
  public boolean step(short[] sound) {
    checkLength(sound.length);
    for (int i = 0; i < sound.length; ++i) samples.put(i, sound[i] / FULL_SCALE);
    return run();
  }

  /**
   * Hears the next samples.
   *
   * @param sound {@link DetectorSettings#stepSamples} samples in [-1, 1]
   * @return whether there are new posteriors; those at the start of a late model belong to no frame
   */
  public boolean step(float[] sound) {
    checkLength(sound.length);
    for (int i = 0; i < sound.length; ++i) samples.put(i, sound[i]);
    return run();
  }

  /** The settings. */
  public DetectorSettings settings() {
    return settings;
  }

  /** The last posterior of a class. */
  public float posterior(int classIndex) {
    return posteriors[classIndex];
  }

  /** The mean of the last posteriors of a class, which is compared with its threshold. */
  public float score(int classIndex) {
    return triggers[classIndex].score();
  }

  /** Whether a class was detected in the last step. */
  public boolean fired(int classIndex) {
    return fired[classIndex];
  }

  /** The time of the last posteriors, in seconds from the start of the stream. */
  public double timeSeconds() {
    return offsetSeconds + (frames - 1) * settings.frameStepSeconds;
  }

  /** The detection of a class in the last step, or null if there was none. */
  public Detection detection(int classIndex) {
    if (!fired[classIndex]) return null;
    return new Detection(
        timeSeconds(), score(classIndex), classIndex, settings.className(classIndex));
  }

  private void restart() {
    turn = 0;
    early = settings.delayFrames;
    frames = 0;
    offsetSeconds =
        settings.frameOffsetSeconds + settings.delayFrames * settings.frameStepSeconds;
    offsetSeconds += heard / (double) settings.sampleRate;
    for (int i = 0; i < states.length; i += 2) fillWithZeros(states[i]);
    for (int c = 0; c < triggers.length; ++c) {
      triggers[c].reset();
      posteriors[c] = 0;
      fired[c] = false;
    }
  }

  private boolean run() {
    steps[turn].run();
    turn = 1 - turn;
    heard += settings.stepSamples();
    for (int c = 0; c < triggers.length; ++c) {
      if (!(output.get(c) >= 0 && output.get(c) <= 1)) {
        throw new IllegalStateException(
            "The model gave " + output.get(c) + " as a posterior, which must be in [0, 1].");
      }
    }
    if (early > 0) {
      --early;
      return false;
    }
    ++frames;
    for (int c = 0; c < triggers.length; ++c) {
      posteriors[c] = output.get(c);
      fired[c] = triggers[c].feed(posteriors[c]);
    }
    return true;
  }

  private void checkLength(int length) {
    if (length != settings.stepSamples()) {
      throw new IllegalArgumentException(
          "A step takes " + settings.stepSamples() + " samples, not " + length + ".");
    }
  }

  private void check(TensorSettings tensor, String kind, int found) {
    if (found == tensor.bytes()) return;
    String has = found < 0 ? "it has none" : "its size is " + found;
    String wanted = kind + " '" + tensor.name + "' of " + tensor.bytes() + " bytes";
    throw new SettingsException(settings.model, "it must have " + wanted + ", " + has);
  }

  private static ByteBuffer direct(TensorSettings tensor) {
    return ByteBuffer.allocateDirect(tensor.bytes()).order(ByteOrder.nativeOrder());
  }

  private static void fillWithZeros(ByteBuffer buffer) {
    for (int i = 0; i < buffer.capacity(); ++i) buffer.put(i, (byte) 0);
  }
}
