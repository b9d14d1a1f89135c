"""``python -m matrix merge``: the parts of one run, from several machines, in one folder."""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matrix import history
from matrix.holding import hold
from matrix.plan import Plan, PlannedCell
from matrix.questions import folder_of
from matrix.runner import read_plan, to_run, unfinished
from matrix.store import RunFolder, read_json, runs, write_json
from matrix.whole import whole
from pytest_torchcompat.errors import RecordError
from pytest_torchcompat.outcome import Outcome

Part = tuple[RunFolder, Plan]
# What the parts of one plan have in common.
SHARED = ("run", "frozen_at", "edition", "backend", "selection", "torch", "notes", "project")


def add_parsers(subparsers: Any, render: Callable[[Plan, RunFolder], Mapping[str, Any]]) -> None:
    """Add the command; ``render`` writes a run's matrix.json and page, and returns the first."""
    parser = subparsers.add_parser("merge", help="Unite the parts of a run by copying their files")
    parser.add_argument("parts", nargs="+", type=folder_of, metavar="RUN", help="A part's folder")
    into = parser.add_mutually_exclusive_group(required=True)
    into.add_argument("--into", type=folder_of, metavar="DIR", help="The folder of the united run")
    into.add_argument(
        "--runs", type=folder_of, metavar="DIR", help="Among these runs, by the name of its plan"
    )
    parser.set_defaults(command=merge_runs, render=render)


def merge_runs(options: argparse.Namespace) -> int:
    """Unite the parts of a run, and render it."""
    parts = [RunFolder(part) for part in options.parts]
    into = RunFolder(options.into or options.runs / read_plan(parts[0]).run)
    plan = merge(parts, into)
    matrix = options.render(plan, into)
    if options.runs or _is_folder_of_runs(into.path.parent, [*parts, into]):
        history.write(into.path.parent, matrix)
    left = len(unfinished(plan, into)) + len(set(plan.whole) - {cell.id for cell in plan.cells})
    total = len(plan.whole or plan.cells)
    rest = f"; {left} have not ended, and the run is incomplete" if left else ""
    print(f"{total - left} of {total} cells: {into.page}{rest}")
    _show_in_job(into)
    return 0


def _is_folder_of_runs(folder: Path, known: Iterable[RunFolder]) -> bool:
    """Whether what ``--into`` names lies among others: the folder of a lone run is not ours."""
    if any((folder / history.FOLDER).glob("*.jsonl")):
        return True
    named = {run.path for run in known}
    return any(run.path not in named for run in runs(folder))


def _show_in_job(folder: RunFolder) -> None:
    """Add the run to the page of the job, where this is one of GitHub's."""
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(folder.summary.read_text(encoding="utf-8"))


def merge(folders: Sequence[RunFolder], into: RunFolder) -> Plan:
    """
    Unite parts of one plan in a folder, which may hold some of them, and return their plan.

    In whichever order and however often parts are united, the files are the same. Raises
    ``RecordError``, and copies nothing, where they are not parts of one plan.
    """
    parts = _parts(folders, into)
    plan = united(parts)
    into.path.mkdir(parents=True, exist_ok=True)
    with hold(into):
        _unite(parts, plan, into)
    return plan


def _unite(parts: Sequence[Part], plan: Plan, into: RunFolder) -> None:
    # The plan first, as of a run: whatever kills this, the folder says what it lacks.
    write_json(into.plan, plan.to_dict())
    having: dict[str, list[RunFolder]] = {}
    for folder, part in parts:
        for cell in part.cells:
            having.setdefault(cell.id, []).append(folder)
    for cell in plan.cells:
        _unite_cell(dataclasses.replace(plan, cells=(cell,)), having[cell.id], into)
    for stack in plan.stacks:
        _unite_stack(Path("stacks", f"{stack.id}.json"), [folder for folder, _ in parts], into)


def _parts(folders: Sequence[RunFolder], into: RunFolder) -> list[Part]:
    if into.path.exists() and not into.plan.exists() and any(into.path.iterdir()):
        message = f"{into.path} holds something else than a run; name a new folder with --into"
        raise RecordError(message)
    named = {folder.path.resolve(): folder for folder in folders}
    if into.plan.exists():
        named.pop(into.path.resolve(), None)
        named[into.path.resolve()] = into  # last: of what is the same its own is kept
    return [(folder, read_plan(folder)) for folder in named.values()]


def united(parts: Sequence[Part]) -> Plan:
    """Return the plan of parts together; raises ``RecordError`` with what tells them apart."""
    first, plan = parts[0]
    for folder, other in parts[1:]:
        if differing := _differences(plan, other):
            message = (
                f"{first.path} and {folder.path} are not parts of one plan: {'; '.join(differing)}."
                " `plan --save` writes one, and each part runs with `run --plan FILE --shard 1/N`"
            )
            raise RecordError(message)
        plan = _with_cells(plan, other.cells)
    cells = {cell.id: cell for cell in plan.cells}
    order = _order(plan)
    found = tuple(cells[identifier] for identifier in order if identifier in cells)
    stacks = next((part.stacks for _, part in parts if part.stacks), ())
    left = () if len(found) == len(order) else order
    return dataclasses.replace(plan, cells=found, stacks=stacks, whole=left)


def _with_cells(plan: Plan, cells: Iterable[PlannedCell]) -> Plan:
    known = {cell.id for cell in plan.cells}
    return dataclasses.replace(plan, cells=(*plan.cells, *(c for c in cells if c.id not in known)))


def _differences(plan: Plan, other: Plan) -> list[str]:
    names = [_project_of(each) for each in (plan, other)]
    if names[0] != names[1]:  # Then nothing else of them is the same either.
        return [f"one is of {names[0]}, the other of {names[1]}"]
    pairs = [(name, getattr(plan, name), getattr(other, name)) for name in SHARED]
    found = [_other(*each) for each in pairs if each[1] != each[2]]
    if _order(plan) != _order(other):
        found.append("they are parts of different lists of cells")
    if plan.stacks and other.stacks and plan.stacks != other.stacks:
        found.append("their stacks are not the same")
    cells = {cell.id: cell for cell in plan.cells}
    differing = [cell for cell in other.cells if cells.get(cell.id, cell) != cell]
    return found + [_unlike(cells[cell.id], cell) for cell in differing[:1]]


def _project_of(plan: Plan) -> str:
    return f"the project {plan.project.get('name')}" if plan.project else "the sweep of our own"


def _other(name: str, ours: object, theirs: object) -> str:
    if isinstance(ours, str):
        return f"{name} is {ours!r} and {theirs!r}"
    return f"what they have as {name} is not the same"


def _unlike(ours: PlannedCell, theirs: PlannedCell) -> str:
    names = [field.name for field in dataclasses.fields(PlannedCell)]
    unlike = [name for name in names if getattr(ours, name) != getattr(theirs, name)]
    return f"cell {ours.id} has another {' and '.join(unlike)}"


def _order(plan: Plan) -> tuple[str, ...]:
    return plan.whole or tuple(cell.id for cell in plan.cells)


def _unite_cell(alone: Plan, folders: Sequence[RunFolder], into: RunFolder) -> None:
    [cell] = alone.cells
    there = [folder for folder in folders if folder.cell(cell.id).path.is_dir()]
    if not there:
        return
    best = there[0] if len(there) == 1 else _best(alone, there)
    if best.path != into.path:
        with whole(into, into.cell(cell.id).path) as folder:
            shutil.copytree(best.cell(cell.id).path, folder, symlinks=True, dirs_exist_ok=True)


def _best(alone: Plan, folders: Sequence[RunFolder]) -> RunFolder:
    # Of folders that are the same the last is kept, which the united run itself is.
    unlike = {_digest(folder.cell(alone.cells[0].id).path): folder for folder in folders}
    ranks = {digest: (_rank(alone, folder), digest) for digest, folder in unlike.items()}
    return unlike[max(ranks, key=lambda digest: ranks[digest])] if len(ranks) > 1 else folders[-1]


def _rank(alone: Plan, run: RunFolder) -> tuple[bool, bool, str, int]:
    """Return what makes one of a cell's folders the better."""
    folder = run.cell(alone.cells[0].id)
    result = folder.read_result()
    finished = str((result or {}).get("finished", ""))
    # A fault of the machine says nothing about the cell: any verdict is better.
    verdict = not to_run(alone, run)
    return (result is not None, verdict, finished, len(folder.records()))


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        found.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def _unite_stack(name: Path, folders: Iterable[RunFolder], into: RunFolder) -> None:
    found = [read_json(folder.path / name) for folder in folders if (folder.path / name).exists()]
    if found:
        write_json(into.path / name, max(found, key=_stack_rank))


def _stack_rank(result: Mapping[str, Any]) -> tuple[bool, str]:
    return (result.get("outcome") != Outcome.INFRA.value, json.dumps(result, sort_keys=True))
