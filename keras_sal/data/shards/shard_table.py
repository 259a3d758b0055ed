"""The table of shards: what each file holds, and its hash."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

from keras_sal.data.text_files import read_text
from keras_sal.files import write_atomically

TABLE = "shards.csv"


@dataclass(frozen=True, order=True)
class Shard:
    """A row of the table.

    Args:
        file: Name of the file.
        streams: Number of its streams.
        hours: Length of all of them in hours.
        events: Number of events in them.
        bytes: Size of the file.
        sha256: SHA-256 of the file, in hexadecimal digits.
    """

    file: str
    streams: int
    hours: float
    events: int
    bytes: int
    sha256: str


COLUMNS = [each.name for each in fields(Shard)]


def write_table(folder: Path, shards: Iterable[Shard]) -> None:
    """Write the table, sorted by name.

    Args:
        folder: Folder of the shards.
        shards: The rows, in any order.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(shard) for shard in sorted(shards))
    write_atomically(folder / TABLE, text.getvalue())


def read_table(folder: Path) -> list[Shard]:
    """Read the table.

    Args:
        folder: Folder of the shards.

    Returns:
        The rows.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is something else.
    """
    path = folder / TABLE
    if not path.is_file():
        raise FileNotFoundError(
            f"`folder` must hold a table {TABLE}; it is written when all shards are there. "
            f"Received: folder={str(folder)!r}. Write the shards to their end: the same call goes "
            "on where it was interrupted."
        )
    try:
        rows = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
        if rows.fieldnames != COLUMNS:
            raise ValueError(f"it has the columns {rows.fieldnames}")
        return [
            Shard(
                file=Path(row["file"]).name,
                streams=int(row["streams"]),
                hours=float(row["hours"]),
                events=int(row["events"]),
                bytes=int(row["bytes"]),
                sha256=row["sha256"],
            )
            for row in rows
        ]
    except (csv.Error, KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{TABLE} must be a table with the columns {', '.join(COLUMNS)}; it says what each "
            f"shard holds. Received: {str(path)!r} ({type(error).__name__}: {error}). Write the "
            "shards again; what is there is kept."
        ) from error


def totals(shards: Iterable[Shard]) -> tuple[int, float, int, int]:
    """Return the sums over shards.

    Args:
        shards: The rows.

    Returns:
        `(streams, hours, events, bytes)`.

    Example:
        >>> totals([Shard("a", 2, 0.5, 7, 100, ""), Shard("b", 1, 0.25, 0, 50, "")])
        (3, 0.75, 7, 150)
    """
    columns = zip(*(astuple(shard)[1:-1] for shard in shards), strict=True)
    streams, hours, events, size = (sum(column) for column in columns)
    return streams, hours, events, size
