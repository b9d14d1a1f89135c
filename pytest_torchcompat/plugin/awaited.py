"""Whether a test waits for the error that is being raised, as with ``pytest.raises``."""

from __future__ import annotations

import ast
import functools
import linecache
import types
from collections.abc import Iterator
from pathlib import Path

from pytest_torchcompat.policies.call_sites import own_frames

_WAITS = frozenset(("raises", "assertRaises", "assertRaisesRegex"))


def is_awaited(root: Path) -> bool:
    """Say whether a line of the project that led here stands where an error is waited for."""
    return any(_waits(frame) for frame in own_frames(root))


def _waits(frame: types.FrameType) -> bool:
    ranges = _ranges(frame.f_code.co_filename)
    return any(first <= frame.f_lineno <= last for first, last in ranges)


@functools.cache
def _ranges(file: str) -> tuple[tuple[int, int], ...]:
    """Return the first and last lines of what a file does while it waits for an error."""
    text = "".join(linecache.getlines(file))
    if not any(name in text for name in _WAITS):
        return ()
    try:
        return tuple(_spans(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError):  # whatever it is, Python has run it
        return ()


def _spans(tree: ast.Module) -> Iterator[tuple[int, int]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.With, ast.AsyncWith)):
            waits = any(_is_wait(item.context_expr) for item in node.items)
        else:
            waits = _is_wait(node)
        if waits and isinstance(node, (ast.stmt, ast.expr)):
            yield node.lineno, node.end_lineno or node.lineno


def _is_wait(node: ast.AST) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    name = getattr(function, "attr", None) or getattr(function, "id", None)
    return name in _WAITS
