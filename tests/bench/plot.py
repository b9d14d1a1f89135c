"""The ratios as a picture: a row each, a dot on a logarithmic scale, and the peer at one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from matrix.published.svg import width
from tests.bench.promises import SUITES
from tests.bench.report import number

ROW, HEAD, PLOT, MARGIN = 18, 58, 420, 14
FONT = 11  # pixels: what the widths are of
DOT = 4
# Told apart by its form as well: what is within its aim is filled, what is not is hollow.
_COLOURS = {True: "#0a6e3d", False: "#b3261e", None: "#57606a"}
_TITLE = "Ours over the peer, measured in the same run"
_SAID = {True: "within its aim", False: "not within its aim", None: "stated, without an aim"}

_PICTURE = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
    ' viewBox="0 0 {width} {height}" role="img" aria-labelledby="title desc">'
    '<title id="title">{title}</title><desc id="desc">{desc}</desc>'
    '<rect width="100%" height="100%" fill="#fff"/>'
    '<g font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="{font}" fill="#1f2328">'
    "{body}</g></svg>\n"
)
_TEXT = Markup('<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{text}</text>')
_LINE = Markup('<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{colour}"/>')
_DOT = Markup(
    '<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{fill}" stroke="{colour}" stroke-width="1.5">'
    "<title>{text}</title></circle>"
)


def plot(found: Mapping[str, Any]) -> str:
    """Return an SVG of every ratio, suite by suite; its description says each in words."""
    shown = [each for each in found["figures"] if each["ratio"]]
    shown.sort(key=lambda each: SUITES.index(each["suite"]))
    names = [_label(each) for each in shown]
    left = MARGIN + max((width(name) for name in names), default=0) / 10 + 10
    sizes = (left + PLOT + 70, HEAD + ROW * (len(shown) + 1))
    # Where there is nothing to compare, a scale of one step each way.
    scale = _scale([each["ratio"] for each in shown] or [1.0])
    parts = (_axis(left, sizes[1], scale), *(_row(i, e, left, scale) for i, e in enumerate(shown)))
    return str(
        _PICTURE.format(
            width=math.ceil(sizes[0]),
            height=math.ceil(sizes[1]),
            title=_TITLE,
            desc=". ".join(map(_sentence, shown)) or "Nothing was compared",
            font=FONT,
            body=Markup("").join(parts),
        )
    )


def _scale(ratios: list[float]) -> tuple[int, int]:
    """Return the powers of ten that hold all ratios, and one."""
    logs = [math.log10(each) for each in (*ratios, 0.5, 2.0)]
    return math.floor(min(logs)), math.ceil(max(logs))


def _at(ratio: float, left: float, scale: tuple[int, int]) -> float:
    low, high = scale
    return left + PLOT * (math.log10(ratio) - low) / (high - low)


def _label(figure: Mapping[str, Any]) -> str:
    return f"{figure['suite']}: {figure['name']}"


def _sentence(figure: Mapping[str, Any]) -> str:
    said, peer = _SAID[figure["met"]], figure["peer"]["name"]
    return f"{_label(figure)}: {number(figure['ratio'])} of {peer}, {said}"


def _axis(left: float, bottom: float, scale: tuple[int, int]) -> Markup:
    body = [_text(MARGIN, 18, _TITLE, more=' font-weight="bold"')]
    legend = "Left of 1 ours takes less. Filled: within its aim; hollow: not; grey: stated."
    body.append(_text(MARGIN, 34, legend))
    for power in range(scale[0], scale[1] + 1):
        x, colour = _at(10.0**power, left, scale), "#57606a" if power == 0 else "#d0d7de"
        body.append(_LINE.format(x=x, top=HEAD - 4, bottom=bottom - ROW / 2, colour=colour))
        body.append(_text(x, HEAD - 8, f"{10.0**power:g}", anchor="middle"))
    return Markup("").join(body)


def _row(number_of: int, figure: Mapping[str, Any], left: float, scale: tuple[int, int]) -> Markup:
    y, met = HEAD + ROW * (number_of + 0.7), figure["met"]
    x, colour = _at(figure["ratio"], left, scale), _COLOURS[met]
    fill = "#fff" if met is False else colour
    dot = _DOT.format(x=x, y=y - 4, r=DOT, fill=fill, colour=colour, text=_sentence(figure))
    name = _text(left - 10, y, _label(figure), anchor="end")
    return name + dot + _text(left + PLOT + 8, y, number(figure["ratio"]))


def _text(x: float, y: float, text: str, *, anchor: str = "start", more: str = "") -> Markup:
    return _TEXT.format(x=x, y=y, text=text, anchor=anchor, more=Markup(more))
