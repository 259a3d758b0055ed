package kerassal.detector;

import java.util.List;

/** What the detector must make of the golden sound, as Python computed it with the same model. */
public final class Golden {
  /** Name of the file. */
  public static final String FILE = "golden.json";

  private static final int FORMAT = 1;

  /** By how much a posterior may differ, since machines round differently. */
  public final double tolerance;

  /** The posteriors, by frame and class; those that belong to no frame are left out. */
  final float[][] posteriors;

  /** The detections of the trigger, and of one with thresholds that are reached. */
  final Run[] runs;

  /**
   * Reads golden values.
   *
   * @param json the text of {@code golden.json}
   * @return the values
   * @throws SettingsException if a field is missing
   */
  public static Golden parse(String json) {
    return new Golden(Fields.parse(FILE, json));
  }

  private Golden(Fields fields) {
    if (fields.integer("format", 1) != FORMAT) throw fields.wrong("format", "must be " + FORMAT);
    tolerance = fields.number("tolerance", 0);
    List<?> frames = fields.list("posteriors");
    posteriors = new float[frames.size()][];
    for (int frame = 0; frame < posteriors.length; ++frame) {
      posteriors[frame] = floats(fields, (List<?>) frames.get(frame));
    }
    Fields[] entries = fields.objects("runs");
    runs = new Run[entries.length];
    for (int i = 0; i < runs.length; ++i) runs[i] = new Run(entries[i]);
  }

  /** Number of frames. */
  public int frames() {
    return posteriors.length;
  }

  private static float[] floats(Fields fields, List<?> numbers) {
    float[] floats = new float[numbers.size()];
    for (int i = 0; i < floats.length; ++i) {
      if (!(numbers.get(i) instanceof Double)) throw fields.wrong("posteriors", "must be numbers");
      floats[i] = ((Double) numbers.get(i)).floatValue();
    }
    return floats;
  }

  /** The detections of one trigger for the golden posteriors. */
  static final class Run {
    final double[] thresholds;
    final int[] frames;
    final int[] classes;
    final float[] scores;

    private Run(Fields fields) {
      thresholds = fields.numbers("threshold");
      Fields[] detections = fields.objects("detections");
      frames = new int[detections.length];
      classes = new int[detections.length];
      scores = new float[detections.length];
      for (int i = 0; i < detections.length; ++i) {
        frames[i] = detections[i].integer("frame", 0);
        classes[i] = detections[i].integer("class_index", 0);
        scores[i] = (float) detections[i].number("score");
      }
    }
  }
}
