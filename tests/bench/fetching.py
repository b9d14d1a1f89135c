"""A download of 1 GiB from a hub on localhost: ours, verified, against the hub's own client."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, figure, named
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


def figures(pairs: int) -> list[Figure]:
    """Return what the table and the JSON show."""
    found, peer = measure(pairs), named("huggingface_hub")
    seconds, memory = ([[taken[at] for taken in each] for each in found.values()] for at in (0, 1))
    return [
        figure("fetch", "1 GiB, verified", seconds[0], "s", peer=peer, theirs=seconds[1]),
        figure(
            *("fetch", "1 GiB: most memory", memory[0], "MB"),
            peer=peer,
            theirs=memory[1],
            value=max(memory[0]),
        ),
    ]
