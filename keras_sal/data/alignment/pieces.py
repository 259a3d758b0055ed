"""Pieces of a table, which are aligned on worker processes and kept until the table is written."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_sal.data.alignment.sound_aligner import SoundAligner, Times, find_times
from keras_sal.data.cluster import Cluster
from keras_sal.files import write_json
from keras_sal.typing import Progress

KEPT = ".alignment"  # folder beside the table
PIECE = 200  # recordings: about ten seconds of work


@dataclass(frozen=True)
class Piece:
    """Recordings that one task aligns.

    Args:
        number: Number of the piece, from 0.
        rows: Names and texts of the recordings.
        aligner: What finds their times.
    """

    number: int
    rows: tuple[tuple[str, str], ...]
    aligner: SoundAligner

    def __str__(self) -> str:
        return f"piece {self.number}, from {self.rows[0][0]} on"

    def path(self) -> Path:
        """Return the path of what was found, named after all that it follows from."""
        aligner = self.aligner
        rows = [[*row, _state(aligner.folder / row[0])] for row in self.rows]
        facts = [aligner.method, repr(aligner.pronunciations), rows]
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        return aligner.folder / KEPT / f"{self.number:05d}-{digest}.json"


def align_pieces(
    aligner: SoundAligner,
    rows: Sequence[tuple[str, str]],
    cluster: Cluster,
    progress: Progress | None = None,
) -> list[Times | str]:
    """Find the times of recordings on worker processes.

    What was found is kept beside the table, so that the same call goes on after an interruption;
    `forget_pieces` removes it.

    Args:
        aligner: The `SoundAligner`.
        rows: Names and texts of the recordings.
        cluster: The worker processes.
        progress: Called as `progress(done, total)`, or `None` (default).

    Returns:
        For each row `(onset_s, offset_s)`, or the reason why there are no times.

    Raises:
        RuntimeError: If a process was killed each time that it aligned the same piece.
    """
    parts = [tuple(rows[first : first + PIECE]) for first in range(0, len(rows), PIECE)]
    pieces = [Piece(number, part, aligner) for number, part in enumerate(parts)]
    found: dict[int, list[Times | str]] = {}
    done = 0
    with cluster:
        for piece, outcomes in cluster.map(align_piece, pieces):
            found[piece.number] = outcomes
            done += len(outcomes)
            if progress:
                progress(done, len(rows))
    return [outcome for number in range(len(pieces)) for outcome in found[number]]


def align_piece(piece: Piece) -> list[Times | str]:
    """Find the times of a piece, unless they are kept.

    Args:
        piece: The piece.

    Returns:
        For each row `(onset_s, offset_s)`, or the reason why there are no times.
    """
    path = piece.path()
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        return [each if isinstance(each, str) else (each[0], each[1]) for each in kept]
    outcomes = [find_times(piece.aligner, file, text) for file, text in piece.rows]
    path.parent.mkdir(exist_ok=True)
    write_json(path, outcomes)
    return outcomes


def forget_pieces(folder: Path) -> None:
    """Remove what was kept.

    Args:
        folder: Folder of the recordings.
    """
    shutil.rmtree(folder / KEPT, ignore_errors=True)


def _state(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
