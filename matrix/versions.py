"""The order of versions, of those as well that are none by PEP 440."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version


def version_key(text: str) -> tuple[bool, Version | str]:
    """Return what versions are sorted by; what is no version comes last."""
    try:
        return (False, Version(text))
    except InvalidVersion:
        return (True, text)
