"""A cell's process without torch: the id of a checkpoint says what it does."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import Record, append_line
from pytest_torchcompat.timing.host import host


def works():
    pass


def tells():
    """Leave what the environment says where the test finds it."""
    Path("told.json").write_text(json.dumps(dict(os.environ)))


def segfaults():
    os.kill(os.getpid(), signal.SIGSEGV)


def exits():
    pytest.exit("this cell can't go on", returncode=3)


def fills_the_disk():
    pytest.exit("OSError: [Errno 28] No space left on device", returncode=3)


def meets():
    """Tell the test that this point is reached, and wait to be killed, unless set free."""
    if not Path(os.environ["STUB_FREE"]).exists():
        Path(os.environ["STUB_MEETING"]).write_text(str(os.getpid()))
        threading.Event().wait()


def varies():
    """Come out as the next line of a file says, and pass once there is none."""
    path = Path(os.environ["STUB_OUTCOMES"])
    first, _, rest = path.read_text().partition("\n")
    path.write_text(rest)
    return Outcome(first or "pass")


def timed():
    """Take the time that a file says for this cell, in this process."""


def benchmark():
    cells = Path.cwd().parts
    name = cells[len(cells) - cells[::-1].index("cells")]
    times = json.loads(Path(os.environ["STUB_SECONDS"]).read_text())
    median, *left = times[name]
    Path(os.environ["STUB_SECONDS"]).write_text(json.dumps({**times, name: left or [median]}))
    spread = {"min": median, "max": median, "iqr": median / 100}
    quartiles = [median * 0.995, median * 1.005]
    figures = {"method": "a stub's", "device": "cpu", "rounds": 9, "median": median, **spread}
    return {**figures, "quartiles": quartiles, "machine": host()}


def test_cell(pytestconfig):
    request = json.loads(Path(pytestconfig.getoption("torchcompat_cell")).read_text())
    report = Path(pytestconfig.getoption("torchcompat_report"))
    found = {"torch_build": "2.5.1+stub", "distributions": {"torch": "2.5.1"}}
    Path("environment.json").write_text(json.dumps(found))
    for check in request["checks"]:
        outcome = globals()[check["checkpoint"]]() or Outcome.PASS
        edition = pytestconfig.getoption("torchcompat_edition")
        record = Record(check["checkpoint"], edition, check["policy"], outcome)
        if check["checkpoint"] == "timed":
            record = record.changed(benchmark=benchmark())
        append_line(report, record.to_dict())
