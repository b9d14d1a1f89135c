"""GPUs of an nvidia-smi that a test wrote, each lent to one at a time."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from matrix.gpus import Gpu, Lease, lock_folder, of_machine, visible
from matrix.processes import StoppedError

ROOT = Path(__file__).parents[2]
PATIENCE = 60
UUIDS = (
    "GPU-aa11c0de-0000-0000-0000-000000000000",
    "GPU-aa22c0de-0000-0000-0000-000000000000",
    "GPU-bb33c0de-0000-0000-0000-000000000000",
)
ALIKE = tuple(Gpu(uuid, "NVIDIA H100") for uuid in UUIDS)
UNLIKE = (*ALIKE[:2], Gpu(UUIDS[2], "NVIDIA T4"))


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Put an nvidia-smi on the path that prints lines and ends as told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def say(*lines, code=0):
        printed = "".join(f"echo '{line}'\n" for line in lines)
        asked = 'test "$*" = "--query-gpu=index,uuid,name --format=csv,noheader" || exit 9\n'
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{asked}{printed}exit {code}\n")
        (folder / "nvidia-smi").chmod(0o755)

    return say


def test_the_gpus_are_those_that_nvidia_smi_lists(smi):
    smi(*(f"{number}, {uuid}, NVIDIA H100" for number, uuid in enumerate(UUIDS)))
    assert of_machine() == ALIKE
    assert of_machine({**os.environ, "CUDA_VISIBLE_DEVICES": "2"}) == ALIKE[2:]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["No devices were found"], 6),
        (["No devices were found"], 0),
        (["NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."], 9),
    ],
)
def test_a_driver_without_a_gpu_has_none(smi, lines, code):
    smi(*lines, code=code)
    assert of_machine() == ()


def test_a_machine_without_nvidia_smi_has_no_gpus(tmp_path):
    assert of_machine({"PATH": str(tmp_path)}) == ()


@pytest.mark.parametrize(
    ("value", "indexes"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("2,0", [2, 0]),
        (" 1 , 2", [1, 2]),
        ("0,-1,1", [0]),
        ("0,7,1", [0]),
        ("NoDevFiles", []),
        ("1,1", []),
        (UUIDS[1], [1]),
        ("GPU-bb,GPU-aa1", [2, 0]),
        ("GPU-aa", []),
        ("GPU-bb,GPU-bb33", []),
        ("GPU-bb,1", [2]),
        ("GPU-cc", []),
    ],
)
def test_an_outer_cuda_visible_devices_is_read_as_cuda_reads_it(value, indexes):
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert visible(ALIKE, environ) == tuple(ALIKE[index] for index in indexes)


def test_which_of_unlike_gpus_a_number_means_is_left_to_cuda():
    assert visible(UNLIKE, {"CUDA_VISIBLE_DEVICES": "2,0"}) == (Gpu("2"), Gpu("0"))
    by_place = {"CUDA_VISIBLE_DEVICES": "2,0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert visible(UNLIKE, by_place) == (UNLIKE[2], UNLIKE[0])
    assert visible(UNLIKE, {}) == UNLIKE


def test_a_part_of_a_gpu_is_handed_on_by_its_name():
    environ = {"CUDA_VISIBLE_DEVICES": "MIG-1,MIG-2,0"}
    assert visible(ALIKE, environ) == (Gpu("MIG-1"), Gpu("MIG-2"))


def test_a_machine_without_gpus_has_its_variables_untouched(tmp_path):
    with Lease((), tmp_path / "locks").gpu() as variables:
        assert variables == {}
    assert not (tmp_path / "locks").exists()


def test_a_cell_sees_its_gpu_alone_by_uuid_and_another_cell_another(tmp_path):
    lease = Lease(ALIKE, tmp_path)
    with lease.gpu() as first, lease.gpu() as second, lease.gpu() as third:
        lent = [each["CUDA_VISIBLE_DEVICES"] for each in (first, second, third)]
    assert sorted(lent) == sorted(UUIDS)
    with lease.gpu() as again:
        assert again == {"CUDA_VISIBLE_DEVICES": UUIDS[0]}


def taking(lease, ended):
    try:
        with lease.gpu("a-cell") as variables:
            ended.put(variables["CUDA_VISIBLE_DEVICES"])
    except StoppedError:
        ended.put("stopped")


@pytest.mark.parametrize(
    ("gpus", "words"),
    [
        (ALIKE[:1], "a-cell: waiting for the GPU"),
        (ALIKE[:2], "a-cell: waiting for a GPU; all are in use"),
    ],
)
def test_who_finds_none_free_says_so_once_and_waits(tmp_path, gpus, words):
    said, ended = queue.Queue(), queue.Queue()
    lease = Lease(gpus, tmp_path, said.put, recheck=None)
    thread = threading.Thread(target=taking, args=(lease, ended), daemon=True)
    rest = [lease.gpu() for _ in gpus[1:]]
    for each in rest:
        each.__enter__()
    with lease.gpu() as last:
        thread.start()
        assert said.get(timeout=PATIENCE) == words
        assert ended.empty()
    assert ended.get(timeout=PATIENCE) == last["CUDA_VISIBLE_DEVICES"]
    thread.join(PATIENCE)
    assert said.empty()
    for each in rest:
        each.__exit__(None, None, None)


def test_a_stop_of_the_sweep_ends_all_waiting(tmp_path):
    said, ended, stopped = queue.Queue(), queue.Queue(), threading.Event()
    lease = Lease(ALIKE[:1], tmp_path, said.put, stopped.is_set, recheck=0.001)
    thread = threading.Thread(target=taking, args=(lease, ended), daemon=True)
    with lease.gpu():
        thread.start()
        said.get(timeout=PATIENCE)
        stopped.set()
        assert ended.get(timeout=PATIENCE) == "stopped"
    thread.join(PATIENCE)


HOLDER = """
import sys
from pathlib import Path
from matrix.gpus import Gpu, Lease
with Lease([Gpu(sys.argv[1])], Path(sys.argv[2])).gpu():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_gpu_of_another_sweep_is_left_to_it_until_it_ends_or_dies(tmp_path):
    command = [sys.executable, "-c", HOLDER, UUIDS[0], str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as other:
        assert other.stdout.readline() == b"held\n"
        with Lease(ALIKE[:2], tmp_path).gpu() as variables:
            assert variables == {"CUDA_VISIBLE_DEVICES": UUIDS[1]}
        said, ended = queue.Queue(), queue.Queue()
        lease = Lease(ALIKE[:1], tmp_path, said.put, recheck=0.001)
        thread = threading.Thread(target=taking, args=(lease, ended), daemon=True)
        thread.start()
        said.get(timeout=PATIENCE)
        other.kill()
        assert ended.get(timeout=PATIENCE) == UUIDS[0]
        thread.join(PATIENCE)


def test_the_locks_are_the_users_own(tmp_path):
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert lock_folder(runtime) == tmp_path / "torchcompat-gpus"
    gone = lock_folder({"XDG_RUNTIME_DIR": str(tmp_path / "none")})
    assert gone == lock_folder({})
    assert gone.name == f"torchcompat-gpus-{os.getuid()}"
