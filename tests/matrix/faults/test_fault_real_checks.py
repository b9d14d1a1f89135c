"""The real checks of a cell, with torch and a library that does what libraries should not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from fault_traces import Traces

import matrix
from matrix.processes import Processes
from matrix.runner import cell_command
from matrix.store import CellFolder, write_json

pytest.importorskip("torch")

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CHECKS = Path(matrix.__file__).parent / "checks"
LIMIT = 2 * 2**30
NAMES = ("leaves-children", "allocates", "segfaults", "works")


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    return Traces(tmp_path_factory.mktemp("traces"))


@pytest.fixture(scope="module")
def records(tmp_path_factory, traces):
    """The records of a cell with one check of each kind, by the name of the fault."""
    files = CellFolder(tmp_path_factory.mktemp("cell"))
    checkpoint = files.path / "checkpoint.pt"
    checkpoint.write_bytes(b"of no consequence")
    given = {"path": str(checkpoint), "edition": "replica", "sha256": "ff"}
    checks = [
        {"checkpoint": f"faulty/{name}", "use": "forward", "policy": "stock"} for name in NAMES
    ]
    request = {
        "library": "faulty",
        "checks": checks,
        "files": {each["checkpoint"]: given for each in checks},
    }
    write_json(files.request, request)
    name, _, value = traces.mark.partition("=")
    variables = {
        **os.environ,
        name: value,
        "TMPDIR": str(traces.temporary),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)]),
        "PYTEST_PLUGINS": "faulty_library",
        "FAULTY_BYTES": str(2 * LIMIT),
        "OMP_NUM_THREADS": "1",
    }
    variables.pop("PYTEST_ADDOPTS", None)
    words = cell_command(Path(sys.executable), CHECKS, files, "replica")
    words.append(f"--torchcompat-check-memory={LIMIT}")
    done = Processes().run(words, env=variables, cwd=files.path)
    found = {record.checkpoint.partition("/")[2]: record for record in files.records()}
    assert set(found) == set(NAMES), done.output
    return found


def test_each_fault_has_its_verdict_and_the_other_checks_theirs(records):
    assert {name: record.outcome.value for name, record in records.items()} == {
        "leaves-children": "pass",
        "allocates": "infra",
        "segfaults": "crash",
        "works": "pass",
    }


def test_torchs_own_words_about_memory_follow_the_limits(records):
    message = records["allocates"].message
    limit = "a check may take 2 GiB of memory here, and this one wants more: RuntimeError: "
    assert message.startswith(limit)
    assert "you tried to allocate" in message


@pytest.mark.usefixtures("records")
def test_nothing_is_left_of_them(traces):
    assert traces.processes() == []
    assert list(traces.temporary.iterdir()) == []
