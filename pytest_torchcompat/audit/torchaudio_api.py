"""Uses of what torchaudio 2.9 removed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from pytest_torchcompat.audit.names import Names, last_name
from pytest_torchcompat.audit.rules import TORCHAUDIO, Rule
from pytest_torchcompat.audit.swallowed import is_tried

REMOVED: Final = (
    *("torchaudio.AudioMetaData", "torchaudio.backend", "torchaudio.get_audio_backend"),
    *("torchaudio.info", "torchaudio.io", "torchaudio.kaldi_io"),
    *("torchaudio.list_audio_backends", "torchaudio.set_audio_backend"),
    "torchaudio.sox_effects",
)
_GUARDS: Final = frozenset(
    ("AttributeError", "BaseException", "Exception", "ImportError", "ModuleNotFoundError")
)
_ASKS_VERSION: Final = ("major", "minor", "type_checking", "version")
Found = tuple[Rule, ast.AST, str]


def findings(names: Names) -> Iterator[Found]:
    """Yield the uses of removed names, unless the code is ready for their absence."""
    made = {names.dotted(each) for each in names.all(ast.Attribute) if _is_stored(each)}
    for node, name in _uses(names):
        removed = next((each for each in REMOVED if f"{name}.".startswith(f"{each}.")), None)
        if removed and removed not in made and not _is_guarded(names, node, removed):
            yield TORCHAUDIO, node, f"{name} was removed in torchaudio 2.9."


def _is_stored(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store)


def _uses(names: Names) -> Iterator[tuple[ast.AST, str]]:
    for plain in names.all(ast.Import):
        yield from ((plain, alias.name) for alias in plain.names)
    for node in names.all(ast.ImportFrom):
        if not node.level:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)
    for attribute in names.all(ast.Attribute):
        # torchaudio.io.StreamReader is one use, told at its outermost attribute.
        if not isinstance(names.parents[attribute], ast.Attribute):
            yield from _of_attribute(names, attribute)


def _of_attribute(names: Names, node: ast.Attribute) -> Iterator[tuple[ast.AST, str]]:
    name = names.dotted(node)
    base: ast.AST = node
    while isinstance(base, ast.Attribute):
        base = base.value
    # What was imported by name is told at its import.
    imported = names.dotted(base) if name else None
    if name and imported == "torchaudio" and isinstance(node.ctx, ast.Load):
        yield node, name


def _is_guarded(names: Names, node: ast.AST, removed: str) -> bool:
    name = removed.rpartition(".")[2]
    return any(_guards(names, each, child, name) for each, child in names.ancestors(node))


def _guards(names: Names, parent: ast.AST, child: ast.AST, name: str) -> bool:
    if isinstance(parent, ast.Try):
        return is_tried(child, parent) and any(map(_catches, parent.handlers))
    if isinstance(parent, (ast.If, ast.IfExp, ast.BoolOp)):
        test = parent.values[0] if isinstance(parent, ast.BoolOp) else parent.test
        return child is not test and _asks(names, test, name)
    annotation = getattr(parent, "annotation", None) or getattr(parent, "returns", None)
    return child is annotation and _annotations_are_text(names)


def _annotations_are_text(names: Names) -> bool:
    future = (node for node in names.all(ast.ImportFrom) if node.module == "__future__")
    return any(alias.name == "annotations" for node in future for alias in node.names)


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(last_name(each) in _GUARDS for each in types)


def _asks(names: Names, test: ast.expr, name: str) -> bool:
    """Say whether a condition looks for the name, or at some version."""
    words, about_version = names.once(_words, test)
    return about_version or name in words


def _words(test: ast.expr) -> tuple[frozenset[str], bool]:
    """Return the texts of a condition, and whether it names a version."""
    nodes = list(ast.walk(test))
    texts = (each.value for each in nodes if isinstance(each, ast.Constant))
    named = {last_name(each).lower() for each in nodes}
    versions = any(word in each for each in named for word in _ASKS_VERSION)
    return frozenset(each for each in texts if isinstance(each, str)), versions
