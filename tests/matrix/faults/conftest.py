"""Cells that fail as machines and libraries do, and what they leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fault_traces import PATIENCE, Traces

from matrix import processes
from matrix.environments import Environment
from matrix.executors import local, run_cells
from matrix.holding import hold
from matrix.processes import Processes
from matrix.published import publish
from matrix.runner import Sweep, to_run
from matrix.store import RunFolder, write_json

# What a cell's process runs is no test of this project.
collect_ignore = ["checks"]

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CHECKS = HERE / "checks"


@pytest.fixture
def traces(tmp_path, monkeypatch):
    """Mark all that the test starts."""
    found = Traces(tmp_path)
    name, _, value = found.mark.partition("=")
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMPDIR", str(found.temporary))
    return found


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "runs" / "2026-11-20T1031")


@pytest.fixture
def cell_of(planned_cell):
    def make(name, *checkpoints):
        return planned_cell(name, checks=[(checkpoint, "stock") for checkpoint in checkpoints])

    return make


class Meeting:
    """Where a check says that it is reached, and waits."""

    def __init__(self, folder):
        self.fifo, self.free = folder / "meeting", folder / "free"
        os.mkfifo(self.fifo)
        self._going_on = folder / "free.pipe"
        os.mkfifo(self._going_on)
        self._reading = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.variables = {"STUB_MEETING": str(self.fifo), "STUB_FREE": str(self.free)}

    def wait(self):
        """Return the ids of the check's process and of its cell's."""
        assert select.select([self._reading], [], [], PATIENCE)[0]
        return [int(word) for word in os.read(self._reading, 100).split() if word.isdigit()]

    def go_on(self):
        """Let the check that waits go on, and those that come not wait."""
        self.free.touch()
        self._going_on.write_text("go on")

    def close(self):
        os.close(self._reading)


@pytest.fixture
def meeting(tmp_path, monkeypatch):
    found = Meeting(tmp_path)
    for name, value in found.variables.items():
        monkeypatch.setenv(name, value)
    yield found
    found.close()


class Clock:
    """The clock of the limits of processes, which a test can put forward."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(processes, "monotonic", found)
    return found


@pytest.fixture
def beside():
    """Start something in a thread, and have its result in the end."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


class Here:
    """Gives this Python as every cell's environment."""

    def create(self, cell):
        return Environment(Path(sys.executable), {"torch": "2.5.1"})

    def delete(self, cell):
        pass


@pytest.fixture
def run_cell(folder, monkeypatch):
    """Run a cell in this process, as a sweep does."""
    monkeypatch.setenv("STUB_MEGABYTES", "1")

    def run(cell, **values):
        given = {"folder": folder, "processes": Processes(), "checks": CHECKS, **values}
        return Sweep(environments=Here(), edition="replica", **given).run_cell(cell)

    return run


@pytest.fixture
def run_all(folder, make_plan_of, monkeypatch):
    """Run what is left of cells, in this process, as the command does; return the matrix."""
    monkeypatch.setenv("STUB_MEGABYTES", "1")

    def run(*cells):
        plan = make_plan_of(*cells)
        write_json(folder.plan, plan.to_dict())
        with hold(folder):
            sweep = Sweep(folder, Here(), Processes(), CHECKS, "replica")
            task, pool = local(sweep, 1)
            with pool:
                run_cells(task, to_run(plan, folder), pool, lambda *_: None)
            return publish(plan, folder)

    return run


@pytest.fixture
def outcomes(folder):
    """The outcomes that are on record of a cell, by checkpoint."""

    def found(cell):
        records = folder.cell(cell.id).records()
        return {record.checkpoint: record.outcome.value for record in records}

    return found


class Program:
    """The sweep's command, on a run of given cells."""

    def __init__(self, tmp_path, folder):
        self.tmp_path, self.folder = tmp_path, folder

    def start(self, *arguments, work="work"):
        words = ["run", "--runs", self.folder.path.parent, "--edition", "replica", "--jobs", "1"]
        command = [sys.executable, HERE / "program.py", self.tmp_path / work, *words, "--force"]
        return subprocess.Popen(
            [*map(str, command), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=self.tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def end(self, process):
        """Wait for the end of the command, and return what it printed."""
        output, _ = process.communicate(timeout=PATIENCE)
        return output

    def run(self, *arguments, **values):
        process = self.start(*arguments, **values)
        output = self.end(process)
        return process.returncode, output

    def says_complete(self):
        """Whether the matrix says that the run is complete; the page has to say the same."""
        return json.loads(self.folder.matrix.read_text())["complete"]


@pytest.fixture
def small_disk(tmp_path):
    """Make a file system of so many bytes in memory."""
    with contextlib.ExitStack() as mounted:

        def make(size):
            place = tmp_path / "disk"
            place.mkdir()
            options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
            done = subprocess.run(["mount", *options], check=False, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"a file system can't be mounted here: {done.stderr.strip()}")
            # What a test that failed left running may still be in it.
            mounted.callback(subprocess.run, ["umount", "-l", str(place)], check=True)
            return place

        yield make


@pytest.fixture
def program(tmp_path, folder, make_plan_of, free_port, monkeypatch):
    """Plan cells and give the command that runs them; no index answers it."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{free_port}/")

    def plan(*cells, folder=folder):
        write_json(folder.plan, make_plan_of(*cells).to_dict())
        return Program(tmp_path, folder)

    return plan


class Scene:
    """All that the tests of this folder are given, each made when it is first named."""

    def __init__(self, request):
        self._given = request.getfixturevalue

    def __getattr__(self, name):
        return self._given(name)


@pytest.fixture
def scene(request, traces, meeting):
    """Stand for many fixtures; those that change the environment are made at once."""
    return Scene(request)
