"""
The scanners that ours is measured against, each in an environment of its own from PyPI.

A scanner is a program that reads each file named to it and prints what it says: whether it raises
an alarm, which includes that it refuses or breaks off, and which names it lists.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from tests.bench.processes import must, spend

ROOT = Path(__file__).parents[2]

_PROGRAM = """
import contextlib, io, json, logging, resource, sys, time, warnings
from pathlib import Path
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
{scan}

def answer(path):
    start = time.perf_counter()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            alarm, names = scan(path)
    except Exception as error:
        alarm, names = True, []
    return {{"alarm": bool(alarm), "names": list(names), "seconds": time.perf_counter() - start}}

resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
answers = [answer(path) for path in sys.argv[1:]]
try:
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{"answers": answers, "peak": peak}}))
"""
_OURS = """
from pytest_torchcompat.scan import scan_path
def scan(path):
    found = scan_path(path, hashed=False)
    return found.verdict.value in ("dangerous", "refused"), found.globals
"""
_TORCH = """
from torch.serialization import get_unsafe_globals_in_checkpoint
def scan(path):
    return False, get_unsafe_globals_in_checkpoint(path)
"""
PEERS = {
    "picklescan": """
from picklescan.scanner import scan_file_path
def scan(path):
    found = scan_file_path(path)
    names = [f"{each.module}.{each.name}" for each in found.globals]
    return found.issues_count or found.scan_err, names
""",
    "fickling": """
import zipfile
from fickling.analysis import Severity
from fickling.loader import scan_file, scan_zip_archive
def scan(path):
    many = scan_zip_archive(path) if zipfile.is_zipfile(path) else {path: scan_file(path)}
    return any(each.severity > Severity.LIKELY_SAFE or each.errors for each in many.values()), []
""",
    "modelscan": """
from modelscan.modelscan import ModelScan
def scan(path):
    found = ModelScan().scan(path)
    issues, unread = found["issues"], not found["summary"]["scanned"]["total_scanned"]
    return issues or found["errors"] or unread, []
""",
    "modelaudit-picklescan": """
from modelaudit_picklescan import scan_file
def scan(path):
    return not scan_file(path).is_clean, []
""",
}
# What a package needs and does not ask for.
_BESIDE = {"fickling": ("typing_extensions",)}


@dataclass(frozen=True)
class Scanner:
    """A scanner, and the command that reads files named behind it."""

    name: str
    command: tuple[str, ...]
    version: str

    @property
    def title(self) -> str:
        """Return the name with the version."""
        return f"{self.name} {self.version}".rstrip()


def scanners(folder: Path, torch_python: Path | None) -> list[Scanner]:
    """
    Install the peers, and return all scanners, ours first and torch's where there is a torch.

    Without a Python of torch's only the first peer is taken, the one that is promised against.
    """
    peers = PEERS if torch_python else list(PEERS)[:1]
    return [
        Scanner("ours", _command(Path(sys.executable), _OURS), ""),
        *(_installed(name, folder / name) for name in peers),
        *(_torch_lister(torch_python) if torch_python else ()),
    ]


def _command(python: Path, scan: str) -> tuple[str, ...]:
    return (str(python), "-c", _PROGRAM.format(scan=scan))


def _installed(name: str, folder: Path) -> Scanner:
    uv, python = find_uv_bin(), folder / "bin" / "python"
    must(spend([uv, "venv", "--quiet", "--python", sys.executable, str(folder)]))
    beside = _BESIDE.get(name, ())
    must(spend([uv, "pip", "install", "--quiet", "--python", str(python), name, *beside]))
    version = f"from importlib.metadata import version; print(version({name!r}))"
    found = must(spend([str(python), "-c", version])).output.strip()
    return Scanner(name, _command(python, PEERS[name]), found)


def _torch_lister(python: Path) -> list[Scanner]:
    found = spend([str(python), "-c", "import torch; print(torch.__version__)"])
    if found.returncode:
        print(f"no torch in {python}: torch's own lister is left out", file=sys.stderr)
        return []
    return [Scanner("torch's lister", _command(python, _TORCH), found.output.strip())]
