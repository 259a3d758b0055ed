package kerassal.app;

import android.Manifest;
import android.app.Activity;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.os.Bundle;
import android.provider.Settings;
import android.view.Gravity;
import android.view.View;
import android.view.ViewGroup;
import android.view.WindowManager;
import android.widget.Button;
import android.widget.LinearLayout;
import android.widget.TextView;
import kerassal.android.MicrophoneDetector;
import kerassal.detector.Detection;
import kerassal.detector.Detector;
import kerassal.detector.DetectorSettings;

/** Shows the detector at work while it is on the screen: its scores, a light, errors. */
public final class DetectorActivity extends Activity implements MicrophoneDetector.Listener {
  private static final int ASKED = 1;

  private MicrophoneDetector microphone;
  private TraceView trace;
  private TextView status;
  private TextView last;
  private Button allow;
  private boolean asked;
  private int detections;

  @Override
  protected void onCreate(Bundle state) {
    super.onCreate(state);
    asked = state != null; // the question is on the screen, or was answered
    microphone = new MicrophoneDetector(this, this);
    trace = new TraceView(this);
    status = text(16);
    last = text(24);
    allow = new Button(this);
    allow.setText(R.string.allow);
    allow.setOnClickListener(view -> openAppSettings());
    allow.setVisibility(View.GONE);
    LinearLayout screen = new LinearLayout(this);
    screen.setOrientation(LinearLayout.VERTICAL);
    screen.setFitsSystemWindows(true);
    screen.addView(status);
    screen.addView(allow);
    screen.addView(
        trace, new LinearLayout.LayoutParams(ViewGroup.LayoutParams.MATCH_PARENT, 0, 1));
    screen.addView(last);
    setContentView(screen);
    getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
  }

  @Override
  protected void onStart() {
    super.onStart();
    if (mayRecord()) {
      listen();
    } else if (!asked) {
      asked = true;
      requestPermissions(new String[] {Manifest.permission.RECORD_AUDIO}, ASKED);
    } else {
      sayThatItMayNotRecord();
    }
  }

  @Override
  protected void onStop() {
    microphone.stop();
    super.onStop();
  }

  @Override
  public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
    super.onRequestPermissionsResult(request, permissions, results);
    if (mayRecord()) {
      listen();
    } else {
      sayThatItMayNotRecord();
    }
  }

  @Override
  public void onReady(DetectorSettings settings, String difference) {
    trace.begin(settings);
    say(
        difference == null
            ? getString(R.string.listening, settings.name)
            : getString(R.string.differs, settings.name, difference));
  }

  @Override
  public void onStep(Detector detector) {
    trace.add(detector);
  }

  @Override
  public void onDetection(Detection detection) {
    runOnUiThread(() -> last.setText(++detections + ". " + detection));
  }

  @Override
  public void onSilence() {
    say(getString(R.string.silence));
  }

  @Override
  public void onError(String message) {
    say(message);
  }

  private boolean mayRecord() {
    return checkSelfPermission(Manifest.permission.RECORD_AUDIO)
        == PackageManager.PERMISSION_GRANTED;
  }

  private void listen() {
    allow.setVisibility(View.GONE);
    status.setText(R.string.loading);
    microphone.start();
  }

  private void sayThatItMayNotRecord() {
    status.setText(R.string.refused);
    allow.setVisibility(View.VISIBLE);
  }

  /** The system asks no more than twice; its settings always can be changed. */
  private void openAppSettings() {
    Uri app = Uri.fromParts("package", getPackageName(), null);
    startActivity(new Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, app));
  }

  private void say(String message) {
    runOnUiThread(() -> status.setText(message));
  }

  private TextView text(int size) {
    TextView view = new TextView(this);
    int space = Math.round(16 * getResources().getDisplayMetrics().density);
    view.setTextSize(size);
    view.setGravity(Gravity.CENTER);
    view.setPadding(space, space, space, space);
    return view;
  }
}
