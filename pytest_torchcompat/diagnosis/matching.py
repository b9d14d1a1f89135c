"""From a failure to its diagnosis: a pure function over what is recorded of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_torchcompat import pairing
from pytest_torchcompat.allowlist_code import code_for
from pytest_torchcompat.diagnosis.failure import Failure
from pytest_torchcompat.diagnosis.signature import ALLOW, PIN, RUN, Remedy, Signature
from pytest_torchcompat.diagnosis.signatures import SIGNATURES
from pytest_torchcompat.errors import TorchcompatError

_BLANK = re.compile(r"\{(\w+)\}")
_BARE = re.compile(r"""(?<!["'\w.])\{(\w+)\}(?!["'\w.])""")
_BREAKS = re.compile(r"[\x00-\x1f\"'`$\\]")  # a word in a command's quotes out of them
_UNKNOWN = "?"
_FIRST_ALONE = "The message names the first alone: `torchcompat allowlist FILE` prints all."
REMEDIES = 4  # more are a list that nobody reads


@dataclass(frozen=True)
class Advice:
    """A remedy that fits the failure; ``when`` is left where a version that decides is unknown."""

    kind: str
    says: str
    code: str = ""
    when: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The known signature that a failure matches, its cause, and what helps, best first."""

    id: str
    cause: str
    remedies: tuple[Advice, ...]
    link: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as records and matrix.json have it."""
        remedies = [vars(remedy).copy() for remedy in self.remedies]
        return {"id": self.id, "cause": self.cause, "remedies": remedies, "link": self.link}


@dataclass(frozen=True)
class Match:
    """A signature that fits one error of the chain."""

    signature: Signature
    position: int
    groups: Mapping[str, str]


def diagnose(failure: Failure) -> Diagnosis | None:
    """Return the diagnosis of a failure; ``None`` where nobody has met it before."""
    found = next(matches(failure), None)
    return _diagnosis(found, failure) if found else None


def prescribed(name: str, failure: Failure, groups: Mapping[str, str]) -> Diagnosis | None:
    """Return what a signature says of a failure that is foreseen; ``None`` for an unknown id."""
    found = next((each for each in SIGNATURES if each.id == name), None)
    return _diagnosis(Match(found, 0, groups), failure) if found else None


def matches(failure: Failure, known: Iterable[Signature] = SIGNATURES) -> Iterator[Match]:
    """Yield every signature that fits: what knows most first, of it what was raised last."""
    # Whoever wants the best alone spares the search for the others.
    for by_name in _KNOWN if known is SIGNATURES else _ranked(known):
        for position, error in enumerate(failure.errors):
            for signature in by_name.get(error.name, ()):
                found = signature.search(error.message)
                if found and _fits(signature, failure):
                    groups = {name: text for name, text in found.groupdict().items() if text}
                    yield Match(signature, position, groups)


def _ranked(known: Iterable[Signature]) -> Sequence[Mapping[str, Sequence[Signature]]]:
    """Return signatures by the names of their exceptions; those that know most are first."""
    found: dict[int, dict[str, list[Signature]]] = {}
    for signature in sorted(known, key=lambda each: (-each.knows, each.id)):
        for name in signature.exceptions:
            found.setdefault(signature.knows, {}).setdefault(name, []).append(signature)
    return tuple(found.values())


_KNOWN = _ranked(SIGNATURES)


def _fits(signature: Signature, failure: Failure) -> bool:
    if signature.stages and failure.stage not in signature.stages:
        return False
    if signature.among and not any(map(failure.knows, signature.among)):
        return False
    return holds(signature.applies, failure.versions) is not False


def holds(requirements: Sequence[str], versions: Mapping[str, str]) -> bool | None:
    """Whether all requirements hold; ``None`` where that hangs on a version that is unknown."""
    told = [_holds(requirement, versions) for requirement in requirements]
    if False in told:
        return False
    return None if None in told else True


def _holds(requirement: str, versions: Mapping[str, str]) -> bool | None:
    name, _ = _parsed(requirement)
    version = versions.get(name)
    return _contains(requirement, version) if version else None


@lru_cache(maxsize=1024)
def _parsed(requirement: str) -> tuple[str, SpecifierSet]:
    parsed = Requirement(requirement)
    return canonicalize_name(parsed.name), parsed.specifier


@lru_cache(maxsize=4096)
def _contains(requirement: str, version: str) -> bool | None:
    _, specifier = _parsed(requirement)
    try:
        # A nightly of 2.10 has what 2.10 has: it counts as the release that it leads to.
        # An interpreter built between two releases is called 3.12.3+.
        release = Version(version.rstrip("+")).base_version
        return specifier.contains(release, prereleases=True)
    except InvalidVersion:
        return None


def _diagnosis(match: Match, failure: Failure) -> Diagnosis:
    words = {**_words(failure), **match.groups}
    fitting = _fitting(match.signature.remedies, failure)
    filled = [_filled(remedy, when, words, failure) for remedy, when in fitting]
    cause = _BLANK.sub(lambda found: words.get(found[1], _UNKNOWN), match.signature.cause)
    remedies = tuple(advice for advice in filled if advice)[:REMEDIES]
    return Diagnosis(match.signature.id, cause, remedies, match.signature.link)


def _fitting(remedies: Iterable[Remedy], failure: Failure) -> list[tuple[Remedy, str]]:
    """Return what fits the versions, then what may fit, each with its condition."""
    told = [(remedy, holds(remedy.when, failure.versions)) for remedy in remedies]
    sure = [(remedy, "") for remedy, fits in told if fits]
    may = [remedy for remedy, fits in told if fits is None and _is_there(remedy, failure)]
    return sure + [(remedy, ", ".join(remedy.when)) for remedy in may]


def _is_there(remedy: Remedy, failure: Failure) -> bool:
    """Whether what a remedy hangs on may be installed."""
    names = (_parsed(requirement)[0] for requirement in remedy.when)
    return not failure.complete or all(map(failure.knows, names))


def _filled(remedy: Remedy, when: str, words: Mapping[str, str], failure: Failure) -> Advice | None:
    filling = _fill_command if remedy.kind in (RUN, PIN) else _fill
    says, code = _fill(remedy.says, words), filling(remedy.code, words)
    if says is None or code is None:
        return None
    if remedy.kind == ALLOW:
        says = says if failure.globals else f"{says} {_FIRST_ALONE}"
        try:
            code = _allowing(failure.globals or (words["g"],))
        except (KeyError, TorchcompatError):
            return None
    return Advice(remedy.kind, says, code, when)


@lru_cache(maxsize=256)
def _allowing(names: tuple[str, ...]) -> str:
    return "\n".join(code_for(names))


def _fill(text: str, words: Mapping[str, str]) -> str | None:
    """Return a text with its blanks filled; ``None`` where nothing fills one."""
    blanks = _blanks(text)
    if not blanks:
        return text
    if any(name not in words for name in blanks):
        return None
    return _BLANK.sub(lambda found: words[found[1]], text)


def _fill_command(code: str, words: Mapping[str, str]) -> str | None:
    """Return a command with its blanks filled; whatever a failure says, it stays that command."""
    bare = set(_BARE.findall(code))
    quoted = set(_blanks(code)) - bare
    if any(_BREAKS.search(words.get(name, "")) for name in quoted):
        return None
    safe = {name: shlex.quote(words[name]) for name in bare if name in words}
    return _fill(code, {**words, **safe})


@lru_cache(maxsize=2048)
def _blanks(text: str) -> tuple[str, ...]:
    return tuple(_BLANK.findall(text))


def _words(failure: Failure) -> dict[str, str]:
    """Return what blanks may stand for besides the groups of a pattern."""
    told = ((name, _public(version)) for name, version in failure.versions.items())
    words = {name.replace("-", "_"): version for name, version in told if version}
    return {**words, **_beside(failure.versions.get("torch", ""))}


@lru_cache(maxsize=4096)
def _public(version: str) -> str:
    """Return a version as an index has it: ``2.8.0`` of ``2.8.0+cu128``; nothing of no version."""
    try:
        return Version(version.rstrip("+")).public
    except InvalidVersion:
        return ""


@lru_cache(maxsize=256)
def _beside(torch: str) -> Mapping[str, str]:
    """Return what goes with a torch, as blanks name it."""
    try:
        release = Version(torch).public
    except InvalidVersion:
        return {}
    specifiers = {name: of(release) for name, of in pairing.SPECIFIERS.items()}
    return {f"{name}_spec": spec for name, spec in specifiers.items() if spec}
