"""
Why the cells of a run are red: the diagnosis of all that does not work, and one line a cause.

Both follow from what is recorded, so that a signature that is new today reaches the runs of
yesterday. What no signature knows is grouped by its words, less what is about one machine.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from matrix import upstream
from matrix.versions import version_key
from pytest_torchcompat.diagnosis import Diagnosis, Error, Failure, diagnose
from pytest_torchcompat.diagnosis.failure import (
    CRASH,
    NAMES,
    RESOLVE,
    RESOLVER,
    STOPPED,
    normalised,
    of_check,
)
from pytest_torchcompat.diagnosis.grouping import group_of
from pytest_torchcompat.diagnosis.grouping import normalised as in_general
from pytest_torchcompat.diagnosis.signature import ALLOW
from pytest_torchcompat.display import first_line
from pytest_torchcompat.outcome import WORKING, Outcome
from pytest_torchcompat.policies import Policy

Cell = Mapping[str, Any]
Check = Mapping[str, Any]
Item = TypeVar("Item", bound=Mapping[str, Any])

REFUSED = Outcome.REFUSED.value
# What is no mistake of a library's.
_NOBODYS = {REFUSED, Outcome.INFRA.value}


def diagnosed(matrix: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a matrix with the diagnosis of every check and cell that does not work, computed anew.

    Hundreds of checks fail in one way: each has the key of its diagnosis in ``diagnoses``.
    """
    cells = [
        {**cell, "checks": [{**check} for check in cell["checks"]]} for cell in matrix["cells"]
    ]
    return marked({**matrix, "cells": cells})


def marked(matrix: dict[str, Any]) -> dict[str, Any]:
    """Write the same into a matrix that is nobody else's: a copy of a large one takes its size."""
    table = _Table()
    for cell in matrix["cells"]:
        _mark(cell, table)
    matrix["diagnoses"] = table.by_key
    return matrix


def inlined(matrix: Mapping[str, Any]) -> dict[str, Any]:
    """Return a matrix whose checks and cells have their diagnosis itself in place of its key."""
    table = matrix.get("diagnoses") or {}
    cells = [
        _with(cell, table, [_with(check, table) for check in cell["checks"]])
        for cell in matrix["cells"]
    ]
    return {**matrix, "cells": cells}


def _with(
    item: Mapping[str, Any], table: Mapping[str, Any], checks: Sequence[Check] | None = None
) -> dict[str, Any]:
    key = item.get("diagnosis")
    found = {**item, "diagnosis": table.get(key) if isinstance(key, str) else key}
    return found if checks is None else {**found, "checks": checks}


class _Table:
    """Every diagnosis once, by its id and a number: remedies differ by version and by file."""

    def __init__(self) -> None:
        self.by_key: dict[str, dict[str, Any]] = {}
        self._keys: dict[Diagnosis, str] = {}
        self._numbers: Counter[str] = Counter()

    def key(self, failure: Failure, check: Check | None) -> str | None:
        """Return the key of a failure's diagnosis; ``None`` where it has none."""
        found = diagnose(failure)
        if found is None:
            return None
        if check and check["policy"] == Policy.ALLOWLISTED.value:
            found = _without_allowing(found)
        if found not in self._keys:
            self._numbers[found.id] += 1
            self._keys[found] = f"{found.id}/{self._numbers[found.id]}"
            self.by_key[self._keys[found]] = found.to_dict()
        return self._keys[found]


def _without_allowing(found: Diagnosis) -> Diagnosis:
    # All that the file names was allowed, and torch refused it all the same.
    left = tuple(remedy for remedy in found.remedies if remedy.kind != ALLOW)
    return dataclasses.replace(found, remedies=left)


def _mark(cell: dict[str, Any], table: _Table) -> None:
    for item in (cell, *cell["checks"]):
        item["diagnosis"] = None
    for check, failure in _failures(cell):
        (check or cell)["diagnosis"] = table.key(failure, check)


def _failures(cell: Item) -> Iterator[tuple[Item | None, Failure]]:
    """Yield what stopped a cell as such, then what stopped its checks."""
    stopped = [check for check in cell["checks"] if check["outcome"] in STOPPED]
    if not (stopped or cell["reason"]):
        return  # as of nearly all; names of distributions need not be normalised
    versions = _versions(cell)
    own = of_cell(cell, versions)
    if own:
        yield None, own
    for check in stopped:
        failure = of_check(check, versions)
        if failure:
            yield check, failure


def _versions(cell: Cell) -> Mapping[str, str]:
    # Where nothing could be installed, the plan still says what was asked for.
    asked = {"torch": cell["torch"], cell["library"]: cell["version"]}
    return {
        **normalised(asked),
        **normalised({**cell["distributions"], "python": cell["python"]}),
    }


def of_cell(cell: Cell, versions: Mapping[str, str]) -> Failure | None:
    """Return the failure of a cell as such; ``None`` where its checks are all there is to say."""
    reason, outcome = cell["reason"], cell["outcome"]
    if not reason or outcome not in (*NAMES, Outcome.INFRA.value):
        return None
    name = NAMES.get(outcome, RESOLVER)
    if name == RESOLVER and "run" in cell["seconds"]:
        name = CRASH  # its process was started: the installer had nothing to say
    return Failure((Error(name, reason),), RESOLVE if name == RESOLVER else "", versions)


@dataclass(frozen=True)
class Case:
    """One check, or one cell as such, that does not work."""

    cell: Cell
    check: Check | None
    failure: Failure
    diagnosis: Mapping[str, Any] | None

    @property
    def outcome(self) -> str:
        """The verdict on it."""
        return str((self.check or self.cell)["outcome"])

    @property
    def group(self) -> tuple[str, str]:
        """What it has in common with others: what is known, or the normalised words."""
        return line_of(self.diagnosis) if self.diagnosis else ("", group_of(self.failure))


def line_of(known: Mapping[str, Any]) -> tuple[str, str]:
    """
    Return what diagnoses of one cause share: the signature, and the sentence without versions.

    A signature that is about any file is a cause for each class that it was met with.
    """
    return (known["id"], _in_general(known["cause"]))


_in_general = lru_cache(maxsize=1024)(in_general)


def causes(matrix: Mapping[str, Any], found: Sequence[Case] | None = None) -> list[dict[str, Any]]:
    """Return an item for each cause of failures, that of the most cells first."""
    found = cases(matrix) if found is None else found
    return _grouped(matrix, [case for case in found if case.outcome != REFUSED])


def refusals(
    matrix: Mapping[str, Any], found: Sequence[Case] | None = None
) -> list[dict[str, Any]]:
    """Return the same of what policies refused, as they exist to do."""
    found = cases(matrix) if found is None else found
    return _grouped(matrix, [case for case in found if case.outcome == REFUSED])


def cases(matrix: Mapping[str, Any]) -> list[Case]:
    """Return what does not work, in the order of the cells; experiments count for nothing."""
    table = matrix["diagnoses"]
    return [
        Case(cell, check, failure, table.get((check or cell)["diagnosis"]))
        for cell in matrix["cells"]
        for check, failure in _failures(cell)
        if not (check and check["experiment"])
    ]


def _grouped(matrix: Mapping[str, Any], found: Iterable[Case]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in found:
        groups.setdefault(case.group, []).append(case)
    run = _Run(matrix)
    items = [_cause(run, group) for group in groups.values()]
    return sorted(items, key=lambda item: (-len(item["cells"]), -item["checks"], item["name"]))


class _Run:
    """A matrix, and what every cause asks of the whole of it."""

    def __init__(self, matrix: Mapping[str, Any]) -> None:
        self.matrix = matrix

    @cached_property
    def swept(self) -> Mapping[str, Sequence[str]]:
        """The versions of each library, in their order."""
        found: dict[str, set[str]] = {}
        for cell in self.matrix["cells"]:
            found.setdefault(cell["library"], set()).add(cell["version"])
        return {name: sorted(some, key=version_key) for name, some in found.items()}

    @cached_property
    def works(self) -> Mapping[tuple[str, ...], Sequence[str]]:
        """The torch versions on which a check of a library works."""
        found: dict[tuple[str, ...], list[str]] = {}
        for cell in self.matrix["cells"]:
            for check in cell["checks"]:
                if check["outcome"] in WORKING:
                    found.setdefault(_same(cell, check), []).append(cell["torch"])
        return found


def _same(cell: Cell, check: Check) -> tuple[str, ...]:
    """Return what two checks share that differ by torch alone."""
    return (
        *(cell[name] for name in ("library", "version", "beside")),
        *(check[name] for name in ("checkpoint", "use", "policy", "sha256")),
    )


def _cause(run: _Run, cases: Sequence[Case]) -> dict[str, Any]:
    first, cells = cases[0], list({case.cell["id"]: case.cell for case in cases}.values())
    known = first.diagnosis or {"cause": None, "remedies": [], "link": None}
    signature, words = first.group
    outcomes = {case.outcome for case in cases}
    return {
        "known": bool(signature),
        "name": signature or words,
        "cause": known["cause"],
        "remedies": known["remedies"],
        "link": known["link"],
        "outcomes": [each.value for each in Outcome if each.value in outcomes],
        "libraries": _libraries(run, cells),
        "torch": span({cell["torch"] for cell in cells}, run.matrix["torch"]),
        "checks": sum(case.check is not None for case in cases),
        "cells": [cell["id"] for cell in cells],
        "example": _example(first),
        "report": None if signature or outcomes <= _NOBODYS else _report(run, first),
    }


def _example(case: Case) -> dict[str, Any]:
    check = case.check or {"checkpoint": "", "use": "", "policy": ""}
    first = case.failure.errors[:1]
    return {
        "cell": case.cell["id"],
        **{name: check[name] for name in ("checkpoint", "use", "policy")},
        "exception": first[0].exception if first else "",
        "message": first_line(first[0].message) if first else "",
    }


def _report(run: _Run, case: Case) -> str:
    works = run.works.get(_same(case.cell, case.check), ()) if case.check else ()
    where = span(set(works), run.matrix["torch"]) if works else ""
    return upstream.report(run.matrix, case.cell, case.check, case.failure, where)


def _libraries(run: _Run, cells: Iterable[Cell]) -> dict[str, str]:
    """Return the versions of each library, as a span of those that the run has."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        found.setdefault(cell["library"], set()).add(cell["version"])
    return {name: span(some, run.swept[name]) for name, some in found.items()}


def span(some: set[str], every: Iterable[str]) -> str:
    """Say some of the versions there are: ``2.5.1, 2.8.0 to 2.15.0``."""
    runs: list[list[str]] = [[]]
    for version in dict.fromkeys(every):
        if version in some:
            runs[-1].append(version)
        elif runs[-1]:
            runs.append([])
    return ", ".join(text for run in runs for text in _ends(run))


def _ends(run: Sequence[str]) -> Sequence[str]:
    return run if len(run) < 3 else (f"{run[0]} to {run[-1]}",)  # noqa: PLR2004 - two are both ends
