package kerassal.android;

import android.content.res.AssetFileDescriptor;
import android.content.res.AssetManager;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Locale;
import kerassal.detector.DetectorSettings;
import kerassal.detector.Golden;
import kerassal.detector.SettingsException;

/** The exported files in the assets of an app: the model, its settings and golden values. */
public final class DetectorAssets {
  /** The settings. */
  public final DetectorSettings settings;

  /** The golden values of the self-test. */
  public final Golden golden;

  /** The content of the model's file, mapped into memory. */
  public final ByteBuffer model;

  /**
   * Opens the files.
   *
   * @param assets of the app, {@code context.getAssets()}
   * @throws IOException if a file is missing
   * @throws SettingsException if the model is not the one that was exported with the settings
   */
  public DetectorAssets(AssetManager assets) throws IOException {
    settings = DetectorSettings.parse(text(assets, DetectorSettings.FILE));
    golden = Golden.parse(text(assets, Golden.FILE));
    model = map(assets, settings.model);
    if (!sha256(model).equals(settings.sha256)) {
      throw new SettingsException(
          settings.model,
          "it is not the model that " + DetectorSettings.FILE + " was exported with, by its hash");
    }
  }

  private static String text(AssetManager assets, String name) throws IOException {
    try (InputStream file = assets.open(name)) {
      ByteArrayOutputStream content = new ByteArrayOutputStream();
      byte[] part = new byte[8192];
      for (int count = file.read(part); count >= 0; count = file.read(part)) {
        content.write(part, 0, count);
      }
      return new String(content.toByteArray(), StandardCharsets.UTF_8);
    }
  }

  private static ByteBuffer map(AssetManager assets, String name) throws IOException {
    try (AssetFileDescriptor file = assets.openFd(name);
        FileInputStream stream = new FileInputStream(file.getFileDescriptor())) {
      return stream
          .getChannel()
          .map(FileChannel.MapMode.READ_ONLY, file.getStartOffset(), file.getDeclaredLength());
    }
  }

  private static String sha256(ByteBuffer content) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(content.duplicate());
      StringBuilder text = new StringBuilder();
      for (byte part : digest.digest()) text.append(String.format(Locale.ROOT, "%02x", part));
      return text.toString();
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible);
    }
  }
}
