"""Cells here and on a Dask cluster of this machine, with a stub in the place of torch."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import types
from argparse import ArgumentParser, Namespace
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from stub_site import STUB, StubSite, ThisEnvironment

from matrix import cluster, executors, jobs
from matrix.cluster import DaskPool, LostError
from matrix.executors import Remote, local, run_cells, scheduler_of
from matrix.jobs import OtherCodeError, Places, moved, packed, unpack
from matrix.processes import Finished, Processes
from matrix.runner import Sweep, missing, unfinished
from matrix.store import RunFolder, write_json
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LONG = 60  # seconds that nothing here takes


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "runs" / "a-run")


@pytest.fixture
def stub_cell(planned_cell):
    def make(name, *checkpoints, **values):
        checks = [(checkpoint, "stock") for checkpoint in checkpoints]
        return planned_cell(name, checks=checks, **values)

    return make


def here(folder, **values):
    return Sweep(folder, ThisEnvironment(), Processes(), STUB, "replica", **values)


class Told(dict):
    """What was told of each cell."""

    def __call__(self, cell, result):
        """Remember it."""
        self[cell.id] = result


class Meeting:
    """The point at which a stub cell waits to be killed, unless it was set free."""

    def __init__(self, path):
        self.fifo, self.free = path / "meeting", path / "free"
        os.mkfifo(self.fifo)
        self._reading = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)

    def pid(self):
        """Return the process that has come to it."""
        assert select.select([self._reading], [], [], LONG)[0], "nobody came"
        return int(os.read(self._reading, 20))

    def close(self):
        os.close(self._reading)


@pytest.fixture
def meeting(tmp_path):
    found = Meeting(tmp_path)
    yield found
    found.close()


def command(name, *arguments, **variables):
    """Start a command of Dask's."""
    words = [sys.executable, "-m", f"distributed.cli.dask_{name}", "--no-dashboard", *arguments]
    return subprocess.Popen(
        words,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def scheduler():
    """Start a scheduler and return its address."""
    pytest.importorskip("distributed")
    process = command("scheduler", "--host", "127.0.0.1", "--port", "0")
    said = (re.search(r"Scheduler at: +(tcp://\S+)", line) for line in process.stderr)
    address = next(found[1] for found in said if found)
    draining = threading.Thread(target=process.stderr.read)
    draining.start()
    yield address
    process.kill()
    process.communicate()
    draining.join()


@pytest.fixture
def worker(scheduler, tmp_path, meeting):
    """Start workers, each of one thread, without a guard that starts them again."""
    started = []

    def start(name, *arguments):
        scratch = tmp_path / "scratch" / name
        process = command(
            *("worker", scheduler, "--no-nanny", "--nthreads", "1", "--name", name),
            *("--local-directory", str(scratch), *arguments),
            STUB_WORKER=name,
            STUB_MEETING=str(meeting.fifo),
            STUB_FREE=str(meeting.free),
            PYTHONPATH=os.pathsep.join([str(ROOT), str(HERE)]),
        )
        for line in process.stderr:
            if "Registered to:" in line:
                break
        draining = threading.Thread(target=process.stderr.read)
        draining.start()
        started.append((process, draining))
        return process

    start.meeting = meeting
    yield start
    for process, draining in started:
        process.kill()
        draining.join()
        process.communicate()


@pytest.fixture
def away(scheduler, folder, worker):
    """Run cells on the workers that are there, or start."""

    def run(plan, finished, patience=LONG, **values):
        places = Places(folder.path, folder.path.parent)
        values = {"site": StubSite, "places": places, **values}
        task = Remote(plan, folder, "torchcompat-test", **values)
        with DaskPool(scheduler, task.run, patience) as executor:
            run_cells(task, plan.cells, executor, finished)

    return run


def records(folder, plan):
    """Return what was recorded of each cell, and how it ended."""
    return {
        cell.id: (
            [record.to_dict() for record in folder.cell(cell.id).records()],
            folder.cell(cell.id).read_result()["outcome"],
        )
        for cell in plan.cells
    }


@pytest.fixture
def plan(stub_cell, make_plan_of):
    """Plan cells that end in each of the ways that their own process can."""
    return make_plan_of(
        stub_cell("a", "works"),
        stub_cell("b", "works", "segfaults", "never_reached", torch="2.6.0"),
        stub_cell("c", "exits", torch="2.6.0"),
    )


def test_cells_of_a_cluster_leave_what_cells_of_this_machine_leave(
    tmp_path, folder, plan, worker, away
):
    worker("one")
    worker("two")
    told, told_here = Told(), Told()
    away(plan, told)
    at_home = RunFolder(tmp_path / "runs" / "at-home")
    task, executor = local(here(at_home), 2)
    with executor:
        run_cells(task, plan.cells, executor, told_here)
    assert records(folder, plan) == records(at_home, plan)
    for cell in plan.cells:
        assert told[cell.id].outcome == told_here[cell.id].outcome
        assert told[cell.id].to_dict() == folder.cell(cell.id).read_result()
        names = {path.name for path in folder.cell(cell.id).path.iterdir()}
        assert names == {path.name for path in at_home.cell(cell.id).path.iterdir()} | {
            "worker.txt"
        }
    assert not list((folder.path / ".coming").iterdir())


class Broken(ThisEnvironment):
    """Has a bug."""

    def create(self, cell):
        """Fail as nobody foresaw."""
        message = "a bug"
        raise KeyError(message)


def test_an_error_that_nobody_foresaw_stops_the_other_cells(folder, plan):
    sweep = executors.replace(here(folder), environments=Broken())
    task, executor = local(sweep, 1)
    with executor, pytest.raises(KeyError, match="a bug"):
        run_cells(task, plan.cells, executor, print)
    assert sweep.processes.stopped


class Counting(Processes):
    """Processes that note how many of them run at a time."""

    def __init__(self):
        super().__init__()
        self.running = 0
        self.most = 0

    def run(self, *_, **__):
        """End after everybody else had a chance to start."""
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(1000):
            os.sched_yield()
        self.running -= 1
        return Finished(0)


def test_one_environment_is_built_ahead_and_no_more_cells_run_than_asked_for(folder, stub_cell):
    processes = Counting()
    cells = [stub_cell(f"cell{number}", "works") for number in range(6)]
    task, executor = local(executors.replace(here(folder), processes=processes), 2)
    with executor:
        run_cells(task, cells, executor, lambda *_: None)
    assert processes.most == 2


def ancestors(pid):
    while pid > 1:
        yield pid
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])


def wait_for_end(pid):
    """Return once a process is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([descriptor], [], [], LONG)[0], f"{pid} goes on"
    os.close(descriptor)


def test_a_killed_workers_cells_run_again_on_another(folder, stub_cell, make_plan_of, worker, away):
    workers = {process.pid: name for name in ("one", "two") for process in [worker(name)]}
    plan = make_plan_of(stub_cell("met", "works", "meets"), stub_cell("other", "works"))
    told = Told()
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(away, plan, told)
        pid = worker.meeting.pid()
        killed = next(each for each in ancestors(pid) if each in workers)
        worker.meeting.free.touch()
        os.kill(killed, signal.SIGKILL)
        wait_for_end(pid)
        running.result()
    assert [record.checkpoint for record in folder.cell("met").records()] == ["works", "meets"]
    survivor = next(name for pid, name in workers.items() if pid != killed)
    assert (folder.cell("met").path / "worker.txt").read_text() == survivor
    assert unfinished(plan, folder) == []
    assert {name: result.outcome for name, result in told.items()} == {"met": None, "other": None}


def test_where_no_worker_is_left_the_cells_are_unfinished_and_the_machines_fault(
    folder, stub_cell, make_plan_of, worker, away
):
    process = worker("one")
    plan = make_plan_of(stub_cell("met", "works", "meets"))
    told = Told()
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(away, plan, told, 0.01)
        worker.meeting.pid()
        process.kill()
        running.result()
    assert told["met"].outcome is Outcome.INFRA
    assert told["met"].reason == "the scheduler had no worker for 0 s"
    assert unfinished(plan, folder) == list(plan.cells)


def test_ctrl_c_kills_what_runs_on_the_workers(folder, stub_cell, make_plan_of, worker, away):
    worker("one")
    worker("two")
    plan = make_plan_of(
        stub_cell("met", "meets"), stub_cell("done", "works"), stub_cell("next", "meets")
    )
    pids = []

    def interrupt(*_):
        pids.append(worker.meeting.pid())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        away(plan, interrupt)
    wait_for_end(pids[0])
    assert [cell.id for cell in unfinished(plan, folder)] == ["met", "next"]


def test_an_interrupted_cell_goes_on_where_it_was(folder, stub_cell, make_plan_of, worker, away):
    worker("one")
    cell = stub_cell("a", "exits", "works")
    done = Record("exits", "replica", "stock", Outcome.PASS)
    append_line(folder.cell("a").checks, done.to_dict())
    away(make_plan_of(cell), Told())
    assert missing(cell, folder.cell("a")) == []
    assert [record.checkpoint for record in folder.cell("a").records()] == ["exits", "works"]


def test_a_further_try_lies_beside_the_first(folder, stub_cell, make_plan_of, worker, away):
    worker("one")
    plan = make_plan_of(stub_cell("a", "works"))
    away(plan, Told())
    first = folder.cell("a").result.read_bytes()
    away(plan, Told(), number=2)
    assert folder.cell("a").result.read_bytes() == first
    assert [record.checkpoint for record in folder.cell("a").tries()[0].records()] == ["works"]
    task, executor = local(here(folder), 1, number=3)
    with executor:
        run_cells(task, plan.cells, executor, Told())
    assert len(folder.cell("a").tries()) == 2


def test_cells_that_need_a_gpu_go_to_the_workers_that_declare_one(
    folder, stub_cell, make_plan_of, worker, away
):
    worker("without")
    plan = make_plan_of(*(stub_cell(name, "works") for name in "abc"))
    away(plan, Told(), gpu=lambda cell: True)  # Where none declares any, nobody waits for one.
    assert unfinished(plan, folder) == []
    worker("with", "--resources", "GPU=1")
    plan = make_plan_of(*(stub_cell(name, "works") for name in "defg"))
    away(plan, Told(), gpu=lambda cell: cell.id in "df")
    ran_on = {name: (folder.cell(name).path / "worker.txt").read_text() for name in "df"}
    assert ran_on == {"d": "with", "f": "with"}


def test_a_worker_of_another_checkout_is_no_verdict(folder, plan, worker, away):
    worker("one")
    with pytest.raises(OtherCodeError, match="is not the one that planned: bring both to one"):
        away(plan, Told(), code="another")
    assert unfinished(plan, folder) == list(plan.cells)


def test_a_worker_that_can_not_import_the_project_is_told_how_to(
    plan, worker, scheduler, folder, monkeypatch
):
    elsewhere = types.ModuleType("only_here")
    elsewhere.Site = type("Site", (StubSite,), {"__module__": "only_here"})
    monkeypatch.setitem(sys.modules, "only_here", elsewhere)
    worker("one")
    task = Remote(plan, folder, "torchcompat-test", site=elsewhere.Site)
    words = r"a worker can't take a cell \(No module named 'only_here'\); start it in a checkout"
    with DaskPool(scheduler, task.run) as executor, pytest.raises(OtherCodeError, match=words):
        run_cells(task, plan.cells, executor, Told())


def test_a_job_is_read_without_the_project(tmp_path):
    """The scheduler reads what passes through it."""
    cloudpickle = pytest.importorskip("cloudpickle")
    path = tmp_path / "job"
    path.write_bytes(cloudpickle.dumps(cluster.shipped(b"")))
    program = (
        "import sys, pickle; sys.modules.update({'matrix': None, 'pytest_torchcompat': None})\n"
        "print(callable(pickle.load(open(sys.argv[1], 'rb'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True\n", done.stderr


def test_without_distributed_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(TorchcompatError, match="needs distributed, which is not installed; `pip"):
        DaskPool("tcp://127.0.0.1:1", "a-run")


def test_a_scheduler_that_does_not_answer_is_one_sentence(free_port, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECTING", 0.1)
    with pytest.raises(TorchcompatError, match=r"no Dask scheduler answers at tcp://127\.0\."):
        DaskPool(f"tcp://127.0.0.1:{free_port}", "a-run")


@pytest.mark.parametrize(("executor", "address"), [("dask", None), ("local", "tcp://a:1")])
def test_the_executor_and_its_scheduler_go_together(executor, address):
    options = Namespace(executor=executor, scheduler=address)
    with pytest.raises(TorchcompatError, match="--executor dask and --scheduler ADDRESS go toge"):
        scheduler_of(options)


def test_cells_run_here_unless_asked_otherwise():
    parser = ArgumentParser()
    executors.add_arguments(parser)
    assert scheduler_of(parser.parse_args([])) == ""
    words = ["--executor", "dask", "--scheduler", "tcp://host:8786"]
    assert scheduler_of(parser.parse_args(words)) == "tcp://host:8786"


def test_a_cell_that_ran_elsewhere_names_places_as_if_it_had_run_here():
    there = Places(Path("/scratch/w/run"), Path("/scratch/w"), Path("/clone"))
    mine = Places(
        Path("/home/me/clone/runs/1"), Path("/home/me/clone/.matrix"), Path("/home/me/clone")
    )
    contents = {
        "checks.jsonl": b"/scratch/w/envs/a.py /scratch/w/run/cells/a "
        b'"/clone/matrix" /clone2 /my/clone',
        "weights.pt": b"/clone",
    }
    assert moved(contents, there, mine) == {
        "checks.jsonl": b"/home/me/clone/.matrix/envs/a.py /home/me/clone/runs/1/cells/a "
        b'"/home/me/clone/matrix" /clone2 /my/clone',
        "weights.pt": b"/clone",
    }


def test_a_lost_worker_is_no_verdict(folder, plan):
    future: Future[None] = Future()
    future.set_exception(LostError("4 workers were lost"))
    result = Remote(plan, folder, "a-run", code="").taken(plan.cells[0], future)
    assert (result.outcome, result.reason) == (Outcome.INFRA, "4 workers were lost")
    assert not folder.cell("a").path.exists()


def test_a_workers_full_disk_is_no_verdict_and_does_not_end_the_others(folder, plan):
    future: Future[None] = Future()
    future.set_exception(OSError(28, "No space left on device"))
    result = Remote(plan, folder, "a-run", code="").taken(plan.cells[0], future)
    assert (result.outcome, result.reason) == (Outcome.INFRA, "[Errno 28] No space left on device")


def test_a_scheduler_that_hangs_does_not_keep_the_sweep_from_its_end(monkeypatch):
    answered = threading.Event()
    client = types.SimpleNamespace(
        get_executor=lambda **_: None,
        nthreads=lambda: {"a": int(answered.wait())},
        run=lambda *_, **__: None,
        close=lambda _: None,
    )
    monkeypatch.setattr(cluster, "_connected", lambda _: client)
    monkeypatch.setattr(cluster, "POLL", 0.0)
    monkeypatch.setattr(cluster, "GRACE", 0.0)
    DaskPool("tcp://127.0.0.1:1", "a-run").shutdown(cancel_futures=True)
    assert not answered.is_set()
    answered.set()


def test_of_a_large_output_the_end_comes_back_and_of_another_large_file_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(jobs, "MOST_OF_AN_OUTPUT", 4)
    monkeypatch.setattr(jobs, "MOST_OF_A_FILE", 8)
    for name in ("output.txt", "checks.jsonl", "weights.pt", "tries/2/output.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("0123456789")
    (tmp_path / "link").symlink_to("output.txt")
    end = b"[the first 6 bytes stayed on the machine that ran this cell]\n6789"
    expected = {"output.txt": end, "checks.jsonl": b"0123456789", "tries/2/output.txt": end}
    assert packed(tmp_path) == expected


def test_a_file_outside_of_its_cells_folder_is_not_written(tmp_path):
    with pytest.raises(TorchcompatError, match=r"a file outside of its folder, '\.\./elsewhere'"):
        unpack({"../elsewhere": b""}, tmp_path / "cell")
    assert not (tmp_path / "elsewhere").exists()


def test_files_that_do_not_all_arrive_leave_the_cell_as_it_was(folder, plan):
    write_json(folder.cell("a").request, {"checks": []})
    future: Future[dict[str, bytes]] = Future()
    future.set_result({"cell.json": json.dumps({}).encode(), "../b": b""})
    with pytest.raises(TorchcompatError):
        Remote(plan, folder, "a-run", code="").taken(plan.cells[0], future)
    assert [path.name for path in folder.cell("a").path.iterdir()] == ["request.json"]


def test_the_digest_of_the_code_is_of_what_runs_and_judges_cells(tmp_path):
    def digest():
        jobs.code_digest.cache_clear()
        return jobs.code_digest(tmp_path)

    for name in ("matrix/plan.py", "pytest_torchcompat/record.py", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    before = digest()
    (tmp_path / "matrix" / "__pycache__").mkdir()
    for name in ("matrix/__pycache__/plan.pyc", "README.md"):
        (tmp_path / name).write_text("anything")
    assert digest() == before
    (tmp_path / "pytest_torchcompat" / "record.py").write_text("x = 1")
    assert digest() != before
