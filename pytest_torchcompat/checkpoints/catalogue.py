"""What a row of the catalogue is, and how a row is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Union

from pytest_torchcompat.errors import CatalogueError, unknown_name

REPLICAS = Path(__file__).parent / "replicas"
_SMALL, _TINY = 100_000, 1_000


class Edition(str, Enum):
    """
    Which file a verdict is about.

    ``reference``: the real file, as its publisher has it; its sha256 is verified where the row
    states one.

    ``replica``: a small stand-in that comes with this package, saved by the real library, with the
    same container and the same pickled globals; its weights are small or random.

    ``local``: a file of the project under test, named by its path.
    """

    REFERENCE = "reference"
    REPLICA = "replica"
    LOCAL = "local"


@dataclass(frozen=True)
class HubFile:
    """
    A file on the Hugging Face Hub at one commit (40 hex digits, never a branch).

    A ``revision`` of ``None`` is one that nobody has established: the first download asks the hub
    for its newest commit and says which it was. ``gated`` is a repository that hands files only to
    accounts that accepted its terms.
    """

    repo: str
    revision: str | None
    filename: str
    gated: bool = False

    def __str__(self) -> str:
        """Name the file and its commit in a few words."""
        commit = self.revision[:12] if self.revision else "commit unknown"
        return f"{self.repo}/{self.filename}@{commit}"


@dataclass(frozen=True)
class UrlFile:
    """A file at a plain URL, which promises nothing: its sha256 is what pins it."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class LocalFile:
    """A file of the project under test, and the command that puts it there."""

    path: Path
    download: str = ""


Source = Union[HubFile, UrlFile]


@dataclass(frozen=True)
class Replica:
    """
    A small stand-in shipped with the package.

    ``saved_by`` lists the requirements of the environment that saved it, the library first;
    ``nox -s replicas`` builds that environment and saves it again.
    """

    filename: str
    sha256: str
    saved_by: tuple[str, ...]

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return REPLICAS / self.filename


@dataclass(frozen=True)
class SideFile:
    """
    A file that a library reads beside the checkpoint, such as a configuration or a vocabulary.

    It lies in the checkpoint's own folder, in each source and in the replica's folder.
    """

    filename: str
    sha256: str | None = None
    bytes: int | None = None
    replica_sha256: str | None = None


@dataclass(frozen=True)
class Use:
    """
    A way of using a model beside its forward pass, by the name that its library's adapter knows.

    It is a check of its own, so that one that fails hides no other. An ``experiment`` exists to
    test a claim: its output is compared with that of the forward pass, and its outcome says nothing
    about the cell.
    """

    name: str
    why: str
    experiment: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """
    One row of the catalogue.

    ``sources`` are tried in their order. ``sha256`` and ``bytes`` are ``None`` where nobody has
    established them: the first download does and says what it found. ``terms`` is where a licence
    that has to be accepted is read, empty where there is nothing to accept; ``used_by`` names the
    systems whose documents ask for the file. ``local`` is a file of the project under test.

    ``globals`` are the names that the file pickles beyond torch's own default allow-list, which is
    what ``allowlisted`` registers; ``globals_known_by`` says where that knowledge comes from.
    ``pickled`` is false for a subject that no policy touches (a WAV file, an API), which is then
    checked under ``stock`` alone. ``uses`` are what the model is used for beside its forward pass.
    ``tolerance`` bounds the relative error of parity.
    """

    id: str
    library: str
    why: str
    licence: str = ""
    terms: str = ""
    used_by: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    local: LocalFile | None = None
    sha256: str | None = None
    bytes: int | None = None
    beside: tuple[SideFile, ...] = ()
    replica: Replica | None = None
    globals: tuple[str, ...] = ()
    globals_known_by: str = ""
    pickled: bool = True
    uses: tuple[Use, ...] = ()
    tolerance: float = 1e-3

    @property
    def hashes(self) -> tuple[str, ...]:
        """The sha256 of the reference and of the replica, as far as they are known."""
        replica = self.replica.sha256 if self.replica else None
        return tuple(sha256 for sha256 in (self.sha256, replica) if sha256)

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """The bytes of the file and of those beside it, ``None`` where nobody knows."""
        return (self.bytes, *(each.bytes for each in self.beside))

    @property
    def size(self) -> str:
        """The size with the files beside it, in words."""
        known = [each for each in self.sizes if each is not None]
        if not known:
            return "unknown"
        words = in_megabytes(sum(known))
        return words if len(known) == len(self.sizes) else f"over {words}"


# Both say of a file what is known of its bytes.
Known = Union[Checkpoint, SideFile]


@dataclass(frozen=True)
class CheckpointFile:
    """
    A checkpoint's file on this machine, its bytes known by their sha256.

    ``established`` is what its download established of the values that the row leaves unknown, as
    the row would state them.
    """

    checkpoint: Checkpoint
    path: Path
    edition: Edition
    sha256: str
    established: tuple[str, ...] = ()


def in_megabytes(count: int) -> str:
    """Return a number of bytes as MB, or in a smaller unit where that would be next to nothing."""
    if count < _TINY:
        return f"{count} bytes"
    return f"{count / 1e6:.1f} MB" if count >= _SMALL else f"{count / 1e3:.1f} kB"


class Catalogue:
    """The rows, by id and by the sha256 of their files."""

    def __init__(self, rows: Iterable[Checkpoint]) -> None:
        self._rows: dict[str, Checkpoint] = {}
        for row in rows:
            self.add(row)

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self._rows.values())

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._rows

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

    def by_sha256(self) -> Mapping[str, Checkpoint]:
        """Map the hash of each known checkpoint, reference or replica, to its row."""
        replicas = {row.replica.sha256: row for row in self if row.replica}
        known = {**{row.sha256: row for row in self if row.sha256}, **replicas}
        # A new row's replica has none until it is saved; no file goes by that.
        return {sha256: row for sha256, row in known.items() if sha256}

    def globals_by_sha256(self) -> Mapping[str, tuple[str, ...]]:
        """Map the hash of each known file, side files too, to the globals that it needs."""
        beside = [each for row in self for each in row.beside]
        hashes = {name for each in beside for name in (each.sha256, each.replica_sha256) if name}
        found: dict[str, tuple[str, ...]] = dict.fromkeys(hashes, ())
        for row in self:
            # One file can have several rows, such as a project's own copy of a reference.
            for sha256 in row.hashes:
                found[sha256] = tuple(dict.fromkeys((*found.get(sha256, ()), *row.globals)))
        return found
