"""Which releases of the packages around torch go with which torch, by rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from packaging.version import Version

# torchaudio follows torch one to one up to 2.10. 2.11 is its last minor, declares no torch, and
# serves every later one (pytorch/audio#4212).
TORCHAUDIO_LAST = "2.11"

# torchcodec's own table of the torch that each minor is built against.
TORCHCODEC = {
    "2.5": "==0.1.*",
    "2.6": "==0.2.*",
    "2.7": ">=0.3,<0.6",
    "2.8": ">=0.6,<0.8",
    "2.9": ">=0.8,<0.10",
    "2.10": "==0.10.*",
    "2.11": "==0.11.*",
}
TORCHCODEC_LATER = ">=0.12"
# Below it torchaudio reads without torchcodec.
TORCHCODEC_FROM = "2.9"

# Measured: imported, 5.19 and 5.23 use names that torch 2.5 lacks, and XTTS runs with 4.57.
TRANSFORMERS_5_FROM = "2.6"

# Names and versions of what is known to go with a build, as the builds of one night do.
Pins = tuple[tuple[str, str], ...]


@lru_cache(maxsize=4096)
def minor(version: str) -> str:
    """Return ``2.5`` of ``2.5.1``, and ``2.16`` of a nightly of it."""
    parsed = Version(version)
    return f"{parsed.major}.{parsed.minor}"


def torch_specifier(torch: str) -> str:
    """Return torch itself, whose own files need nothing beside it."""
    return f"=={torch}"


def torchaudio_specifier(torch: str) -> str:
    """Return which torchaudio goes with a torch version."""
    if Version(minor(torch)) < Version(TORCHAUDIO_LAST):
        return f"=={torch}"
    return f"=={TORCHAUDIO_LAST}.*"


def torchcodec_specifier(torch: str) -> str:
    """Return which torchcodec goes with a torch version."""
    return TORCHCODEC.get(minor(torch), TORCHCODEC_LATER)


def torchvision_specifier(torch: str) -> str | None:
    """
    Return which torchvision goes with a torch version.

    A final one asks for its torch itself. Naming a pre-release lets the resolver take a nightly of
    it, and does not make it prefer one: a final release beside a nightly torch is possible.
    """
    return ">=0.0.dev0" if Version(torch).is_prerelease else None


def transformers_specifier(torch: str) -> str | None:
    """
    Return which transformers goes with a torch version.

    It asks for no torch by itself, so that the resolver takes its newest release beside any.
    """
    return "<5" if Version(minor(torch)) < Version(TRANSFORMERS_5_FROM) else None


SPECIFIERS: Mapping[str, Callable[[str], str | None]] = {
    "torch": torch_specifier,
    "torchaudio": torchaudio_specifier,
    "torchcodec": torchcodec_specifier,
    "torchvision": torchvision_specifier,
    "transformers": transformers_specifier,
}


def specifiers(torch: str, pinned: Pins = ()) -> dict[str, str]:
    """
    Return which releases of each package go with a torch version, those that any does left out.

    What is ``pinned`` is known, and follows no rule.
    """
    by_rule = {name: specifier(torch) for name, specifier in SPECIFIERS.items()}
    by_rule.update({name: f"=={version}" for name, version in pinned})
    return {name: spec for name, spec in by_rule.items() if spec}


def requirements(names: Iterable[str], torch: str, pinned: Pins = ()) -> tuple[str, ...]:
    """Return the requirements of packages that are asked for by name beside a torch version."""
    wanted = (name for name in names if name != "torchcodec" or _reads_by_torchcodec(torch))
    known = specifiers(torch, pinned)
    return tuple(f"{name}{known[name]}" for name in wanted if name in known)


def _reads_by_torchcodec(torch: str) -> bool:
    return Version(minor(torch)) >= Version(TORCHCODEC_FROM)


@lru_cache(maxsize=4096)
def constraints(torch: str, pinned: Pins = ()) -> tuple[str, ...]:
    """Return the bounds on what goes with a torch version, wherever it is installed."""
    return tuple(f"{name}{spec}" for name, spec in specifiers(torch, pinned).items())
