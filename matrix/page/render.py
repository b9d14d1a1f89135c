"""Turn the data of matrix.json into one self-contained page."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from matrix.diff import Diff
from matrix.history import CellTrend
from matrix.page import text
from matrix.page.payload import Payload, packed
from matrix.page.sheets import Sheets
from matrix.page.speed import VERDICTS as SPEEDS
from matrix.page.view import POLICIES, VERDICTS, View
from matrix.retirement import sentence
from pytest_torchcompat.garbage import no_garbage_collection

HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import [^;]*?"\./([a-z_]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
# Lines that are comments alone, types within a line, indentation and empty lines: a third of what
# we write. What stands behind code stays: nothing here knows a comment there from a text.
_FOR_WRITERS = re.compile(
    r"^[ \t]*(?://.*|/\*(?:[^*]|\*(?!/))*\*/[ \t]*)\n|/\*\* @type .*?\*/ |^[ \t]+|^\n", re.MULTILINE
)


# What it makes holds no cycles, and collecting them is a fifth of its time.
@no_garbage_collection()
def render(
    matrix: Mapping[str, Any],
    changes: Diff | None = None,
    trends: Iterable[CellTrend] = (),
    why_not: str = "",
) -> str:
    """
    Return the page: no network, the same bytes for the same data.

    ``changes`` are those since the last complete run, ``why_not`` says why that can't be compared
    with, and ``trends`` are what earlier runs said.
    """
    view = View(matrix, changes, why_not)
    payload = Payload(matrix, view.table, changes, trends)
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            view=view,
            run=matrix,
            sheets=Sheets(matrix, changes, view.table),
            policies=POLICIES,
            style=style(),
            script=script(),
            index=packed(payload.index()),
            details=(packed(payload.block(number)) for number in range(len(payload.blocks))),
        )
    )
    return page.strip() + "\n"


def script() -> Markup:
    """Return the script as one module, each file after those that it imports."""
    files = {file.stem: file.read_text(encoding="utf-8") for file in (HERE / "script").glob("*.js")}
    imports = {name: _IMPORT.findall(text) for name, text in sorted(files.items())}
    order = TopologicalSorter(imports).static_order()
    text = "\n".join(_EXPORT.sub("", _IMPORT.sub("", files[name])) for name in order)
    # Our own files, without data: these and the style are the only texts that are not escaped.
    return Markup(_FOR_WRITERS.sub("", text))  # noqa: S704


def style() -> Markup:
    """Return the style, its files in the order of their names."""
    files = sorted((HERE / "style").glob("*.css"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return Markup(_FOR_WRITERS.sub("", text))  # noqa: S704


def hashed(content: str) -> str:
    """Return the source expression by which a content security policy knows an inline text."""
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (hashed, text.counted, text.cut, text.moment, text.worded, sentence):
        environment.filters[filter_.__name__] = filter_
    environment.globals["took"] = text.took
    environment.globals["verdicts"] = VERDICTS
    environment.globals["speeds"] = SPEEDS
    return environment


def _finalized(value: Any) -> Any:
    """Make visible what a string from elsewhere would hide; what is marked as ours stays."""
    return value if isinstance(value, Markup) else text.inert(value)
