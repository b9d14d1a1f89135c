"""``python -m matrix``: plan a sweep, run it, render its page, run one cell, ask a run."""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console

from matrix import commands, disk, questions
from matrix.compare import RED, merge
from matrix.environments import Settings, UvEnvironments
from matrix.files import locate_all
from matrix.outside import world
from matrix.page.render import render
from matrix.plan import Heading, Plan, PlannedCell, Selection, make_plan, selected_policies
from matrix.processes import Processes
from matrix.progress import Reporter
from matrix.questions import folder_of
from matrix.releases import IndexReleases, endpoint
from matrix.replicas.rebuild import chosen, rebuild
from matrix.runner import (
    CellResult,
    Sweep,
    default_jobs,
    only_one,
    read_plan,
    resumable,
    run_cells,
    to_run,
    unfinished,
)
from matrix.stacks import Stack, resolved_beside, together
from matrix.stacks_data import STACKS
from matrix.store import RunFolder, finite, new_run, runs, write_json, write_text
from pytest_torchcompat.checkpoints.fetch import EDITIONS
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import RecordError, TorchcompatError, UnknownNameError

PROJECT = Path(__file__).resolve().parents[1]
WORK = PROJECT / ".matrix"
RUNS = PROJECT / "runs"
CHECKS = PROJECT / "matrix" / "checks"
INTERRUPTED = 130
COULD_NOT_RUN = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; an error that was foreseen is one sentence and exit code 2."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code: int = options.command(options)
    except (TorchcompatError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _interrupt(*_: object) -> None:
    # A job that a CI ends gets SIGTERM; what is finished is kept as after Ctrl-C.
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m matrix", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    plan = commands.add_parser("plan", help="Show the cells that a run would have")
    _add_selection(plan)
    plan.add_argument("--json", action="store_true", help="Print the plan as JSON")
    plan.set_defaults(command=show_plan)
    run = commands.add_parser("run", help="Run the sweep, or go on with the one that was stopped")
    _add_selection(run)
    _add_running(run)
    run.add_argument("--fail-on", choices=["any"], help="Exit with 1 when a cell is red")
    run.add_argument("--force", action="store_true", help="Run although the disk looks too small")
    run.set_defaults(command=run_sweep)
    page = commands.add_parser("render", help="Write a run's matrix.json and page again")
    page.add_argument("run", type=folder_of, metavar="RUN", help="The run's folder")
    page.set_defaults(command=render_run)
    cell = commands.add_parser("cell", help="Run one cell anew, its output on the terminal")
    cell.add_argument("cell", metavar="CELL_ID")
    cell.add_argument("--policy", action="append", default=[], help="Only this; repeatable")
    cell.add_argument("--runs", type=folder_of, default=RUNS, metavar="DIR")
    cell.add_argument("--edition", choices=EDITIONS, help="Which files; the run's own by default")
    cell.set_defaults(command=run_one)
    questions.add_parsers(commands, RUNS)
    replicas = commands.add_parser("replicas", help="Save the shipped replicas anew")
    replicas.add_argument("ids", nargs="*", metavar="ID", help="Only of these rows")
    replicas.set_defaults(command=save_replicas)
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    for name, metavar, help_text in (
        ("torch", "VERSION", "Only this torch, 2.5.1 or 2.5 or nightly; repeatable"),
        ("library", "NAME[==VERSION]", "Only this library; repeatable"),
        ("cell", "GLOB", "Only cells whose id matches; repeatable"),
        ("policy", "NAME", "Only this policy; repeatable"),
    ):
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar=metavar, help=help_text
        )
    parser.add_argument("--edition", choices=EDITIONS, default="auto", help="Which files to load")
    parser.add_argument(
        "--stacks",
        action="append",
        default=[],
        type=folder_of,
        metavar="FILE",
        help="TOML with sets of packages to resolve beside the shipped ones; repeatable",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=_positive, metavar="N", help="Cells at a time")
    parser.add_argument(
        "--runs", type=folder_of, default=RUNS, metavar="DIR", help="Where runs are kept"
    )


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        message = f"{text!r} is not a number of cells; give 1 or more"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _selection(options: argparse.Namespace) -> Selection:
    return Selection(
        tuple(options.torch), tuple(options.library), tuple(options.cell), tuple(options.policy)
    )


def _stacks(options: argparse.Namespace) -> tuple[Stack, ...]:
    found = together(STACKS, options.stacks)
    # The shipped ones belong to no cell: a run of some cells leaves them out.
    narrowed = options.library or options.cell or options.policy
    return found[len(STACKS) :] if narrowed else found


def _new_plan(selection: Selection, edition: str, run: str, stacks: Sequence[Stack] = ()) -> Plan:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    asked, backend, notes = world(selection, now)
    heading = Heading(run, now.isoformat(), edition, backend, notes, tuple(stacks))
    return make_plan(heading, selection, asked)


def show_plan(options: argparse.Namespace) -> int:
    """Print the cells that a run would have."""
    plan = _new_plan(_selection(options), options.edition, "", _stacks(options))
    if options.json:
        print(json.dumps(plan.to_dict(), indent=1))
        return 0
    for cell in plan.cells:
        print(f"{cell.id:50}{len(cell.checks)} checks  {cell.why}")
    for stack in plan.stacks:
        print(f"{stack.id:50}stack  {stack.said}: {', '.join(stack.requirements)}")
    print(_headline(plan, plan.cells))
    return 0


def run_sweep(options: argparse.Namespace) -> int:
    """Run the sweep, or go on with the one of this selection that was stopped."""
    with only_one(WORK):
        plan, folder = _open_run(options)
        cells = to_run(plan, folder)
        sentence = disk.check(cells, WORK, force=options.force)
        print(_headline(plan, cells), sentence)
        print(f"Boundary versions first. The page grows as cells finish: {_shown(folder.page)}")
        jobs = options.jobs or default_jobs()
        try:
            _run(plan, folder, cells, jobs)
        except KeyboardInterrupt:
            _render(plan, folder)
            print(_stopped(plan, folder, options.runs))
            return INTERRUPTED
        matrix = _render(plan, folder)
    print(f"Done: {_shown(folder.page)}")
    return 1 if options.fail_on and _is_red(matrix) else 0


def _open_run(options: argparse.Namespace) -> tuple[Plan, RunFolder]:
    selection, stacks = _selection(options), _stacks(options)
    found = resumable(options.runs, selection, options.edition)
    # A run has its stacks in its plan; those of other files make another run.
    if found and (not options.stacks or found[0].stacks == stacks):
        print(f"Going on with {_shown(found[1].path)}.")
        return found
    stamp = f"{datetime.now(timezone.utc):%Y-%m-%dT%H%M}"
    # The plan first: a selection of what is not leaves no empty run behind.
    plan = _new_plan(selection, options.edition, stamp, stacks)
    folder = new_run(options.runs, stamp)
    plan = Plan.from_dict({**plan.to_dict(), "run": folder.path.name})
    write_json(folder.plan, plan.to_dict())
    return plan, folder


def _headline(plan: Plan, cells: Sequence[PlannedCell]) -> str:
    torches = [t for t in plan.torch if "dev" not in t]
    nightly = [f"nightly {t}" for t in plan.torch if "dev" in t]
    span = [f"{torches[0]} … {torches[-1]}" if len(torches) > 1 else "".join(torches)]
    libraries = {cell.library for cell in cells}
    named = " and ".join(name for name in [*span, *nightly] if name)
    kinds = "library" if len(libraries) == 1 else "libraries"
    notes = "".join(f"\n{note}" for note in plan.notes)
    return f"{_cells(len(cells))}: torch {named} x {len(libraries)} {kinds}.{notes}"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _run(plan: Plan, folder: RunFolder, cells: Sequence[PlannedCell], jobs: int) -> None:
    done = len(plan.cells) - len(cells)
    sweep = _sweep(plan, folder)
    beside = resolved_beside(plan.stacks, folder, sweep.processes, plan.frozen_at)
    page = _Page(plan, folder)
    with Reporter(Console(), done, len(plan.cells), jobs) as reporter, beside:

        def finished(cell: PlannedCell, result: CellResult) -> None:
            reporter.finished(cell, result, folder.cell(cell.id).records())
            page.grow()

        run_cells(sweep, cells, jobs, finished)


class _Page:
    """The page of a run that goes on; it takes a tenth of the time at most."""

    def __init__(self, plan: Plan, folder: RunFolder) -> None:
        self._plan, self._folder = plan, folder
        self._due = time.monotonic()

    def grow(self) -> None:
        """Render, unless that was done just before: of a large run it takes seconds."""
        start = time.monotonic()
        if start >= self._due:
            _render(self._plan, self._folder)
            now = time.monotonic()
            self._due = now + 9 * (now - start)


def _sweep(plan: Plan, folder: RunFolder, *, show: bool = False) -> Sweep:
    processes = Processes()
    environments = _environments(plan, processes)
    files = locate_all(plan, catalogue())
    return Sweep(folder, environments, processes, CHECKS, plan.edition, files, show=show)


def _environments(plan: Plan, processes: Processes) -> UvEnvironments:
    releases = IndexReleases(endpoint(), datetime.fromisoformat(plan.frozen_at))
    settings = Settings(WORK, PROJECT, plan.frozen_at, plan.backend)
    environments = UvEnvironments(settings, processes, releases)
    environments.prepare()
    return environments


def _render(plan: Plan, folder: RunFolder) -> dict[str, Any]:
    tolerances = {row.id: row.tolerance for row in catalogue()}
    matrix: dict[str, Any] = finite(merge(plan, folder, tolerances))
    write_json(folder.matrix, matrix)
    write_text(folder.page, render(matrix))
    return matrix


def _stopped(plan: Plan, folder: RunFolder, root: Path) -> str:
    left = len(unfinished(plan, folder))
    rest = f"the other {left}" if left else "the stacks"
    elsewhere = str(root) if root != RUNS else ""
    command = commands.go_on(plan.selection.to_dict(), plan.edition, elsewhere)
    kept = _cells(len(plan.cells) - left)
    return f"Stopped. {kept} kept; {command} goes on with {rest}."


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"


def _is_red(matrix: dict[str, Any]) -> bool:
    red = {outcome.value for outcome in RED}
    outcomes = {cell["outcome"] for cell in matrix["cells"]}
    checks = {
        check["outcome"]
        for cell in matrix["cells"]
        for check in cell["checks"]
        if not check["experiment"]
    }
    return bool(red & (outcomes | checks))


def render_run(options: argparse.Namespace) -> int:
    """Write a run's matrix.json and page again."""
    folder = RunFolder(options.run)
    _render(read_plan(folder), folder)
    print(_shown(folder.page))
    return 0


def run_one(options: argparse.Namespace) -> int:
    """Run one cell anew, as the newest run that has it planned it, else as a new plan would."""
    with only_one(WORK):
        plan = _plan_with(options)
        folder = RunFolder(WORK / "cell")
        cell = plan.cells[0]
        shutil.rmtree(folder.cell(cell.id).path, ignore_errors=True)
        result = _sweep(plan, folder, show=True).run_cell(cell)
    if result.outcome:
        print(f"{cell.id}: {result.outcome.value}: {result.reason}")
    return 0


def _plan_with(options: argparse.Namespace) -> Plan:
    """Return a plan of one cell; raises where the words name none, or several."""
    selection = Selection(cell=(options.cell,), policy=tuple(options.policy))
    policies = selected_policies(selection)
    for folder in runs(options.runs):
        try:
            plan = read_plan(folder)
            cell = plan.cell(options.cell)
        except (RecordError, UnknownNameError):
            continue
        checks = [check for check in cell.checks if check.policy in policies]
        if not checks:
            planned = ", ".join(dict.fromkeys(check.policy for check in cell.checks))
            message = f"{cell.id} has no check under {', '.join(policies)}; it has: {planned}"
            raise TorchcompatError(message)
        edition = options.edition or plan.edition
        data = {**plan.to_dict(), "selection": selection.to_dict(), "edition": edition}
        data["cells"] = [{**cell.to_dict(), "checks": [check.to_dict() for check in checks]}]
        return Plan.from_dict(data)
    plan = _new_plan(selection, options.edition or "auto", "")
    plan.cell(options.cell)
    return plan


def save_replicas(options: argparse.Namespace) -> int:
    """Save the shipped replicas anew; exit code 1 where their bytes changed."""
    rows = chosen(catalogue(), options.ids)
    with only_one(WORK):
        now = datetime.now(timezone.utc).replace(microsecond=0)
        heading = Plan("", now.isoformat(), "replica", Selection(), (), ())
        return 1 if rebuild(rows, _environments(heading, Processes())) else 0


if __name__ == "__main__":
    sys.exit(main())
