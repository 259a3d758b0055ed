package org.tensorflow.lite;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import kerassal.detector.StepInterpreter;

/**
 * The interpreter as its documentation describes it, over a model that a test gives.
 *
 * <p>It takes the whole content of input buffers, and writes to outputs from their position on.
 */
public final class Interpreter implements AutoCloseable {
  public static StepInterpreter model;
  public static List<String> inputNames;
  public static List<String> outputNames;
  public static volatile int open;

  private final Map<String, ByteBuffer> inputs = new HashMap<>();
  private final Map<String, ByteBuffer> outputs = new HashMap<>();
  private final StepInterpreter.Step step;

  public static class Options {
    public Options setNumThreads(int threads) {
      return this;
    }
  }

  public Interpreter(ByteBuffer content, Options options) {
    if (!(content instanceof MappedByteBuffer)) throw new IllegalArgumentException("not mapped");
    for (String name : inputNames) inputs.put(name, direct(model.inputBytes(name)));
    for (String name : outputNames) outputs.put(name, direct(model.outputBytes(name)));
    step = model.prepare(inputs, outputs);
    open = open + 1;
  }

  public String[] getSignatureKeys() {
    return new String[] {"step"};
  }

  public String[] getSignatureInputs(String signature) {
    return sorted(inputNames);
  }

  public String[] getSignatureOutputs(String signature) {
    return sorted(outputNames);
  }

  public int getInputTensorCount() {
    return inputNames.size();
  }

  public int getOutputTensorCount() {
    return outputNames.size();
  }

  public Tensor getInputTensor(int position) {
    return new Named("step_" + inputNames.get(position) + ":0", position, inputs, inputNames);
  }

  public Tensor getOutputTensor(int position) {
    return new Named("PartitionedCall:" + position, 100 + position, outputs, outputNames);
  }

  public Tensor getInputTensorFromSignature(String name, String signature) {
    return getInputTensor(inputNames.indexOf(name));
  }

  public Tensor getOutputTensorFromSignature(String name, String signature) {
    return getOutputTensor(outputNames.indexOf(name));
  }

  public void runForMultipleInputsOutputs(Object[] given, Map<Integer, Object> wanted) {
    for (int i = 0; i < given.length; ++i) {
      ByteBuffer source = checked(given[i]);
      ByteBuffer input = inputs.get(inputNames.get(i));
      if (source.capacity() != input.capacity()) throw new IllegalArgumentException("size");
      for (int k = 0; k < input.capacity(); ++k) input.put(k, source.get(k));
    }
    step.run();
    for (Map.Entry<Integer, Object> entry : wanted.entrySet()) {
      checked(entry.getValue()).put(outputs.get(outputNames.get(entry.getKey())).duplicate());
    }
  }

  @Override
  public void close() {
    open = open - 1;
  }

  private static ByteBuffer checked(Object buffer) {
    ByteBuffer bytes = (ByteBuffer) buffer;
    if (!bytes.isDirect() || bytes.order() != ByteOrder.nativeOrder()) {
      throw new IllegalArgumentException("a buffer must be direct and in native order");
    }
    return bytes;
  }

  private static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  private static String[] sorted(List<String> names) {
    String[] sorted = names.toArray(new String[0]);
    java.util.Arrays.sort(sorted, Collections.reverseOrder());
    return sorted;
  }

  private static final class Named implements Tensor {
    private final String name;
    private final int index;
    private final int bytes;

    Named(String name, int index, Map<String, ByteBuffer> buffers, List<String> names) {
      this.name = name;
      this.index = index;
      bytes = buffers.get(names.get(index % 100)).capacity();
    }

    @Override
    public int index() {
      return index;
    }

    @Override
    public String name() {
      return name;
    }

    @Override
    public int numBytes() {
      return bytes;
    }
  }
}
