package kerassal.detector;

import java.util.ArrayList;
import java.util.List;

/** An input or output of the model: float32 values. */
public final class TensorSettings {
  /** Name in the signature of the model. */
  public final String name;

  /** Number of its values. */
  public final int elements;

  private TensorSettings(Fields fields) {
    name = fields.text("name");
    elements = fields.elements("shape");
    if (!fields.text("dtype").equals("float32")) throw fields.wrong("dtype", "must be float32");
  }

  /** Size in bytes. */
  public int bytes() {
    return elements * Float.BYTES;
  }

  static List<TensorSettings> listOf(Fields fields, String member) {
    List<TensorSettings> tensors = new ArrayList<>();
    for (Fields entry : fields.objects(member)) tensors.add(new TensorSettings(entry));
    if (tensors.isEmpty()) throw fields.wrong(member, "must not be empty");
    return tensors;
  }
}
