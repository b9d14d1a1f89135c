"""What a policy may register and execute, and what is noted of a load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pytest_torchcompat.policies import Policy


@dataclass(frozen=True)
class Rules:
    """
    What a policy may register and what it may execute.

    ``known`` maps the sha256 of a file to the globals that its row lists, ``verified`` are the
    hashes that a row states: a hash that was only established here can be that of any file.
    ``allow`` are names that the user allowed for every file, ``trust`` are globs of paths, or
    hashes, that ``patched`` may execute. ``root`` is the project's folder, for naming its own call
    sites.
    """

    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    verified: frozenset[str] = frozenset()
    allow: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()
    root: Path | None = None

    def allowed(self, sha256: str) -> tuple[str, ...]:
        """Return the names that ``allowlisted`` registers for a file."""
        return tuple(dict.fromkeys((*self.known.get(sha256, ()), *self.allow)))

    def trusts(self, names: Iterable[str], sha256: str) -> bool:
        """Whether ``patched`` may execute a file: it is verified, or the user named it."""
        names = (*names, sha256)
        named = any(fnmatch(name, glob) for name in names for glob in self.trust)
        return sha256 in self.verified or named


@dataclass(frozen=True)
class Load:
    """
    One call of ``torch.load``: where it was made, what it read and what became of it.

    ``kind`` is load, and ``policy`` what held. ``site`` is the line that called ``torch.load`` and
    ``caller`` the project's own line that led there, both empty where pytest
    asked a fixture of ours for the model; ``file`` is what was read, by its path from
    the project on, and ``sha256`` its hash. ``weights_only`` is what it was given, ``None`` where
    it was left to torch; ``overridden`` says that the policy set an explicit ``False`` aside.
    ``globals`` are the names in the pickle beyond torch's own, ``allowed_by_library`` what
    libraries had registered with torch by then. ``outcome`` is ok, refused or fail; ``exception``
    and ``message`` are what was raised. A report adds ``test``, the node that was running.
    """

    policy: Policy
    site: str
    caller: str
    file: str
    sha256: str = ""
    globals: tuple[str, ...] = ()
    overridden: bool = False
    allowed_by_library: tuple[str, ...] = ()
    outcome: str = "ok"
    exception: str | None = None
    message: str | None = None
    weights_only: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON and pytest-xdist can carry."""
        data = {**self.__dict__, "policy": self.policy.value}
        data["globals"] = list(self.globals)
        data["allowed_by_library"] = list(self.allowed_by_library)
        return {"kind": "load", **data}
