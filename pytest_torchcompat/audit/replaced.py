"""Where torch.load itself is replaced, for the process or while a patch lasts."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pytest_torchcompat.audit.loads import TORCH_LOAD
from pytest_torchcompat.audit.names import Names, last_name
from pytest_torchcompat.audit.overriding import overrides
from pytest_torchcompat.audit.rules import PATCHED, REPLACED, Rule

Found = tuple[Rule, ast.AST, str]
_MESSAGE = "{} is replaced for the whole process, for every library in it."
_PATCH = "{} is replaced while this patch lasts."
_OVERRIDES = " It passes weights_only=False whatever its caller chose."


def findings(names: Names) -> Iterator[Found]:
    """Yield the replacements of torch.load; setting back what was saved is none."""
    saved = set(_saved(names))
    for node in names.all(ast.Assign):
        for target in node.targets:
            name = names.dotted(target) if isinstance(target, ast.Attribute) else None
            if name in TORCH_LOAD and not _is_saved(names, node.value, saved):
                yield REPLACED, node, _message(names, name, node.value, saved)
    for call in names.all(ast.Call):
        name = _patched(names, call)
        if name in TORCH_LOAD:
            yield from _by_call(names, call, name, saved)


def _by_call(names: Names, call: ast.Call, name: str, saved: set[str]) -> Iterator[Found]:
    lasting = names.dotted(call.func) == "builtins.setattr"
    if lasting and not _is_saved(names, call.args[-1], saved):
        yield REPLACED, call, _message(names, name, call.args[-1], saved)
    elif not lasting:
        yield PATCHED, call, _PATCH.format(name)


def _message(names: Names, name: str | None, value: ast.expr, saved: set[str]) -> str:
    over = overrides(names, value, lambda function: _is_saved(names, function, saved))
    return _MESSAGE.format(name) + (_OVERRIDES if over else "")


def _patched(names: Names, call: ast.Call) -> str | None:
    """Return what ``setattr``, ``monkeypatch.setattr`` or ``mock.patch`` replaces."""
    if last_name(call.func) not in {"object", "patch", "setattr"} or not call.args:
        return None
    first, *rest = call.args
    if isinstance(first, ast.Constant):
        return first.value if isinstance(first.value, str) else None
    attribute = getattr(rest[0], "value", None) if rest else None
    owner = names.dotted(first)
    return f"{owner}.{attribute}" if owner and isinstance(attribute, str) else None


def _saved(names: Names) -> Iterator[str]:
    """Yield the attributes that torch.load was saved in, as ``self._load = torch.load``."""
    for node in names.all(ast.Assign):
        if names.dotted(node.value) in TORCH_LOAD:
            for target in node.targets:
                if isinstance(target, ast.Attribute):
                    yield ast.unparse(target)


def _is_saved(names: Names, value: ast.expr, saved: set[str]) -> bool:
    if names.dotted(value) in TORCH_LOAD:
        return True
    return isinstance(value, ast.Attribute) and ast.unparse(value) in saved
