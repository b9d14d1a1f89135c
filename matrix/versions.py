"""The order of versions, of those as well that are none by PEP 440."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version

Rank = tuple[bool, Version | str]  # in their order


def version_key(text: str) -> Rank:
    """Return what versions are sorted by; what is no version comes last."""
    try:
        return (False, Version(text))
    except InvalidVersion:
        return (True, text)


def is_version(text: str) -> bool:
    """Return whether a text is a version by PEP 440."""
    return not version_key(text)[0]
