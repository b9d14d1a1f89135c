"""The commands that ask finished runs: who needs a shim, what to run, what changed, since when."""

# ruff: noqa: T201 - a command line prints
from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from matrix import diff, history, recommend, retirement
from matrix.causes import marked
from matrix.lean import read_lean
from matrix.store import RunFolder, in_order, read_json, runs
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.display import escaped
from pytest_torchcompat.errors import RecordError, TorchcompatError
from pytest_torchcompat.shim import SHIMS

FEW = 4  # names that a line of the terminal holds


def add_parsers(subparsers: Any, add_runs: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add the commands; ``add_runs`` adds the options that say where runs are kept."""
    shims = subparsers.add_parser("shims", help="Say who needs the shims and the allow-lists")
    shims.set_defaults(command=show_shims)
    advice = subparsers.add_parser("recommend", help="Say which torch and policy to run")
    _add_recommend(advice)
    changes = subparsers.add_parser("diff", help="Say what changed from one run to another")
    _add_diff(changes)
    nights = subparsers.add_parser("history", help="Say since when each cell works, or does not")
    _add_history(nights)
    for parser in (shims, advice):
        parser.add_argument(
            "run", nargs="?", type=folder_of, metavar="RUN", help="By default the newest"
        )
    for parser in (shims, advice, changes, nights):
        add_runs(parser)
        parser.add_argument("--json", action="store_true", help="Print it as JSON")


def folder_of(text: str) -> Path:
    """Return the path that a user named, whichever folder is current later on."""
    return Path(text).resolve()


def _add_recommend(parser: argparse.ArgumentParser) -> None:
    for name, metavar, help_text in (
        ("gpu", "NAME", "Only torch that is built for it: 'RTX 5080', or sm_120"),
        ("checkpoint", "GLOB", "Only for these checkpoints"),
        ("policy", "NAME", "Only under this policy"),
        ("python", "VERSION", "Only what was swept on this Python"),
    ):
        parser.add_argument(f"--{name}", default="", metavar=metavar, help=help_text)
    parser.add_argument(
        "--library",
        required=True,
        metavar="NAME[==VERSION]",
        help="The newest that was swept, without a version",
    )
    parser.set_defaults(command=show_recommendation)


def _add_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "old",
        nargs="?",
        type=folder_of,
        metavar="OLD",
        help="By default the last complete run of the newer one's selection before it",
    )
    parser.add_argument(
        "new", nargs="?", type=folder_of, metavar="NEW", help="By default the newest run"
    )
    parser.add_argument(
        "--nightly",
        action="store_true",
        help="Within one run, OLD or else the newest: its nightly torch and the newest final one",
    )
    parser.add_argument("--markdown", action="store_true", help="Print it for an issue")
    parser.add_argument(
        "--fail-on", choices=["regression"], help="Exit with 1 when a check regressed"
    )
    parser.set_defaults(command=show_diff)


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "glob",
        nargs="?",
        default="",
        metavar="GLOB",
        help="Only cells whose name matches, with their checks",
    )
    parser.add_argument(
        "--rebuild", action="store_true", help="Write it anew first, from the runs that are there"
    )
    parser.set_defaults(command=show_history)


def show_shims(options: argparse.Namespace) -> int:
    """Print which cells of a run need each shim and each entry of the allow-lists."""
    folder = options.run or newest(options.runs)
    with _form_of(folder):
        found = _needs(_matrix(folder))
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    print(f"Of run {found['run']}:")
    for shim in found["shims"]:
        _show_need(shim["name"], shim)
    for entry in found["allowlists"]:
        _show_need(f"{entry['checkpoint']} allows {_several(entry['globals'])}", entry)
    return 0


def _needs(matrix: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": matrix["run"],
        "shims": retirement.shims(matrix, SHIMS),
        # A project's own rows are in its run, and not in the catalogue.
        "allowlists": matrix["allowlists"]
        if matrix.get("project")
        else retirement.allowlists(matrix, catalogue()),
    }


def _several(names: Sequence[str]) -> str:
    shown = names if len(names) <= FEW else [names[0], f"{len(names) - 1} more"]
    return ", ".join(shown)


def _show_need(name: str, item: dict[str, Any]) -> None:
    print(f"{name}: {retirement.sentence(item)}")
    for cell in item["needed_by"]:
        print(f"    {cell}")


def show_recommendation(options: argparse.Namespace) -> int:
    """Print what a run's cells recommend; exit code 1 where nothing in it works."""
    name, version = recommend.asked(options.library)
    filters = (options.gpu, options.checkpoint, options.policy, options.python)
    folder = options.run or newest(options.runs)
    with _form_of(folder):
        question = recommend.Question(name, version, *filters)
        answer = recommend.recommend(_matrix(folder), question, datetime.now(timezone.utc))
    if options.json:
        print(json.dumps(answer.to_dict(), indent=1))
    else:
        print("\n".join(recommend.lines(answer)))
    return 0 if answer.works else 1


def show_diff(options: argparse.Namespace) -> int:
    """Print what changed between two runs; a regression is exit code 1 where that is asked for."""
    found = _of_twins(options) if options.nightly else _of_runs(options)
    if options.json:
        print(json.dumps(found.to_dict(), indent=1))
    elif options.markdown:
        print(diff.markdown(found), end="")
    else:
        print("\n".join(diff.lines(found)))
    return 1 if options.fail_on and found.count(diff.Kind.REGRESSED) else 0


def _of_runs(options: argparse.Namespace) -> diff.Diff:
    new = options.new or newest(options.runs)
    newer = _lean(new)
    old, older = (options.old, _lean(options.old)) if options.old else before(new, newer)
    return diff.diff(_diagnosed(old, older), _diagnosed(new, newer))


def _of_twins(options: argparse.Namespace) -> diff.Diff:
    if options.new:
        message = f"--nightly compares within one run, and two are named; leave {options.new} out"
        raise TorchcompatError(message)
    folder = options.old or newest(options.runs)
    return diff.twins(_diagnosed(folder, _lean(folder)))


def show_history(options: argparse.Namespace) -> int:
    """Print since when each cell works, or does not; what can't be read goes to stderr."""
    problems: list[object] = []
    if options.rebuild:
        problems += [e for e in history.rebuild(options.runs) if isinstance(e, Exception)]
    found = history.read(options.runs)
    for each in (*problems, *found.unreadable):
        print(escaped(str(each)), file=sys.stderr)
    cells = history.trends(found)
    if not cells:
        message = (
            f"{options.runs} has no history yet; a complete `nox -s matrix` writes it, `python -m "
            "matrix history --rebuild` that of the runs that are there"
        )
        raise RecordError(message)
    cells = history.chosen(cells, options.glob) if options.glob else cells
    if options.json:
        print(json.dumps(history.to_dict(found, cells), indent=1))
    else:
        print("\n".join(history.lines(found, cells, checks=bool(options.glob))))
    return 0


def newest(root: Path) -> Path:
    """Return the newest run that has a matrix; raises ``RecordError`` where none has."""
    found = next((run.path for run in runs(root) if run.matrix.exists()), None)
    if found is None:
        message = f"{root} holds no run with a matrix.json; `nox -s matrix` makes one"
        raise RecordError(message)
    return found


def before(run: Path, mine: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Return the last complete run before one, of its selection; raises where there is none."""
    for folder in runs(run.parent):
        if in_order(folder.path.name) < in_order(run.name) and folder.matrix.exists():
            try:
                other = read_lean(folder.matrix)
            except (RecordError, OSError, RecursionError):
                continue  # What can't be read is no evidence; the one before it may be whole.
            same = _kind_of(other) == _kind_of(mine)
            # Of a run that was united here, a part may be all of it.
            copy = "run" in other and other["run"] == mine.get("run")
            if same and other.get("complete") and not copy:
                return folder.path, other
    message = (
        f"{run.parent} holds no complete run of the same selection before {run.name}; name the two:"
        " `python -m matrix diff OLD NEW`"
    )
    raise RecordError(message)


def _kind_of(matrix: Mapping[str, Any]) -> tuple[Any, ...]:
    project = (matrix.get("project") or {}).get("name")
    return (matrix.get("selection"), matrix.get("edition"), project)


def _matrix(folder: Path) -> dict[str, Any]:
    return read_json(RunFolder(folder).matrix)


def _lean(folder: Path) -> dict[str, Any]:
    return read_lean(RunFolder(folder).matrix)


def _diagnosed(folder: Path, matrix: dict[str, Any]) -> dict[str, Any]:
    with _form_of(folder):
        _name_all(matrix["cells"])
        return marked(matrix)


def _name_all(cells: Sequence[dict[str, Any]]) -> None:
    for cell in cells:
        for name in ("torch", "version"):
            if not isinstance(cell[name], str):
                message = f"the {name} of {cell['id']} is {cell[name]!r}"
                raise TypeError(message)


@contextlib.contextmanager
def _form_of(folder: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = (
            f"{RunFolder(folder).matrix} is not of the form that is read here ({error!r}); `python "
            f"-m matrix render {folder}` writes it anew"
        )
        raise RecordError(message) from error
