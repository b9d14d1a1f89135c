"""``python -m matrix``: plan a sweep, run it, render its page, run one cell, ask a run."""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from matrix.needed import COULD_NOT_RUN, INTERRUPTED, STOPPED, told_where_missing

with told_where_missing():
    from matrix import (
        axes,
        bisect,
        clearing,
        commands,
        executors,
        merging,
        notices,
        questions,
        shards,
        site,
    )
    from matrix.adapters import require_adapters
    from matrix.arguments import folder_there, minutes, positive
    from matrix.budget import default_jobs
    from matrix.compare import RED
    from matrix.engine import Engine, Places
    from matrix.environments import UvEnvironments
    from matrix.holding import hold
    from matrix.outside import world
    from matrix.plan import Heading, Plan, Selection
    from matrix.planning.planner import make_plan, selected_policies
    from matrix.processes import Processes
    from matrix.project import Project, is_same, require_same
    from matrix.project_table import read_project
    from matrix.published import publish
    from matrix.questions import folder_of
    from matrix.releases import IndexReleases, endpoint
    from matrix.replicas.rebuild import chosen, rebuild
    from matrix.resolution import Resolver, Settings
    from matrix.runner import only_one, read_plan, resumable, unfinished
    from matrix.stacks import Stack, together, unresolved
    from matrix.stacks_data import STACKS
    from matrix.store import RunFolder, new_run, runs, write_json
    from matrix.sweeping import Asked, counted, explained, headline, regressed, shown, swept
    from pytest_torchcompat.checkpoints.fetch import EDITIONS
    from pytest_torchcompat.checkpoints.rows import catalogue
    from pytest_torchcompat.errors import RecordError, TorchcompatError, UnknownNameError
    from pytest_torchcompat.outcome import Outcome

PROJECT = Path(__file__).resolve().parents[1]
WORK = PROJECT / ".matrix"
RUNS = PROJECT / "runs"
# In another project: setuptools takes a folder whose name could be imported for a package of it.
RUNS_OF_PROJECT = "torchcompat-runs"
CHECKS = PROJECT / "matrix" / "checks"
SPEED_MINUTES = 10.0  # of a sweep of an hour or two


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; an error that was foreseen is one sentence and exit code 2."""
    try:
        options = _parser().parse_args(arguments)
        signal.signal(signal.SIGTERM, _interrupt)
        _settle(options)
        code: int = options.command(options)
    except (TorchcompatError, OSError) as error:
        print(f"error: {_said(error)}", file=sys.stderr)
        return COULD_NOT_RUN
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return INTERRUPTED
    return code


def _said(error: Exception) -> str:
    """Return what an error says; where a folder is due and a file is there, which file."""
    name = getattr(error, "filename", None)
    if isinstance(error, (NotADirectoryError, FileExistsError)) and isinstance(name, (str, Path)):
        file = next((path for path in (Path(name), *Path(name).parents) if path.is_file()), None)
        if file:
            return f"{file} is a file, and a folder is due there; name a folder, or a new one"
    return str(error)


def _settle(options: argparse.Namespace) -> None:
    """Read the project that is named, and say where its runs are kept unless ``--runs`` does."""
    folder = getattr(options, "project", None)
    if folder:
        options.project = read_project(folder)
    if "runs" in options and options.runs is None:
        options.runs = folder / RUNS_OF_PROJECT if folder else RUNS


def _work(project: Project | None) -> Path:
    return project.folder / WORK.name if project else WORK


def _interrupt(*_: object) -> None:
    # A job that a CI ends gets SIGTERM; what is finished is kept as after Ctrl-C.
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    codes = (
        "Exit code: 0 where it ran, whatever it found; 1 where a command says so; 2 where it could"
        " not run; 130 where it was interrupted, with all that is finished kept."
    )
    parser = argparse.ArgumentParser(prog="python -m matrix", description=__doc__, epilog=codes)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    plan = commands.add_parser("plan", help="Show the cells that a run would have")
    _add_selection(plan)
    plan.add_argument("--json", action="store_true", help="Print the plan as JSON")
    plan.add_argument("--explain", action="store_true", help="Say why each cell would run")
    plan.add_argument("--save", type=folder_of, metavar="FILE", help="Keep it for run --plan")
    plan.add_argument("--shards", type=positive, metavar="N", help="Print at most N parts as jobs")
    plan.add_argument(
        "--by", choices=shards.WAYS, default=shards.TORCH, help="What parts keep whole"
    )
    _add_runs(plan)
    plan.set_defaults(command=show_plan)
    run = commands.add_parser("run", help="Run the sweep, or go on with the one that was stopped")
    _add_selection(run)
    _add_running(run)
    executors.add_arguments(run)
    run.add_argument("--plan", type=folder_of, metavar="FILE", help="A plan that was saved")
    run.add_argument("--shard", default="", metavar="I/N", help="Only this part of it")
    run.add_argument(
        "--fail-on",
        choices=["any", "regression"],
        help="Exit with 1 when a cell is red, or when a check regressed",
    )
    run.add_argument("--fresh", action="store_true", help="Carry nothing over from earlier runs")
    run.add_argument(
        "--repeat", type=positive, default=1, metavar="N", help="Run each cell N times, all fresh"
    )
    run.add_argument(
        "--speed-minutes",
        type=minutes,
        default=SPEED_MINUTES,
        metavar="N",
        help="Minutes for running again, in turn with its baseline, what seems slower or faster;"
        f" {SPEED_MINUTES:g} by default, 0 for none",
    )
    run.add_argument("--force", action="store_true", help="Run although the disk looks too small")
    run.set_defaults(command=run_sweep)
    page = commands.add_parser("render", help="Write a run's matrix.json and page again")
    page.add_argument("run", type=folder_of, metavar="RUN", help="The run's folder")
    page.set_defaults(command=render_run)
    cell = commands.add_parser("cell", help="Run one cell anew, its output on the terminal")
    named = "The cell, by its id or by a glob that matches no other"
    cell.add_argument("cell", metavar="CELL_ID", help=named)
    cell.add_argument("--policy", action="append", default=[], help="Only this; repeatable")
    _add_runs(cell)
    cell.add_argument("--edition", choices=EDITIONS, help="Which files; the run's own by default")
    cell.set_defaults(command=run_one)
    questions.add_parsers(commands, _add_runs)
    merging.add_parsers(commands, publish)
    site.add_parser(commands)
    notices.add_parser(commands)
    _add_runs(bisect.add_parser(commands, _places))
    _add_runs(clearing.add_parser(commands, _places), runs_of=folder_there)
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
    parser.add_argument("--jobs", type=positive, metavar="N", help="Cells at a time")
    _add_runs(parser)


def _add_runs(parser: argparse.ArgumentParser, runs_of: Callable[[str], Path] = folder_of) -> None:
    parser.add_argument("--runs", type=runs_of, metavar="DIR", help="Where runs are kept")
    parser.add_argument(
        "--project",
        type=folder_of,
        metavar="DIR",
        help="Another project: its [tool.torchcompat.matrix], its runs",
    )


def _selection(options: argparse.Namespace) -> Selection:
    return Selection(
        tuple(options.torch), tuple(options.library), tuple(options.cell), tuple(options.policy)
    )


def _stacks(options: argparse.Namespace) -> tuple[Stack, ...]:
    found = together(STACKS, options.stacks)
    # The shipped ones belong to no cell: a run of some cells leaves them out.
    narrowed = options.library or options.cell or options.policy or options.project
    return found[len(STACKS) :] if narrowed else found


def _new_plan(
    selection: Selection,
    edition: str,
    run: str,
    stacks: Sequence[Stack] = (),
    project: Project | None = None,
) -> Plan:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    missing = require_adapters(project) if project else ()
    asked, backend, notes = world(selection, now, project)
    heading = Heading(run, now.isoformat(), edition, backend, notes + missing, tuple(stacks))
    return make_plan(heading, selection, asked)


def show_plan(options: argparse.Namespace) -> int:
    """Print the cells that a run would have."""
    project = options.project
    plan = _new_plan(_selection(options), options.edition, "", _stacks(options), project)
    if options.save:
        plan = shards.save(plan, options.save)
    if options.shards:
        print(json.dumps(shards.jobs(plan, options.shards, options.by)))
        return 0
    if options.json:
        print(json.dumps(plan.to_dict(), indent=1))
        return 0
    # Which files a run would load is known once they are fetched: all else is compared.
    engine = _engine(plan, RunFolder(options.runs / "planned"), project, files={})
    why = explained(engine) if options.explain else {}
    for cell in plan.cells:
        print(f"{cell.id:50}  {len(cell.checks)} checks  {why.get(cell.id) or cell.why}")
    for stack in plan.stacks:
        print(f"{stack.id:50}  stack  {stack.said}: {', '.join(stack.requirements)}")
    print(headline(plan, plan.cells))
    return 0


def run_sweep(options: argparse.Namespace) -> int:
    """Run the sweep, or go on with the one of this selection that was stopped."""
    if options.project and options.scheduler:
        message = "a project's sweep runs on this machine; leave --executor and --scheduler out"
        raise TorchcompatError(message)
    # What can't go together leaves no empty run behind.
    scheduler = executors.scheduler_of(options)
    _require_whole_or_planned(options)
    with only_one(_work(options.project)):
        plan, folder = _open_run(options)
        asked = Asked(options.repeat, options.force, options.speed_minutes)
        jobs = options.jobs or default_jobs()
        fresh = options.fresh or options.repeat > 1
        told = {"fresh": fresh, "scheduler": scheduler, "jobs": jobs}
        engine = _engine(plan, folder, options.project, **told)
        with hold(folder):
            try:
                matrix = swept(engine, asked)
            except KeyboardInterrupt:
                publish(plan, folder)
                print(_stopped(plan, folder, options.runs, options.project))
                return INTERRUPTED
    print(f"Done: {shown(folder.page)}")
    return 1 if _has_failed(options.fail_on, folder, matrix) else 0


def _require_whole_or_planned(options: argparse.Namespace) -> None:
    """Raise where a part is asked for of no plan, or a selection of one that has its own."""
    if options.shard and not options.plan:
        message = "--shard is a part of a plan that was saved; name it with --plan FILE"
        raise TorchcompatError(message)
    names = ("torch", "library", "cell", "policy", "stacks")
    given = [f"--{name}" for name in names if getattr(options, name)]
    if options.plan and given:
        message = f"--plan has its own selection; leave {', '.join(given)} out, or plan anew"
        raise TorchcompatError(message)


def _has_failed(fail_on: str | None, folder: RunFolder, matrix: dict[str, Any]) -> bool:
    if fail_on == "regression":
        return regressed(folder, matrix) > 0
    return fail_on == "any" and _is_red(matrix)


def _open_run(options: argparse.Namespace) -> tuple[Plan, RunFolder]:
    project = options.project
    if options.plan:
        require_same(shards.saved(options.plan).project, project)
        return shards.open_run(options.plan, options.shard, options.runs)
    selection, stacks = _selection(options), _stacks(options)
    entry = project.entry if project else {}
    found = resumable(options.runs, selection, options.edition, entry)
    # A run has its stacks in its plan; those of other files make another run.
    if found and (not options.stacks or found[0].stacks == stacks):
        print(f"Going on with {shown(found[1].path)}.")
        return found
    stamp = f"{datetime.now(timezone.utc):%Y-%m-%dT%H%M}"
    # The plan first: a selection of what is not leaves no empty run behind.
    plan = _new_plan(selection, options.edition, stamp, stacks, project)
    folder = new_run(options.runs, stamp)
    plan = Plan.from_dict({**plan.to_dict(), "run": folder.path.name})
    write_json(folder.plan, plan.to_dict())
    return plan, folder


def _places(root: Path, project: Project | None) -> Places:
    return Places(_work(project), PROJECT, CHECKS, (root,), project)


def _engine(plan: Plan, folder: RunFolder, project: Project | None, **values: Any) -> Engine:
    places = _places(folder.path.parent, project)
    return Engine(plan, folder, places, environments=UvEnvironments, resolver=Resolver, **values)


def _environments(plan: Plan, processes: Processes) -> UvEnvironments:
    releases = IndexReleases(endpoint(), datetime.fromisoformat(plan.frozen_at))
    settings = Settings(WORK, PROJECT, plan.frozen_at, plan.backend)
    environments = UvEnvironments(settings, processes, releases)
    environments.prepare()
    return environments


def _stopped(plan: Plan, folder: RunFolder, root: Path, project: Project | None = None) -> str:
    left = len(unfinished(plan, folder))
    later = "the stacks" if unresolved(plan.stacks, folder) else "what is to be run once more"
    rest = f"the other {left}" if left else later
    usual = project.folder / RUNS_OF_PROJECT if project else RUNS
    elsewhere = str(root) if root != usual else ""
    where = plan.project.get("folder", "")
    command = commands.go_on(plan.selection.to_dict(), plan.edition, elsewhere, where)
    kept = counted(len(plan.cells) - left)
    return f"Stopped. {kept} kept; {command} goes on with {rest}."


def _is_red(matrix: dict[str, Any]) -> bool:
    red = {outcome.value for outcome in RED}
    cells = [cell for cell in matrix["cells"] if not _is_no_build_of_a_night(cell)]
    outcomes = {cell["outcome"] for cell in cells}
    checks = {
        check["outcome"] for cell in cells for check in cell["checks"] if not check["experiment"]
    }
    return bool(red & (outcomes | checks))


def _is_no_build_of_a_night(cell: Mapping[str, Any]) -> bool:
    # It says nothing about a library, and the next night may have one.
    unavailable = cell["outcome"] == Outcome.UNAVAILABLE.value
    return unavailable and axes.is_nightly(cell["torch"])


def render_run(options: argparse.Namespace) -> int:
    """Write a run's matrix.json, its page and what lies beside it again."""
    folder = RunFolder(options.run)
    publish(read_plan(folder), folder)
    print(shown(folder.page))
    return 0


def run_one(options: argparse.Namespace) -> int:
    """Run one cell anew, as the newest run that has it planned it, else as a new plan would."""
    work = _work(options.project)
    with only_one(work):
        plan = _plan_with(options)
        folder = RunFolder(work / "cell")
        cell = plan.cells[0]
        shutil.rmtree(folder.cell(cell.id).path, ignore_errors=True)
        result = _engine(plan, folder, options.project, show=True).sweep.run_cell(cell)
    if result.outcome:
        print(f"{cell.id}: {result.outcome.value}: {result.reason}")
    return 0


def _plan_with(options: argparse.Namespace) -> Plan:
    """Return a plan of one cell; raises where the words name none, or several."""
    selection = Selection(cell=(options.cell,), policy=tuple(options.policy))
    policies = selected_policies(selection)
    for folder in (*runs(options.runs), *runs(_work(options.project) / "probes")):
        try:
            plan = read_plan(folder)
            cell = plan.cell(options.cell)
        except (RecordError, UnknownNameError):
            continue
        if options.project and not is_same(plan.project, options.project):
            continue  # What the project asks for has changed since.
        require_same(plan.project, options.project)
        checks = [check for check in cell.checks if check.policy in policies]
        if not checks:
            planned = ", ".join(dict.fromkeys(check.policy for check in cell.checks))
            message = f"{cell.id} has no check under {', '.join(policies)}; it has: {planned}"
            raise TorchcompatError(message)
        edition = options.edition or plan.edition
        data = {**plan.to_dict(), "selection": selection.to_dict(), "edition": edition}
        data["cells"] = [{**cell.to_dict(), "checks": [check.to_dict() for check in checks]}]
        return Plan.from_dict(data)
    plan = _new_plan(selection, options.edition or "auto", "", (), options.project)
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
