package android.widget;

import android.content.Context;
import android.view.View;

public class TextView extends View {
  public TextView(Context context) {
    super(context);
  }

  public void setGravity(int gravity) {}

  public final void setText(CharSequence text) {}

  public final void setText(int id) {}

  public void setTextSize(float size) {}
}
