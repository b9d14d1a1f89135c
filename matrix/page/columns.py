"""
Rows written column by column, each value of a column once.

The checks of a block say the same things again and again, further apart than a compressor looks
back: written so, they take half the room. ``script/data.js`` reads a row of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

Row = Mapping[str, Any]
MISSING = -1
_NOTHING = object()
_PLAIN = (int, bool)
_ALIKE = 8  # of one shape after another: fewer gain nothing


class Pool:
    """Values by number, each kept once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, value: Any, key: Hashable = None) -> int:
        """Return the number of a value; ``key`` stands for one that cannot be looked up."""
        key = value if key is None else key
        number = self._numbers.setdefault(key, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


def by_column(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details of some cells with their cells and checks as columns."""
    cells = list(details["cells"].values())
    checks = [check for cell in cells for check in cell["checks"]]
    told = [{**_without(cell, "cell"), "checks": len(cell["checks"])} for cell in cells]
    return {
        **details,
        "cells": columns([cell["cell"] for cell in cells]),
        "ofCells": columns(told),
        "records": columns([check["record"] for check in checks]),
        "ofChecks": columns([_without(check, "record") for check in checks]),
    }


def columns(rows: Sequence[Row]) -> dict[str, dict[str, list[Any]]]:
    """
    Return the values of each column once, and by row which of them it has; -1 is none.

    Values that are objects stand in ``shapes``, those with the same names one after the other:
    in each, what they have under a name.
    """
    return {name: _column(rows, name) for name in _names(rows)}


def _column(rows: Iterable[Row], name: str) -> dict[str, list[Any]]:
    there = [row.get(name, _NOTHING) for row in rows]
    keys = [_key(value) for value in there]
    values = dict(zip(keys, there))
    values.pop(_NOTHING, None)
    numbers = {_NOTHING: MISSING, **{key: number for number, key in enumerate(values)}}
    return {**_held(list(values.values())), "rows": [numbers[key] for key in keys]}


def _held(values: list[Any]) -> dict[str, list[Any]]:
    """Return values, or where many of them have the same keys, what they have under each."""
    if not all(isinstance(value, dict) and value for value in values):
        return {"values": values}
    shapes = [(names, list(same)) for names, same in groupby(values, key=tuple)]
    if len(values) < _ALIKE * len(shapes) or not values:
        return {"values": values}
    return {
        "shapes": [
            {name: _held([value[name] for value in same]) for name in names}
            for names, same in shapes
        ]
    }


def _key(value: Any) -> Hashable:
    # 1, 1.0 and True are one key of a dictionary, and no two of them the same JSON.
    plain = value is _NOTHING or value is None or isinstance(value, str)
    return value if plain else (type(value), value) if type(value) in _PLAIN else (repr(value),)


def _names(rows: Iterable[Row]) -> list[str]:
    """Return the names of all columns, in the order in which the rows have them."""
    found: list[str] = []
    for names in dict.fromkeys(map(tuple, rows)):
        place = 0
        for name in names:
            if name not in found:
                found.insert(place, name)
            place = found.index(name) + 1
    return found


def _without(row: Row, left_out: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != left_out}
