"""The verdict on a file: what it would import, and whether torch may load it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

from pytest_torchcompat.scan.allowlists import MEASURED, allowed_by_torch, spelled
from pytest_torchcompat.scan.containers import Contents, read
from pytest_torchcompat.scan.dangerous import runs_code
from pytest_torchcompat.scan.limits import LIMITS, Limits
from pytest_torchcompat.scan.names import Global

_CHUNK = 1 << 20


class Verdict(str, Enum):
    """
    What may be done with a file, from best to worst.

    ``safe``: it imports nothing beyond the allow-list that every torch from 2.5 on has by itself.

    ``needs-allowlist``: it imports names beyond that; ``weights_only=True`` loads it once they are
    allowed.

    ``dangerous``: it imports something with which a pickle can run any code.

    ``refused``: it can't be read for certain, or torch reads it in a way that no list holds back.
    """

    SAFE = "safe"
    NEEDS_ALLOWLIST = "needs-allowlist"
    DANGEROUS = "dangerous"
    REFUSED = "refused"


@dataclass(frozen=True)
class Scan:
    """
    What reading a file without executing it found.

    ``globals`` are the dotted names that unpickling would look up, torch's own included, in the
    order of their first appearance; of a refused file those seen before it was refused.
    ``reason`` is a stable code, ``cause`` and ``next_step`` are sentences; all three are empty
    for a safe file. ``sha256`` and ``bytes`` are of what was read, from where reading began; the
    first is empty where it was not asked for.
    ``weights_only`` is false where torch's weights_only reader cannot read it, whatever is allowed.
    """

    path: str
    sha256: str
    bytes: int
    format: str
    globals: tuple[str, ...]
    verdict: Verdict
    reason: str | None = None
    cause: str = ""
    next_step: str = ""
    notes: tuple[str, ...] = ()
    weights_only: bool = True

    def to_dict(self) -> dict[str, Any]:
        """
        Return plain data for JSON.

        ``path`` is as it was given, ``sha256`` and ``bytes`` are of the whole file, ``format`` is
        its container. ``globals`` are all names that unpickling would look up. ``verdict`` is one
        of the four; ``reason`` is the code of a refusal, ``runs-code`` of a dangerous file, else
        null. ``notes`` are sentences, about differences between versions of torch above all.
        """
        return {
            "path": self.path,
            "sha256": self.sha256 or None,
            "bytes": self.bytes,
            "format": self.format,
            "globals": list(self.globals),
            "verdict": self.verdict.value,
            "reason": self.reason,
            "notes": list(self.notes),
        }

    def beyond(self, torch_version: str) -> tuple[str, ...]:
        """Return the globals that this torch refuses under weights_only=True unless allowed."""
        allowed = allowed_by_torch(torch_version)
        return tuple(name for name in self.globals if name not in allowed)


def scan_path(
    path: str | os.PathLike[str], *, hashed: bool = True, limits: Limits = LIMITS
) -> Scan:
    """Scan the file at a path; raises ``OSError`` where it cannot be opened."""
    with Path(path).open("rb") as file:
        return scan_file(file, os.fspath(path), hashed=hashed, limits=limits)


def scan_file(
    file: BinaryIO, name: str = "", *, hashed: bool = True, limits: Limits = LIMITS
) -> Scan:
    """
    Scan an open, seekable file from its position on, which is restored afterwards.

    Nothing is executed or imported, and no content makes this raise: what cannot be read for
    certain is refused. Without ``hashed`` only the parts are read that torch would unpickle.
    """
    start = file.tell()
    try:
        sha256, size = _hash(file) if hashed else ("", file.seek(0, os.SEEK_END) - start)
        contents = read(file, start, max(size, 0), limits)
    finally:
        file.seek(start)
    return _judged(contents, name, sha256, max(size, 0))


def _hash(file: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _judged(contents: Contents, name: str, sha256: str, size: int) -> Scan:
    names = tuple(dict.fromkeys(found.dotted for found in contents.found.globals))
    verdict, reason, cause, next_step = _verdict(contents, names)
    return Scan(
        path=name,
        sha256=sha256,
        bytes=size,
        format=contents.format,
        globals=names,
        verdict=verdict,
        reason=reason,
        cause=cause,
        next_step=next_step,
        notes=() if contents.refusal else tuple(_notes(contents, names)),
        weights_only=not (contents.refusal or contents.plain or contents.found.beyond_torch),
    )


def _verdict(contents: Contents, names: tuple[str, ...]) -> tuple[Verdict, str | None, str, str]:
    if contents.refusal:
        refusal = contents.refusal
        return Verdict.REFUSED, refusal.reason.value, refusal.cause, refusal.next_step
    dangerous = _dangerous(contents.found.globals)
    if dangerous:
        cause = f"It imports {', '.join(dangerous)}, with which a pickle can run any code."
        next_step = "Do not load it with weights_only=False unless you know why it is there."
        return Verdict.DANGEROUS, "runs-code", cause, next_step
    beyond = [name for name in names if not _allowed_everywhere(name)]
    if beyond:
        cause = f"It imports {', '.join(beyond)}, beyond torch's own allow-list."
        return Verdict.NEEDS_ALLOWLIST, None, cause, "Run: torchcompat allowlist FILE"
    return Verdict.SAFE, None, "", ""


def _dangerous(found: Iterable[Global]) -> list[str]:
    return [each.dotted for each in found if runs_code(each.module, each.name)]


def _allowed_everywhere(name: str) -> bool:
    return all(name in allowed for allowed in MEASURED.values())


def _notes(contents: Contents, names: tuple[str, ...]) -> Iterator[str]:
    """Say what differs between torch versions, and what weights_only cannot read at all."""
    for name in names:
        without = [spelled(each) for each, allowed in MEASURED.items() if name not in allowed]
        if 0 < len(without) < len(MEASURED):
            yield f"{name} is not on the allow-list of torch {', '.join(without)}"
    if contents.plain:
        yield "a plain pickle: torch.load unpickles it and then finds that it is no checkpoint"
    elif contents.found.beyond_torch:
        yield "weights_only=True cannot read these opcodes: save it with pickle_protocol=2"
    yield from contents.extras
