package kerassal.detector;

import java.util.List;
import java.util.Map;

/** The members of a JSON object, by name and type. */
final class Fields {
  private final String file;
  private final Map<?, ?> members;

  private Fields(String file, Object value) {
    if (!(value instanceof Map)) throw new SettingsException(file, "it must hold an object");
    this.file = file;
    this.members = (Map<?, ?>) value;
  }

  /** Reads the text of a file that holds one object. */
  static Fields parse(String file, String text) {
    try {
      return new Fields(file, Json.parse(text));
    } catch (IllegalArgumentException error) {
      throw new SettingsException(file, error.getMessage());
    }
  }

  boolean isNull(String name) {
    return members.get(name) == null;
  }

  Fields object(String name) {
    return new Fields(file, value(name, Map.class, "an object"));
  }

  String text(String name) {
    return value(name, String.class, "a text");
  }

  double number(String name) {
    return value(name, Double.class, "a number");
  }

  double number(String name, double least) {
    double number = number(name);
    if (!(number >= least)) throw wrong(name, "must be at least " + least);
    return number;
  }

  int integer(String name, int least) {
    double number = number(name);
    if (number != (int) number || number < least) {
      throw wrong(name, "must be an integer >= " + least);
    }
    return (int) number;
  }

  List<?> list(String name) {
    return value(name, List.class, "a list");
  }

  /** A list of numbers, or a number for a list of one. */
  double[] numbers(String name) {
    if (members.get(name) instanceof Double) return new double[] {number(name)};
    List<?> list = list(name);
    double[] numbers = new double[list.size()];
    for (int i = 0; i < numbers.length; ++i) {
      if (!(list.get(i) instanceof Double)) throw wrong(name, "must be a list of numbers");
      numbers[i] = (Double) list.get(i);
    }
    return numbers;
  }

  String[] texts(String name) {
    List<?> list = list(name);
    String[] texts = new String[list.size()];
    for (int i = 0; i < texts.length; ++i) {
      if (!(list.get(i) instanceof String)) throw wrong(name, "must be a list of texts");
      texts[i] = (String) list.get(i);
    }
    return texts;
  }

  Fields[] objects(String name) {
    List<?> list = list(name);
    Fields[] objects = new Fields[list.size()];
    for (int i = 0; i < objects.length; ++i) objects[i] = new Fields(file, list.get(i));
    return objects;
  }

  /** The number of values of a tensor of the shape that a member holds. */
  int elements(String name) {
    long elements = 1;
    for (double size : numbers(name)) {
      if (size != (int) size || size < 1) throw wrong(name, "must hold positive integers");
      elements *= (int) size;
      if (elements > Integer.MAX_VALUE / 8) throw wrong(name, "is too large");
    }
    return (int) elements;
  }

  SettingsException wrong(String name, String why) {
    return new SettingsException(file, "'" + name + "' " + why + ", and is " + members.get(name));
  }

  private <T> T value(String name, Class<T> type, String kind) {
    Object value = members.get(name);
    if (!type.isInstance(value)) throw wrong(name, "must be " + kind);
    return type.cast(value);
  }
}
