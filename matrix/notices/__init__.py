"""Issues of a repository, one a cause: opened, edited, closed when it is gone, and opened again."""

from matrix.notices.command import add_parser

__all__ = ["add_parser"]
