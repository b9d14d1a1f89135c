"""Fetching in processes of their own: the environment, company, limits and a violent end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub import BODY

from pytest_torchcompat.checkpoints.catalogue import HubFile, UrlFile
from pytest_torchcompat.checkpoints.fetch import cached

LARGE = bytes(range(256)) * (1 << 10)
HALF = len(LARGE) // 2

# Says "ready", "locking" before a lock is taken for a URL, then the bytes of it that are written as
# they come, then the path or the error.
PROGRAM = """
import contextlib, json, os, sys
limit = int(sys.argv[3])
if limit:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
from pytest_torchcompat.checkpoints import web
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile, UrlFile
from pytest_torchcompat.checkpoints.fetch import fetch
from pytest_torchcompat.errors import FetchError
assert "huggingface_hub" not in sys.modules

class Bar:
    written = 0
    def update(self, count):
        self.written += count
        print(f"written {self.written}", flush=True)

def told(path, locked=web._locked):
    print("locking", flush=True)
    return locked(path)

web._locked = told
web._CHUNK = 1 << 16
web._bar = lambda *_args: contextlib.nullcontext(Bar())
source = json.loads(sys.argv[1])
source = HubFile(*source) if len(source) > 1 else UrlFile(*source)
row = Checkpoint("my/row", "torch", "a test", sources=(source,), sha256=sys.argv[2])
print("ready", flush=True)
try:
    print("path", fetch(row).path)
except FetchError as error:
    print("error", error)
"""


@pytest.fixture
def start(hub, tmp_path):
    """Starts a fetch in a process of its own, whose clients read the environment."""
    processes = []
    here = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
    quiet = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

    def begin(row, *, limit=0, **environment):
        source = row.sources[0]
        given = [source.url] if isinstance(source, UrlFile) else _values(source)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(given), row.sha256, str(limit)],
            env={**os.environ, **here, **quiet, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def _values(source: HubFile) -> list[str | None]:
    return [source.repo, source.revision, source.filename]


def said(process) -> str:
    """Return what a process said last."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out.splitlines()[-1]


def wait_for(process, line):
    for told in process.stdout:
        if told == f"{line}\n":
            return
    pytest.fail(f"it never said {line}: {process.stderr.read()}")


def test_the_environment_is_honoured(hub, start, served, tmp_path):
    row = served()
    is_hub = isinstance(row.sources[0], HubFile)
    offline = {"HF_HUB_OFFLINE": "1"}
    assert said(start(row, **offline)) == (
        "error my/row was not fetched: it is not in the cache and HF_HUB_OFFLINE is set."
        " Unset it and fetch again"
    )
    assert hub.asked == []
    path = said(start(row))
    assert Path(path[5:]).read_bytes() == BODY
    assert tmp_path / ("home" if is_hub else "torchcompat") in Path(path[5:]).parents
    assert said(start(row, **offline)) == path


def test_a_file_that_was_altered_offline_is_noticed_and_not_used(hub, start, served):
    row = served()
    path = Path(said(start(row))[5:])
    path.resolve().write_bytes(bytes(len(BODY)))
    hub.asked.clear()
    message = said(start(row, HF_HUB_OFFLINE="1"))
    assert "has the sha256" in message
    assert "It was removed: fetch again" in message
    assert "HF_HUB_OFFLINE is set" in said(start(row, HF_HUB_OFFLINE="1"))
    assert hub.asked == []
    assert Path(said(start(row))[5:]).read_bytes() == BODY


def test_two_processes_that_fetch_one_file_both_have_it(hub, start, served):
    row = served()
    hub.fault = "hang in the body once"
    both = [start(row), start(row)]
    for process in both:
        wait_for(process, "ready")
    assert hub.held.wait(60)
    hub.gate.set()
    paths = {said(process) for process in both}
    assert len(paths) == 1
    assert Path(paths.pop()[5:]).read_bytes() == BODY


def test_two_processes_that_fetch_one_url_download_it_once(hub, start):
    row = hub.url_row()
    hub.fault = "hang in the body once"
    first = start(row)
    assert hub.held.wait(60)
    second = start(row)
    wait_for(second, "locking")
    hub.gate.set()
    assert said(first) == said(second)
    assert hub.asked == ["GET /web/some/model/weights.pt"]


def test_what_is_killed_leaves_nothing_that_looks_whole(hub, start, served, left_over, tmp_path):
    row = served(body=LARGE)
    hub.fault = "hang in the body once"
    process = start(row)
    assert hub.held.wait(60)
    if isinstance(row.sources[0], UrlFile):
        wait_for(process, f"written {HALF}")
    process.kill()
    process.wait()
    hub.gate.set()
    assert left_over() == []
    assert [path for path in (tmp_path / "home").rglob("snapshots/*/*") if path.exists()] == []
    assert cached(row) is None
    assert Path(said(start(row))[5:]).read_bytes() == LARGE


def test_a_download_that_was_killed_goes_on_in_a_later_process(hub, start):
    row = hub.url_row(body=LARGE)
    hub.fault = "hang in the body once"
    process = start(row)
    wait_for(process, f"written {HALF}")
    process.kill()
    process.wait()
    hub.gate.set()
    assert Path(said(start(row))[5:]).read_bytes() == LARGE
    assert hub.ranges == ["", f"bytes={HALF}-"]


def test_a_full_disk_is_told_with_its_folder(hub, start, served, left_over, tmp_path):
    pytest.importorskip("resource")
    row = served(body=LARGE)
    message = said(start(row, limit=HALF))
    is_hub = isinstance(row.sources[0], HubFile)
    assert message.startswith("error my/row was not fetched: the disk of ")
    assert str(tmp_path / ("home" if is_hub else "torchcompat")) in message
    assert " is full, or a limit on files is reached ([Errno 27] " in message
    assert message.endswith("). Make room or name another cache, and fetch again")
    assert left_over() == []
    assert Path(said(start(row))[5:]).read_bytes() == LARGE
