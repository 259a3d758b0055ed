"""The least recently used cache of records of files."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable


class RecordCache:
    """The records that were read last, of all files together, up to a number of bytes.

    Args:
        max_bytes: int >= 0, the bytes of the records that are kept.

    Example:
        >>> cache = RecordCache(max_bytes=8)
        >>> cache.read("a file", [0, 1], lambda numbers: [b"zero" for _ in numbers])
        [b'zero', b'zero']
        >>> cache.read("a file", [1, 2], lambda numbers: [f"no {n}".encode() for n in numbers])
        [b'zero', b'no 2']
        >>> cache.bytes
        8
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.bytes = max_bytes, 0
        self._records: OrderedDict[tuple[Hashable, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(
        self, file: Hashable, numbers: Iterable[int], read: Callable[[list[int]], list[bytes]]
    ) -> list[bytes]:
        """Return records of a file, and read those that are not kept.

        Args:
            file: The file and its version.
            numbers: Numbers of the records.
            read: Function that reads the records of a list of numbers.
        """
        found = {number: self._kept(file, number) for number in numbers}
        missing = [number for number, record in found.items() if record is None]
        if missing:
            for number, record in zip(missing, read(missing), strict=True):
                found[number] = record
                self._keep(file, number, record)
        return [record for record in found.values() if record is not None]

    def _kept(self, file: Hashable, number: int) -> bytes | None:
        with self._lock:
            if (file, number) in self._records:
                self._records.move_to_end((file, number))
            return self._records.get((file, number))

    def _keep(self, file: Hashable, number: int, record: bytes) -> None:
        with self._lock:
            former = self._records.pop((file, number), b"")
            self._records[file, number] = record
            self.bytes += len(record) - len(former)
            while self.bytes > self.max_bytes:
                self.bytes -= len(self._records.popitem(last=False)[1])
