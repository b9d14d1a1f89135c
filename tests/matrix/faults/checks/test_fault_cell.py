"""A cell whose checks run in children as the real ones do; a checkpoint's id says what happens."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_torchcompat.attempt import Attempt, Check, record_of
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, CheckpointFile, Edition
from pytest_torchcompat.isolation import Nursery
from pytest_torchcompat.outcome import Stage
from pytest_torchcompat.plugin.summary import note
from pytest_torchcompat.policies import Policy

WAITS = "import threading; threading.Event().wait()"
MEGABYTE = 2**20
SHORT, LONG = 1.0, 300.0  # seconds of what hangs, and of what does not


class Library:
    name = distribution = "stub"


def is_free():
    return Path(os.environ["STUB_FREE"]).exists()


def until_free():
    """Wait, for ever if need be: the test opens the other end of the pipe."""
    Path(os.environ["STUB_FREE"] + ".pipe").read_text()


def works():
    pass


def meets():
    """Tell the test that this point is reached, and wait to be killed, unless set free."""
    if not is_free():
        subprocess.Popen([sys.executable, "-c", WAITS], start_new_session=True)
        Path(os.environ["STUB_MEETING"]).write_text(f"{os.getpid()} {os.environ['WORKER']}\n")
        until_free()


def segfaults():
    ctypes.string_at(0)


def stops():
    os.kill(os.getpid(), signal.SIGSTOP)


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def allocates():
    bytearray(int(os.environ["STUB_ALLOCATES"]))


def prints():
    line = b"x" * (MEGABYTE - 1) + b"\n"
    os.write(1, b"the first words\n")
    for _ in range(int(os.environ["STUB_MEGABYTES"])):
        os.write(1, line)
    os.write(1, b"the last words\n")
    os.abort()


def leaves_children():
    for elsewhere in (False, True):
        started = subprocess.Popen([sys.executable, "-c", WAITS], start_new_session=elsewhere)
        print(f"left {started.pid}", flush=True)
    os.abort()


def fills_its_home():
    if is_free():
        return
    with open(Path.home() / "filled", "wb", buffering=0) as file:
        while True:
            file.write(bytes(MEGABYTE))


def perform(say, name):
    say("load")
    try:
        globals()[name]()
    except MemoryError as error:
        return Attempt(Stage.LOAD, "MemoryError", str(error))
    except OSError as error:
        return Attempt(Stage.LOAD, "OSError", str(error), (f"OSError: {error}",))
    return Attempt(Stage.FORWARD)


def nothing():
    pass


def requested(config):
    return json.loads(Path(config.getoption("torchcompat_cell")).read_text())


def pytest_generate_tests(metafunc):
    checks = [(each["checkpoint"], each["policy"]) for each in requested(metafunc.config)["checks"]]
    metafunc.parametrize(("checkpoint", "policy"), checks)


@pytest.fixture(scope="session")
def nursery(pytestconfig):
    os.environ["WORKER"] = str(os.getpid())
    Path("environment.json").write_text(json.dumps({"torch_build": "2.5.1+stub"}))
    with Nursery(nothing, "fork", pytestconfig.getoption("torchcompat_check_memory")) as found:
        yield found


def test_check(request, nursery, checkpoint, policy):
    seconds = SHORT if checkpoint == "stops" else LONG
    result = nursery.run(perform, checkpoint, timeout=seconds)
    file = CheckpointFile(Checkpoint(checkpoint, "stub", "a test"), Path(), Edition.REPLICA, "ff")
    memory = request.config.getoption("torchcompat_check_memory")
    record = record_of(Check(file, Policy(policy), Library()), result, memory)
    note(request.node, record.to_dict())
