"""
The reference pages: what the code says of itself, put in as Sphinx reads a page.

A page holds lines such as ``<!-- reference: outcomes -->``; each stands for the Markdown that a
function of ``PARTS`` makes of the objects themselves. Nothing is written to the tree, and nothing
imports torch.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:  # the sweep's own package is in no wheel
    sys.path.insert(0, str(ROOT))

from pytest_torchcompat.errors import unknown_name  # noqa: E402 - after the line that finds it
from reference import (  # noqa: E402
    command_lines,
    json_forms,
    known_failures,
    python_names,
    rows,
    schema,
    settings,
    variables,
    words,
)

MARK = re.compile(r"^<!-- reference: ([\w-]+) -->$", re.MULTILINE)

PARTS: Mapping[str, Callable[[], str]] = {
    "options": settings.options,
    "markers": settings.markers,
    "fixtures": settings.fixtures,
    "hooks": settings.hooks,
    "python": python_names.public,
    "libraries": python_names.libraries,
    "errors": python_names.errors,
    "row": python_names.row,
    "row-keys": python_names.row_keys,
    "sweep-keys": python_names.sweep_keys,
    "torchcompat": command_lines.torchcompat,
    "matrix": command_lines.matrix,
    "policies": words.policies,
    "editions": words.editions,
    "stages": words.stages,
    "outcomes": words.outcomes,
    "scan-verdicts": words.scan_verdicts,
    "scan-reasons": words.scan_reasons,
    "audit-verdicts": words.audit_verdicts,
    "rules": known_failures.rules,
    "signatures": known_failures.signatures,
    "shims": rows.shims,
    "checkpoints": rows.checkpoints,
    "report": json_forms.report,
    "commands-json": json_forms.commands,
    "bench-json": json_forms.bench,
    "matrix-json": schema.matrix_json,
    "variables-read": variables.read,
    "variables-of-cells": variables.of_cells,
}


def expanded(page: str) -> str:
    """Return a page with what its lines stand for; raises for a part that there is not."""
    return MARK.sub(lambda found: part(found[1]), page)


def part(name: str) -> str:
    """Return the Markdown of one part."""
    if name not in PARTS:
        raise unknown_name("part of the reference", name, PARTS)
    return PARTS[name]()


def setup(app: Any) -> dict[str, Any]:
    """Let Sphinx call it."""
    app.connect("source-read", _read)
    app.connect("env-get-outdated", _outdated)
    return {"parallel_read_safe": True}


def _read(app: Any, name: str, source: list[str]) -> None:  # noqa: ARG001 - Sphinx's arguments
    source[0] = expanded(source[0])


def _outdated(app: Any, env: Any, *_: object) -> list[str]:  # noqa: ARG001 - Sphinx's arguments
    return list(_pages(env))


def _pages(env: Any) -> Iterator[str]:
    """Yield the pages with parts: what they are made of changes without them."""
    for name in env.found_docs:
        if MARK.search(Path(env.doc2path(name)).read_text("utf-8")):
            yield name
