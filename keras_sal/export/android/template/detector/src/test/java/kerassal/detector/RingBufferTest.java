package kerassal.detector;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import org.junit.Test;

public final class RingBufferTest {
  @Test
  public void samplesComeOutInOrderWhateverTheBlocks() throws InterruptedException {
    RingBuffer ring = new RingBuffer(10);
    short[] three = new short[3];
    short next = 0;
    for (int block = 1; block <= 4; ++block) {
      short[] source = new short[block];
      for (int i = 0; i < block; ++i) source[i] = next++;
      ring.write(source, block);
    }
    for (short start = 0; start < 9; start += 3) {
      assertEquals(0, ring.read(three));
      assertArrayEquals(new short[] {start, (short) (start + 1), (short) (start + 2)}, three);
    }
  }

  @Test
  public void lostSamplesAreCounted() throws InterruptedException {
    RingBuffer ring = new RingBuffer(4);
    ring.write(new short[] {1, 2, 3, 4}, 4);
    ring.write(new short[] {5, 6, 0}, 2);
    short[] two = new short[2];
    assertEquals(2, ring.read(two));
    assertArrayEquals(new short[] {3, 4}, two);
    assertEquals(0, ring.read(two));
    assertArrayEquals(new short[] {5, 6}, two);
  }

  @Test
  public void theReaderWaitsForTheWriter() throws InterruptedException {
    RingBuffer ring = new RingBuffer(8);
    Thread writer = new Thread(() -> ring.write(new short[] {1, 2, 3}, 3));
    writer.start();
    assertEquals(0, ring.read(new short[3]));
    writer.join();
  }

  @Test
  public void aClosedBufferCanBeReadToItsEnd() throws InterruptedException {
    RingBuffer ring = new RingBuffer(8);
    ring.write(new short[] {1, 2, 3}, 3);
    ring.close();
    assertEquals(0, ring.read(new short[2]));
    assertEquals(-1, ring.read(new short[2]));
  }
}
