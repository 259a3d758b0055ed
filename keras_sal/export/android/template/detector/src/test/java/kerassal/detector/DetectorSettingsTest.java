package kerassal.detector;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public final class DetectorSettingsTest {
  private static final String SETTINGS =
      "{'format': 1, 'name': 'hey', 'model': 'hey.tflite', 'sha256': {'hey.tflite': '00'},"
          + " 'classes': ['a', 'b'], 'input': 'samples', 'frontend': {'sample_rate': 16000},"
          + " 'inputs': [{'name': 'frame', 'shape': [1, 480], 'dtype': 'float32'},"
          + " {'name': 's', 'shape': [1, 3, 2], 'dtype': 'float32'}],"
          + " 'outputs': [{'name': 'posterior', 'shape': [1, 2], 'dtype': 'float32'},"
          + " {'name': 's_next', 'shape': [1, 3, 2], 'dtype': 'float32'}],"
          + " 'states': [['s', 's_next']],"
          + " 'frame_step_s': 0.03, 'frame_offset_s': 0.02, 'delay_frames': 0,"
          + " 'trigger': {'threshold': [0.5, 0.25], 'smooth_frames': 2, 'on_frames': 1,"
          + " 'hysteresis': null, 'refractory_s': 1.0}}";

  @Test
  public void everyFieldIsRead() {
    DetectorSettings settings = settings(SETTINGS);
    assertEquals("hey", settings.name);
    assertEquals("hey.tflite", settings.model);
    assertEquals("00", settings.sha256);
    assertEquals("b", settings.className(1));
    assertEquals(2, settings.classes());
    assertEquals("frame", settings.input.name);
    assertEquals(480, settings.stepSamples());
    assertEquals(16000, settings.sampleRate);
    assertEquals("posterior", settings.output.name);
    assertEquals("s", settings.state(0).input.name);
    assertEquals("s_next", settings.state(0).output.name);
    assertEquals(24, settings.state(0).input.bytes());
    assertEquals(0.25, settings.threshold(1), 0);
    assertEquals(2, settings.trigger.smoothFrames);
    assertEquals(34, settings.trigger.refractoryFrames);
    assertTrue(Double.isNaN(settings.trigger.hysteresis));
  }

  @Test
  public void oneThresholdIsANumberOrAList() {
    String one = SETTINGS.replace("'a', 'b'", "'a'").replace("[1, 2]", "[1, 1]");
    assertEquals(0.5, settings(one.replace("[0.5, 0.25]", "0.5")).threshold(0), 0);
    assertEquals(0.5, settings(one.replace("[0.5, 0.25]", "[0.5]")).threshold(0), 0);
  }

  @Test
  public void whatCanNotBeUsedIsRefused() {
    refused("'format': 1", "'format': 2", "'format' must be 1");
    refused("'hey.tflite': '00'", "'other.tflite': '00'", "'hey.tflite' must be a text");
    refused("'samples'", "'features'", "'input' must be samples");
    refused("'sample_rate': 16000", "'sample_rate': 0", "'sample_rate' must be an integer >= 1");
    refused("[1, 480]", "[1, -480]", "'shape' must hold positive integers");
    refused("[1, 2]", "[1, 3]", "'outputs' must begin with the posterior of each class");
    refused("float32'}]", "int8'}]", "'dtype' must be float32");
    refused("['s', 's_next']", "['s', 't']", "'states' must be pairs of an input and an output");
    refused("['s', 's_next']", "'s'", "'states' must be pairs of an input and an output");
    refused("'s_next', 'shape': [1, 3, 2]", "'s_next', 'shape': [1, 3]", "of equal size");
    refused(
        "{'name': 's', ",
        "{'name': 't', 'shape': [1], 'dtype': 'float32'}, {'name': 's', ",
        "'states' must name every other input and output");
    refused("'frame_step_s': 0.03", "'frame_step_s': 0", "'frame_step_s' must be at least");
    refused("[0.5, 0.25]", "[0.5]", "'threshold' must hold a number for each of 2 classes");
    refused("[0.5, 0.25]", "[0.5, 1.5]", "'threshold' must be in [0, 1]");
    refused("'smooth_frames': 2", "'smooth_frames': 0", "'smooth_frames' must be an integer >= 1");
    refused("'delay_frames': 0,", "", "'delay_frames' must be a number");
    refused("'delay_frames': 0,", "'delay_frames': 0", "no JSON");
  }

  @Test
  public void aFileWithoutStatesIsRefused() {
    refused("[['s', 's_next']]", "[]", "a model without states forgets the sound before");
  }

  private static void refused(String part, String other, String reason) {
    String changed = SETTINGS.replace(part, other);
    assertNotEquals(SETTINGS, changed);
    Exception error = assertThrows(SettingsException.class, () -> settings(changed));
    assertTrue(error.getMessage(), error.getMessage().startsWith("detector.json can't be used"));
    assertTrue(error.getMessage(), error.getMessage().contains(reason));
  }

  private static DetectorSettings settings(String text) {
    return DetectorSettings.parse(text.replace('\'', '"'));
  }
}
