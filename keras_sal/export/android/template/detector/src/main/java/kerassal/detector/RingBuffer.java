package kerassal.detector;

/**
 * Samples between the thread of the microphone and that of the detector.
 *
 * <p>The writer never waits: if the reader is too slow, the oldest samples are overwritten, and the
 * reader is told how many it missed.
 */
public final class RingBuffer {
  private final short[] samples;
  private long written;
  private long read;
  private boolean closed;

  /** Makes room for a number of samples. */
  public RingBuffer(int capacity) {
    samples = new short[capacity];
  }

  /** Writes the first samples of an array. */
  public synchronized void write(short[] source, int count) {
    for (int i = 0; i < count; ++i) samples[(int) (written++ % samples.length)] = source[i];
    notifyAll();
  }

  /**
   * Waits for samples and fills an array with them.
   *
   * @param target array, no longer than the capacity
   * @return how many samples were lost just before these, or -1 if the buffer was closed
   * @throws InterruptedException if the thread was interrupted while it waited
   */
  public synchronized long read(short[] target) throws InterruptedException {
    while (!closed && written - read < target.length) wait();
    if (written - read < target.length) return -1;
    long lost = Math.max(0, written - samples.length - read);
    read += lost;
    for (int i = 0; i < target.length; ++i) target[i] = samples[(int) (read++ % samples.length)];
    return lost;
  }

  /** Ends the stream: what was written can still be read. */
  public synchronized void close() {
    closed = true;
    notifyAll();
  }
}
