package android.media;

import java.util.concurrent.locks.LockSupport;

/** A microphone that plays what a test gives it, and fails at its end. */
public class AudioRecord {
  public static final int STATE_UNINITIALIZED = 0;
  public static final int STATE_INITIALIZED = 1;
  public static final int RECORDSTATE_STOPPED = 1;
  public static final int RECORDSTATE_RECORDING = 3;
  public static final int ERROR_BAD_VALUE = -2;
  public static final int ERROR_DEAD_OBJECT = -6;

  public static short[] sound = {};
  public static int rate;
  public static boolean busy;
  public static boolean starts;
  public static volatile int open;
  public static volatile int heard;

  private final int asked;
  private boolean recording;
  private int at;

  public static int getMinBufferSize(int rate, int channels, int encoding) {
    return AudioRecord.rate == 0 ? ERROR_BAD_VALUE : 1280;
  }

  public AudioRecord(int source, int rate, int channels, int encoding, int bytes) {
    asked = rate;
    open = open + 1;
  }

  public int getState() {
    return busy ? STATE_UNINITIALIZED : STATE_INITIALIZED;
  }

  public int getSampleRate() {
    return rate < 0 ? asked : rate;
  }

  public void startRecording() {
    recording = starts;
  }

  public int getRecordingState() {
    return recording ? RECORDSTATE_RECORDING : RECORDSTATE_STOPPED;
  }

  /** Gives the next samples at once, and no more than half a second ahead of the listener. */
  public int read(short[] block, int offset, int count) {
    for (int i = 0; i < 100 && at - heard > asked / 2; ++i) LockSupport.parkNanos(1_000_000);
    if (at >= sound.length) return ERROR_DEAD_OBJECT;
    int given = Math.min(count, sound.length - at);
    System.arraycopy(sound, at, block, offset, given);
    at += given;
    return given;
  }

  public void stop() {
    recording = false;
  }

  public void release() {
    open = open - 1;
  }
}
