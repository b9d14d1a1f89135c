"""Which cells a run has: the axes, paired and resolved against the index on one date."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from matrix import axes, nightly
from matrix.axes import Companion, Library, Swept
from matrix.project import POLICIES, Project, opens
from matrix.releases import IndexUnreachableError, Release, Releases
from matrix.stacks import Stack
from pytest_torchcompat import pairing
from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint
from pytest_torchcompat.errors import RecordError, TorchcompatError, UnknownNameError, unknown_name
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.record import FORWARD

SCHEMA = 1
# A subject that no policy touches is checked once.
UNPICKLED = (Policy.STOCK.value,)
_LISTS = ("requirements", "excludes", "constraints", "lock")
NAMED = "asked for by name"
FEW = 8  # versions that a sentence names


@dataclass(frozen=True)
class Selection:
    """What of the whole sweep is asked for; empty is all of it."""

    torch: tuple[str, ...] = ()
    library: tuple[str, ...] = ()
    cell: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, list[str]]:
        """Return plain data."""
        return {field.name: list(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Selection:
        """Read plain data back."""
        return cls(**{field.name: tuple(data[field.name]) for field in dataclasses.fields(cls)})


@dataclass(frozen=True)
class PlannedCheck:
    """One checkpoint, used in one way under one policy."""

    checkpoint: str
    policy: str
    use: str = FORWARD

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells this check from the others of its cell, as its record has it."""
        return (self.checkpoint, self.use, self.policy)

    def to_dict(self) -> dict[str, str]:
        """Return plain data."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class PlannedCell:
    """
    One environment to build, and the checks to run in it.

    ``beside`` tells it from another of the same version, ``adapter`` opens its checkpoints.
    ``constraints`` bound what is installed for another's sake. ``lock`` is what the requirements
    resolve to, a pinned distribution each, and ``unsolved`` the resolver's words where they don't;
    both are empty until that was asked, and where no index answered.
    """

    id: str
    python: str
    torch: str
    library: str
    version: str
    why: str
    requirements: tuple[str, ...]
    excludes: tuple[str, ...]
    checks: tuple[PlannedCheck, ...]
    beside: str = ""
    adapter: str = ""
    constraints: tuple[str, ...] = ()
    lock: tuple[str, ...] = ()
    unsolved: str = ""

    @property
    def opened_by(self) -> str:
        """The name of the adapter that opens its checkpoints."""
        return self.adapter or self.library

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        data = dataclasses.asdict(self)
        data.update({name: list(data[name]) for name in _LISTS})
        data["checks"] = [check.to_dict() for check in self.checks]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PlannedCell:
        """Read plain data back."""
        # A plan of before cells were locked has no such field.
        data = {"lock": (), "unsolved": "", **data}
        values = {field.name: data[field.name] for field in dataclasses.fields(cls)}
        values.update({name: tuple(data[name]) for name in _LISTS})
        values["checks"] = tuple(PlannedCheck(**check) for check in data["checks"])
        return cls(**values)


@dataclass(frozen=True)
class Plan:
    """
    A run's cells, in the order in which they run, and what they were resolved by.

    ``torch`` is the order of the columns. ``backend`` is what uv is told about torch's builds:
    ``auto``, or empty for the builds of the package index. ``notes`` are what a reader of the page
    has to know about the whole run. ``whole`` are the ids of all cells of the plan that this one
    is a part of. ``project`` is what is kept of the project whose sweep it is; empty where it is
    our own.
    """

    run: str
    frozen_at: str
    edition: str
    selection: Selection
    torch: tuple[str, ...]
    cells: tuple[PlannedCell, ...]
    notes: tuple[str, ...] = ()
    backend: str = ""
    stacks: tuple[Stack, ...] = ()
    whole: tuple[str, ...] = ()
    project: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as plan.json holds it."""
        return {
            **({"project": dict(self.project)} if self.project else {}),
            "schema": SCHEMA,
            "run": self.run,
            "frozen_at": self.frozen_at,
            "edition": self.edition,
            "selection": self.selection.to_dict(),
            "torch": list(self.torch),
            "notes": list(self.notes),
            "backend": self.backend,
            "stacks": [stack.to_dict() for stack in self.stacks],
            "whole": list(self.whole),
            "cells": [cell.to_dict() for cell in self.cells],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Read plain data back; raises ``RecordError`` for another schema or form."""
        if data.get("schema") != SCHEMA:
            message = (
                f"this plan has schema {data.get('schema')!r}, and {SCHEMA} is the one that is "
                "read here; delete the run or use the version of this tool that wrote it"
            )
            raise RecordError(message)
        try:
            return cls._read(data)
        except (KeyError, TypeError, AttributeError) as error:
            message = f"this plan is not of the form that is read here ({error!r}); delete the run"
            raise RecordError(message) from error

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Plan:
        return cls(
            run=data["run"],
            frozen_at=data["frozen_at"],
            edition=data["edition"],
            selection=Selection.from_dict(data["selection"]),
            torch=tuple(data["torch"]),
            cells=tuple(PlannedCell.from_dict(cell) for cell in data["cells"]),
            notes=tuple(data["notes"]),
            backend=data["backend"],
            stacks=tuple(Stack.from_dict(stack) for stack in data["stacks"]),
            whole=tuple(data.get("whole", ())),
            project=data.get("project") or {},
        )

    def cell(self, identifier: str) -> PlannedCell:
        """Return a cell; raises with the near misses, or the several that fit."""
        found = matching(self.cells, [identifier])
        if len(found) > 1:
            names = ", ".join(cell.id for cell in found)
            message = f"{identifier!r} matches {len(found)} cells; give the id of one: {names}"
            raise TorchcompatError(message)
        return found[0]


@dataclass(frozen=True)
class Heading:
    """What a plan says about itself besides its cells."""

    run: str
    frozen_at: str
    edition: str = "auto"
    backend: str = ""
    notes: tuple[str, ...] = ()
    stacks: tuple[Stack, ...] = ()


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


def newest_patches(releases: Iterable[Release], floor: str) -> list[Release]:
    """Return the newest patch of each minor from a floor on, oldest first."""
    newest: dict[str, Release] = {}
    for release in sorted(releases, key=lambda release: Version(release.version)):
        if Version(release.version) >= Version(floor):
            newest[pairing.minor(release.version)] = release
    return list(newest.values())


def run_order(versions: Sequence[str]) -> list[str]:
    """Return torch versions boundary first, then the newest final one, then the rest."""
    final = [version for version in versions if not Version(version).is_prerelease]
    first = [version for version in versions if pairing.minor(version) in axes.BOUNDARIES]
    first += [version for version in final[-1:] if version not in first]
    return first + [version for version in versions if version not in first]


def choose_python(
    row: Library, torch: Release, release: Release, has_python: Callable[[str], bool]
) -> str | None:
    """
    Return the Python of a cell: one that both sides support and, if there is one, the machine has.

    Where the machine has none of them the first is returned, which uv may be able to fetch;
    ``None`` where no Python has wheels of both.
    """
    fitting = [python for python in _newest_first(torch) if _fits(python, release)]
    wanted = [python for python in row.pythons if python in fitting]
    described = [python for python in fitting if python in release.classified]
    order = wanted if row.only_pythons else wanted + described + fitting
    here = (python for python in order if has_python(python))
    return next(here, next(iter(order), None))


@lru_cache(maxsize=4096)
def _newest_first(torch: Release) -> tuple[str, ...]:
    return tuple(sorted(torch.pythons or (), key=Version, reverse=True))


def _fits(python: str, release: Release) -> bool:
    built = release.pythons is None or python in release.pythons
    return built and _allows(release.requires_python, python)


@lru_cache(maxsize=4096)
def _allows(requires_python: str, python: str) -> bool:
    # The last patch stands for the minor: a floor such as >=3.9.2 does not rule 3.9 out.
    return SpecifierSet(requires_python).contains(f"{python}.99")


def make_plan(heading: Heading, selection: Selection, world: World) -> Plan:
    """Resolve the axes into cells; raises ``UnknownNameError`` for a selection of what is not."""
    torches = {t.version: t for t in _selected_torches(world, selection)}
    subjects = _selected_subjects(selection, world)
    policies = selected_policies(selection) if selection.policy else world.policies
    checks = _checks_by_library(subjects, policies, world.catalogue)
    found: dict[str, PlannedCell] = {}
    notes = [*heading.notes, *(note for torch in torches.values() for note in torch.notes)]
    for version in run_order(list(torches)):
        for subject in subjects:
            cell = _cell(subject, torches[version], checks[subject.library.name], world)
            if cell is None:
                name = subject.library.name
                notes.append(f"No Python has wheels of both torch {version} and {name}: no cell.")
            elif cell.checks:
                found.setdefault(cell.id, cell)
    chosen = matching(list(found.values()), selection.cell)
    torches_of = {cell.torch for cell in chosen}
    notes += dict.fromkeys(
        n for cell in chosen for n in nightly.unpaired(cell.torch, cell.requirements)
    )
    return Plan(
        run=heading.run,
        frozen_at=heading.frozen_at,
        edition=heading.edition,
        selection=selection,
        torch=tuple(t for t in torches if not selection.cell or t in torches_of),
        cells=chosen,
        notes=tuple(notes),
        backend=heading.backend,
        stacks=heading.stacks,
        project=world.project.entry if world.project else {},
    )


def _torches(world: World) -> list[Release]:
    torches = newest_patches(_known("torch", world), axes.TORCH_FLOOR)
    if world.nightlies is None:
        return torches
    return [*torches, *nightly.newest(world.nightlies, torches[-1])]


def _known(project: str, world: World) -> tuple[Release, ...]:
    found = world.releases.of(project)
    if not found:
        # What answers may be a network's login page, or a mirror that is empty.
        message = (
            f"the package index lists no release of {project} that this machine can use; check "
            "that what answers is a package index, and that it has wheels for this platform"
        )
        raise IndexUnreachableError(message)
    return found


def _selected_torches(world: World, selection: Selection) -> list[Release]:
    torches = _torches(world)
    if selection.torch:
        return _named_torches(selection.torch, torches, world)
    if world.project and world.project.torch:
        with world.project.saying("torch"):
            return _named_torches(_within_reach(world.project.torch, world), torches, world)
    return torches


def _within_reach(names: Iterable[str], world: World) -> list[str]:
    """Return the torches of a project's axis, without nightlies where their index is none."""
    return [name for name in names if world.nightlies or not axes.is_nightly(name)]


def _named_torches(names: Iterable[str], torches: list[Release], world: World) -> list[Release]:
    newest = [t.version for t in torches if not Version(t.version).is_prerelease][-1:]
    found: list[Release] = []
    for name in (newest[0] if each == axes.NEWEST and newest else each for each in names):
        named = [t for t in torches if _is_named(t.version, name)] or _any_torch(name, world)
        if not named:
            kind = "torch version"
            raise unknown_name(kind, name, [release.version for release in torches])
        found += named
    return sorted({t.version: t for t in found}.values(), key=lambda t: Version(t.version))


def _any_torch(name: str, world: World) -> list[Release]:
    """Return the release of a version that is no minor's newest, or of another night."""
    known = _known("torch", world)
    found = [release for release in known if release.version == name]
    if found or world.nightlies is None:
        return found
    return nightly.named(world.nightlies, name, known[-1])


def _is_named(version: str, name: str) -> bool:
    if name == axes.NIGHTLY:
        return Version(version).is_devrelease
    return name in (version, pairing.minor(version))


@dataclass(frozen=True)
class _Subject:
    """A library at a version; a release of ``None`` follows torch."""

    library: Library
    swept: Swept
    release: Release | None

    @property
    def name(self) -> str:
        return f"{self.library.name}=={self.release.version}" if self.release else self.library.name


def _selected_subjects(selection: Selection, world: World) -> list[_Subject]:
    if not selection.library:
        return [subject for row in world.libraries for subject in _subjects(row, world)]
    chosen: list[_Subject] = []
    for name in selection.library:
        row = axes.library(name.partition("==")[0], world.libraries)
        found = list(_subjects(row, world))
        kept = [subject for subject in found if name in (row.name, subject.name)]
        kept = kept or _unlisted(row, name, world)
        if not kept:
            kind = "library version"
            raise unknown_name(kind, name, [subject.name for subject in found])
        chosen += [subject for subject in kept if subject not in chosen]
    return chosen


def _subjects(row: Library, world: World) -> Iterator[_Subject]:
    if row.paired:
        yield _Subject(row, Swept("", "paired with torch"), None)
    elif row.folder:
        swept = row.versions[0]
        yield _Subject(row, swept, Release(swept.version, requires_python=row.requires_python))
    elif row.asked:
        yield from _asked(row, world)
    else:
        yield from _listed(row, world)


def _asked(row: Library, world: World) -> Iterator[_Subject]:
    """Yield the versions that a project names, each with what we know it to need."""
    swept = dataclasses.replace(row, asked=())
    listed = list(_subjects(swept, world))
    for version in row.asked:
        name = _known(row.name, world)[-1].version if version == axes.NEWEST else version
        name = f"{row.name}=={name}"
        found = [each for each in listed if each.name == name] or _unlisted(swept, name, world)
        if not found and world.project:
            with world.project.saying(f"libraries.{row.name}: versions"):
                kind = f"version of {row.name}"
                raise unknown_name(kind, version, _newest_of(row, world))
        yield from (dataclasses.replace(each, library=row) for each in found)


def _newest_of(row: Library, world: World) -> list[str]:
    """Return the newest versions that an index has: all of them would be no sentence."""
    return [release.version for release in _known(row.name, world)][-FEW:]


def _listed(row: Library, world: World) -> Iterator[_Subject]:
    known = _known(row.name, world)
    released = {release.version: release for release in known}
    for swept in _reachable(row, world):
        name = known[-1].version if swept.version == axes.NEWEST else swept.version
        release = released.get(name)
        # A version that the index lost is planned all the same: its cell says so, in uv's words.
        yield _Subject(row, swept, _described(row, release, world) if release else Release(name))


def _described(row: Library, release: Release, world: World) -> Release:
    found = world.releases.described(row.name, release)
    # Where its source is built for the cell's own Python, its old wheels do not matter.
    return dataclasses.replace(found, pythons=None) if row.source_only else found


def _unlisted(row: Library, name: str, world: World) -> list[_Subject]:
    """Return a version that is not swept, with what the nearest older one that is needs beside."""
    known = () if row.paired or row.folder else world.releases.of(row.name)
    release = next((each for each in known if f"{row.name}=={each.version}" == name), None)
    return [_like_the_nearest(row, release, world)] if release else []


def _like_the_nearest(row: Library, release: Release, world: World) -> _Subject:
    swept = [(each.release.version, each.swept) for each in _subjects(row, world) if each.release]
    listed = [(Version(version), each) for version, each in swept if not each.requirement]
    listed.sort(key=lambda pair: pair[0])
    older = [each for version, each in listed if version <= Version(release.version)]
    nearest = (older[-1:] or [listed[0][1]])[0]
    asked = dataclasses.replace(nearest, version=release.version, why=NAMED)
    return _Subject(row, asked, _described(row, release, world))


def _reachable(row: Library, world: World) -> Iterator[Swept]:
    for swept in row.versions:
        if not swept.repository:
            yield swept
        elif commit := world.commits.get(swept.repository):
            yield swept.at(commit)


def _paired_release(library: Library, torch: Release, world: World) -> Release:
    pinned = dict(torch.pairs).get(library.name)
    if pinned:
        return Release(pinned)
    specifier = SpecifierSet(pairing.SPECIFIERS[library.name](torch.version) or "")
    found = [r for r in world.releases.of(library.name) if specifier.contains(r.version)]
    return found[-1] if found else Release(torch.version)


def selected_policies(selection: Selection) -> tuple[str, ...]:
    """Return the policies of a selection; raises ``UnknownNameError`` for one that is not."""
    for name in selection.policy:
        if name not in POLICIES:
            kind = "policy"
            raise unknown_name(kind, name, POLICIES)
    return tuple(policy for policy in POLICIES if policy in (selection.policy or POLICIES))


def _cell(
    subject: _Subject, torch: Release, checks: tuple[PlannedCheck, ...], world: World
) -> PlannedCell | None:
    row, swept = subject.library, subject.swept
    release = subject.release or _paired_release(row, torch, world)
    if swept.pythons:
        row = dataclasses.replace(row, pythons=swept.pythons)
    python = choose_python(row, torch, release, world.has_python)
    if python is None:
        return None
    why_python = row.why_python if python in row.pythons else f"Python {python} is what fits"
    beside = f"-{swept.beside.replace(' ', '')}" if swept.beside else ""
    return PlannedCell(
        id=f"py{python}-torch{torch.version}-{row.name}{release.version}{beside}",
        python=python,
        torch=torch.version,
        library=row.name,
        version=release.version,
        beside=swept.beside,
        adapter=row.adapter,
        why=f"{swept.why}; {why_python}",
        requirements=requirements(row, swept, release.version, torch.version, torch.pairs),
        excludes=_named((*row.excludes, *swept.excludes)),
        constraints=pairing.constraints(torch.version, torch.pairs),
        checks=checks,
        unsolved=torch.unsolved,
    )


def requirements(
    row: Library, swept: Swept, version: str, torch: str, pairs: pairing.Pins = ()
) -> tuple[str, ...]:
    """Return what a cell installs: torch, the library, its pairs and its companions."""
    library = swept.requirement or f"{row.name}=={version}"
    # A library that is torch itself is named once.
    pinned = dict.fromkeys((f"torch=={torch}", library))
    companions = _named((*row.companions, *swept.companions))
    return (*pinned, *pairing.requirements(row.pairs, torch, pairs), *companions)


def _named(companions: Iterable[Companion]) -> tuple[str, ...]:
    return tuple(companion.requirement for companion in companions)


def _checks_by_library(
    subjects: Iterable[_Subject], policies: tuple[str, ...], catalogue: Catalogue
) -> dict[str, tuple[PlannedCheck, ...]]:
    rows = {subject.library.name: subject.library for subject in subjects}
    return {name: tuple(_checks(row, policies, catalogue)) for name, row in rows.items()}


def _checks(
    row: Library, policies: tuple[str, ...], catalogue: Catalogue
) -> Iterator[PlannedCheck]:
    for checkpoint in opened(row, catalogue):
        for use in (FORWARD, *(use.name for use in checkpoint.uses)):
            for policy in policies:
                if checkpoint.pickled or policy in UNPICKLED:
                    yield PlannedCheck(checkpoint.id, policy, use)


def opened(row: Library, catalogue: Catalogue) -> Iterator[Checkpoint]:
    """Return the checkpoints that a library's cells open."""
    return (checkpoint for checkpoint in catalogue if opens(row, checkpoint))


def matching(cells: Sequence[PlannedCell], globs: Iterable[str]) -> tuple[PlannedCell, ...]:
    """Return the cells whose ids match one of the globs; raises for a glob that matches none."""
    globs = list(globs)
    for glob in globs:
        if not any(fnmatch.fnmatchcase(cell.id, glob) for cell in cells):
            raise _no_such_cell(glob, [cell.id for cell in cells])
    if not globs:
        return tuple(cells)
    return tuple(c for c in cells if any(fnmatch.fnmatchcase(c.id, glob) for glob in globs))


def _no_such_cell(glob: str, identifiers: list[str]) -> UnknownNameError:
    near = difflib.get_close_matches(glob, identifiers, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    message = (
        f"no cell matches {glob!r}. `python -m matrix plan` lists the {len(identifiers)} that "
        f"there are.{hint}"
    )
    return UnknownNameError(message)
