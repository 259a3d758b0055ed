package android.app;

import android.content.Context;
import android.os.Bundle;
import android.view.View;
import android.view.Window;

public class Activity extends Context {
  protected void onCreate(Bundle state) {}

  protected void onStart() {}

  protected void onStop() {}

  public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {}

  public final void requestPermissions(String[] permissions, int request) {}

  public final void runOnUiThread(Runnable action) {}

  public void setContentView(View view) {}

  public Window getWindow() {
    return null;
  }
}
