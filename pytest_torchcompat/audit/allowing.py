"""What is given to torch's allow-list and does not allow anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from pytest_torchcompat.audit.names import Names, shown
from pytest_torchcompat.audit.rules import NO_LIST, PAIRS, STRINGS, Rule

_ALLOWING: Final = frozenset(
    ("torch.serialization.add_safe_globals", "torch.serialization.safe_globals")
)
_LISTS = (ast.List, ast.Tuple, ast.Set)
_PAIR = 2
Found = tuple[Rule, ast.AST, str]


def findings(names: Names) -> Iterator[Found]:
    """Yield the arguments that torch accepts and cannot use, or uses from 2.6 on only."""
    read: set[ast.AST] = set()
    for call in names.all(ast.Call):
        name = names.dotted(call.func)
        if name in _ALLOWING and (call.args or call.keywords):
            given = call.args[0] if call.args else call.keywords[0].value
            yield from _of_call(names, str(name).rpartition(".")[2], given, read)


def _of_call(names: Names, function: str, given: ast.expr, read: set[ast.AST]) -> Iterator[Found]:
    if _is_alone(names, given):
        yield NO_LIST, given, f"{function} is given {shown(given)} and takes a list."
        return
    for element in _elements(names, given, read):
        if _is_string(element):
            message = (
                f"{function} is given the string {shown(element)}: it allows nothing, and "
                "the next weights-only load raises AttributeError."
            )
            yield STRINGS, element, message
        elif isinstance(element, ast.Tuple) and len(element.elts) == _PAIR:
            yield _of_pair(function, element)


def _of_pair(function: str, pair: ast.Tuple) -> Found:
    if _is_string(pair.elts[0]):
        message = f"{function} is given a pair of strings: its first must be the object itself."
        return STRINGS, pair, message
    message = (
        f"{function} is given a pair: with torch up to 2.5 the next load raises AttributeError."
    )
    return PAIRS, pair, message


def _elements(names: Names, given: ast.expr, read: set[ast.AST]) -> Iterator[ast.expr]:
    """Yield the elements of a list as far as they are written out; of each list once."""
    stack = [given]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.BinOp):
            stack += [node.right, node.left]
        elif isinstance(node, ast.Name):
            binding = names.binding(node)
            value = binding.value if binding else None
            stack += [value] if isinstance(value, _LISTS) else []
        elif isinstance(node, _LISTS) and node not in read:
            read.add(node)
            yield from node.elts


def _is_alone(names: Names, node: ast.expr) -> bool:
    """Say whether a node is surely no list: a constant, or a class of this file."""
    if isinstance(node, ast.Name):
        binding = names.binding(node)
        return bool(binding) and isinstance(binding and binding.node, ast.ClassDef)
    return isinstance(node, ast.Constant)


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
