"""Pictures: figures drawn for light and dark pages, each kept as a PNG file too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_sal.evaluation.report.figures import Artist
from keras_sal.evaluation.report.page import Picture, data_uri
from keras_sal.evaluation.report.themes import DARK, LIGHT
from keras_sal.files import write_atomically

PIXELS_PER_INCH = 96  # of CSS


class Illustrator:
    """Draws each figure in both themes.

    Args:
        folder: Folder for the PNG files, which exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._light, self._dark = Artist(LIGHT), Artist(DARK)

    def picture(
        self,
        name: str,
        alt: str,
        plot: Callable[..., None],
        *arguments: Any,
        size: tuple[float, float],
        **keywords: Any,
    ) -> Picture:
        """Draw a figure, and write `name.png`.

        Args:
            name: Name of the file, without its suffix.
            alt: Text that stands for the picture.
            plot: A function that draws; see `Artist.draw`.
            *arguments: Further arguments for it.
            size: Width and height in inches.
            **keywords: Further keyword arguments of `Artist.draw`.

        Returns:
            The `Picture` for the page.
        """
        light, dark = (
            data_uri(artist.draw(plot, *arguments, size=size, **keywords), "image/svg+xml")
            for artist in (self._light, self._dark)
        )
        png = self._light.draw(plot, *arguments, size=size, kind="png", **keywords)
        write_atomically(self._folder / f"{name}.png", png)
        width, height = (round(inches * PIXELS_PER_INCH) for inches in size)
        return Picture(light, dark, alt, width, height)
