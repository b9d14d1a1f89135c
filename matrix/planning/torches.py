"""The versions of torch that a plan has, and the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from packaging.version import Version

from matrix import axes, nightly
from matrix.axes import Library
from matrix.plan import Selection
from matrix.planning.world import World
from matrix.releases import Release
from pytest_torchcompat import pairing
from pytest_torchcompat.errors import unknown_name


def require_pythons(libraries: Mapping[str, Library], world: World) -> None:
    """Raise where a project names for a library no Python that any torch has wheels for."""
    if world.project is None:
        return
    # Those of our own rows are no key of the project's.
    asked = world.project.asked.get("libraries", {})
    named = (name for name in libraries if "pythons" in asked.get(name, {}))
    only = {name: libraries[name].pythons for name in named}
    if not only:
        return
    found = [*world.known("torch"), *_torches(world)]
    built = set[str]().union(*(torch.pythons or () for torch in found))
    for name, pythons in only.items():
        if not built.intersection(pythons):
            kind = "Python that torch has wheels for"
            with world.project.saying(f"libraries.{name}: pythons"):
                raise unknown_name(kind, ", ".join(pythons), sorted(built, key=Version))


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


def selected_torches(world: World, selection: Selection) -> list[Release]:
    """Return the torches that are asked for, oldest first; raises ``UnknownNameError``."""
    torches = _torches(world)
    if selection.torch:
        return _named_torches(selection.torch, torches, world)
    if world.project and world.project.torch:
        with world.project.saying("torch"):
            return _named_torches(_within_reach(world.project.torch, world), torches, world)
    return torches


def _torches(world: World) -> list[Release]:
    torches = newest_patches(world.known("torch"), axes.TORCH_FLOOR)
    if world.nightlies is None:
        return torches
    return [*torches, *nightly.newest(world.nightlies, torches[-1])]


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
    known = world.known("torch")
    found = [release for release in known if release.version == name]
    if found or world.nightlies is None:
        return found
    return nightly.named(world.nightlies, name, known[-1])


def _is_named(version: str, name: str) -> bool:
    if name == axes.NIGHTLY:
        return axes.is_nightly(version)
    return name in (version, pairing.minor(version))
