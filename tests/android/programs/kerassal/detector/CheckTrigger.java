package kerassal.detector;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** Runs triggers over cases.bin and writes scores and detections to outputs.bin. */
final class CheckTrigger {
  private CheckTrigger() {}

  public static void main(String[] folder) throws IOException {
    Path path = Path.of(folder[0]);
    ByteBuffer cases = ByteBuffer.wrap(Files.readAllBytes(path.resolve("cases.bin")));
    ByteBuffer outputs = ByteBuffer.allocate(2 * cases.capacity());
    cases.order(ByteOrder.LITTLE_ENDIAN);
    outputs.order(ByteOrder.LITTLE_ENDIAN);
    while (cases.hasRemaining()) run(cases, outputs);
    byte[] written = Arrays.copyOf(outputs.array(), outputs.position());
    Files.write(path.resolve("outputs.bin"), written);
  }

  private static void run(ByteBuffer cases, ByteBuffer outputs) {
    int smoothFrames = cases.getInt();
    int onFrames = cases.getInt();
    int refractoryFrames = cases.getInt();
    TriggerRule rule =
        new TriggerRule(smoothFrames, onFrames, cases.getDouble(), refractoryFrames);
    Trigger[] triggers = new Trigger[cases.getInt()];
    for (int c = 0; c < triggers.length; ++c) triggers[c] = new Trigger(rule, cases.getDouble());
    int frames = cases.getInt();
    for (int i = 0; i < frames * triggers.length; ++i) {
      Trigger trigger = triggers[i % triggers.length];
      boolean fired = trigger.feed(cases.getFloat());
      outputs.putFloat(trigger.score());
      outputs.putFloat(fired ? 1 : 0);
    }
  }
}
