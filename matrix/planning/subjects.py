"""What a plan tries on each torch: the libraries, each at its versions."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from packaging.version import Version

from matrix import axes
from matrix.axes import Library, Swept
from matrix.plan import Selection
from matrix.planning.world import World
from matrix.releases import Release
from matrix.versions import version_key
from pytest_torchcompat.errors import TorchcompatError, unknown_name

NAMED = "asked for by name"
FEW = 8  # versions that a sentence names


@dataclass(frozen=True)
class Subject:
    """A library at a version; a release of ``None`` follows torch."""

    library: Library
    swept: Swept
    release: Release | None

    @property
    def name(self) -> str:
        """What it is asked for by."""
        return f"{self.library.name}=={self.release.version}" if self.release else self.library.name


def selected_subjects(selection: Selection, world: World) -> list[Subject]:
    """Return the subjects of a selection; raises ``UnknownNameError`` with the near misses."""
    if not selection.library:
        return [subject for row in world.libraries for subject in _subjects(row, world)]
    chosen: list[Subject] = []
    for name in selection.library:
        row = axes.library(name.partition("==")[0], world.libraries)
        found = list(_subjects(row, world))
        kept = [subject for subject in found if name in (row.name, subject.name)]
        kept = kept or _unlisted(row, name, world)
        if not kept and row.paired:
            message = (
                f"the version of {row.name} follows torch's: name it without one, --library "
                f"{row.name}, and its torch with --torch"
            )
            raise TorchcompatError(message)
        if not kept:
            kind = "library version"
            raise unknown_name(kind, name, [subject.name for subject in found])
        chosen += [subject for subject in kept if subject not in chosen]
    return chosen


def _subjects(row: Library, world: World) -> Iterator[Subject]:
    if row.paired:
        yield Subject(row, Swept("", "paired with torch"), None)
    elif row.folder:
        swept = row.versions[0]
        yield Subject(row, swept, Release(swept.version, requires_python=row.requires_python))
    elif row.asked:
        yield from _asked(row, world)
    else:
        yield from _listed(row, world)


def _asked(row: Library, world: World) -> Iterator[Subject]:
    """Yield the versions that a project names, each with what we know it to need."""
    swept = dataclasses.replace(row, asked=())
    listed = list(_subjects(swept, world))
    for version in row.asked:
        name = world.known(row.name)[-1].version if version == axes.NEWEST else version
        name = f"{row.name}=={name}"
        found = [each for each in listed if each.name == name] or _unlisted(swept, name, world)
        if not found and world.project:
            with world.project.saying(f"libraries.{row.name}: versions"):
                kind = f"version of {row.name}"
                raise unknown_name(kind, version, _near(version, world.known(row.name)))
        yield from (dataclasses.replace(each, library=row) for each in found)


def _near(version: str, known: Sequence[Release]) -> list[str]:
    """Return the neighbours of a version and the newest ones: all would be no sentence."""
    versions = [release.version for release in known]
    place = bisect_left(versions, version_key(version), key=version_key)
    around = versions[max(place - 1, 0) : place + 1]
    newest = [each for each in versions if each not in around][len(around) - FEW :]
    return [each for each in versions if each in (*around, *newest)]


def _listed(row: Library, world: World) -> Iterator[Subject]:
    known = world.known(row.name)
    released = {release.version: release for release in known}
    for swept in _reachable(row, world):
        name = known[-1].version if swept.version == axes.NEWEST else swept.version
        release = released.get(name)
        # A version that the index lost is planned all the same: its cell says so, in uv's words.
        yield Subject(row, swept, _described(row, release, world) if release else Release(name))


def _described(row: Library, release: Release, world: World) -> Release:
    found = world.releases.described(row.name, release)
    # Where its source is built for the cell's own Python, its old wheels do not matter.
    return dataclasses.replace(found, pythons=None) if row.source_only else found


def _unlisted(row: Library, name: str, world: World) -> list[Subject]:
    """Return a version that is not swept, with what the nearest older one that is needs beside."""
    known = () if row.paired or row.folder else world.releases.of(row.name)
    release = next((each for each in known if f"{row.name}=={each.version}" == name), None)
    return [_like_the_nearest(row, release, world)] if release else []


def _like_the_nearest(row: Library, release: Release, world: World) -> Subject:
    swept = [(each.release.version, each.swept) for each in _subjects(row, world) if each.release]
    listed = [(Version(version), each) for version, each in swept if not each.requirement]
    listed.sort(key=lambda pair: pair[0])
    older = [each for version, each in listed if version <= Version(release.version)]
    nearest = (older[-1:] or [listed[0][1]])[0]
    asked = dataclasses.replace(nearest, version=release.version, why=NAMED)
    return Subject(row, asked, _described(row, release, world))


def _reachable(row: Library, world: World) -> Iterator[Swept]:
    for swept in row.versions:
        if not swept.repository:
            yield swept
        elif commit := world.commits.get(swept.repository):
            yield swept.at(commit)
