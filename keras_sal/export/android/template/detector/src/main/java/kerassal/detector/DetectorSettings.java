package kerassal.detector;

import java.util.List;

/** The numbers of a detector, as {@code detector.json} holds them beside the model. */
public final class DetectorSettings {
  /** Name of the file. */
  public static final String FILE = "detector.json";

  private static final int FORMAT = 1;

  /** Name of the detector. */
  public final String name;

  /** File of the model. */
  public final String model;

  /** SHA-256 of the model, 64 hexadecimal digits. */
  public final String sha256;

  /** Sample rate in Hz of the sound that the model takes. */
  public final int sampleRate;

  /** The input: the samples of a step, in [-1, 1]. */
  public final TensorSettings input;

  /** The output: the posterior of each class. */
  public final TensorSettings output;

  /** Seconds from one posterior to the next. */
  public final double frameStepSeconds;

  /** Time of the first posterior. */
  public final double frameOffsetSeconds;

  /** By how many steps the posteriors are late; so many at the start belong to no frame. */
  public final int delayFrames;

  /** The rule of the triggers. */
  public final TriggerRule trigger;

  private final String[] classNames;
  private final double[] thresholds;
  private final StateSettings[] states;

  /**
   * Reads settings.
   *
   * @param json the text of {@code detector.json}
   * @return the settings
   * @throws SettingsException if a field is missing or out of range
   */
  public static DetectorSettings parse(String json) {
    return new DetectorSettings(Fields.parse(FILE, json));
  }

  private DetectorSettings(Fields fields) {
    if (fields.integer("format", 1) != FORMAT) {
      throw fields.wrong("format", "must be " + FORMAT + ", the one that this code reads");
    }
    name = fields.text("name");
    model = fields.text("model");
    sha256 = fields.object("sha256").text(model);
    classNames = fields.texts("classes");
    if (!fields.text("input").equals("samples")) {
      throw fields.wrong("input", "must be samples, which a microphone gives");
    }
    sampleRate = fields.object("frontend").integer("sample_rate", 1);
    List<TensorSettings> inputs = TensorSettings.listOf(fields, "inputs");
    List<TensorSettings> outputs = TensorSettings.listOf(fields, "outputs");
    input = inputs.get(0);
    output = outputs.get(0);
    if (output.elements != classNames.length) {
      throw fields.wrong("outputs", "must begin with the posterior of each class");
    }
    states = StateSettings.listOf(fields, inputs, outputs);
    if (states.length != inputs.size() - 1 || states.length != outputs.size() - 1) {
      throw fields.wrong("states", "must name every other input and output");
    }
    frameStepSeconds = fields.number("frame_step_s", Double.MIN_VALUE);
    frameOffsetSeconds = fields.number("frame_offset_s", 0);
    delayFrames = fields.integer("delay_frames", 0);
    trigger = new TriggerRule(fields.object("trigger"), frameStepSeconds);
    thresholds = thresholdsOf(fields.object("trigger"), classNames.length);
  }

  /** Number of classes. */
  public int classes() {
    return classNames.length;
  }

  /** Name of a class. */
  public String className(int classIndex) {
    return classNames[classIndex];
  }

  /** Threshold of a class, in [0, 1]. */
  public double threshold(int classIndex) {
    return thresholds[classIndex];
  }

  /** Number of samples that the model takes in a step. */
  public int stepSamples() {
    return input.elements;
  }

  /** Number of states of the model. */
  public int states() {
    return states.length;
  }

  /** A state of the model. */
  public StateSettings state(int index) {
    return states[index];
  }

  private static double[] thresholdsOf(Fields trigger, int classes) {
    double[] thresholds = trigger.numbers("threshold");
    if (thresholds.length != classes) {
      throw trigger.wrong("threshold", "must hold a number for each of " + classes + " classes");
    }
    for (double threshold : thresholds) {
      if (!(threshold >= 0 && threshold <= 1)) {
        throw trigger.wrong("threshold", "must be in [0, 1]");
      }
    }
    return thresholds;
  }
}
