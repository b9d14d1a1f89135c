"""Our timing of a forward pass against that of others, on the same calls and in turns."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, NotRunError, figure, named
from tests.bench.processes import environment, must, spend

HERE = Path(__file__).parent
MODELS = ("speech", "detector")
ROUNDS = 20_000  # of nothing
FEW = 5  # turns on a GPU, which does nothing else meanwhile
ON_A_GPU = ("median on a GPU", "median, cache as it is")
BATCHES = (1, 32)
OURS = ("median", "median on a GPU")  # as a test gets it
Call = Callable[[], Any]
# What a CPU does in a fraction of a second; a GPU gets what people give theirs.
SMALL: Mapping[str, dict[str, Any]] = {"speech": {"seconds": 0.5}, "detector": {"side": 160}}


def cases(device: str) -> dict[str, Call]:
    """Return the calls that are timed on a device, by what they are."""
    from tests import reference_models

    if not device.startswith("cuda"):
        return {f"{m}, fp32": getattr(reference_models, m)(**SMALL[m]) for m in MODELS}
    return {
        f"{model}, {name}, batch {batch}": getattr(reference_models, model)(device, dtype, batch)
        for model in MODELS
        for name, dtype in reference_models.DTYPES.items()
        for batch in BATCHES
    }


def figures(turns: int, seconds: float) -> list[Figure]:
    """Return ours beside torch's timer, pytest-benchmark and, on a GPU, triton's do_bench."""
    try:
        import torch  # noqa: F401 - without it nothing of this can run
    except ImportError as error:
        raise NotRunError(str(error)) from error
    from pytest_torchcompat.forward import device_of

    device = device_of("auto")
    found = [_overhead(turns)]
    for case, run in cases(device).items():
        if device.startswith("cuda"):
            found += _on_gpu(case, run, device, min(turns, FEW), seconds)
        else:
            found += _on_cpu(case, run, device, turns, seconds)
    missing = [] if device.startswith("cuda") else _no_gpu(device_of)
    return [*found, *_plain(device, seconds, found), *missing]


def _no_gpu(device_of: Callable[[str], str]) -> list[Figure]:
    """Return what a GPU was promised for, with the reason why there is no figure."""
    try:
        device_of("cuda")
    except RuntimeError as error:
        reason = f"not measured: {error}"
        return [figure("forward", name, [], "ms", reason=reason) for name in ON_A_GPU]
    return []


def _overhead(turns: int) -> Figure:
    from tests import peers

    each = [[taken * 1e6 for taken in peers.overhead(ROUNDS)] for _ in range(turns)]
    ours, bare = zip(*each)
    more = statistics.median(own - other for own, other in each)
    name = "overhead of a round"
    return figure("forward", name, ours, "us", peer="bare loop", theirs=bare, value=more)


def _taken(ways: Mapping[str, Call], turns: int) -> dict[str, list[float]]:
    """Take each way in turns, every second time in the other order; return the milliseconds."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns):
        for name in list(ways)[::-1] if turn % 2 else ways:
            found[name].append(ways[name]() * 1000)
    return found


def _ours(run: Call, device: str, seconds: float) -> float:
    from pytest_torchcompat.timing import Effort, measure

    median: float = measure(run, device, Effort(precision=0.005, seconds=seconds))["median"]
    return median


def _on_cpu(case: str, run: Call, device: str, turns: int, seconds: float) -> list[Figure]:
    from tests import peers

    ways = {"ours": lambda: _ours(run, device, seconds)}
    found = _taken({**ways, "torch": lambda: peers.torchs_timer(run, seconds)}, turns)
    peer = f"torch.utils.benchmark of {named('torch')}"
    ours, theirs = found["ours"], found["torch"]
    return [figure("forward", "median", ours, "ms", peer=peer, theirs=theirs, case=case)]


def _on_gpu(case: str, run: Call, device: str, turns: int, seconds: float) -> list[Figure]:
    """Compare with triton as we are, and with torch's timer with the cache as it leaves it."""
    from tests import peers

    ways = {
        "ours": lambda: _ours(run, device, seconds),
        "triton": lambda: peers.tritons_do_bench(run, seconds),
        "unflushed": lambda: peers.unflushed(run, device, seconds),
        "torch": lambda: peers.torchs_timer(run, seconds),
    }
    found = _taken(ways, turns)
    triton = {"peer": f"do_bench of {named('triton')}", "theirs": found["triton"]}
    torch = {"peer": f"torch.utils.benchmark of {named('torch')}", "theirs": found["torch"]}
    pairs = zip(ON_A_GPU, (found["ours"], found["unflushed"]), (triton, torch))
    return [figure("forward", name, ours, "ms", case=case, **peer) for name, ours, peer in pairs]


def _plain(device: str, seconds: float, found: list[Figure]) -> Iterator[Figure]:
    """Yield what pytest-benchmark says of the same calls by itself: on a GPU, of their launches."""
    medians = plain_medians(device, seconds)
    peer = named("pytest-benchmark")
    for each in (each for each in found if each["promise"] in OURS):
        case = each["case"]
        more = {"peer": peer, "theirs": [medians[case] * 1000], "case": case}
        yield figure("forward", "beside plain pytest-benchmark", [each["ours"]], "ms", **more)


def plain_medians(device: str, seconds: float) -> dict[str, float]:
    """Return the seconds that plain pytest-benchmark says each case takes."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "found.json"
        words = ("-q", "-p", "no:cacheprovider", "-p", "no:torchcompat", f"--rootdir={HERE}")
        options = (f"--benchmark-json={file}", f"--benchmark-max-time={seconds}")
        command = [sys.executable, "-m", "pytest", *words, *options]
        path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
        settings = environment(PYTHONPATH=path.strip(os.pathsep), TORCHCOMPAT_BENCH_DEVICE=device)
        must(spend([*command, str(HERE / "plain_benchmarks.py")], cwd=Path(name), env=settings))
        data = json.loads(file.read_text("utf-8"))
    return {each["extra_info"]["case"]: each["stats"]["median"] for each in data["benchmarks"]}
