// Write this function: it waits for the next frame of your sensor, and writes its `count` features,
// computed as for training. As long as it returns false there are none, and this program ends.
bool ReadFrame(float* frame, int count) {
  (void)frame;
  (void)count;
  return false;
}
