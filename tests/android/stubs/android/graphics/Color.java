package android.graphics;

public class Color {
  public static final int LTGRAY = 0xFFCCCCCC;

  public static int rgb(int red, int green, int blue) {
    return 0;
  }
}
