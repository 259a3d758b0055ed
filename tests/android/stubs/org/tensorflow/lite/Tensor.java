package org.tensorflow.lite;

public interface Tensor {
  int index();

  String name();

  int numBytes();
}
