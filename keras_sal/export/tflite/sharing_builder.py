"""A writer of `.tflite` files that writes equal parts once."""

from __future__ import annotations

import struct
from typing import Any

import flatbuffers

ALIGNMENT_BYTES = 16


class SharingBuilder(flatbuffers.Builder):
    """A builder of a file in which equal tables, vectors and strings are one.

    The format refers to them by offset, and several offsets may lead to one place. Most tensors
    between operators differ in nothing but their number, so that their tables are equal.

    Vectors of bytes, which hold the values of constants, begin on a 16-byte boundary, as kernels
    with wide loads expect; shorter ones on that of the greatest power of 2 in their size.
    """

    def __init__(self) -> None:
        super().__init__(1 << 16)
        self._written: dict[Any, int] = {}
        self._links: list[tuple[int, int]] = []  # where offsets stand, and where they lead
        self._vector: tuple[int, int] | None = None

    def StartObject(self, numfields: int) -> None:  # noqa: N802
        """Begin a table."""
        self._links = []
        super().StartObject(numfields)

    def EndObject(self) -> int:  # noqa: N802
        """End a table, and return its offset."""
        offset: int = super().EndObject()
        (to_layout,) = struct.unpack_from("<i", self.Bytes, len(self.Bytes) - offset)
        self._links.append((offset, offset + to_layout))
        return self._once(offset, self.objectEnd)

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
        """Begin a vector."""
        self._links = []
        if elemSize == 1:
            alignment = min(ALIGNMENT_BYTES, 1 << max(0, numElems.bit_length() - 1))
        start: int = super().StartVector(elemSize, numElems, alignment)
        self._vector = start, alignment
        return start

    def EndVector(self, *arguments: Any) -> int:  # noqa: N802
        """End a vector, and return its offset."""
        offset: int = super().EndVector(*arguments)
        if self._vector is None:  # a string
            return offset
        (start, alignment), self._vector = self._vector, None
        return self._once(offset, start, alignment)

    def CreateString(self, s: str | bytes, *arguments: Any) -> int:  # noqa: N802
        """Write a string, and return its offset."""
        text = s.encode() if isinstance(s, str) else s
        if text not in self._written:
            self._written[text] = super().CreateString(text, *arguments)
        return self._written[text]

    def PrependUOffsetTRelative(self, off: int) -> None:  # noqa: N802
        """Write an offset."""
        super().PrependUOffsetTRelative(off)
        self._links.append((self.Offset(), off))

    def _once(self, offset: int, end: int, alignment: int | None = None) -> int:
        """Return the offset of what was just written, or of its equal, of which it is erased."""
        content = self.Bytes[len(self.Bytes) - offset : len(self.Bytes) - end]
        for place, target in self._links:  # relative to their place; equal parts lead to the same
            struct.pack_into("<I", content, offset - place, target)
        places = tuple(offset - place for place, _ in self._links)
        found = self._written.setdefault((alignment, places, bytes(content)), offset)
        if found != offset:
            self.head = len(self.Bytes) - end
        return found
