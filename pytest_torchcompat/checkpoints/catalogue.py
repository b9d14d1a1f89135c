"""What a row of the catalogue is, and how a row is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pytest_torchcompat.errors import CatalogueError, unknown_name

REPLICAS = Path(__file__).parent / "replicas"


class Edition(str, Enum):
    """Which file a verdict is about."""

    REFERENCE = "reference"
    REPLICA = "replica"
    LOCAL = "local"


@dataclass(frozen=True)
class HubFile:
    """A file on the Hugging Face Hub at one commit (40 hex digits, never a branch)."""

    repo: str
    revision: str
    filename: str


@dataclass(frozen=True)
class Replica:
    """A small stand-in shipped with the package, and the library version that saved it."""

    filename: str
    sha256: str
    saved_by: str

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return REPLICAS / self.filename


@dataclass(frozen=True)
class Checkpoint:
    """
    One row of the catalogue.

    ``globals`` are the names that the file pickles beyond torch's own default allow-list, which is
    what ``allowlisted`` registers; ``globals_known_by`` says where that knowledge comes from.
    ``pickled`` is false for a subject that no policy touches (a WAV file, an API), which is then
    checked under ``stock`` alone. ``tolerance`` bounds the relative error of parity.
    """

    id: str
    library: str
    why: str
    licence: str = ""
    source: HubFile | None = None
    sha256: str | None = None
    bytes: int | None = None
    replica: Replica | None = None
    globals: tuple[str, ...] = ()
    globals_known_by: str = ""
    pickled: bool = True
    tolerance: float = 1e-3


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint's file on this machine, its bytes known by their sha256."""

    checkpoint: Checkpoint
    path: Path
    edition: Edition
    sha256: str


class Catalogue:
    """The rows, by id and by the sha256 of their files."""

    def __init__(self, rows: Iterable[Checkpoint]) -> None:
        self._rows: dict[str, Checkpoint] = {}
        for row in rows:
            self.add(row)

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self._rows.values())

    def add(self, row: Checkpoint) -> None:
        """Add a row; raises ``CatalogueError`` when its id is taken."""
        if row.id in self._rows:
            message = f"checkpoint {row.id!r} is in the catalogue already; give yours another id"
            raise CatalogueError(message)
        self._rows[row.id] = row

    def get(self, identifier: str) -> Checkpoint:
        """Return a row; raises ``UnknownNameError`` with the valid ids and the near miss."""
        try:
            return self._rows[identifier]
        except KeyError:
            raise unknown_name("checkpoint", identifier, self._rows) from None

    def of_library(self, library: str) -> tuple[Checkpoint, ...]:
        """Return the rows that a library opens."""
        return tuple(row for row in self if row.library == library)

    def by_sha256(self) -> Mapping[str, Checkpoint]:
        """Map the hash of each known file, reference or replica, to its row."""
        known = {row.sha256: row for row in self if row.sha256}
        return known | {row.replica.sha256: row for row in self if row.replica}
