package kerassal.android;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import kerassal.detector.StepInterpreter;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.Tensor;

/** A model in the interpreter of LiteRT, on one thread. */
public final class LiteRtInterpreter implements StepInterpreter {
  private final Interpreter interpreter;
  private final Map<String, Tensor> inputs = new HashMap<>();
  private final Map<String, Tensor> outputs = new HashMap<>();

  /**
   * Loads a model.
   *
   * @param model the content of a .tflite file with one signature, mapped into memory
   */
  public LiteRtInterpreter(ByteBuffer model) {
    interpreter = new Interpreter(model, new Interpreter.Options().setNumThreads(1));
    String[] signatures = interpreter.getSignatureKeys();
    if (signatures.length != 1) {
      interpreter.close();
      throw new IllegalArgumentException(
          "The model must have one signature, which names its tensors; it has "
              + signatures.length
              + ". Export the detector again.");
    }
    String signature = signatures[0];
    for (String name : interpreter.getSignatureInputs(signature)) {
      inputs.put(name, interpreter.getInputTensorFromSignature(name, signature));
    }
    for (String name : interpreter.getSignatureOutputs(signature)) {
      outputs.put(name, interpreter.getOutputTensorFromSignature(name, signature));
    }
  }

  @Override
  public int inputBytes(String name) {
    return bytesOf(inputs.get(name));
  }

  @Override
  public int outputBytes(String name) {
    return bytesOf(outputs.get(name));
  }

  @Override
  public Step prepare(Map<String, ByteBuffer> from, Map<String, ByteBuffer> to) {
    Object[] inputBuffers = new Object[interpreter.getInputTensorCount()];
    for (int i = 0; i < inputBuffers.length; ++i) {
      inputBuffers[i] = from.get(nameOf(interpreter.getInputTensor(i), inputs));
    }
    Map<Integer, Object> outputBuffers = new HashMap<>();
    for (int i = 0; i < interpreter.getOutputTensorCount(); ++i) {
      outputBuffers.put(i, to.get(nameOf(interpreter.getOutputTensor(i), outputs)));
    }
    Buffer[] written = outputBuffers.values().toArray(new Buffer[0]);
    return () -> {
      for (Buffer buffer : written) buffer.rewind(); // LiteRT writes from the position on
      interpreter.runForMultipleInputsOutputs(inputBuffers, outputBuffers);
    };
  }

  @Override
  public void close() {
    interpreter.close();
  }

  private static int bytesOf(Tensor tensor) {
    return tensor == null ? -1 : tensor.numBytes();
  }

  /** The name in the signature of a tensor of the graph; positions differ from file to file. */
  private static String nameOf(Tensor tensor, Map<String, Tensor> named) {
    for (Map.Entry<String, Tensor> entry : named.entrySet()) {
      if (entry.getValue().index() == tensor.index()) return entry.getKey();
    }
    throw new IllegalArgumentException(
        "The model has a tensor '" + tensor.name() + "' that its signature does not name.");
  }
}
