"""What changed from one run to another, and what may have changed it."""

from matrix.diff.changes import Change, Kind, changes
from matrix.diff.report import Diff, Group, diff
from matrix.diff.text import lines, markdown
from matrix.diff.twins import twins

__all__ = ["Change", "Diff", "Group", "Kind", "changes", "diff", "lines", "markdown", "twins"]
