"""Attributes of a class that a swallowed failure of a load leaves unset."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from pytest_torchcompat.audit.names import Names, last_name
from pytest_torchcompat.audit.rules import UNSET, Rule
from pytest_torchcompat.audit.swallowed import TRIES, Block, Swallow, is_name, start

_ASKS: Final = frozenset(
    ("add_module", "getattr", "hasattr", "register_buffer", "register_parameter", "setattr")
)
Found = tuple[Rule, ast.AST, str]


def findings(names: Names, swallows: Iterable[Swallow]) -> Iterator[Found]:
    """Yield the attributes that a block sets after its load, that are set nowhere else."""
    for swallow in swallows:
        if swallow.fallback is None and isinstance(swallow.block, TRIES):
            yield from _of(names, swallow)


def _of(names: Names, swallow: Swallow) -> Iterator[Found]:
    parents = (parent for parent, _ in names.ancestors(swallow.block))
    owner = next((each for each in parents if isinstance(each, ast.ClassDef)), None)
    if owner is None:
        return
    uses, told = names.once(_attributes, names)[owner], set()
    for target in _set_after(swallow.block, swallow.load.node.lineno):
        if target.attr not in told and uses[target.attr].need(swallow.block):
            told.add(target.attr)
            yield UNSET, target, _message(swallow, owner, target)


def _message(swallow: Swallow, owner: ast.ClassDef, target: ast.Attribute) -> str:
    return (
        f"self.{target.attr} is left unset when {swallow.load.call} in line "
        f"{swallow.load.node.lineno} fails: the failure is swallowed and nothing else in "
        f"{owner.name} sets it."
    )


def _set_after(block: Block, line: int) -> Iterator[ast.Attribute]:
    """Yield the attributes that a try sets in the statement of its load or later."""
    for statement in block.body:
        if int(statement.end_lineno or statement.lineno) >= line:
            for each in ast.walk(statement):
                if isinstance(each, ast.Attribute) and _is_self(each, ast.Store):
                    yield each


def _is_self(node: ast.Attribute, context: type[ast.expr_context]) -> bool:
    return isinstance(node.ctx, context) and is_name(node.value, "self")


@dataclass
class _Attribute:
    """Where a class gives an attribute a value or asks for it, and where it counts on it."""

    ready: list[tuple[int, int]] = field(default_factory=list)
    used: list[tuple[int, int]] = field(default_factory=list)

    def need(self, block: Block) -> bool:
        """Say whether all that sets the attribute is in a block, and it is used outside."""
        first, last = start(block.body[0]), block.body[-1]
        end = (last.end_lineno or last.lineno, last.end_col_offset or 0)
        outside = any(not first <= each <= end for each in self.ready)
        return not outside and any(not first <= each <= end for each in self.used)


def _attributes(names: Names) -> dict[ast.ClassDef, dict[str, _Attribute]]:
    found: dict[ast.ClassDef, dict[str, _Attribute]] = {}
    for owner in names.all(ast.ClassDef):
        attributes = found[owner] = defaultdict(_Attribute)
        nodes = (each for each in ast.walk(owner) if isinstance(each, (ast.stmt, ast.expr)))
        for node in nodes:
            for name in _gives(node):
                attributes[name].ready.append(start(node))
            if isinstance(node, ast.Attribute) and _is_self(node, ast.Load):
                attributes[node.attr].used.append(start(node))
    return found


def _gives(node: ast.AST) -> Iterator[str]:
    """Yield the attributes that a node sets, by ``self`` or in the class's body, or asks for."""
    if isinstance(node, ast.Attribute) and _is_self(node, ast.Store):
        yield node.attr
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Call) and last_name(node.func) in _ASKS:
        texts = (getattr(each, "value", None) for each in node.args)
        yield from (each for each in texts if isinstance(each, str))
