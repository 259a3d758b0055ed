package android.content;

import android.content.pm.PackageManager;
import android.content.res.AssetManager;
import android.content.res.Resources;

/** A device that a test sets up. */
public class Context {
  public static boolean mayRecord = true;
  private final AssetManager assets = new AssetManager();

  public Context getApplicationContext() {
    return this;
  }

  public AssetManager getAssets() {
    return assets;
  }

  public PackageManager getPackageManager() {
    return new PackageManager();
  }

  public Resources getResources() {
    return null;
  }

  public String getPackageName() {
    return null;
  }

  public final String getString(int id, Object... values) {
    return null;
  }

  public int checkSelfPermission(String permission) {
    return mayRecord ? PackageManager.PERMISSION_GRANTED : PackageManager.PERMISSION_DENIED;
  }

  public void startActivity(Intent intent) {}
}
