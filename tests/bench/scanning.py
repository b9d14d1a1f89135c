"""Our reader against other scanners: what each sees, and what it takes, over the same files."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.figures import Figure, figure
from tests.bench.processes import environment
from tests.bench.scanners import ROOT, Scanner, scanners

sys.path.append(str(ROOT / "tests" / "scan"))

import big_files
import inert_files

PATIENCE = 120.0
_ZIP, _OPCODES = PROMISED = "zip of 3 GiB", "3 M opcodes"
_PICKLES = (_OPCODES, "literal of 1 GiB")


class Taken(NamedTuple):
    """What a scanner took for a file, its start included; nothing where it did not end."""

    seconds: float
    peak: float


WRITERS: dict[str, Callable[[Path], object]] = {
    _ZIP: lambda path: big_files.write_checkpoint(path, 600, 5 << 20),
    _OPCODES: lambda path: path.write_bytes(b"".join(big_files.state_dict(93_750))),
    "literal of 1 GiB": lambda path: big_files.write_literal(path, b"B", big_files.GIB),
    "bomb of 1 GiB": lambda path: big_files.write_bomb(path, big_files.GIB),
    "60,000 entries": lambda path: big_files.write_entries(path, 60_000),
}


def _speed_files(folder: Path, only: Sequence[str]) -> dict[str, Path]:
    files = {
        name: folder / f"{number}.{'pkl' if name in _PICKLES else 'pt'}"
        for number, name in enumerate(WRITERS)
        if not only or name in only
    }
    for name, path in files.items():
        WRITERS[name](path)
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


def figures(rounds: int, torch_python: Path, *, quick: bool = False) -> list[Figure]:
    """Return what the table and the JSON show; the quick ones are of one peer and two files."""
    with tempfile.TemporaryDirectory(prefix="torchcompat-bench-") as name:
        folder = Path(name)
        for part in ("environments", "corpus", "large"):
            (folder / part).mkdir()
        found = scanners(folder / "environments", None if quick else torch_python)
        seen = {scanner.name: _corpus(scanner, folder / "corpus") for scanner in found}
        files = _speed_files(folder / "large", only=PROMISED if quick else ())
        taken = _speeds(found, files, rounds)
    ours, *peers = found
    against = _against(ours, peers[0], seen, taken)
    return [*against, *(each for peer in found for each in _stated(peer, seen, taken))]


def _against(
    ours: Scanner, peer: Scanner, seen: Mapping[str, Any], taken: Mapping[str, Any]
) -> Iterator[Figure]:
    for name, unit in (("seconds", "s"), ("peak", "MB")):
        for file in PROMISED:
            title = file if name == "seconds" else f"{file}: most memory"
            own, other = (
                [getattr(each, name) for each in taken[who.name][file]] for who in (ours, peer)
            )
            most = max(own, default=None) if name == "peak" else None
            yield figure(*("scan", title, own, unit), peer=peer.title, theirs=other, value=most)
    for title, count in (("harmful files not seen", "silent"), ("false alarms", "false alarms")):
        # Of a scanner that broke off nothing is counted: no file not seen is not all seen.
        own, other = (
            [seen[who.name][count]] if count in seen[who.name] else [] for who in (ours, peer)
        )
        yield figure("scan", title, own, "files", peer=peer.title, theirs=other)


def _stated(scanner: Scanner, seen: Mapping[str, Any], taken: Mapping[str, Any]) -> list[Figure]:
    name, corpus = f"by {scanner.title}", seen[scanner.name]
    counts = [
        figure("scan", f"{name}: {count}", [corpus[count]], "files", corpus=corpus)
        for count in ("silent", "false alarms")
        if count in corpus
    ]
    spent = [
        each
        for file, all_of_them in taken[scanner.name].items()
        for each in _spent(f"{name}, {file}", all_of_them)
    ]
    return [*counts, *spent]


def _spent(name: str, taken: list[Taken]) -> list[Figure]:
    """Return what a file took; of a scanner that never got to its end, figures without a value."""
    return [
        figure("scan", name, [each.seconds for each in taken], "s"),
        figure("scan", f"{name}: most memory", [each.peak for each in taken], "MB"),
    ]
