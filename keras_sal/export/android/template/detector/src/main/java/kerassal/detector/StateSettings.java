package kerassal.detector;

import java.util.List;

/**
 * A state of the model: what is an output of one step is an input of the next, and zeros at first.
 */
public final class StateSettings {
  /** The input. */
  public final TensorSettings input;

  /** The output that holds its next value, of the same size. */
  public final TensorSettings output;

  private StateSettings(TensorSettings input, TensorSettings output) {
    this.input = input;
    this.output = output;
  }

  /** The pairs of names, among the inputs and outputs that they name. */
  static StateSettings[] listOf(
      Fields fields, List<TensorSettings> inputs, List<TensorSettings> outputs) {
    List<?> pairs = fields.list("states");
    if (pairs.isEmpty()) {
      throw fields.wrong(
          "states", "must not be empty: a model without states forgets the sound before each step");
    }
    StateSettings[] states = new StateSettings[pairs.size()];
    for (int i = 0; i < states.length; ++i) {
      Object pair = pairs.get(i);
      boolean isPair = pair instanceof List && ((List<?>) pair).size() == 2;
      TensorSettings input = isPair ? find(inputs, ((List<?>) pair).get(0)) : null;
      TensorSettings output = isPair ? find(outputs, ((List<?>) pair).get(1)) : null;
      if (input == null || output == null || input.elements != output.elements) {
        throw fields.wrong("states", "must be pairs of an input and an output of equal size");
      }
      states[i] = new StateSettings(input, output);
    }
    return states;
  }

  private static TensorSettings find(List<TensorSettings> tensors, Object name) {
    for (TensorSettings tensor : tensors) {
      if (tensor.name.equals(name)) return tensor;
    }
    return null;
  }
}
