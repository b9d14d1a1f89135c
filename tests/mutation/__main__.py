"""
How many small changes of the code the tests notice; run by nox -s mutants.

mutmut changes one thing of one function at a time and runs the tests that reach it. It works on a
copy of the tree. A part of the changes is tried, always the same one; ``--all`` tries every one,
``--part N`` another part.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("pytest_torchcompat", "matrix", "tests", "pyproject.toml")
PARTS = 40  # one takes a minute and a quarter on two cores
FLOOR = 0.85
HIGHEST = 400  # more changes than any function has
# How mutmut codes what became of a change. Anything else is none that a test noticed: among others
# 0, which survived, 5 and 33, which no test ran, 2, interrupted, and what mutmut calls suspicious.
FAILED = (1, 3)  # pytest's
TOO_LONG = (36, 24, -24, 152, 255)
NOTICED = frozenset((*FAILED, *TOO_LONG))
UNTRIED = None
# A function with few changes has low numbers alone: where its name's last letter starts the count,
# each part has some of these too. Few groups: mutmut matches every name with every pattern.
ENDS = "abcdefghijklmnopqrstuvwxyz0123456789_"
GROUPS = 19
STEP = 7  # from one group to the next
# They run once, when their module is imported: mutmut swaps functions only after that.
AT_IMPORT = (
    *(f"scan.handlers.x__{name}__" for name in ("text", "skipped", "long", "get", "put")),
    "scan.allowlists.x__measured__",
)


def main(words: list[str] | None = None) -> int:
    """Try the changes, print the table, and return 1 where the score is below the floor."""
    args = _parsed(words)
    copy = _copied(args.folder)
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", "run", *_names(args)],
        cwd=copy,
        stdout=(copy / "mutmut.log").open("w"),
        check=False,
    )
    if done.returncode:
        print((copy / "mutmut.log").read_text()[-4000:])
        return done.returncode
    return _judged(dict(_results(copy)))


def _parsed(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s mutants --", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the copy of the tree is put")
    parser.add_argument("--all", action="store_true", help="try every change, in about an hour")
    parser.add_argument("--part", type=int, default=3, help=f"which of the {PARTS} parts to try")
    return parser.parse_args(words)


def _names(args: argparse.Namespace) -> list[str]:
    """Return patterns of names: a part takes other numbers after each last letter of a function."""
    if args.all:
        return []
    return [
        f"*[{ENDS[group::GROUPS]}]__mutmut_{number}"
        for group in range(GROUPS)
        for number in range((args.part + STEP * group) % PARTS or PARTS, HIGHEST, PARTS)
    ]


def _copied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def _results(copy: Path) -> Iterator[tuple[str, int]]:
    """Yield each change that was tried, by its name, with what became of it."""
    for file in sorted((copy / "mutants").rglob("*.meta")):
        for name, code in json.loads(file.read_text())["exit_code_by_key"].items():
            if code is not UNTRIED and not any(each in name for each in AT_IMPORT):
                yield name, code


def _room(name: str) -> str:
    """Return the module of a change: matrix.diff.text of matrix.diff.text.x_lines__mutmut_3."""
    return name.rsplit(".", 1)[0]


def _judged(found: Mapping[str, int]) -> int:
    missed = [name for name, code in found.items() if code not in NOTICED]
    tried, left = Counter(map(_room, found)), Counter(map(_room, missed))
    for room in sorted(tried):
        noticed = tried[room] - left[room]
        print(f"{room:40} {noticed:5} of {tried[room]:5}  {noticed / tried[room]:7.1%}")
    print(*(f"not noticed: {name}" for name in missed), sep="\n")
    score = 1 - len(missed) / len(found)
    print(f"{score:.1%} of {len(found)} changes were noticed; at least {FLOOR:.0%} have to be")
    return int(score < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
