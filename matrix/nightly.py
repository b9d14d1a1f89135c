"""
The nightly builds of torch: which this platform has, and the builds of others that go with one.

A build is named by its date alone: which variant of it, the index of a backend says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.version import Version

from matrix import axes
from matrix.releases import IndexUnreachableError, Release, Releases

# Of those that follow torch, the ones that are built every night as well. torchaudio is for as long
# as it was: its last final release goes with every later torch.
FOLLOWERS = ("torchvision", "torchaudio", "torchcodec")
# Its final releases ask for one torch each, so that none of them goes with a nightly.
BOUND = ("torchvision",)

OLDER = "The nightly of {newest} has no build for this platform; {found} is the newest that has."
NONE = (
    "no nightly build of torch is for this platform: PyTorch's index goes up to {newest}, and has "
    "wheels for others alone"
)
NOT_HERE = "the nightly of {date} has no build for this platform"
NO_PAIR = "PyTorch's index has no {project} that goes with the nightly torch {torch}."


def newest(index: Releases, stable: Release) -> list[Release]:
    """
    Return the newest nightly that this platform has; none where the index lists no torch.

    Where it has wheels for others alone, the newest of theirs is planned as it would be, with
    the Pythons of a stable release, and with the reason that it can't be built.
    """
    listed, here = index.listed("torch"), builds(index)[-1:]
    if listed and not here:
        public, why = Version(listed[-1]).public, NONE.format(newest=_date(listed[-1]))
        return [Release(public, pythons=stable.pythons, unsolved=why)]
    return [with_pairs(index, build, _older(listed[-1], build)) for build in here]


def named(index: Releases, version: str, stable: Release) -> list[Release]:
    """Return the nightly of a version, with the reason where it can't be built here."""
    built = [release for release in builds(index) if Version(release.version).public == version]
    if built:
        return [with_pairs(index, built[-1])]
    others = {Version(each).public for each in index.listed("torch")}
    why = NOT_HERE.format(date=_date(version))
    unsolved = Release(version, pythons=stable.pythons, unsolved=why)
    return [unsolved] if version in others else []


def builds(index: Releases) -> list[Release]:
    """Return the nightlies that this platform has, oldest first."""
    return [release for release in index.of("torch") if release.pythons]


def with_pairs(index: Releases, build: Release, notes: Iterable[str] = ()) -> Release:
    """Return a nightly with the builds of others that go with it, pinned as it is."""
    torch = Version(build.version).public
    pairs = ((name, _pair(index, name, torch)) for name in FOLLOWERS)
    return replace(build, version=torch, pairs=tuple(p for p in pairs if p[1]), notes=tuple(notes))


def unpaired(torch: str, requirements: Iterable[str]) -> Iterator[str]:
    """Yield a note on each that a cell requires beside a nightly, and of which it pins no build."""
    for name in BOUND if axes.is_nightly(torch) else ():
        if any(each.startswith(f"{name}>=") for each in requirements):
            yield NO_PAIR.format(project=name, torch=torch)


def _older(last: str, build: Release) -> list[str]:
    newer = _date(last) > _date(build.version)
    return [OLDER.format(newest=_date(last), found=_date(build.version))] if newer else []


def _date(version: str) -> int:
    return Version(version).dev or 0


def _pair(index: Releases, project: str, torch: str) -> str:
    """Return the build of a project that goes with a nightly; empty where there is none."""
    try:
        known = [release for release in index.of(project) if _date(release.version) >= _date(torch)]
        # It is built after torch, at times on the next day: its own requirement says which it saw.
        found = (each for each in known[:2] if _goes_with(index, project, each, torch))
        return next((Version(release.version).public for release in found), "")
    except IndexUnreachableError:  # The index does not have this project.
        return ""


def _goes_with(index: Releases, project: str, release: Release, torch: str) -> bool:
    asked = [Requirement(each) for each in index.requires(project, release)]
    specifiers = [each.specifier for each in asked if each.name == "torch"]
    if not any(specifiers):
        return _date(release.version) == _date(torch)
    return all(specifier.contains(torch, prereleases=True) for specifier in specifiers)
