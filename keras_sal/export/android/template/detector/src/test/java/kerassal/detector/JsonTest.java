package kerassal.detector;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.util.Arrays;
import java.util.Collections;
import org.junit.Test;

public final class JsonTest {
  @Test
  public void valuesAreRead() {
    assertEquals(Arrays.asList(1.0, -0.25, 3e-7, 0.0), Json.parse("[1, -0.25, 3e-7, 0]"));
    assertEquals(Arrays.asList(true, false, null), Json.parse(" [true,false , null]\n"));
    assertEquals(Collections.singletonMap("a", Collections.emptyMap()), Json.parse("{\"a\":{}}"));
    assertEquals("\"\\/\b\f\n\r\t\u00f1", Json.parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00F1\""));
  }

  @Test
  public void whatIsNoJsonIsRefused() {
    String[] texts = {
      "", " ", "[1,]", "[1 2]", "{\"a\" 1}", "{1: 2}", "{\"a\": 1,}", "01", "1.", ".5", "+1", "1e",
      "NaN", "tru", "\"a", "\"\n\"", "\"\\x\"", "\"\\u12g4\"", "[1]]", "-", "[", "{"
    };
    for (String text : texts) {
      assertThrows(text, IllegalArgumentException.class, () -> Json.parse(text));
    }
  }

  @Test
  public void deepNestingIsRefused() {
    String deep = String.join("", Collections.nCopies(100_000, "["));
    assertThrows(IllegalArgumentException.class, () -> Json.parse(deep));
  }
}
