"""Turn the data of matrix.json into one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from matrix.page import text
from matrix.page.view import POLICIES, VERDICTS, View
from matrix.retirement import sentence
from matrix.tallies import is_flaky, told

HERE = Path(__file__).parent


def render(matrix: Mapping[str, Any]) -> str:
    """Return the page: no network, no script, the same bytes for the same matrix."""
    template = _environment().get_template("template.html.j2")
    view = View(text.inert(dict(matrix)))
    # Our own file, without data: the one text that is not escaped.
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))  # noqa: S704
    page = template.render(view=view, run=view.matrix, policies=POLICIES, style=style)
    return page.strip() + "\n"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (
        *(text.counted, text.cut, text.drift, text.milliseconds, text.moment, text.seconds),
        *(text.worded, sentence, told),
    ):
        environment.filters[filter_.__name__] = filter_
    environment.tests["flaky"] = is_flaky
    environment.globals["took"] = text.took
    environment.globals["verdicts"] = VERDICTS
    return environment
