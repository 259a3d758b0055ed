package kerassal.android;

import android.content.Context;
import android.content.pm.PackageManager;
import android.content.res.AssetManager;
import android.media.AudioRecord;
import java.io.File;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import kerassal.detector.Detection;
import kerassal.detector.Detector;
import kerassal.detector.DetectorSettings;
import kerassal.detector.ReplayedModel;
import org.tensorflow.lite.Interpreter;

/** Runs the detector behind a microphone that has a fault, and prints what its listener is told. */
final class CheckMicrophone implements MicrophoneDetector.Listener {
  private static final int MINUTE = 60 * 16_000;

  private final CountDownLatch ended = new CountDownLatch(1);
  private final CountDownLatch ready = new CountDownLatch(1);
  private final MicrophoneDetector detector = new MicrophoneDetector(new Context(), this);
  private boolean stopsItself;
  private volatile int steps;

  public static void main(String[] arguments) throws Exception {
    AssetManager.folder = new File(arguments[0]);
    for (int i = 1; i < arguments.length; ++i) {
      System.out.println("# " + arguments[i]);
      run(arguments[i]);
      System.out.println(AudioRecord.open + " open, " + Interpreter.open + " open");
    }
  }

  private static void run(String fault) throws Exception {
    DetectorAssets exported;
    try {
      exported = new DetectorAssets(new AssetManager());
    } catch (IOException | RuntimeException unusable) {
      new CheckMicrophone().listen(false);
      return;
    }
    boolean silent = fault.equals("silence");
    ReplayedModel model = new ReplayedModel(exported.settings, exported.golden, silent);
    Interpreter.model = model;
    Interpreter.inputNames = model.inputNames();
    Interpreter.outputNames = model.outputNames();
    if (fault.equals("no states")) Interpreter.inputNames = List.of(exported.settings.input.name);
    Context.mayRecord = !fault.equals("refused");
    PackageManager.hasMicrophone = !fault.equals("no microphone");
    AudioRecord.rate = fault.equals("no rate") ? 0 : fault.equals("other rate") ? 48_000 : -1;
    AudioRecord.busy = fault.equals("busy");
    AudioRecord.starts = !fault.equals("does not start");
    AudioRecord.sound = silent ? new short[6 * exported.settings.sampleRate] : model.sound();
    AudioRecord.heard = 0;
    boolean stop = fault.startsWith("stop");
    if (stop) AudioRecord.sound = Arrays.copyOf(AudioRecord.sound, MINUTE);
    CheckMicrophone listener = new CheckMicrophone();
    if (stop) listener.ended.countDown(); // the microphone waits in vain for what was heard
    listener.stopsItself = fault.equals("stop by the listener");
    if (fault.equals("stop at once")) listener.ready.countDown();
    listener.listen(stop);
  }

  private void listen(boolean stop) throws InterruptedException {
    detector.start();
    detector.start(); // once is enough
    if (stopsItself) {
      while (steps == 0 || AudioRecord.open + Interpreter.open > 0) Thread.sleep(1);
    } else if (stop) {
      ready.await(10, TimeUnit.SECONDS);
    } else if (!ended.await(10, TimeUnit.SECONDS)) {
      System.out.println("it does not end");
    }
    detector.stop();
    detector.stop();
    System.out.println(steps + " steps");
  }

  @Override
  public void onReady(DetectorSettings settings, String difference) {
    System.out.println("ready " + difference);
    ready.countDown();
  }

  @Override
  public void onStep(Detector detector) {
    steps = steps + 1;
    if (stopsItself) {
      Thread other = new Thread(this.detector::stop); // as `onStop` of an activity
      if (steps == 1) other.start();
      this.detector.stop();
    }
    if (ended.getCount() > 0) AudioRecord.heard = steps * detector.settings().stepSamples();
  }

  @Override
  public void onDetection(Detection found) {
    System.out.println("detected " + found.timeSeconds + " " + found.score + " " + found.className);
  }

  @Override
  public void onSilence() {
    System.out.println("silence");
  }

  @Override
  public void onError(String message) {
    System.out.println("error: " + message);
    ended.countDown();
  }
}
