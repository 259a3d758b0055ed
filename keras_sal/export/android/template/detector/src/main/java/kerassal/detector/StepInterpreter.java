package kerassal.detector;

import java.nio.ByteBuffer;
import java.util.Map;

/** What runs a model one step at a time; its tensors have names. */
public interface StepInterpreter extends AutoCloseable {
  /** Size of an input in bytes, or -1 if the model has no input of this name. */
  int inputBytes(String name);

  /** Size of an output in bytes, or -1 if the model has no output of this name. */
  int outputBytes(String name);

  /**
   * Prepares a step between buffers.
   *
   * @param inputs direct buffers in native order, one for each input of the model
   * @param outputs direct buffers in native order, one for each output of the model
   * @return a step that reads and writes these buffers, as often as it is run
   */
  Step prepare(Map<String, ByteBuffer> inputs, Map<String, ByteBuffer> outputs);

  @Override
  void close();

  /** A step of the model between buffers. */
  interface Step {
    /** Runs the model once. */
    void run();
  }
}
