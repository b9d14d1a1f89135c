"""Shims as Python to paste, which needs nothing of this package."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pytest_torchcompat import __version__
from pytest_torchcompat.shim import Shim, Told

ENTRY_POINT, SITECUSTOMIZE = "entry-point", "sitecustomize"
_FUTURE = "from __future__ import annotations\n"
_FOR_LINTERS = re.compile(r"  # (?:noqa|type: ignore)\b.*")

_APPLY: Final = """
def _apply_shims(shims):
    import contextlib
    import importlib.metadata
    import platform
    import warnings
    from collections.abc import Iterable

{told}
    found = [each for each in importlib.metadata.distributions() if each.metadata]
    versions = {each.metadata["Name"]: each.version for each in reversed(found)}
    versions["python"] = platform.python_version()
    applied = contextlib.ExitStack()
    for shim in shims:
        if shim.applies(versions):
            shim.lost = Told(shim.name)
            applied.enter_context(shim.applied())
    return applied
"""
_AT_ONCE: Final = """

# What is applied is undone once nothing refers to this any more.
_applied_shims = _apply_shims([{calls}])
"""
_DEFERRED: Final = '''
class _ShimsAtFirstImport:
    """Stands in for the first import of a module, and applies its shims as it is imported."""

    looking = False
    applied = []

    def __init__(self, waiting):
        self.waiting = waiting

    def find_spec(self, name, path=None, target=None):
        if self.looking or not any(name in modules for _, modules in self.waiting):
            return None
        import importlib.util

        self.looking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.looking = False
        if spec:
            spec.loader = self
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        import importlib
        import sys

        name = module.__name__
        shims = [make() for make, modules in self.waiting if name in modules]
        self.waiting = [each for each in self.waiting if name not in each[1]]
        del sys.modules[name]  # of two modules under one name, import keeps the one put there
        self.applied.append(_apply_shims(shims))
        importlib.import_module(name)


def _wait_for_first_import():
    import sys

    sys.meta_path.insert(0, _ShimsAtFirstImport([{pairs}]))


_wait_for_first_import()
'''


def code(shims: Sequence[Shim], place: str = ENTRY_POINT) -> str:
    """Return Python that applies shims for the life of its process, where they apply."""
    functions = "\n\n".join(_function(each) for each in shims)
    calls = ", ".join(f"{_name(each)}()" for each in shims)
    pairs = ", ".join(f"({_name(each)}, {each.modules!r})" for each in shims)
    end = _AT_ONCE.replace("{calls}", calls)
    if place == SITECUSTOMIZE:
        end = "\n" + _DEFERRED.replace("{pairs}", pairs)
    told = textwrap.indent(_plain(inspect.getsource(Told)), "    ")
    apply = _APPLY.replace("{told}", told)
    return "\n".join(_head(shims, place)) + f"\n\n\n{functions}\n{apply}{end}"


def _head(shims: Sequence[Shim], place: str) -> Iterator[str]:
    names = " ".join(each.name for each in shims)
    option = " --sitecustomize" if place == SITECUSTOMIZE else ""
    modules = ", ".join(sorted({module for each in shims for module in each.modules}))
    yield f"# Printed by: torchcompat shims {names}{option} (pytest-torchcompat {__version__})"
    if place == SITECUSTOMIZE:
        yield f"# For sitecustomize.py. Does nothing before the first import of {modules}."
    else:
        yield f"# For the top of a program, above the first import of {modules}."
    for each in shims:
        yield f"# {each.name}: restores {each.restores}."
        yield f"#   Not needed any more when {each.retired_when}."


def _name(shim: Shim) -> str:
    return f"_shim_{shim.name.replace('-', '_')}"


def _function(shim: Shim) -> str:
    """Return a function that holds all of a shim's file, so that no two get into each other."""
    source = inspect.getsource(sys.modules[type(shim).__module__]).replace(_FUTURE, "", 1)
    body = textwrap.indent(_plain(_without_unions(source)), "    ")
    return f"def {_name(shim)}():\n{body}\n    return {type(shim).__name__}()\n"


def _plain(source: str) -> str:
    """Leave out what linters read, and every second of two empty lines."""
    lines = (_FOR_LINTERS.sub("", line) for line in source.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _without_unions(source: str) -> str:
    """Put annotations with ``|``, which Python 3.9 would evaluate and cannot, in quotes."""
    lines = source.splitlines(keepends=True)
    found = [each for each in _annotations(ast.parse(source)) if _has_union(each)]
    for each in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        line, start, end = lines[each.lineno - 1], each.col_offset, each.end_col_offset or 0
        lines[each.lineno - 1] = f"{line[:start]}{line[start:end]!r}{line[end:]}"
    return "".join(lines)


def _annotations(tree: ast.AST) -> Iterator[Any]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.returns
        elif isinstance(node, (ast.arg, ast.AnnAssign)):
            yield node.annotation


def _has_union(annotation: ast.expr | None) -> bool:
    nodes = ast.walk(annotation) if annotation else ()
    return any(isinstance(each, ast.BitOr) for each in nodes)
