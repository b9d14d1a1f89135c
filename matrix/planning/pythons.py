"""The Python of a cell."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from matrix.axes import Library
from matrix.releases import Release


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
