package kerassal.detector;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.Map;

/** Prints how many bytes are allocated while samples go through a ring buffer and a detector. */
final class CheckAllocation {
  private static final int STEPS = 10_000;

  private CheckAllocation() {}

  public static void main(String[] arguments) throws InterruptedException {
    DetectorSettings settings = Exported.settings();
    Detector detector = new Detector(settings, new Nothing(settings));
    RingBuffer ring = new RingBuffer(2 * settings.stepSamples());
    short[] samples = new short[settings.stepSamples()];
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = 0;
    for (int step = -STEPS; step < STEPS; ++step) {
      if (step == 0) before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
      ring.write(samples, samples.length);
      ring.read(samples);
      detector.step(samples);
    }
    long after = threads.getThreadAllocatedBytes(Thread.currentThread().getId());
    System.out.println(after - before);
  }

  /** A model that computes nothing. */
  private static final class Nothing implements StepInterpreter {
    private final GoldenInterpreter tensors;

    Nothing(DetectorSettings settings) {
      tensors = new GoldenInterpreter(settings, Exported.golden());
    }

    @Override
    public int inputBytes(String name) {
      return tensors.inputBytes(name);
    }

    @Override
    public int outputBytes(String name) {
      return tensors.outputBytes(name);
    }

    @Override
    public Step prepare(Map<String, ByteBuffer> inputs, Map<String, ByteBuffer> outputs) {
      return () -> {};
    }

    @Override
    public void close() {}
  }
}
