"""From an exception that was raised in this process to a failure: its chain, and its stage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from types import TracebackType

from pytest_torchcompat.diagnosis.failure import Error
from pytest_torchcompat.diagnosis.paste_lines import plain

LONGEST = 4000  # characters of a message that are kept
MOST = 50  # errors of a chain

_LOADING = (("torch", "serialization.py"), ("policies", "interception.py"))
_IMPORTING = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


def errors_of(error: BaseException | None) -> tuple[Error, ...]:
    """Return an exception and what it came of, also where it is a group or its own cause."""
    return tuple(Error(_name(each), _message(each)) for each in chain_of(error))


def chain_of(error: BaseException | None) -> list[BaseException]:
    """Return the exceptions behind one, itself first, each once."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < MOST:
        each = waiting.pop()
        if each is None or any(each is known for known in found):
            continue
        found.append(each)
        waiting += [each.__cause__ or each.__context__, *reversed(_members(each))]
    return found


def stage_of(error: BaseException) -> str:
    """Return ``load`` for what torch.load raised, ``import`` for what an import did, or nothing."""
    frames = [frame for each in chain_of(error) for frame in _frames(each.__traceback__)]
    called = {name for file, name in frames if PurePath(file).parts[-2:] in _LOADING}
    if called and "save" not in called:  # the two are in one module
        return "load"
    importing = any(name == "<module>" or file in _IMPORTING for file, name in frames)
    return "import" if importing or isinstance(error, ImportError) else ""


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, str]]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        yield code.co_filename, code.co_name
        traceback = traceback.tb_next


def _members(error: BaseException) -> list[BaseException]:
    try:
        members = getattr(error, "exceptions", ())
    except BaseException:  # noqa: BLE001 - an attribute of that name is anybody's code
        return []
    members = members if isinstance(members, (tuple, list)) else ()
    return [each for each in members if isinstance(each, BaseException)]


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _message(error: BaseException) -> str:
    try:
        # Colours count as well until they are gone.
        return plain(str(error)[: 2 * LONGEST])[:LONGEST]
    except BaseException:  # noqa: BLE001 - __str__ is anybody's code
        return ""
