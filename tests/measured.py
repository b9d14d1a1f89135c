"""
How much of the pure parts their tests take: python -m tests.measured COVERAGE_JSON.

pyproject.toml says which files those are. Run by nox -s coverage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tomllib

ROOT = Path(__file__).parents[1]
BRANCHES = 95  # percent of all branches
WEAKEST = 5  # modules that are named: one sum would hide them


def main(report: Path) -> int:
    """Print the weakest modules and the sum; 1 where a module or too much is not taken."""
    files = json.loads(report.read_text())["files"]
    absent = sorted(set(asked_for()) - set(files))
    for name in absent:
        print(f"{name}: no test imports it")
    for share, name in weakest(files):
        print(f"{name}: {share:.1f} % of its branches are taken")
    share = of_branches(each["summary"] for each in files.values())
    print(f"{share:.1f} % of the branches of the pure parts are taken; {BRANCHES} % have to be")
    return int(bool(absent) or share < BRANCHES)


def asked_for(root: Path = ROOT) -> Iterator[str]:
    """Yield each file of which pyproject.toml asks for it, as coverage reads its patterns."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["coverage"]["run"]
    for pattern in settings["include"]:
        folder = root / pattern.removesuffix("/*")
        found = folder.rglob("*.py") if folder.is_dir() else [folder]
        yield from (path.relative_to(root).as_posix() for path in found)


def weakest(files: Mapping[str, Any]) -> list[tuple[float, str]]:
    """Return the modules that fewest branches are taken of, as long as some are not."""
    found = sorted((of_branches([each["summary"]]), name) for name, each in files.items())
    return [each for each in found[:WEAKEST] if each[0] < 100]


def of_branches(summaries: Iterable[Mapping[str, int]]) -> float:
    """Return the percentage of branches that are taken; where there are none, all of them."""
    taken, there = 0, 0
    for each in summaries:
        taken += each["covered_branches"]
        there += each["num_branches"]
    return 100 * taken / there if there else 100.0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
