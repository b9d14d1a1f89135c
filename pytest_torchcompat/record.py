"""
What is written down about a check or a load: plain data, one JSON object a line.

A report begins with a line of kind ``environment``. The others are ``check``, one checkpoint under
one policy through its stages, ``load``, one call of ``torch.load`` that a test made, and
``failure``, what made a test fail where no check or load tells it. Readers pass over other kinds.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.outcome import Outcome, Stage

SCHEMA = 1

# The use of a model that every check makes, unless its checkpoint names others.
FORWARD = "forward"


@dataclass(frozen=True)
class Record:
    """
    One checkpoint under one policy: how far it got and what became of it.

    ``checkpoint`` is the id of its row, ``edition`` which file was loaded and ``sha256`` its hash;
    ``library`` is the adapter that opened it, ``policy`` what it was loaded under, on which
    ``device``. ``outcome`` is the verdict, ``stage`` the last that was reached, and ``shims`` are
    those that it needed. ``exception`` and ``message`` are what was raised, ``output`` the last
    lines of a process that died.

    ``use`` is what the model was used for, and an ``experiment`` a use that only tests a claim: its
    outcome says nothing about the cell. ``parity`` is how far the output is from the baseline's,
    which the merge of a run fills in. ``chain`` is what led to the exception, the last first, each
    as ``Name: message``; ``diagnosis`` the known signature that it matches, with its remedies.

    ``seconds`` maps a stage to its wall time. ``fingerprint`` holds the shape, dtype, norm and a
    fixed projection of the output; ``benchmark`` the forward time in seconds with its method, and
    ``loading`` the same of ``torch.load`` alone: under the policy, plain, and mapped. ``speed`` is
    how the forward time compares with the baseline's, which the merge fills in as well.
    ``globals`` are the names in the pickle beyond torch's own; ``allowed_by_library`` what the
    library itself registered with torch; ``overridden`` the call sites whose explicit
    ``weights_only=False`` a policy overrode.
    """

    checkpoint: str
    edition: str
    policy: str
    outcome: Outcome
    library: str = ""
    sha256: str = ""
    device: str = "cpu"
    use: str = FORWARD
    experiment: bool = False
    shims: tuple[str, ...] = ()
    stage: Stage | None = None
    exception: str | None = None
    message: str | None = None
    chain: tuple[str, ...] = ()
    diagnosis: Mapping[str, Any] | None = None
    globals: tuple[str, ...] = ()
    allowed_by_library: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    fingerprint: Mapping[str, Any] | None = None
    parity: Mapping[str, Any] | None = None
    benchmark: Mapping[str, Any] | None = None
    loading: Mapping[str, Any] | None = None
    speed: Mapping[str, Any] | None = None
    output: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON, a pipe and pytest-xdist can carry; ``kind`` is check."""
        # Not a deep copy: of a large run that is most of the time.
        data = {"kind": "check", **vars(self), "outcome": self.outcome.value}
        data["stage"] = self.stage.value if self.stage else None
        for name in _TUPLES:
            data[name] = list(data[name])
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "record") -> Record:
        """Read plain data back; ``where`` names its place in an error."""
        values = {name: value for name, value in data.items() if name in _FIELDS}
        for name in ("checkpoint", "edition", "policy", "outcome"):
            _expect(isinstance(values.get(name), str), "a string", values.get(name), where, name)
        _check_types(values, where)
        values["outcome"] = _member(Outcome, values["outcome"], f"{where}.outcome")
        if values.get("stage") is not None:
            values["stage"] = _member(Stage, values["stage"], f"{where}.stage")
        for name in _TUPLES:
            values[name] = tuple(values.get(name) or ())
        return cls(**values)

    def changed(self, **changes: Any) -> Record:
        """Return a copy with some fields changed."""
        return Record(**{**vars(self), **changes})

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells this check from the others of its cell."""
        return (self.checkpoint, self.use, self.policy)

    @property
    def sentence(self) -> str:
        """Say the verdict in a line."""
        used = "" if self.use == FORWARD else f", {self.use},"
        subject = f"{self.checkpoint} ({self.edition}){used}"
        what = f"{subject} under {self.policy}: {self.outcome.value}"
        if self.outcome.works:
            return what + (f" with {', '.join(self.shims)}" if self.shims else "")
        stage = f" at {self.stage.value}" if self.stage else ""
        return f"{what}{stage}: {self.cause}"

    @property
    def cause(self) -> str:
        """Say in a line why a check does not work."""
        text = (self.message or "").strip()
        blocked = re.search(r"GLOBAL (\S+) whose module \S+ is blocked", text)
        if blocked:
            return f"torch refuses {blocked[1]} whatever is allowed"
        if "Weights only load failed" in text and self.globals:
            more = f" and {len(self.globals) - 1} more" if len(self.globals) > 1 else ""
            named = re.search(r"GLOBAL (\S+) was not an allowed", text)
            first = named[1] if named else self.globals[0]
            return f"torch refuses {first}{more} unless allowed"
        first = text.splitlines()[0] if text else ""
        return f"{self.exception}: {first}" if self.exception else first


_FIELDS = frozenset(field.name for field in dataclasses.fields(Record))
_TUPLES = ("shims", "chain", "globals", "allowed_by_library", "overridden")
_STRINGS = ("use", "library", "sha256", "device")
_OPTIONAL_STRINGS = ("exception", "message", "output")
_OPTIONAL_OBJECTS = ("diagnosis", "fingerprint", "parity", "benchmark", "loading", "speed")


def _check_types(values: Mapping[str, Any], where: str) -> None:
    for name, value in values.items():
        if name in _TUPLES and value is not None:
            right = isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value)
            _expect(right, "a list of strings", value, where, name)
        elif name in _STRINGS or (name in _OPTIONAL_STRINGS and value is not None):
            _expect(isinstance(value, str), "a string", value, where, name)
        elif name == "seconds" or (name in _OPTIONAL_OBJECTS and value is not None):
            _expect(isinstance(value, Mapping), "an object", value, where, name)
        elif name == "experiment":
            _expect(isinstance(value, bool), "true or false", value, where, name)


def _expect(right: bool, what: str, value: Any, *where: str) -> None:
    if not right:
        message = f"{'.'.join(where)}: expected {what}, got {value!r}"
        raise RecordError(message)


def _member(kind: type[Any], value: str, where: str) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        valid = ", ".join(member.value for member in kind)
        message = f"{where}: {value!r} is not one of {valid}"
        raise RecordError(message) from error


def append_line(path: Path, data: Mapping[str, Any]) -> None:
    """Append one JSON line and flush it, so that a killed process keeps what it finished."""
    line = json.dumps(data, ensure_ascii=True) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        _drop_cut_line(file)
        file.write(line.encode("ascii"))
        file.flush()


def _drop_cut_line(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)


def decoded(text: str) -> Any:
    """Read JSON; of equal names and words there is one, as many records say much the same."""
    return _DECODER.decode(text)


def shared(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON whose names and words are one with those of equal ones."""
    return {
        sys.intern(name): sys.intern(value) if type(value) is str else value
        for name, value in pairs
    }


_DECODER = json.JSONDecoder(object_pairs_hook=shared)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """
    Yield the objects of a report; a last line cut short by a kill is passed over.

    Raises ``RecordError`` for a broken line that is not the last, and for a file of another kind.
    """
    lines = _text(path).splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            data = decoded(line)
        except ValueError as error:
            if number == len(lines):
                return
            message = f"{path}:{number}: not a line of JSON; delete the file to start it anew"
            raise RecordError(message) from error
        if not isinstance(data, dict):
            message = f"{path}:{number}: not a JSON object; delete the file to start it anew"
            raise RecordError(message)
        yield data


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 text ({error}); delete the file to start it anew"
        raise RecordError(message) from error


def read_records(path: Path) -> list[Record]:
    """Return the check records of a report; of two with one identity the later counts."""
    checks = (line for line in read_lines(path) if line.get("kind") == "check")
    found = [Record.from_dict(line, f"{path.name}[{i}]") for i, line in enumerate(checks)]
    return list({record.identity: record for record in found}.values())
