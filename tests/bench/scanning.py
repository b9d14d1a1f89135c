"""Our reader against other scanners: what each sees, and what it takes, over the same files."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.processes import environment
from tests.bench.scanners import ROOT, Scanner, scanners

sys.path.append(str(ROOT / "tests" / "scan"))

import big_files
import inert_files

PATIENCE = 120.0
_ZIP, _OPCODES = "zip of 3 GiB", "3 M opcodes"


class Taken(NamedTuple):
    """What a scanner took for a file, its start included; nothing where it did not end."""

    seconds: float
    peak: float


def _speed_files(folder: Path) -> dict[str, Path]:
    files = {
        _ZIP: folder / "zip.pt",
        _OPCODES: folder / "opcodes.pkl",
        "literal of 1 GiB": folder / "literal.pkl",
        "bomb of 1 GiB": folder / "bomb.pt",
        "60,000 entries": folder / "entries.pt",
    }
    paths = iter(files.values())
    big_files.write_checkpoint(next(paths), 600, 5 << 20)
    next(paths).write_bytes(b"".join(big_files.state_dict(93_750)))
    big_files.write_literal(next(paths), b"B", big_files.GIB)
    big_files.write_bomb(next(paths), big_files.GIB)
    big_files.write_entries(next(paths), 60_000)
    return files


def _ran(scanner: Scanner, paths: list[Path]) -> tuple[dict[str, Any] | None, float]:
    """Return what a scanner printed, and the seconds from its start to its end."""
    command, start = [*scanner.command, *map(str, paths)], time.monotonic()
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment(),
            check=False,
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired:
        return None, PATIENCE
    seconds = time.monotonic() - start
    if done.returncode:
        return None, seconds
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said, seconds


def _corpus(scanner: Scanner, folder: Path) -> dict[str, Any]:
    """Count what a scanner says of each inert file, and of the ordinary ones."""
    written = inert_files.write(folder)
    said, seconds = _ran(scanner, [folder / name for name in written])
    if said is None:
        return {"ended": False}
    counts = {"seen": 0, "silent": 0, "false alarms": 0, "ordinary": 0}
    for each, answer in zip(written.values(), said["answers"]):
        if each.right == inert_files.ORDINARY:
            counts["ordinary"] += 1
            counts["false alarms"] += answer["alarm"]
        else:
            seen = answer["alarm"] or each.name in answer["names"]
            counts["seen" if seen else "silent"] += 1
    return {**counts, "ended": True, "seconds": seconds, "peak": said["peak"]}


def _speeds(
    all_of_them: list[Scanner], files: dict[str, Path], rounds: int
) -> dict[str, dict[str, list[Taken]]]:
    """Take each file with each scanner, every second round in the other order."""
    taken: dict[str, dict[str, list[Taken]]] = {
        scanner.name: {name: [] for name in files} for scanner in all_of_them
    }
    for number in range(rounds):
        for name, path in files.items():
            for scanner in all_of_them if number % 2 else reversed(all_of_them):
                said, seconds = _ran(scanner, [path])
                if said is not None:
                    taken[scanner.name][name].append(Taken(seconds, said["peak"]))
    return taken


def figures(rounds: int, torch_python: Path) -> list[dict[str, Any]]:
    """Return what the table and the JSON show."""
    with tempfile.TemporaryDirectory(prefix="torchcompat-bench-") as name:
        folder = Path(name)
        for part in ("environments", "corpus", "large"):
            (folder / part).mkdir()
        found = scanners(folder / "environments", torch_python)
        seen = {scanner: _corpus(scanner, folder / "corpus") for scanner in found}
        taken = _speeds(found, _speed_files(folder / "large"), rounds)
    rows = [row for scanner in found for row in _rows(scanner, seen[scanner], taken[scanner.name])]
    return [*_ratios(taken), *rows]


def _ratios(taken: dict[str, dict[str, list[Taken]]]) -> list[dict[str, Any]]:
    ours, theirs = taken["ours"], taken["picklescan"]

    def ratio(name: str) -> list[float]:
        return [own.seconds / peer.seconds for own, peer in zip(ours[name], theirs[name])]

    faster = [1 / each for each in ratio(_OPCODES)]
    return [
        _figure(
            f"scan, {_ZIP}: ours / picklescan",
            _middle(ratio(_ZIP)),
            "x",
            "<= 0.8",
            each=ratio(_ZIP),
        ),
        _figure(f"scan, {_OPCODES}: picklescan / ours", _middle(faster), "x", ">= 4", each=faster),
        _figure(f"scan, {_ZIP}: most memory", _most(ours[_ZIP]), "MB", "<= 25"),
        _figure(f"scan, {_OPCODES}: most memory", _most(ours[_OPCODES]), "MB", "<= 60"),
    ]


def _rows(
    scanner: Scanner, seen: dict[str, Any], taken: dict[str, list[Taken]]
) -> list[dict[str, Any]]:
    name = f"scan by {scanner.name} {scanner.version}".rstrip()
    aim = "0" if scanner.name == "ours" else ""
    counts = [
        _figure(f"{name}: {count}", seen.get(count, float("nan")), "files", aim, corpus=seen)
        for count in ("silent", "false alarms")
    ]
    spent = [
        figure
        for file, all_of_them in taken.items()
        for figure in _spent(f"{name}, {file}", all_of_them)
    ]
    return [*counts, *spent]


def _spent(name: str, taken: list[Taken]) -> list[dict[str, Any]]:
    seconds = [each.seconds for each in taken]
    return [
        _figure(name, _middle(seconds), "s", "", each=seconds),
        _figure(f"{name}: most memory", _most(taken), "MB", ""),
    ]


def _figure(name: str, value: float, unit: str, aim: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "aim": aim, **more}


def _middle(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def _most(taken: list[Taken]) -> float:
    return max((each.peak for each in taken), default=float("nan"))
