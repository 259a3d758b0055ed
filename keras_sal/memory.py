"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import gc


def release_freed_memory() -> None:
    """Give memory that was freed back to the system, before other work or a process needs it.

    The allocator of glibc keeps what is freed, for each thread apart: a hundred megabytes after
    streams were made, as much after a compilation. With other allocators only Python's garbage is
    collected.

    Example:

    >>> release_freed_memory()
    """
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
