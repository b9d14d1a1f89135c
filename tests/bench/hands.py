"""The same cells as a maintainer sweeps them by hand: a noxfile or a tox.ini, and a script."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matrix.environments import UvEnvironments
from matrix.interpreters import find
from matrix.plan import PlannedCell
from matrix.processes import uv
from matrix.runner import read_plan
from matrix.store import RunFolder
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.record import FORWARD
from tests.bench.processes import Spent, environment, must, spend
from tests.bench.sweep import Check, Way, environments, shims

HERE = Path(__file__).parent
# torch 2.5 does not allow it by itself, and so a maintainer who supports 2.5 lists it.
ALLOWED_LATER = ("builtins.set",)
NOX, NOX_TWICE, TOX = "nox", "nox, 2 at a time", "tox -p 2"
WAYS = (NOX, NOX_TWICE, TOX)


def by_hand(name: str, run: RunFolder, folder: Path) -> Way:
    """Go one of the ways through the cells of a run."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "by_hand", folder)
    plan = read_plan(run)
    maker = environments(plan)
    cells = [_as_session(maker, cell, shims(run, cell.id)) for cell in plan.cells]
    (folder / "cells.json").write_text(json.dumps(cells, indent=1), encoding="utf-8")
    (folder / "tox.ini").write_text(tox_ini(cells), encoding="utf-8")
    spent = must(_spent(name, cells, folder))
    for environments_of in (".nox", ".tox"):
        shutil.rmtree(folder / environments_of, ignore_errors=True)
    works = {_check(line) for line in spent.output.splitlines() if _is_working(line)}
    return Way(spent.wall, spent.cpu, works, [spent.command])


def _spent(name: str, cells: Sequence[dict[str, Any]], folder: Path) -> Spent:
    # Its settings lie beside it, and it does not look for the network.
    variables = environment(YOLO_CONFIG_DIR=str(folder / "settings"), YOLO_OFFLINE="true")
    return spend(_command(name, cells), cwd=folder, env=variables)


def _command(name: str, cells: Sequence[dict[str, Any]]) -> list[str]:
    if name == TOX:
        return [sys.executable, "-m", "tox", "run-parallel", "--parallel", "2"]
    nox = [sys.executable, "-m", "nox"]
    if name == NOX:
        return nox
    # nox itself takes one session after the other.
    asked = "\n".join(cell["id"] for cell in cells)
    piped = f"printf '%s\\n' {shlex.quote(asked)} | xargs -P 2 -n 1 {shlex.join(nox)} -s"
    return ["sh", "-c", piped]


def tox_ini(cells: Sequence[dict[str, Any]]) -> str:
    """Return what somebody who uses tox has beside the script: an environment a cell."""
    # A name such as py3.12 would be read as a wish for a Python.
    names = [f"cell-{number}" for number, _ in enumerate(cells)]
    sections = [
        {
            "[tox]": None,
            "requires": "tox-uv",
            "no_package": "true",
            "env_list": ", ".join(names),
        },
        {
            "[testenv]": None,
            "pass_env": "*",
            "parallel_show_output": "true",
            "allowlist_externals": uv()[0],
        },
        *(_environment(name, cell) for name, cell in zip(names, cells)),
    ]
    return "\n".join(_section(section) for section in sections)


def _environment(name: str, cell: dict[str, Any]) -> dict[str, str | None]:
    """Return the section of a cell; deps can't hold options of uv, and so a command installs."""
    checks = [["python", "check.py", cell["id"], *arguments] for arguments in cell["checks"]]
    return {
        f"[testenv:{name}]": None,
        "base_python": cell["python"],
        "commands_pre": shlex.join(uv("pip", "install", *cell["install"])),
        # A check that fails is a result; the others go on.
        "commands": "".join(f"\n    - {shlex.join(words)}" for words in checks),
    }


def _section(section: dict[str, str | None]) -> str:
    lines = (name if value is None else f"{name} = {value}" for name, value in section.items())
    return "".join(f"{line}\n" for line in lines)


def _is_working(line: str) -> bool:
    return line.startswith("check ") and line.endswith(" works")


def _check(line: str) -> Check:
    _, cell, checkpoint, policy, _ = line.split()
    return cell, checkpoint, FORWARD, policy


def _as_session(maker: UvEnvironments, cell: PlannedCell, names: tuple[str, ...]) -> dict[str, Any]:
    rows = {row.id: row for row in catalogue()}
    checks = []
    # By hand nobody writes more than a forward pass: what this way leaves out is in its favour.
    for check in (each for each in cell.checks if each.use == FORWARD):
        row = rows[check.checkpoint]
        if row.replica is None:
            sys.exit(f"no figure: {row.id} has no replica to check by hand")
        what = [row.id, cell.library, str(row.replica.path), check.policy]
        checks.append([*what, ",".join(names), ",".join((*row.globals, *ALLOWED_LATER))])
    return {
        "id": cell.id,
        "python": str(find(cell.python)),
        "install": _install(maker, cell),
        "checks": checks,
    }


def _install(maker: UvEnvironments, cell: PlannedCell) -> list[str]:
    """Return what the sweep's own command installs, by the same rules."""
    wheels = maker.settings.work / "wheels"
    words = ["--exclude-newer", maker.settings.frozen_at]
    if cell.excludes:
        words += ["--excludes", str(wheels.parent / "excludes" / f"{cell.id}.txt")]
    if any((wheels / f"py{cell.python}").glob(f"{cell.library}-{cell.version}-*.whl")):
        words += ["--find-links", str(wheels / f"py{cell.python}"), "--only-binary", cell.library]
    return [*words, *cell.requirements, str(next((wheels / "plugin").glob("*.whl")))]
