package kerassal.app;

import android.content.Context;
import android.graphics.Canvas;
import android.graphics.Color;
import android.graphics.Paint;
import android.os.SystemClock;
import android.view.View;
import java.util.Arrays;
import kerassal.detector.Detector;
import kerassal.detector.DetectorSettings;

/** The scores of the last seconds, the thresholds, and a light for each class. */
final class TraceView extends View {
  private static final double SECONDS = 6;
  private static final long LIGHT_MS = 600;
  private static final int[] COLORS = {
    Color.rgb(0, 137, 123), Color.rgb(216, 27, 96), Color.rgb(57, 73, 171), Color.rgb(251, 140, 0),
  };

  private final Paint line = new Paint(Paint.ANTI_ALIAS_FLAG);
  private final Paint fill = new Paint(Paint.ANTI_ALIAS_FLAG);
  private final float density;
  private DetectorSettings settings;
  private float[][] scores = new float[0][0];
  private long[] firedAt = new long[0];
  private int next;

  TraceView(Context context) {
    super(context);
    density = context.getResources().getDisplayMetrics().density;
    line.setStyle(Paint.Style.STROKE);
  }

  /** Starts an empty trace. */
  synchronized void begin(DetectorSettings detectorSettings) {
    settings = detectorSettings;
    int frames = (int) Math.ceil(SECONDS / settings.frameStepSeconds);
    scores = new float[settings.classes()][frames];
    firedAt = new long[settings.classes()];
    Arrays.fill(firedAt, -LIGHT_MS);
    next = 0;
    postInvalidate();
  }

  /** Adds the scores of a step. */
  synchronized void add(Detector detector) {
    for (int c = 0; c < scores.length; ++c) {
      scores[c][next] = detector.score(c);
      if (detector.fired(c)) firedAt[c] = SystemClock.uptimeMillis();
    }
    next = (next + 1) % scores[0].length;
    postInvalidate();
  }

  @Override
  protected synchronized void onDraw(Canvas canvas) {
    super.onDraw(canvas);
    if (settings == null) return;
    float margin = 16 * density;
    float lights = 56 * density;
    float width = getWidth() - 2 * margin;
    float height = getHeight() - 2 * margin - lights;
    float top = margin + lights;
    for (int c = 0; c < scores.length; ++c) {
      int color = COLORS[c % COLORS.length];
      drawLight(canvas, margin + (0.5f + c) * width / scores.length, margin + lights / 2, c, color);
      line.setColor(color);
      line.setStrokeWidth(density);
      float level = top + height * (1 - (float) settings.threshold(c));
      canvas.drawLine(margin, level, margin + width, level, line);
      line.setStrokeWidth(2 * density);
      int frames = scores[c].length;
      for (int i = 1; i < frames; ++i) {
        float before = scores[c][(next + i - 1) % frames];
        float after = scores[c][(next + i) % frames];
        canvas.drawLine(
            margin + width * (i - 1) / (frames - 1),
            top + height * (1 - before),
            margin + width * i / (frames - 1),
            top + height * (1 - after),
            line);
      }
    }
  }

  private void drawLight(Canvas canvas, float x, float y, int classIndex, int color) {
    long age = SystemClock.uptimeMillis() - firedAt[classIndex];
    fill.setColor(age < LIGHT_MS ? color : Color.LTGRAY);
    canvas.drawCircle(x, y, 20 * density, fill);
    if (age < LIGHT_MS) postInvalidateDelayed(LIGHT_MS - age);
  }
}
