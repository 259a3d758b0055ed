"""Choice of the rows of an event file by the values in its columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from keras_sal.checks import require
from keras_sal.data.alignment.events import MAX_LISTED


class RowFilter:
    """A function that tells whether a row has the wanted values in its columns.

    Args:
        where: Dict from the names of columns to the wanted values, or `None` for all rows.
        columns: The columns that the file has.
        path: Path of the file, for messages.

    Raises:
        ValueError: If the file lacks a column.

    Example:
        >>> wanted = RowFilter({"tier": "words"}, ["tier", "text"], Path("a.csv"))
        >>> wanted({"tier": "phones", "text": "h"}), wanted({"tier": "words", "text": "hey"})
        (False, True)
    """

    def __init__(
        self, where: Mapping[str, str] | None, columns: Collection[str], path: Path
    ) -> None:
        self._where = {name: value.strip() for name, value in (where or {}).items()}
        self._path = path
        self._seen: dict[str, set[str]] = {name: set() for name in self._where}
        self._any = not self._where
        unknown = sorted(set(self._where) - set(columns))
        require(
            not unknown,
            "`where` must name columns of the file; rows are chosen by them. Received: "
            f"where={where} for {str(path)!r} with the columns {', '.join(columns) or 'none'}. "
            "Choose one of them.",
        )

    def __call__(self, row: Mapping[str, str]) -> bool:
        """Tell whether a row is wanted.

        Args:
            row: Dict from the names of columns to the fields.

        Returns:
            `True` if each field is the wanted one.
        """
        fits = True
        for name, value in self._where.items():
            field = row[name].strip()
            self._seen[name].add(field)
            fits = fits and field == value
        self._any = self._any or fits
        return fits

    def check(self) -> None:
        """Raise an error if there were rows, and none of them was wanted.

        Raises:
            ValueError: If no row was wanted.
        """
        found = {name: sorted(fields) for name, fields in self._seen.items() if fields}
        shown = "; ".join(
            f"{name}: {', '.join(map(repr, fields[:MAX_LISTED]))}"
            f"{', ...' if len(fields) > MAX_LISTED else ''}"
            for name, fields in found.items()
        )
        require(
            self._any or not found,
            "`where` must fit some rows of the file; none is left to read. Received: "
            f"where={self._where} for {str(self._path)!r}, in which there are {shown}. "
            "Choose one of these values.",
        )
