package kerassal.android;

import android.Manifest;
import android.content.Context;
import android.content.pm.PackageManager;
import android.media.AudioFormat;
import android.media.AudioRecord;
import android.media.MediaRecorder;
import kerassal.detector.RingBuffer;

/** The microphone, read on a thread of its own into a ring buffer. */
final class Microphone implements Runnable {
  private static final int BLOCKS_A_SECOND = 50;

  private final Context context;
  private final int sampleRate;
  private final RingBuffer ring;
  private volatile boolean stopped;
  private volatile String error;

  /**
   * @param context of the app
   * @param sampleRate in Hz
   * @param ring takes the samples, and is closed at the end
   */
  Microphone(Context context, int sampleRate, RingBuffer ring) {
    this.context = context;
    this.sampleRate = sampleRate;
    this.ring = ring;
  }

  /** Records until {@link #stop} or an error. */
  @Override
  public void run() {
    android.os.Process.setThreadPriority(android.os.Process.THREAD_PRIORITY_URGENT_AUDIO);
    AudioRecord record = null;
    try {
      record = open();
      record(record);
    } catch (RuntimeException failure) {
      error = failure.getMessage() == null ? failure.toString() : failure.getMessage();
    } finally {
      if (record != null) record.release();
      ring.close();
    }
  }

  /** Ends the recording after the block that is being read, 20 ms at most. */
  void stop() {
    stopped = true;
  }

  /** Why the recording ended, or null if it was stopped. */
  String error() {
    return error;
  }

  private AudioRecord open() {
    if (!context.getPackageManager().hasSystemFeature(PackageManager.FEATURE_MICROPHONE)) {
      throw new IllegalStateException("This device has no microphone.");
    }
    if (context.checkSelfPermission(Manifest.permission.RECORD_AUDIO)
        != PackageManager.PERMISSION_GRANTED) {
      throw new IllegalStateException("The app may not use the microphone. Allow it.");
    }
    int least =
        AudioRecord.getMinBufferSize(
            sampleRate, AudioFormat.CHANNEL_IN_MONO, AudioFormat.ENCODING_PCM_16BIT);
    if (least <= 0) {
      throw new IllegalStateException(
          "The microphone does not record at " + sampleRate + " Hz, which the detector needs.");
    }
    AudioRecord record =
        new AudioRecord(
            MediaRecorder.AudioSource.VOICE_RECOGNITION,
            sampleRate,
            AudioFormat.CHANNEL_IN_MONO,
            AudioFormat.ENCODING_PCM_16BIT,
            Math.max(least, sampleRate)); // bytes: half a second
    String problem = null;
    if (record.getState() != AudioRecord.STATE_INITIALIZED) {
      problem = "The microphone can't be opened at " + sampleRate + " Hz.";
    } else if (record.getSampleRate() != sampleRate) {
      problem =
          "The microphone records at "
              + record.getSampleRate()
              + " Hz; the detector needs "
              + sampleRate
              + ".";
    }
    if (problem == null) return record;
    record.release();
    throw new IllegalStateException(problem);
  }

  private void record(AudioRecord record) {
    record.startRecording();
    if (record.getRecordingState() != AudioRecord.RECORDSTATE_RECORDING) {
      throw new IllegalStateException("The microphone does not start; another app may use it.");
    }
    short[] block = new short[sampleRate / BLOCKS_A_SECOND];
    while (!stopped) {
      int count = record.read(block, 0, block.length);
      if (count < 0) {
        throw new IllegalStateException("The microphone stopped, with error " + count + ".");
      }
      ring.write(block, count);
    }
    record.stop();
  }
}
