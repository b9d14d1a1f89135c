"""What loading a file costs under each policy, beside plain ``torch.load``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matrix.page import links, text
from matrix.page.speed import MOST, in_milliseconds, machines_of
from matrix.page.table import Cell, Check, Table
from matrix.page.timed import Machines
from matrix.versions import version_key
from pytest_torchcompat.checkpoints.catalogue import in_megabytes
from pytest_torchcompat.outcome import WORKING
from pytest_torchcompat.policies import Policy

Reading = Mapping[str, Any]
STOCK = Policy.STOCK.value


@dataclass(frozen=True)
class Cost:
    """
    A load beside the plain one: times as long, and the most memory; or how its check ended.

    ``note`` says why there is no figure where no outcome tells it.
    """

    ratio: str = ""
    memory: str = ""
    outcome: str = ""
    note: str = ""


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
    """
    The rows, a checkpoint each; ``more`` is how many are left out.

    ``policies`` have a column each; ``untimed`` has none, as none of its loads is timed.
    """

    policies: tuple[str, ...]
    untimed: str
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
    untimed = STOCK if STOCK in table.policies and not _is_timed(newest, STOCK) else ""
    policies = tuple(policy for policy in table.policies if policy != untimed)
    rows = [_row(each, policies, machines) for each in newest[:most]]
    methods = dict.fromkeys(load["method"] for each in newest for _, load in each.loads)
    more = len(newest[most:])
    return Loading(policies, untimed, tuple(rows), more, tuple(methods), machines.sentence)


def _is_timed(found: Iterable[_Measured], policy: str) -> bool:
    loads = (each for measured in found for each in measured.loads)
    return any(check["policy"] == policy and load["policy"] for check, load in loads)


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
    if check is None:
        return Cost(note="not planned")
    return Cost(outcome=check["outcome"], note="not timed" if check["outcome"] in WORKING else "")


def _mapped(each: _Measured) -> Cost:
    found = (load for _, load in each.loads if load["mmap"])
    return next((_cost(load["mmap"], load["plain"]) for load in found), Cost(note="not done"))


def _cost(reading: Reading, plain: Reading | None) -> Cost:
    """Compare with a plain load of the same cell: others have their own pace."""
    known = plain and plain["median"] and reading["median"]
    ratio = text.times(reading["median"] / plain["median"]) if plain and known else ""
    memory = _memory(reading)
    return Cost(ratio, memory, note="" if ratio or memory else "no figure")


def _memory(reading: Reading | None) -> str:
    known = reading and reading["memory"] is not None
    return in_megabytes(reading["memory"]) if reading and known else ""
