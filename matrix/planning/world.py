"""What planning asks of the world outside, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from matrix import axes
from matrix.axes import POLICIES, Library
from matrix.project import Project
from matrix.releases import IndexUnreachableError, Release, Releases
from pytest_torchcompat.checkpoints.catalogue import Catalogue


@dataclass(frozen=True)
class World:
    """
    What planning asks outside: the indexes, the machine's Pythons, the catalogue.

    ``commits`` are the newest of git repositories, by their URL; one that is out of reach has none.
    ``project`` is whose sweep it is, where it is not our own.
    """

    releases: Releases
    has_python: Callable[[str], bool]
    catalogue: Catalogue
    nightlies: Releases | None = None
    commits: Mapping[str, str] = field(default_factory=dict)
    project: Project | None = None

    @property
    def libraries(self) -> tuple[Library, ...]:
        """The libraries of the sweep."""
        return self.project.libraries if self.project else axes.LIBRARIES

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies of the sweep."""
        return self.project.policies if self.project else POLICIES

    def known(self, project: str) -> tuple[Release, ...]:
        """Return a package's releases; raises ``IndexUnreachableError`` where there are none."""
        found = self.releases.of(project)
        if not found:
            # What answers may be a network's login page, or a mirror that is empty.
            message = (
                f"the package index lists no release of {project} that this machine can use; check "
                "that what answers is a package index, and that it has wheels for this platform"
            )
            raise IndexUnreachableError(message)
        return found
