package kerassal.android;

import android.content.Context;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import kerassal.detector.Detection;
import kerassal.detector.Detector;
import kerassal.detector.DetectorSettings;
import kerassal.detector.RingBuffer;
import kerassal.detector.SelfTest;

/**
 * The detector of the assets behind the microphone.
 *
 * <p>The permission to record must have been given before {@link #start}. The model runs on one
 * thread, the microphone on another; {@link Listener} is called on the first.
 */
public final class MicrophoneDetector {
  private static final int SILENCE_SECONDS = 2;

  private final Context context;
  private final Listener listener;
  private Thread thread;

  /** What is told about the stream, on the thread of the model. */
  public interface Listener {
    /**
     * The detector listens.
     *
     * @param settings its settings
     * @param difference null if the device computes what was computed at the export, else what
     *     differs in the self-test
     */
    void onReady(DetectorSettings settings, String difference);

    /** There are new posteriors; take them here, since the next step replaces them. */
    void onStep(Detector detector);

    /** A class was detected. */
    void onDetection(Detection detection);

    /** The microphone gave nothing but zeros for two seconds. */
    void onSilence();

    /** The stream has ended; the message says why and what to do. */
    void onError(String message);
  }

  /** Takes the context of the app, and who is told. */
  public MicrophoneDetector(Context context, Listener listener) {
    this.context = context.getApplicationContext();
    this.listener = listener;
  }

  /** Loads the model and starts a stream, unless one is running. */
  public synchronized void start() {
    if (thread != null) return;
    thread = new Thread(this::run, "detector");
    thread.start();
  }

  /** Ends the stream and waits until the microphone is free, unless the listener calls it. */
  public void stop() {
    Thread stopped;
    synchronized (this) { // and not while waiting, since the listener may call this meanwhile
      stopped = thread;
      thread = null;
    }
    if (stopped == null) return;
    stopped.interrupt();
    waitFor(stopped);
  }

  private void run() {
    try {
      DetectorAssets assets = new DetectorAssets(context.getAssets());
      try (LiteRtInterpreter interpreter = new LiteRtInterpreter(assets.model)) {
        Detector detector = new Detector(assets.settings, interpreter);
        listener.onReady(assets.settings, SelfTest.run(detector, assets.golden));
        listen(detector);
      }
    } catch (InterruptedException | ClosedByInterruptException stopped) {
      // as `stop` wants it
    } catch (IOException missing) {
      listener.onError("A file of the detector is missing in the assets: " + missing.getMessage());
    } catch (RuntimeException | LinkageError failure) {
      listener.onError(String.valueOf(failure.getMessage()));
    }
  }

  private void listen(Detector detector) throws InterruptedException {
    int sampleRate = detector.settings().sampleRate;
    RingBuffer ring = new RingBuffer(Math.max(sampleRate, 2 * detector.settings().stepSamples()));
    Microphone microphone = new Microphone(context, sampleRate, ring);
    Thread recording = new Thread(microphone, "microphone");
    recording.start();
    try {
      hear(detector, ring, new short[detector.settings().stepSamples()]);
      throw new IllegalStateException(microphone.error());
    } finally {
      microphone.stop();
      waitFor(recording);
    }
  }

  /** Waits for the end of a thread, whether this one is interrupted or not. */
  private static void waitFor(Thread other) {
    boolean interrupted = false;
    while (other.isAlive() && other != Thread.currentThread()) {
      try {
        other.join();
      } catch (InterruptedException stopped) {
        interrupted = true;
      }
    }
    if (interrupted) Thread.currentThread().interrupt();
  }

  private void hear(Detector detector, RingBuffer ring, short[] samples)
      throws InterruptedException {
    int silent = 0;
    for (long lost = ring.read(samples); lost >= 0; lost = ring.read(samples)) {
      if (lost > 0) detector.skip(lost);
      boolean fresh = detector.step(samples);
      int before = silent;
      silent = isSilent(samples) ? silent + samples.length : 0;
      int limit = SILENCE_SECONDS * detector.settings().sampleRate;
      if (before < limit && silent >= limit) listener.onSilence();
      if (!fresh) continue;
      listener.onStep(detector);
      for (int c = 0; c < detector.settings().classes(); ++c) {
        if (detector.fired(c)) listener.onDetection(detector.detection(c));
      }
    }
  }

  private static boolean isSilent(short[] samples) {
    for (short sample : samples) {
      if (sample != 0) return false;
    }
    return true;
  }
}
