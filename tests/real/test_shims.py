"""Each shim on the real library: applied, undone, and absent where it does not belong."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from matrix.__main__ import PROJECT, WORK
from matrix.environments import UvEnvironments
from matrix.outside import world
from matrix.plan import Heading, Selection
from matrix.planning.planner import make_plan
from matrix.processes import Processes
from matrix.releases import IndexReleases, endpoint
from matrix.resolution import Settings
from matrix.runner import only_one

PROGRAM = Path(__file__).with_name("shim_states.py")
FAIRSEQ = ("dataclass-defaults", "numpy-aliases", "omegaconf-integers", "pos-conv-weight-norm")
TORCHAUDIO = ("torchaudio-cuda", "torchaudio-legacy", "isin-numbers")
EACH = [("fairseq", name) for name in FAIRSEQ] + [("torchaudio", name) for name in TORCHAUDIO]


def run(python, *words):
    return subprocess.run([str(python), *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def environment():
    """Return the Python of a library's cell on the oldest or the newest torch; built once."""
    now = datetime.now(UTC).replace(microsecond=0)
    cells = {}
    with only_one(WORK):
        releases = IndexReleases(endpoint(), now)
        maker = UvEnvironments(Settings(WORK, PROJECT, now.isoformat(), ""), Processes(), releases)
        maker.prepare()

        def python_of(library, column):
            selection = Selection(library=(library,))
            plan = make_plan(Heading("", now.isoformat()), selection, world(selection, now)[0])
            torch = [version for version in plan.torch if "dev" not in version][column]
            cell = next(cell for cell in plan.cells if cell.torch == torch)
            if cell not in cells:
                cells[cell] = maker.create(cell)
            return cells[cell].python

        yield python_of
        for cell in cells:
            maker.delete(cell)


@pytest.fixture(scope="module")
def states(environment):
    """What the program says of each shim, in the cells of the newest torch."""
    found = {}
    for library, names in (("fairseq", FAIRSEQ), ("torchaudio", TORCHAUDIO)):
        done = run(environment(library, -1), str(PROGRAM), ",".join(names))
        assert done.returncode == 0, done.stderr
        found.update(json.loads(done.stdout.splitlines()[-1]))
    return found


@pytest.mark.parametrize(("library", "name"), EACH)
def test_a_shim_restores_what_is_gone_and_leaves_nothing_behind(states, library, name):
    found = states[name]
    assert found["within"] is True
    assert found["without"] is not True
    assert found["left"] == []


def test_without_its_shim_torchaudio_refuses_a_torch_of_another_cuda(environment):
    done = run(environment("torchaudio", -1), "-c", "import torchaudio")
    assert done.returncode == 1
    assert "CUDA" in done.stderr


def test_a_shim_applies_where_its_library_and_its_versions_are(states):
    applies = {name for name, found in states.items() if found["applies"]}
    assert applies == {*FAIRSEQ, "torchaudio-cuda", "torchaudio-legacy"}


def test_on_the_oldest_torch_only_what_is_about_files_and_numpy_applies(environment):
    words = "from pytest_torchcompat import shim; print(*shim.that_apply({!r}, shim.installed()))"
    found = {
        library: run(environment(library, 0), "-c", words.format(library)).stdout.split()
        for library in ("fairseq", "torchaudio")
    }
    assert found == {"fairseq": list(FAIRSEQ[1:]), "torchaudio": []}
