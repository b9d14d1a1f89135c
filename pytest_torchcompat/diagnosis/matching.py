"""From a failure to its diagnosis: a pure function over what is recorded of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_torchcompat import pairing
from pytest_torchcompat.allowlist_code import code_for
from pytest_torchcompat.diagnosis.failure import Error, Failure
from pytest_torchcompat.diagnosis.signature import ALLOW, Remedy, Signature
from pytest_torchcompat.diagnosis.signatures import SIGNATURES
from pytest_torchcompat.errors import TorchcompatError

_BLANK = re.compile(r"\{(\w+)\}")
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

    @property
    def rank(self) -> tuple[int, int]:
        """Lower is better: what knows most, then what was raised last."""
        return (-self.signature.knows, self.position)


def diagnose(failure: Failure) -> Diagnosis | None:
    """Return the diagnosis of a failure; ``None`` where nobody has met it before."""
    found = sorted(matches(failure), key=lambda match: (*match.rank, match.signature.id))
    return _diagnosis(found[0], failure) if found else None


def matches(failure: Failure, known: Iterable[Signature] = SIGNATURES) -> Iterator[Match]:
    """Yield every signature that fits."""
    by_name = _by_name(tuple(known))
    for position, error in enumerate(failure.errors):
        for signature in by_name.get(error.name, ()):
            groups = _groups(signature, error, failure)
            if groups is not None:
                yield Match(signature, position, groups)


@lru_cache(maxsize=4)
def _by_name(known: tuple[Signature, ...]) -> dict[str, list[Signature]]:
    found: dict[str, list[Signature]] = {}
    for signature in known:
        for name in signature.exceptions:
            found.setdefault(name, []).append(signature)
    return found


def _groups(signature: Signature, error: Error, failure: Failure) -> Mapping[str, str] | None:
    if signature.stages and failure.stage not in signature.stages:
        return None
    found = signature.regex.search(error.message)
    if found is None or holds(signature.applies, failure.versions) is False:
        return None
    return {name: text for name, text in found.groupdict().items() if text}


def holds(requirements: Sequence[str], versions: Mapping[str, str]) -> bool | None:
    """Whether all requirements hold; ``None`` where that hangs on a version that is unknown."""
    told = [_holds(requirement, versions) for requirement in requirements]
    if False in told:
        return False
    return None if None in told else True


def _holds(requirement: str, versions: Mapping[str, str]) -> bool | None:
    name, parsed = _parsed(requirement)
    version = versions.get(name)
    return _contains(parsed, version) if version else None


@lru_cache(maxsize=1024)
def _parsed(requirement: str) -> tuple[str, Requirement]:
    parsed = Requirement(requirement)
    return canonicalize_name(parsed.name), parsed


@lru_cache(maxsize=4096)
def _contains(requirement: Requirement, version: str) -> bool | None:
    try:
        # A nightly of 2.10 has what 2.10 has: it counts as the release that it leads to.
        return requirement.specifier.contains(Version(version).base_version, prereleases=True)
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
    return sure + [(remedy, ", ".join(remedy.when)) for remedy, fits in told if fits is None]


def _filled(remedy: Remedy, when: str, words: Mapping[str, str], failure: Failure) -> Advice | None:
    says, code = _fill(remedy.says, words), _fill(remedy.code, words)
    if says is None or code is None:
        return None
    if remedy.kind == ALLOW:
        says = says if failure.globals else f"{says} {_FIRST_ALONE}"
        try:
            code = "\n".join(code_for(failure.globals or (words["g"],)))
        except (KeyError, TorchcompatError):
            return None
    return Advice(remedy.kind, says, code, when)


def _fill(text: str, words: Mapping[str, str]) -> str | None:
    """Return a text with its blanks filled; ``None`` where nothing fills one."""
    if any(name not in words for name in _BLANK.findall(text)):
        return None
    return _BLANK.sub(lambda found: words[found[1]], text)


def _words(failure: Failure) -> dict[str, str]:
    """Return what blanks may stand for besides the groups of a pattern."""
    words = {name.replace("-", "_"): version for name, version in failure.versions.items()}
    torch = failure.versions.get("torch")
    if torch:
        release = Version(torch).public
        specifiers = {name: of(release) for name, of in pairing.SPECIFIERS.items()}
        words.update({f"{name}_spec": spec for name, spec in specifiers.items() if spec})
    return words
