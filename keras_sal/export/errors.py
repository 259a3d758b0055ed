"""The error of an export that fails."""


class ExportError(RuntimeError):
    """A model that can't be exported: what failed, where, and what to do instead."""
