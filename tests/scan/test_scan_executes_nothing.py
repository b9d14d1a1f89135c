from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_WATCHED = r"""
import io, json, os, sys

sys.path.insert(0, sys.argv[1])
from scan_corpus import HIDDEN, REFUSED, legacy, torch_zip
from pytest_torchcompat.scan import scan_file, scan_path

called = []
os.getpid = lambda: called.append("getpid")
path = sys.argv[2]
streams = [*HIDDEN.values(), *(data for data, _ in REFUSED.values()), b"<html>", b""]
files = [wrap(data) for data in streams for wrap in (torch_zip, legacy, bytes)]
with open(path, "wb") as file:
    file.write(files[0])
before = set(sys.modules)
events = []
FORBIDDEN = ("import", "exec", "compile", "pickle.find_class", "marshal.loads", "code.__new__")


def watch(event, args):
    writes = event == "open" and args[1] not in ("r", "rb", None)
    outside = event.startswith(("os.", "subprocess.", "socket.", "ctypes."))
    if event in FORBIDDEN or writes or outside:
        events.append([event, repr(args)])


sys.addaudithook(watch)
scans = [scan_file(io.BytesIO(data)) for data in files]
scan_path(path)
found = list(events)
print(json.dumps({"events": found, "called": called, "scans": len(scans),
                  "torch": "torch" in sys.modules, "new": sorted(set(sys.modules) - before)}))
"""


def test_scanning_runs_imports_writes_and_sends_nothing(tmp_path):
    command = [sys.executable, "-c", _WATCHED, str(Path(__file__).parent), str(tmp_path / "x.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)

    assert result.pop("scans") > 100
    assert result == {"events": [], "called": [], "torch": False, "new": []}
