"""One benchmark at a time on a device, over processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("filelock")

from pytest_torchcompat.timing import Effort, measure  # noqa: E402
from pytest_torchcompat.timing import lease as leases  # noqa: E402
from pytest_torchcompat.timing.lease import key_of, lease  # noqa: E402

QUICK = Effort(seconds=0.05)
HOLDER = """
import sys
from pathlib import Path
from pytest_torchcompat.timing.lease import lease
try:
    print("asks", flush=True)
    with lease("cpu", Path(sys.argv[1]), longest=-1) as remarks:
        print("held", remarks, flush=True)
        sys.stdin.read()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture
def holder(tmp_path):
    """Start another process that takes the CPU, and holds it until it is told to end."""
    started = []

    def start():
        command = [sys.executable, "-c", HOLDER, str(tmp_path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, **pipes))
        assert started[-1].stdout.readline() == "asks\n"
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def test_who_can_not_have_it_goes_on_and_says_so(holder, tmp_path):
    assert holder().stdout.readline() == "held []\n"
    with lease("cpu", tmp_path, longest=0) as remarks:
        assert remarks == [
            "another benchmark may have run beside this one: one has held cpu for 0 s"
        ]


def test_a_holder_that_is_killed_frees_it(holder, tmp_path):
    other = holder()
    assert other.stdout.readline() == "held []\n"
    other.kill()
    with lease("cpu", tmp_path, longest=-1) as remarks:
        assert remarks == []


def test_who_waits_gets_it_when_the_holder_is_done(holder, tmp_path):
    with lease("cpu", tmp_path):
        other = holder()
    assert other.stdout.readline() == "held []\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal to send")
def test_waiting_ends_by_an_interrupt(holder, tmp_path):
    with lease("cpu", tmp_path):
        other = holder()
        other.send_signal(signal.SIGINT)
        assert other.stdout.readline() == "interrupted\n"


def test_a_benchmark_within_a_benchmark_does_not_wait_for_itself(tmp_path):
    with lease("cpu", tmp_path), lease("cpu", tmp_path, longest=-1) as remarks:
        assert remarks == []
    with lease("cpu", tmp_path, longest=-1) as remarks:
        assert remarks == []


def test_a_cell_that_has_a_gpu_to_itself_benchmarks_on_it(monkeypatch, tmp_path):
    gpus = pytest.importorskip("matrix.gpus")
    monkeypatch.setattr(leases, "key_of", lambda _: "GPU-1")
    cell = gpus.Lease([gpus.Gpu("GPU-1")], tmp_path).gpu()
    with cell, lease("cuda", tmp_path, longest=0) as remarks:
        assert remarks == []


def test_two_devices_do_not_wait_for_each_other(monkeypatch, tmp_path, holder):
    assert holder().stdout.readline() == "held []\n"
    monkeypatch.setattr(leases, "key_of", lambda _: "GPU-1")
    with lease("cuda", tmp_path, longest=0) as remarks:
        assert remarks == []


def test_where_nothing_can_be_locked_the_benchmark_runs_and_says_so(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(leases, "lock_folder", lambda: file)
    (remark,) = measure(lambda: torch.ones(1), "cpu", QUICK)["remarks"]
    assert remark.startswith("another benchmark may have run beside this one: FileExistsError: ")


def test_without_filelock_there_is_no_lease_and_the_figures_say_so(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "filelock", None)
    with lease("cpu", tmp_path) as remarks:
        (remark,) = remarks
    assert remark.startswith("another benchmark may have run beside this one: ModuleNotFoundError")


def test_all_calls_of_a_benchmark_are_made_under_it_and_none_is_after(monkeypatch, tmp_path):
    monkeypatch.setattr(leases, "lock_folder", lambda: tmp_path)
    held = []
    measure(lambda: held.append(set(leases._held)), "cpu", QUICK)
    assert held
    assert all(each == {"cpu"} for each in held)
    assert leases._held == set()


def test_a_benchmark_that_raises_frees_it(monkeypatch, tmp_path):
    monkeypatch.setattr(leases, "lock_folder", lambda: tmp_path)
    with pytest.raises(ZeroDivisionError):
        measure(lambda: 1 / 0, "cpu", QUICK)
    with lease("cpu", longest=0) as remarks:
        assert remarks == []


@pytest.mark.parametrize(
    ("device", "uuid", "visible", "key"),
    [
        ("cpu", None, None, "cpu"),
        ("cuda", "5a5f", None, "GPU-5a5f"),
        ("cuda:1", "5a5f", "3,7", "GPU-5a5f"),
        ("cuda:1", None, None, "1-NVIDIA H100"),
        ("cuda:1", None, "3,7", "7-NVIDIA H100"),
        ("cuda", None, "3,7", "3-NVIDIA H100"),
        ("cuda:1", None, "", "1-NVIDIA H100"),
    ],
)
def test_a_gpu_is_known_by_what_no_process_numbers_anew(monkeypatch, device, uuid, visible, key):
    said = SimpleNamespace(name="NVIDIA H100", **({"uuid": uuid} if uuid else {}))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: said)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert key_of(device) == key
