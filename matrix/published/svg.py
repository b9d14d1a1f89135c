"""A badge as a flat SVG: a label and a message, legible with whatever font there is."""

from __future__ import annotations

import unicodedata

from markupsafe import Markup

MARGIN = 6  # on both sides of a text
LABEL = "#3b434b"

# Verdana's widths at 11 px, in tenths: a text is set to the width that is computed here, so that
# another font is spaced and never overflows.
_WIDTHS = {
    30: "'il",
    38: "j",
    39: " f",
    40: ",.·",
    43: "!t",
    46: "I",
    47: "r",
    50: '"()-/:;J[\\]|',
    57: "cs",
    58: "z",
    61: "?L",
    63: "F",
    66: "Paekvxy",
    68: "TYo",
    70: "$*E_`bdghnpqu{}0123456789",
    76: "ABCKRSVXZ",
    82: "HNU&",
    87: "DGOQ",
    90: "#+<=>^w~…",
    93: "M",
    109: "Wm",
    118: "@%",
}
_BY_CHARACTER = {character: width for width, some in _WIDTHS.items() for character in some}
_OTHER, _WIDE = 70, 110  # of other letters, and of those of East Asia

_BADGE = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img"'
    ' aria-label="{label}: {message}"><title>{title}</title>'
    '<path fill="{dark}" d="M3 0h{left}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z"/>'
    '<path fill="{colour}" d="M{middle} 0h{right}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right}z"/>'
    '<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="110"'
    ' text-rendering="geometricPrecision">'
    '<text x="{label_x}" y="140" transform="scale(.1)" textLength="{label_length}">{label}</text>'
    '<text x="{message_x}" y="140" transform="scale(.1)" textLength="{message_length}">{message}'
    "</text></g></svg>\n"
)


def svg(label: str, message: str, colour: str, title: str) -> str:
    """Return a badge; its texts are of characters that XML takes."""
    label_length, message_length = width(label), width(message)
    left, right = (_box(length) for length in (label_length, message_length))
    return str(
        _BADGE.format(
            width=left + right,
            label=label,
            message=message,
            title=title,
            dark=LABEL,
            colour=colour,
            left=left - 3,
            middle=left,
            right=right - 3,
            label_x=10 * MARGIN,
            label_length=label_length,
            message_x=10 * (left + MARGIN),
            message_length=message_length,
        )
    )


def _box(length: int) -> int:
    return -(-length // 10) + 2 * MARGIN


def width(text: str) -> int:
    """Return the width of a text in tenths of a pixel."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if character in _BY_CHARACTER:
        return _BY_CHARACTER[character]
    if unicodedata.combining(character):
        return 0
    return _WIDE if unicodedata.east_asian_width(character) in "WF" else _OTHER
