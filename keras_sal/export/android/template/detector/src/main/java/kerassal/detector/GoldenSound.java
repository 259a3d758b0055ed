package kerassal.detector;

/** The sound of the self-test: a rising sawtooth in syllables, over noise of three levels. */
final class GoldenSound {
  private static final int SEED = 2025;
  private static final int SYLLABLE_SAMPLES = 4000;

  private int state = SEED;
  private int phase;
  private int time;

  /** Fills an array with the next samples. */
  void read(short[] samples) {
    for (int i = 0; i < samples.length; ++i) samples[i] = next();
  }

  private short next() {
    int syllable = time / SYLLABLE_SAMPLES;
    state = state * 1664525 + 1013904223;
    phase += (time << 12) + (1 << 23);
    ++time;
    int noise = (state >> 16) >> (4 + 3 * (syllable % 3));
    int tone = syllable % 2 == 1 ? (phase >> 16) >> 2 : 0;
    return (short) (tone + noise);
  }
}
