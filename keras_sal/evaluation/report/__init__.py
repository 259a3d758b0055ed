"""The report of an evaluation: one HTML page with figures, tables and sounds.

`write` makes it from `Predictions` and from the results that `keras_sal.evaluation` gives for them.
The page needs no network and no file beside it. It works in light and dark, without colour, and
without a mouse.

In the order in which a reader meets them:

- `report`: `write`, and the order of the sections.
- `verdict`: whether a system is good enough, and what would make it better.
- `page`: the parts of a page (sections, tables, pictures), rendered to HTML with `page.html`,
  `page.css` and `page.js`.
- `tables`: the tables, from the results.
- `curves`: the section of DET curves and latencies.
- `examples`: the choice of misses, false alarms and hits to show.
- `example_cards`: the section of these examples, each with its picture and its sound (`sounds`).
- `figures`, `example_figure`: the drawings, in the colours of `themes`; `pictures` puts them on the
  page and into files.
"""

from keras_sal.evaluation.report.report import PAGE, write

__all__ = ["PAGE", "write"]
