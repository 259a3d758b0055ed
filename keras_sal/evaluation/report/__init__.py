"""The report: one HTML page that shows how systems detect, and can be listened to.

`write` makes it of what `keras_sal.evaluation` found. The page needs no network and no file beside
it; it works in light and dark, without colour, and without a mouse.
"""

from keras_sal.evaluation.report.compose import PAGE, write

__all__ = ["PAGE", "write"]
