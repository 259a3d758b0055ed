package kerassal.detector;

/** Settings that no detector can be made of; the message says why, and what to do. */
public final class SettingsException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * @param file name of the file that is wrong
   * @param reason what is wrong with it
   */
  public SettingsException(String file, String reason) {
    super(file + " can't be used: " + reason + ". Export the detector again.");
  }
}
