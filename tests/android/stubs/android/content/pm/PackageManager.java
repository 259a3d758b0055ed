package android.content.pm;

public class PackageManager {
  public static final int PERMISSION_GRANTED = 0;
  public static final int PERMISSION_DENIED = -1;
  public static final String FEATURE_MICROPHONE = "android.hardware.microphone";
  public static boolean hasMicrophone = true;

  public boolean hasSystemFeature(String name) {
    return name.equals(FEATURE_MICROPHONE) && hasMicrophone;
  }
}
