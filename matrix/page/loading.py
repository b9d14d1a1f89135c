"""What loading a file costs under each policy, beside plain ``torch.load``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matrix.page import links, text
from matrix.page.speed import MOST, in_milliseconds, machines_of
from matrix.page.table import Cell, Check, Table
from matrix.page.timed import Machines
from matrix.versions import version_key
from pytest_torchcompat.checkpoints.catalogue import in_megabytes

Reading = Mapping[str, Any]


@dataclass(frozen=True)
class Cost:
    """A load beside the plain one: times as long, and the most memory; or how its check ended."""

    ratio: str = ""
    memory: str = ""
    outcome: str = ""


@dataclass(frozen=True)
class Row:
    """The loads of one checkpoint in one cell; a cost for each policy, and one for mapping."""

    checkpoint: str
    where: str
    href: str
    size: str
    plain: str
    memory: str
    costs: tuple[Cost, ...]


@dataclass(frozen=True)
class Loading:
    """The rows, a checkpoint each; ``more`` is how many are left out."""

    policies: tuple[str, ...]
    rows: tuple[Row, ...]
    more: int
    methods: tuple[str, ...]
    machines: str


class _Measured(NamedTuple):
    """The checks of a checkpoint in a cell, by policy, of which some have their load timed."""

    cell: Cell
    checks: Mapping[str, Check]

    @property
    def loads(self) -> list[tuple[Check, Mapping[str, Any]]]:
        found = ((check, check.get("loading")) for check in self.checks.values())
        return [(check, load) for check, load in found if load]


def loading(table: Table, most: int = MOST) -> Loading:
    """Return what loading costs, of each checkpoint on the newest torch where that was timed."""
    machines = machines_of(table)
    newest = _newest(table)
    rows = [_row(each, table.policies, machines) for each in newest[:most]]
    methods = dict.fromkeys(load["method"] for each in newest for _, load in each.loads)
    more = len(newest[most:])
    return Loading(table.policies, tuple(rows), more, tuple(methods), machines.sentence)


def _newest(table: Table) -> list[_Measured]:
    found: dict[str, _Measured] = {}
    for each in _measured(table):
        (name,) = {check["checkpoint"] for check in each.checks.values()}
        if name not in found or _age(each.cell) > _age(found[name].cell):
            found[name] = each
    order = dict.fromkeys(subject.checkpoint for subject in table.subjects)
    return [found[name] for name in order if name in found]


def _age(cell: Cell) -> tuple[Any, Any]:
    return version_key(cell["torch"]), version_key(cell["version"])


def _measured(table: Table) -> Iterator[_Measured]:
    for cell in table.cells:
        found: dict[str, dict[str, Check]] = {}
        for check in cell["checks"]:
            policies = found.setdefault(check["checkpoint"], {})
            # A checkpoint has several uses, and its load is timed in one of them.
            if check.get("loading") or check["policy"] not in policies:
                policies[check["policy"]] = check
        for checks in found.values():
            each = _Measured(cell, checks)
            if each.loads:
                yield each


def _row(each: _Measured, policies: Sequence[str], machines: Machines) -> Row:
    first, load = each.loads[0]
    plain = next((load["plain"] for _, load in each.loads if load["plain"]), None)
    where = f"torch {each.cell['torch']}, {each.cell['library']} {each.cell['version']}"
    machine = machines.name(load["machine"]["id"])
    return Row(
        checkpoint=first["checkpoint"],
        where=f"{where}, {machine}" if machine else where,
        href=links.to_check("loading", each.cell["id"], first),
        size=in_megabytes(load["bytes"]),
        plain=in_milliseconds(plain["median"]) if plain else "",
        memory=_memory(plain),
        costs=(*(_under(each.checks.get(policy)) for policy in policies), _mapped(each)),
    )


def _under(check: Check | None) -> Cost:
    load = (check or {}).get("loading")
    if load and load["policy"]:
        return _cost(load["policy"], load["plain"])
    return Cost(outcome=check["outcome"] if check else "")


def _mapped(each: _Measured) -> Cost:
    found = (load for _, load in each.loads if load["mmap"])
    return next((_cost(load["mmap"], load["plain"]) for load in found), Cost())


def _cost(reading: Reading, plain: Reading | None) -> Cost:
    """Compare with a plain load of the same cell: others have their own pace."""
    known = plain and plain["median"] and reading["median"]
    ratio = text.times(reading["median"] / plain["median"]) if plain and known else ""
    return Cost(ratio, _memory(reading))


def _memory(reading: Reading | None) -> str:
    known = reading and reading["memory"] is not None
    return in_megabytes(reading["memory"]) if reading and known else ""
