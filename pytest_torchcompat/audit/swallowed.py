"""Failures of a load that are caught and not told, and attributes that they leave unset."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Union

from pytest_torchcompat.audit.loads import Load
from pytest_torchcompat.audit.names import Names, last_name, shown
from pytest_torchcompat.audit.rules import FALLS_BACK, SWALLOWED, Rule

_BROAD: Final = frozenset(("BaseException", "Exception", "UnpicklingError"))
# What a file of an attacker can make a load raise, besides the broad ones.
_REFUSALS: Final = _BROAD | {"PickleError", "RuntimeError"}
_EXITS: Final = frozenset(
    ("_exit", "abort", "error", "exit", "fail", "fatal", "quit", "skip", "skipTest")
)
_TELLS: Final = frozenset(
    (
        *("critical", "debug", "echo", "error", "exception", "format", "info", "log", "print"),
        *("print_exc", "repr", "secho", "str", "type", "warn", "warning", "write"),
    )
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LITERALS = (ast.Constant, ast.List, ast.Dict, ast.Tuple, ast.Set, ast.JoinedStr, ast.UnaryOp)
Found = tuple[Rule, ast.AST, str]
Block = Union[ast.Try, ast.With]
# except* is a type of its own, from Python 3.11 on.
TRIES = (ast.Try, getattr(ast, "TryStar", ast.Try))


@dataclass(frozen=True)
class Swallow:
    """Where a load's failure ends: the block around the load, and what catches it."""

    load: Load
    block: Block
    node: ast.AST
    words: str
    fallback: Load | None = None


class _Failures:
    """Where the failures of a module's loads end."""

    def __init__(self, names: Names, loads: Sequence[Load]) -> None:
        self.names = names
        self._second: dict[ast.AST, list[Load]] = defaultdict(list)
        self._endings: dict[ast.AST, tuple[bool, bool]] = {}
        for load in loads:
            for parent, _ in names.ancestors(load.node):
                self._second[parent] += [load] * isinstance(parent, ast.ExceptHandler)

    def of(self, load: Load) -> Swallow | None:
        """Return what swallows a load's failure, if anything does."""
        for parent, child in self.names.ancestors(load.node):
            if isinstance(parent, _FUNCTIONS):
                return None
            if isinstance(parent, ast.With):
                found, goes_on = _suppressed(self.names, load, parent), True
            elif isinstance(parent, TRIES) and is_tried(child, parent):
                found, goes_on = self._caught(load, parent)
            else:
                continue
            if found or not goes_on:
                return found
        return None

    def _caught(self, load: Load, block: ast.Try) -> tuple[Swallow | None, bool]:
        """Return the swallow, and whether the failure goes on to what is around the block."""
        for handler in block.handlers:
            caught = _catches(handler)
            fallback = self._fallback(load, handler) if caught & _REFUSALS else None
            found = Swallow(load, block, handler, _words(handler), fallback)
            if fallback:
                return found, False
            if caught & _BROAD:
                raises, quiet = self._ending(handler)
                return (found if quiet and not raises else None), raises
        return None, True

    def _fallback(self, load: Load, handler: ast.ExceptHandler) -> Load | None:
        """Return the load in a handler that is weaker than the one that failed."""
        for other in self._second[handler]:
            weaker = other.weights_only == "False" and load.weights_only != "False"
            dropped = other.weights_only in {"absent", "None"} and load.weights_only == "True"
            if weaker or dropped:
                return other
        return None

    def _ending(self, handler: ast.ExceptHandler) -> tuple[bool, bool]:
        if handler not in self._endings:
            self._endings[handler] = _raises(handler), _is_quiet(handler)
        return self._endings[handler]


def swallows(names: Names, loads: Sequence[Load]) -> tuple[Swallow, ...]:
    """Return the handlers that swallow, each with the first load of its block."""
    failures = _Failures(names, loads)
    found: dict[ast.AST, Swallow] = {}
    for swallow in filter(None, map(failures.of, loads)):
        found.setdefault(swallow.node, swallow)
    return tuple(found.values())


def findings(swallows: Iterable[Swallow]) -> Iterator[Found]:
    """Yield the findings about failures that are caught."""
    for swallow in swallows:
        call, line = swallow.load.call, swallow.load.node.lineno
        if swallow.fallback:
            message = (
                f"When {call} in line {line} refuses a file it is loaded again with its pickle "
                "executed: whoever made the file picks that path."
            )
            yield FALLS_BACK, swallow.fallback.node, message
        else:
            message = (
                f"{swallow.words} hides that {call} in line {line} failed, and the program goes "
                "on without what it should have loaded."
            )
            yield SWALLOWED, swallow.node, message


def start(node: ast.stmt | ast.expr) -> tuple[int, int]:
    """Return the line and column at which a node begins."""
    return node.lineno, node.col_offset


def is_tried(child: ast.AST, block: ast.Try) -> bool:
    """Say whether a child of a try stands in its block, and not in what follows that."""
    return isinstance(child, ast.stmt) and start(child) <= start(block.body[-1])


def _catches(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {"BaseException"}
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {last_name(each) for each in types}


def _words(handler: ast.ExceptHandler) -> str:
    return f"except {shown(handler.type)}" if handler.type else "A bare except"


def _suppressed(names: Names, load: Load, block: ast.With) -> Swallow | None:
    calls = (each.context_expr for each in block.items)
    for call in (each for each in calls if isinstance(each, ast.Call)):
        suppresses = names.dotted(call.func) == "contextlib.suppress"
        if suppresses and _BROAD & {last_name(each) for each in call.args}:
            return Swallow(load, block, call, shown(call))
    return None


def _raises(handler: ast.ExceptHandler) -> bool:
    """Say whether a handler raises or ends the program on any path."""
    return any(isinstance(each, ast.Raise) or _exits(each) for each in _inside(handler))


def _exits(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and last_name(node.func) in _EXITS and not _logs(node)


def _inside(handler: ast.ExceptHandler) -> Iterator[ast.AST]:
    stack: list[ast.AST] = list(handler.body)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, _FUNCTIONS):
            stack.extend(ast.iter_child_nodes(node))


def _logs(call: ast.Call) -> bool:
    # parser.error ends the program; logger.error and logging.fatal do not.
    if last_name(call.func) not in {"error", "fatal"}:
        return False
    return "pars" not in last_name(getattr(call.func, "value", call)).lower()


def _is_quiet(handler: ast.ExceptHandler) -> bool:
    """Say whether a handler only notes, sets or returns what says nothing of the failure."""
    if _hands_on(handler):
        return False
    return all(_is_idle(node) for node in _inside(handler) if isinstance(node, ast.stmt))


def _is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, (ast.Return, ast.Assign, ast.AnnAssign)):
        return statement.value is None or isinstance(statement.value, (*_LITERALS, ast.Name))
    kinds = (ast.Pass, ast.Expr, ast.Continue, ast.Break, ast.If, ast.Delete, ast.Import)
    return isinstance(statement, (*kinds, ast.ImportFrom))


def _hands_on(handler: ast.ExceptHandler) -> bool:
    """Say whether the exception itself goes anywhere but into a message that is printed."""
    name = handler.name
    return name is not None and any(
        is_name(each, name)
        for node in _inside(handler)
        for part in _leaving(node)
        for each in ast.walk(part)
    )


def _leaving(node: ast.AST) -> Iterable[ast.AST]:
    """Return the parts of a node that outlive the handler."""
    if isinstance(node, ast.Call) and last_name(node.func) not in _TELLS:
        return (*node.args, *node.keywords)
    if isinstance(node, (ast.Return, ast.Assign)) and node.value:
        return (node.value,)
    return ()


def is_name(node: ast.AST, name: str) -> bool:
    """Say whether a node is that name."""
    return isinstance(node, ast.Name) and node.id == name
