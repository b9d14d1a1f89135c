"""Links to states of the page: what its script reads behind the ``#`` of the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

FEW = 12  # cells that are named one by one, at most

_NONE = {"checkpoint": "", "use": "", "policy": ""}  # a cell as such


@dataclass(frozen=True)
class Link:
    """Some words and where they lead; an empty ``href`` is nowhere on this page."""

    says: str
    href: str


@dataclass(frozen=True)
class Cells:
    """The first few of some cells, and how many there are."""

    links: Sequence[Link]
    count: int

    @property
    def more(self) -> int:
        """How many are not named."""
        return self.count - len(self.links)


def to(**state: str) -> str:
    """Return the address of a state; what is empty is left out."""
    # Lone surrogates are in no address.
    return "#" + "&".join(
        f"{key}={quote(value, safe='/', errors='backslashreplace')}"
        for key, value in state.items()
        if value
    )


def to_cause(name: str) -> str:
    """Return the address of the matrix with the checks of a known cause alone."""
    return to(cause=name, policy="all")


def to_check(sheet: str, cell: str, check: Mapping[str, Any]) -> str:
    """Return the address of a check's panel, with the sheet from which it is opened behind it."""
    names = {"checkpoint": check["checkpoint"], "use": check["use"], "check": check["policy"]}
    return to(sheet=sheet, cell=cell, **(names if check["checkpoint"] else {}))


def cells(
    sheet: str, found: Sequence[str], check: Mapping[str, Any] | None = None, few: int = FEW
) -> Cells:
    """Return links to the first few of some cells, or to one check of each of them."""
    links = [Link(cell, to_check(sheet, cell, check or _NONE)) for cell in found[:few]]
    return Cells(links, len(found))
