package android.view;

import android.content.Context;
import android.graphics.Canvas;

public class View {
  public static final int VISIBLE = 0;
  public static final int GONE = 8;

  public interface OnClickListener {
    void onClick(View view);
  }

  public View(Context context) {}

  protected void onDraw(Canvas canvas) {}

  public final int getWidth() {
    return 0;
  }

  public final int getHeight() {
    return 0;
  }

  public void postInvalidate() {}

  public void postInvalidateDelayed(long delayMs) {}

  public void setFitsSystemWindows(boolean fits) {}

  public void setOnClickListener(OnClickListener listener) {}

  public void setPadding(int left, int top, int right, int bottom) {}

  public void setVisibility(int visibility) {}
}
