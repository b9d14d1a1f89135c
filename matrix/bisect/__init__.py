"""Which version made the difference: a binary search over an index's releases, a cell a probe."""

from matrix.bisect.command import add_parser

__all__ = ["add_parser"]
