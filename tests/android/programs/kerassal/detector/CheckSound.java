package kerassal.detector;

/** Prints samples of the golden sound. */
final class CheckSound {
  private CheckSound() {}

  public static void main(String[] count) {
    short[] samples = new short[Integer.parseInt(count[0])];
    new GoldenSound().read(samples);
    StringBuilder text = new StringBuilder();
    for (short sample : samples) text.append(sample).append('\n');
    System.out.print(text);
  }
}
