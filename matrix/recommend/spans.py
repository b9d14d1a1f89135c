"""Which versions worked, as PEP 440 specifiers that are true of every version that was tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from matrix.versions import version_key


def ordered(versions: Iterable[str]) -> tuple[str, ...]:
    """Return versions from the oldest to the newest, each once; what is none comes last."""
    return tuple(sorted(set(versions), key=version_key))


def spans(worked: Iterable[str], tried: Iterable[str]) -> tuple[str, ...]:
    """
    Return specifiers of which any admits what worked and none admits what was tried and did not.

    A span has an upper end unless it holds the newest release that was tried. Between two versions
    that worked, with none tried in between, all are taken to work. Pre-releases and local versions
    are named one by one: a specifier without them does not ask for one.
    """
    worked, tried = set(worked), ordered({*worked, *tried})
    releases = [version for version in tried if _is_release(version)]
    ranges = [_range(run, releases[-1]) for run in _runs(releases, worked)]
    wrong = [version for version in tried if version not in worked]
    found = [_without(span, wrong) for span in ranges]
    single = (f"=={version}" for version in tried if version in worked)
    return (*found, *(span for span in single if not admits(found, span.removeprefix("=="))))


def newest_release(versions: Iterable[str]) -> str:
    """Return the newest version that is no pre-release and not local; empty if there is none."""
    return next((each for each in reversed(ordered(versions)) if _is_release(each)), "")


def admits(specifiers: Iterable[str], version: str) -> bool:
    """Whether a version satisfies one of the specifiers; a pre-release only where one names it."""
    return any(_contains(specifier, version) for specifier in specifiers)


def _contains(specifier: str, version: str) -> bool:
    # Said outright: without it, packaging's releases differ in what they take for a pre-release.
    named = f"=={version}" in specifier.split(",")
    return SpecifierSet(specifier).contains(version, prereleases=named)


def _is_release(version: str) -> bool:
    read = Version(version)
    return not read.is_prerelease and read.local is None


def _runs(releases: Sequence[str], worked: set[str]) -> Iterator[list[str]]:
    run: list[str] = []
    for version in releases:
        if version in worked:
            run.append(version)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _range(run: Sequence[str], newest: str) -> str:
    first, last = run[0], run[-1]
    if last == newest:
        return f">={_short(first)}"
    return f"=={first}" if first == last else f">={_short(first)},<={last}"


def _short(version: str) -> str:
    # 2.8 and 2.8.0 are one version, and the short one is how people write a lower end.
    read = Version(version)
    plain = version == ".".join(map(str, read.release))
    return version.removesuffix(".0") if plain else version


def _without(span: str, wrong: Iterable[str]) -> str:
    # ==0.12.2 admits 0.12.2+gabc1234 as well: a local version is known by being left out.
    return ",".join([span, *(f"!={version}" for version in wrong if _contains(span, version))])
