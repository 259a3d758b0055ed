package kerassal.detector;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** The exported files, which are resources of the tests. */
final class Exported {
  private Exported() {}

  static DetectorSettings settings() {
    return DetectorSettings.parse(text(DetectorSettings.FILE));
  }

  static Golden golden() {
    return Golden.parse(text(Golden.FILE));
  }

  static String text(String name) {
    try (InputStream file = Exported.class.getClassLoader().getResourceAsStream(name)) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
