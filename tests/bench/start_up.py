"""What the plugin adds to the start of pytest, in pairs with and without it, turn by turn."""

from __future__ import annotations

import random
import shlex
import statistics
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, figure, named
from tests.bench.processes import Spent, must, spend

PLUGIN = "torchcompat"
TORCH_SEEN = """
import sys, pytest
pytest.main(sys.argv[1:])
sys.exit(int("torch" in sys.modules))
"""


def commands() -> tuple[list[str], list[str]]:
    """
    Return the command with the plugin and the one without.

    Other plugins are shut out by name in both. PYTEST_DISABLE_PLUGIN_AUTOLOAD would do it too, but
    then asking for the plugin by ``-p`` is what makes pytest look through what is installed, some
    milliseconds that are pytest's own.
    """
    others = sorted({each.name for each in entry_points(group="pytest11")} - {PLUGIN})
    shut = [word for name in others for word in ("-p", f"no:{name}")]
    base = [sys.executable, "-m", "pytest", "--co", "-q", *shut]
    return base, [*base, "-p", f"no:{PLUGIN}"]


def measure(pairs: int) -> dict[str, Any]:
    """Return the median of the differences in milliseconds of processor time."""
    having, lacking = commands()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_plain.py").write_text("def test_plain(): pass\n")
        for command in (having, lacking):  # byte code and the disk's cache, not counted
            must(_run(command, folder))
        both = [_pair(having, lacking, folder) for _ in range(pairs)]
        seen = spend([having[0], "-c", TORCH_SEEN, *having[3:]], cwd=folder).returncode
    differences = [(with_it - without) * 1000 for with_it, without in both]
    low, middle, high = statistics.quantiles(differences, n=4)
    return {
        "milliseconds": middle,
        "quartiles": [low, high],
        "with": [with_it * 1000 for with_it, _ in both],
        "without": [without * 1000 for _, without in both],
        "torch_imported": bool(seen),
        "commands": [shlex.join(having), shlex.join(lacking)],
    }


def figures(pairs: int) -> list[Figure]:
    """Return what the table and the JSON show."""
    found = measure(pairs)
    kept = {name: found[name] for name in ("quartiles", "commands")}
    return [
        figure(
            *("start-up", "what the plugin adds to pytest --co", found["with"], "ms"),
            peer=f"{named('pytest')} without it",
            theirs=found["without"],
            value=found["milliseconds"],
            **kept,
        ),
        figure("start-up", "times that torch is imported", [int(found["torch_imported"])], ""),
    ]


def _pair(having: list[str], lacking: list[str], folder: Path) -> tuple[float, float]:
    # Which of the two goes first is drawn, so that neither always has the warmer machine.
    if random.random() < 0.5:
        return _run(having, folder).cpu, _run(lacking, folder).cpu
    without = _run(lacking, folder).cpu
    return _run(having, folder).cpu, without


def _run(command: list[str], folder: Path) -> Spent:
    return spend(command, cwd=folder)
