"""What each cell and check said over the nights: kept in small files that outlive their runs."""

from matrix.history.files import (
    FOLDER,
    History,
    Line,
    Unreadable,
    as_of,
    file_of,
    identity_of,
    read,
    rebuild,
    write,
)
from matrix.history.text import lines
from matrix.history.trends import CellTrend, State, Trend, chosen, summary, to_dict, trends

__all__ = [
    "FOLDER",
    "CellTrend",
    "History",
    "Line",
    "State",
    "Trend",
    "Unreadable",
    "as_of",
    "chosen",
    "file_of",
    "identity_of",
    "lines",
    "read",
    "rebuild",
    "summary",
    "to_dict",
    "trends",
    "write",
]
