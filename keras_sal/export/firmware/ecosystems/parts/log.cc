void Log(const char* format, ...) {
  va_list values;
  va_start(values, format);
  v@print@format, values);
  va_end(values);
  @print@"\n");
}
