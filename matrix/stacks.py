"""Sets of packages that are resolved and not installed: do they agree, and if not, why not."""

from __future__ import annotations

import dataclasses
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib
from packaging.requirements import InvalidRequirement, Requirement

from matrix.processes import NOT_DONE, Finished, Processes, run_uv, uv
from matrix.store import RunFolder, read_json, write_json
from matrix.verdicts import classify
from pytest_torchcompat.errors import TorchcompatError, unknown_name
from pytest_torchcompat.outcome import Outcome

CONFLICTS = "conflicts"
AGREES = "agrees"
UNCLEAR = "unclear"
SAID = (CONFLICTS, AGREES, UNCLEAR)
# A resolver that has found no end by then searches through hundreds of old releases.
TIMEOUT = 300.0
UNBUILT = "building from source is disabled"  # uv's words
NO_WHEEL = "Nothing is built to resolve a stack, and a package of it exists as source only.\n"

Where = str
Reader = Callable[[Any, Where], Any]


class StackError(TorchcompatError):
    """A file of stacks that does not say what it should."""


@dataclass(frozen=True)
class Stack:
    """
    A set of requirements, and what is said of it.

    ``said`` is what ``said_by`` claims: that it ``conflicts`` or ``agrees``; ``unclear`` is a set
    that is named without a plain word on that.
    """

    id: str
    said: str
    python: str
    requirements: tuple[str, ...]
    said_by: str
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**dataclasses.asdict(self), "requirements": list(self.requirements)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Stack:
        """Read plain data back."""
        values = {field.name: data[field.name] for field in dataclasses.fields(cls)}
        return cls(**{**values, "requirements": tuple(data["requirements"])})


def together(known: Sequence[Stack], files: Iterable[Path]) -> tuple[Stack, ...]:
    """Return the known stacks and those of files; raises ``StackError`` where ids clash."""
    found = {stack.id: stack for stack in known}
    for file in files:
        for stack in read_stacks(file):
            if stack.id in found:
                message = f"{_where(file, stack.id)}: another stack has this id; give yours another"
                raise StackError(message)
            found[stack.id] = stack
    return tuple(found.values())


def read_stacks(file: Path) -> tuple[Stack, ...]:
    """Return the stacks that a file declares; raises ``StackError`` with file and key."""
    data = _parsed(file)
    _known_keys(data, ("stacks",), str(file))
    tables = data.get("stacks")
    _require(isinstance(tables, Mapping) and bool(tables), str(file), "a table [stacks.ID] is due")
    return tuple(_stack(file, str(name), fields) for name, fields in (tables or {}).items())


def _parsed(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:  # broken TOML and broken UTF-8 are both ValueErrors
        message = f"{file} cannot be read as TOML: {error}. Mend the file, or leave --stacks out"
        raise StackError(message) from error


def _stack(file: Path, identifier: str, fields: Any) -> Stack:
    where = _where(file, identifier)
    # It becomes the name of a file.
    right = re.fullmatch(r"\w[\w.-]*", identifier)
    _require(bool(right), where, "an id is due of letters, digits, '.', '-' and '_'")
    _require(isinstance(fields, Mapping), where, f"it must be a table, and is {fields!r}")
    _known_keys(fields, tuple(_KEYS), where)
    for name in ("said", "python", "requirements"):
        _require(name in fields, f"{where}: {name}", "the key is missing")
    read = {name: _KEYS[name](value, f"{where}: {name}") for name, value in fields.items()}
    return Stack(**{"id": identifier, "said_by": file.name, "why": "", **read})


def _where(file: Path, identifier: str) -> Where:
    return f"{file}, [stacks.{identifier}]"


def _require(right: bool, where: Where, sentence: str) -> None:
    if not right:
        message = f"{where}: {sentence}"
        raise StackError(message)


def _known_keys(fields: Mapping[str, Any], valid: tuple[str, ...], where: Where) -> None:
    for name in fields:
        if name not in valid:
            message = f"{where}: {unknown_name('key', name, valid)}"
            raise StackError(message)


def _text(value: Any, where: Where) -> str:
    _require(isinstance(value, str) and value.strip() != "", where, f"text is due, not {value!r}")
    return str(value)


def _said(value: Any, where: Where) -> str:
    _require(value in SAID, where, f"{' or '.join(map(repr, SAID))} is due, not {value!r}")
    return str(value)


def _python(value: Any, where: Where) -> str:
    right = isinstance(value, str) and re.fullmatch(r"3\.\d+", value)
    _require(bool(right), where, f'a version such as "3.11" is due, not {value!r}')
    return str(value)


def _requirements(value: Any, where: Where) -> tuple[str, ...]:
    _require(isinstance(value, list) and bool(value), where, f"a list is due, not {value!r}")
    return tuple(_requirement(each, where) for each in value)


def _requirement(value: Any, where: Where) -> str:
    try:
        Requirement(_text(value, where))
    except InvalidRequirement as error:
        message = f'{where}: a requirement such as "numpy<2" is due, not {value!r}'
        raise StackError(message) from error
    return str(value)


_KEYS: Mapping[str, Reader] = {
    "said": _said,
    "python": _python,
    "requirements": _requirements,
    "said_by": _text,
    "why": _text,
}


@contextmanager
def resolved_beside(
    stacks: Sequence[Stack], folder: RunFolder, processes: Processes, frozen_at: str
) -> Iterator[None]:
    """Resolve the stacks that have no result, one by one, while something else goes on."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(_resolve_all, to_resolve(stacks, folder), folder, processes, frozen_at)
        try:
            yield
            asked.result()
        except BaseException:
            processes.stop()
            raise


def _resolve_all(
    stacks: Sequence[Stack], folder: RunFolder, processes: Processes, frozen_at: str
) -> None:
    for stack in stacks:
        write_json(_file(folder, stack), resolve(stack, processes, frozen_at))


def unresolved(stacks: Sequence[Stack], folder: RunFolder) -> list[Stack]:
    """Return the stacks without a result."""
    return [stack for stack in stacks if not _file(folder, stack).exists()]


def to_resolve(stacks: Sequence[Stack], folder: RunFolder) -> list[Stack]:
    """Return the stacks without a result, and those with a fault of the machine."""
    again = (Outcome.NOT_RUN.value, Outcome.INFRA.value)
    results = results_of(stacks, folder)
    return [stack for stack, result in zip(stacks, results) if result["outcome"] in again]


def results_of(stacks: Sequence[Stack], folder: RunFolder) -> list[dict[str, Any]]:
    """Return what came of each stack, as matrix.json holds it."""
    return [_result(stack, _file(folder, stack)) for stack in stacks]


def _file(folder: RunFolder, stack: Stack) -> Path:
    return folder.path / "stacks" / f"{stack.id}.json"


def _result(stack: Stack, file: Path) -> dict[str, Any]:
    return read_json(file) if file.exists() else _outcome(stack, Outcome.NOT_RUN)


def _outcome(
    stack: Stack,
    outcome: Outcome,
    reason: str | None = None,
    resolved: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    found = {"outcome": outcome.value, "reason": reason, "resolved": dict(resolved or {})}
    return {**stack.to_dict(), **found, "seconds": seconds}


def resolve(stack: Stack, processes: Processes, frozen_at: str) -> dict[str, Any]:
    """Ask the resolver for a stack's versions; nothing is built and nothing installed."""
    started = time.monotonic()
    done = _asked(stack, processes, frozen_at)
    seconds = round(time.monotonic() - started, 3)
    if done.returncode is None:
        reason = f"the resolver found no end in {TIMEOUT:.0f} s"
        return _outcome(stack, Outcome.TIMEOUT, reason, seconds=seconds)
    if done.returncode == 0:
        return _outcome(stack, Outcome.PASS, None, versions(done.output), seconds)
    if done.returncode < 0:
        reason = f"the resolver {NOT_DONE}: signal {-done.returncode} ended it"
        return _outcome(stack, Outcome.INFRA, reason, seconds=seconds)
    said = classify(done.output)
    unbuilt = UNBUILT in " ".join(done.output.split())  # uv breaks its lines
    reason = (NO_WHEEL if unbuilt else "") + said.reason
    return _outcome(stack, said.outcome, reason, seconds=seconds)


def _asked(stack: Stack, processes: Processes, frozen_at: str) -> Finished:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.in"
        file.write_text("\n".join(stack.requirements) + "\n", encoding="utf-8")
        command = uv(
            *("pip", "compile", "-q", "--color", "never", "--no-header", "--no-annotate"),
            *("--no-build", "--python-version", stack.python),
            *("--exclude-newer", frozen_at, str(file)),
        )
        return run_uv(processes, command, TIMEOUT)


def versions(compiled: str) -> dict[str, str]:
    """Return name and version, or URL, of each requirement that the resolver printed."""
    found: dict[str, str] = {}
    for line in compiled.splitlines():
        # A user's own settings of uv may ask for hashes: the line then goes on in the next.
        with suppress(InvalidRequirement):
            each = Requirement(line.strip(" \\"))
            found[each.name] = each.url or str(each.specifier).removeprefix("==")
    return found
