"""
The map of the house in docs/CONTRIBUTING.md, from the floors and what each room says of itself.

python -m tests.docs.house    writes it anew
"""

from __future__ import annotations

import ast
import runpy
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "CONTRIBUTING.md"
BEGIN, END = "<!-- house: python -m tests.docs.house -->\n", "<!-- end of house -->\n"
ORDINALS = ("Ground floor", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh")
MORE = ("Eighth", "Ninth", "Tenth", "Eleventh", "Twelfth", "Thirteenth")


def house() -> str:
    """Return the map: a line a room, under its floor."""
    layers = runpy.run_path(str(ROOT / "tests" / "test_layers.py"))
    own, sweep = layers["PLUGIN_FLOORS"], layers["MATRIX_FLOORS"]
    return "\n".join([*_of("pytest_torchcompat", own), *_of("matrix", sweep)])


def written() -> str:
    """Return the map that the page has."""
    return PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]


def _of(package: str, floors: tuple[str, ...]) -> Iterator[str]:
    yield from ("", f"### {package}/")
    for number, rooms in zip((*ORDINALS, *MORE), floors):
        yield from ("", f"{number}:" if " " in number else f"{number} floor:", "")
        yield from (_line(package, room) for room in sorted(rooms.split()))
    yield ""


def _line(package: str, room: str) -> str:
    folder = ROOT / package / room
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    says = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n\n")[0]
    name = f"{room}/" if folder.is_dir() else f"{room}.py"
    return f"- `{name}`: {' '.join(says.split()).replace('``', '`')}"


if __name__ == "__main__":
    before = PAGE.read_text("utf-8")
    PAGE.write_text(before.replace(BEGIN + written(), BEGIN + house()), "utf-8")
