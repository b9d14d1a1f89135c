"""A download of 1 GiB from a hub on localhost: ours, verified, against the hub's own client."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.processes import environment, must, spend

SIZE = 1 << 30
BLOCK = 1 << 20
REPO, COMMIT, FILENAME = "bench/file", "0123456789abcdef0123456789abcdef01234567", "weights.pt"
SERVER = [sys.executable, "-m", "tests.bench.file_server"]

# Each prints its seconds and the most memory that it held, in MB: measured within, so that the
# start of Python and the import of the client count for neither.
_MEASURED = """
import json, resource, sys, time
from pathlib import Path
repo, commit, filename, sha256, cache = sys.argv[1:]
{prepare}
start = time.monotonic()
{download}
seconds = time.monotonic() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, peak]))
"""
WAYS = {
    "ours": _MEASURED.format(
        prepare="""
import huggingface_hub
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile
from pytest_torchcompat.checkpoints.fetch import fetch
source = HubFile(repo, commit, filename)
row = Checkpoint("bench/file", "torch", "a figure", sources=(source,), sha256=sha256)
from huggingface_hub import hf_hub_download
""",
        download="fetch(row, Path(cache))",
    ),
    "the hub's client": _MEASURED.format(
        prepare="from huggingface_hub import hf_hub_download",
        download="hf_hub_download(repo, filename, revision=commit, cache_dir=cache)",
    ),
}


def measure(pairs: int) -> dict[str, list[list[float]]]:
    """Return the seconds and the peak memory (MB) of each way, taken turn by turn."""
    found: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory(prefix="torchcompat-bench-") as name:
        folder = Path(name)
        sha256 = _write(folder / FILENAME)
        with _serving(folder / FILENAME, sha256) as endpoint:
            for number in range(pairs):
                for way in list(WAYS) if number % 2 else reversed(WAYS):
                    found[way].append(_taken(WAYS[way], sha256, endpoint, folder / "cache"))
    return found


def ratio(found: dict[str, list[list[float]]]) -> list[float]:
    """Return the throughput of ours over that of the hub's client, pair by pair."""
    return [hub[0] / own[0] for own, hub in zip(found["ours"], found["the hub's client"])]


def peak(found: dict[str, list[list[float]]]) -> float:
    """Return the most memory that ours held, in MB."""
    return max(memory for _, memory in found["ours"])


def seconds(found: dict[str, list[list[float]]]) -> dict[str, float]:
    """Return the median seconds of each way."""
    return {way: statistics.median(taken[0] for taken in each) for way, each in found.items()}


def _write(path: Path) -> str:
    digest, block = hashlib.sha256(), bytes(range(256)) * (BLOCK // 256)
    with path.open("wb") as file:
        for number in range(SIZE // BLOCK):
            chunk = number.to_bytes(8, "big") + block[8:]
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def _serving(path: Path, sha256: str) -> Iterator[str]:
    command = [*SERVER, str(path), f"/{REPO}/resolve/{COMMIT}/{FILENAME}", COMMIT, sha256]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise OSError
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


def _taken(program: str, sha256: str, endpoint: str, cache: Path) -> list[float]:
    shutil.rmtree(cache, ignore_errors=True)
    command = [sys.executable, "-c", program, REPO, COMMIT, FILENAME, sha256, str(cache)]
    settings = {"HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    homes = {"HF_HOME": str(cache / "home"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = must(spend(command, env=environment(**settings, **homes)))
    taken: list[float] = json.loads(done.output.splitlines()[-1])
    return taken


def figures(pairs: int) -> list[dict[str, Any]]:
    """Return what the table and the JSON show."""
    found = measure(pairs)
    ratios, medians = ratio(found), seconds(found)
    return [
        {
            "name": "fetch of 1 GiB: throughput over the hub's client",
            "value": statistics.median(ratios),
            "unit": "x",
            "aim": ">= 0.8",
            "each": ratios,
            "seconds": medians,
        },
        {
            "name": "fetch of 1 GiB: most memory",
            "value": peak(found),
            "unit": "MB",
            "aim": "< 200",
        },
    ]
