"""Whether what takes the place of torch.load passes weights_only=False whatever it is given."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Union

from pytest_torchcompat.audit.loads import is_false, is_weights_only
from pytest_torchcompat.audit.names import Names

_Function = Union[ast.FunctionDef, ast.Lambda]
_Items = Iterable[tuple[Union[ast.expr, None], ast.expr]]


def overrides(names: Names, value: ast.expr, is_saved: Callable[[ast.expr], bool]) -> bool:
    """Say whether each load of a replacement drops what its caller chose for weights_only."""
    binding = names.binding(value) if isinstance(value, ast.Name) else None
    function = binding.node if binding else value
    if not isinstance(function, (ast.FunctionDef, ast.Lambda)) or not function.args.kwarg:
        return False
    inside = list(ast.walk(function))
    if any(_asks(node) for node in inside):
        return False
    calls = [each for each in inside if isinstance(each, ast.Call) and is_saved(each.func)]
    patch = _Patch(names, function, function.args.kwarg.arg)
    return bool(calls) and all(patch.drops(call) for call in calls)


def _asks(node: ast.AST) -> bool:
    """Say whether a node does one thing or another by what was chosen."""
    test = node.test if isinstance(node, (ast.If, ast.IfExp)) else None
    return test is not None and any(is_weights_only(each) for each in ast.walk(test))


@dataclass(frozen=True)
class _Patch:
    """A function, and the name of the parameter that takes its caller's keywords."""

    names: Names
    function: _Function
    own: str

    def drops(self, load: ast.Call) -> bool:
        """Say whether a load unpacks the caller's keywords with False set over them."""
        unpacked = [each.value for each in load.keywords if each.arg is None]
        return any(self._is_over(each) or self._became_over(each, load) for each in unpacked)

    def _is_over(self, value: ast.AST) -> bool:
        """Say whether a mapping is made so: ``{**kwargs, ...: False}`` or ``dict(kwargs, ...)``."""
        if isinstance(value, ast.Dict):
            items = list(zip(value.keys, value.values))
            own = any(key is None and _is(each, self.own) for key, each in items)
            return own and _ends_false(items)
        if isinstance(value, ast.Call) and self.names.dotted(value.func) == "builtins.dict":
            own = len(value.args) == 1 and _is(value.args[0], self.own)
            return own and _ends_false(_keywords(value))
        return False

    def _became_over(self, value: ast.expr, load: ast.Call) -> bool:
        """Say whether the last that was done to a mapping before a load sets False in any case."""
        if not isinstance(value, ast.Name):
            return False
        statements = (each for each in ast.walk(self.function) if isinstance(each, ast.stmt))
        before = (each for each in statements if each.lineno < load.lineno)
        done = [each for each in before if _touches(each, value.id)]
        last = max(done, key=lambda each: each.lineno, default=None)
        always = last is not None and self.names.parents[last] is self.function
        return always and self._sets_over(last, value.id)

    def _sets_over(self, node: ast.stmt | None, name: str) -> bool:
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            return self._is_over(node.value)
        if name != self.own:
            return False
        if isinstance(node, ast.Expr) and isinstance(value, ast.Call):
            return _ends_false(_updated(value))
        return isinstance(value, ast.expr) and is_false(value)


def _ends_false(items: _Items) -> bool:
    """Say whether what stands last for weights_only is False, and no other mapping follows it."""
    said = [(key, each) for key, each in items if key is None or is_weights_only(key)]
    return bool(said) and said[-1][0] is not None and is_false(said[-1][1])


def _keywords(call: ast.Call) -> list[tuple[ast.expr | None, ast.expr]]:
    return [(ast.Constant(each.arg) if each.arg else None, each.value) for each in call.keywords]


def _updated(call: ast.Call) -> list[tuple[ast.expr | None, ast.expr]]:
    """Return what ``update`` sets: the items of its mapping, then its keywords."""
    first = call.args[0] if call.args else None
    items = list(zip(first.keys, first.values)) if isinstance(first, ast.Dict) else []
    return [*items, *_keywords(call)]


def _touches(node: ast.stmt, name: str) -> bool:
    """Say whether a statement may change a mapping's weights_only, or what its name stands for."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        method = node.value.func
        updates = isinstance(method, ast.Attribute) and method.attr == "update"
        return updates and _is(getattr(method, "value", node), name)
    targets = node.targets if isinstance(node, (ast.Assign, ast.Delete)) else []
    return any(_is(each, name) or _is_entry(each, name) for each in targets)


def _is_entry(node: ast.expr, name: str) -> bool:
    entry = isinstance(node, ast.Subscript) and is_weights_only(node.slice)
    return entry and _is(getattr(node, "value", node), name)


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
