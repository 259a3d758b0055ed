package kerassal.detector;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A reader of JSON: objects as maps, arrays as lists, numbers as doubles. */
final class Json {
  private static final int DEEPEST = 64;

  private final String text;
  private int at;

  private Json(String text) {
    this.text = text;
  }

  /** Reads a text that is one JSON value. */
  static Object parse(String text) {
    Json json = new Json(text);
    Object value = json.value(0);
    json.skipSpace();
    if (json.at < text.length()) throw json.unexpected();
    return value;
  }

  private Object value(int depth) {
    if (depth > DEEPEST) throw new IllegalArgumentException("it is nested too deeply");
    skipSpace();
    char first = peek();
    switch (first) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return string();
      case 't':
        return word("true", Boolean.TRUE);
      case 'f':
        return word("false", Boolean.FALSE);
      case 'n':
        return word("null", null);
      default:
        return number();
    }
  }

  private Map<String, Object> object(int depth) {
    Map<String, Object> members = new LinkedHashMap<>();
    expect('{');
    for (boolean first = true; !ends('}', first); first = false) {
      skipSpace();
      String name = string();
      skipSpace();
      expect(':');
      members.put(name, value(depth + 1));
    }
    return members;
  }

  private List<Object> array(int depth) {
    List<Object> items = new ArrayList<>();
    expect('[');
    for (boolean first = true; !ends(']', first); first = false) items.add(value(depth + 1));
    return items;
  }

  /** Takes the end of an object or array, or the comma before its next part. */
  private boolean ends(char end, boolean first) {
    skipSpace();
    if (peek() == end) {
      ++at;
      return true;
    }
    if (!first) expect(',');
    return false;
  }

  private String string() {
    expect('"');
    StringBuilder built = new StringBuilder();
    while (true) {
      char next = peek();
      if (next < ' ') throw unexpected();
      ++at;
      if (next == '"') return built.toString();
      built.append(next == '\\' ? escaped() : next);
    }
  }

  private char escaped() {
    char kind = peek();
    int plain = "\"\\/bfnrt".indexOf(kind);
    if (plain >= 0) {
      ++at;
      return "\"\\/\b\f\n\r\t".charAt(plain);
    }
    if (kind != 'u') throw unexpected();
    int code = 0;
    for (int digits = 0; digits < 4; ++digits) {
      ++at;
      int digit = Character.digit(peek(), 16);
      if (digit < 0 || peek() > 'f') throw unexpected();
      code = 16 * code + digit;
    }
    ++at;
    return (char) code;
  }

  private Double number() {
    int start = at;
    if (peek() == '-') ++at;
    if (peek() == '0') {
      ++at;
    } else {
      digits();
    }
    if (at < text.length() && peek() == '.') {
      ++at;
      digits();
    }
    if (at < text.length() && (peek() == 'e' || peek() == 'E')) {
      ++at;
      if (peek() == '+' || peek() == '-') ++at;
      digits();
    }
    return Double.valueOf(text.substring(start, at));
  }

  private void digits() {
    int start = at;
    while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') ++at;
    if (at == start) throw unexpected();
  }

  private Object word(String word, Object value) {
    if (!text.startsWith(word, at)) throw unexpected();
    at += word.length();
    return value;
  }

  private void skipSpace() {
    while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) ++at;
  }

  private char peek() {
    if (at >= text.length()) throw unexpected();
    return text.charAt(at);
  }

  private void expect(char wanted) {
    if (peek() != wanted) throw unexpected();
    ++at;
  }

  private IllegalArgumentException unexpected() {
    String found = at < text.length() ? "'" + text.charAt(at) + "'" : "its end";
    return new IllegalArgumentException("it is no JSON: " + found + " at character " + at);
  }
}
