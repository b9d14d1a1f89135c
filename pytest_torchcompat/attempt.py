"""
One check, one checkpoint under one policy, through its stages, as data.

An attempt never raises: what went wrong is part of what it returns, and classification is a
function over that alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat import machine, shim
from pytest_torchcompat.checkpoints.catalogue import CheckpointFile
from pytest_torchcompat.forward import device_of, fingerprint, synchronised
from pytest_torchcompat.isolation import Died, Nursery, Result, Returned, Say, TimedOut
from pytest_torchcompat.libraries import Library, run_of
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.policies.interception import applied
from pytest_torchcompat.policies.refusals import PolicyRefusedError, is_refusal
from pytest_torchcompat.policies.rules import Load, Rules
from pytest_torchcompat.record import FORWARD, Record
from pytest_torchcompat.timing import measure
from pytest_torchcompat.timing.loading import Asked, Readings


@dataclass(frozen=True)
class Check:
    """What to attempt; travels to the child process as it is."""

    file: CheckpointFile
    policy: Policy
    library: Library
    rules: Rules = field(default_factory=Rules)
    device: str = "auto"
    shims: tuple[str, ...] = ()
    use: str = FORWARD
    timed: bool = True
    loading: bool = True


@dataclass(frozen=True)
class Attempt:
    """What an attempt found: plain data."""

    stage: Stage
    exception: str | None = None
    message: str | None = None
    chain: tuple[str, ...] = ()
    loads: tuple[Load, ...] = ()
    lost: tuple[str, ...] = ()
    infra: bool = False
    device: str = "cpu"
    seconds: Mapping[str, float] = field(default_factory=dict)
    fingerprint: Mapping[str, Any] | None = None
    benchmark: Mapping[str, Any] | None = None


class _Imports:
    """What the preparation of this process found; a process prepares once."""

    error: BaseException | None = None
    seconds = 0.0
    shims = contextlib.ExitStack()


def prepare(library: Library, names: tuple[str, ...]) -> None:
    """Apply shims and import a library, once for all checks of a process."""
    start = time.perf_counter()
    try:
        _Imports.shims.enter_context(shim.held(names))
        library.import_()
        with contextlib.suppress(ImportError):
            import filelock  # noqa: F401 - each fork that times a load would import it anew
    except BaseException as error:  # noqa: BLE001 - an import that fails is a finding
        _Imports.error = error
    _Imports.seconds = time.perf_counter() - start


def attempt(say: Say, check: Check) -> Attempt:
    """Take a check through load, build, forward and fingerprint in a prepared process."""
    seconds = {Stage.IMPORT.value: _Imports.seconds}
    if _Imports.error is not None:
        return failed(Stage.IMPORT, _Imports.error, [], seconds)
    loads: list[Load] = []
    _, late = shim.early_and_late(check.shims)
    try:
        device = device_of(check.device)
    except RuntimeError as error:
        return dataclasses.replace(failed(Stage.LOAD, error, []), infra=True)
    try:
        with shim.held(late), applied(check.policy, check.rules, loads.append):
            with _timed(say, Stage.LOAD, seconds):
                model = check.library.load(check.file.checkpoint, check.file.path)
            with _timed(say, Stage.FORWARD, seconds):
                run = run_of(check.library, check.use, check.file.checkpoint, model, device)
                output = synchronised(run, device)() if run else None
            found = _described(run, output, check, device)
    except BaseException as error:  # noqa: BLE001 - so is a load that fails
        found_out = failed(_stage_of(seconds, loads), error, loads, seconds)
        return dataclasses.replace(found_out, device=device)
    lost = shim.lost(check.shims)
    return Attempt(
        Stage.FORWARD, loads=tuple(loads), lost=lost, seconds=seconds, device=device, **found
    )


def _described(
    run: Callable[[], Any] | None, output: Any, check: Check, device: str
) -> dict[str, Any]:
    if run is None:
        return {}
    # A forward pass alone is timed: of the other uses, some take seconds, and none is a benchmark.
    timed = check.timed and check.use == FORWARD
    told = _benchmark(run, device) if timed else {}
    return {"fingerprint": fingerprint(output), **told}


def _benchmark(run: Callable[[], Any], device: str) -> dict[str, Any]:
    """Return the figures of a forward pass that worked, or why this machine has none."""
    try:
        return {"benchmark": measure(run, device)}
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        fault = machine.fault(words, device) or (words if machine.ran_out(words) else None)
        if fault is None:
            raise
        return {"message": f"it was not timed: {fault}"}


@contextlib.contextmanager
def _timed(say: Say, stage: Stage, seconds: dict[str, float]) -> Iterator[None]:
    say(stage.value)
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage.value] = time.perf_counter() - start


def _stage_of(seconds: Mapping[str, float], loads: list[Load]) -> Stage:
    """Return the stage that failed; an error after ``torch.load`` had returned is in building."""
    if Stage.FORWARD.value in seconds:
        return Stage.FORWARD
    return Stage.BUILD if loads and loads[-1].outcome == "ok" else Stage.LOAD


def failed(
    stage: Stage,
    error: BaseException,
    loads: Iterable[Load],
    seconds: Mapping[str, float] | None = None,
) -> Attempt:
    """Return what an error says, as data."""
    from pytest_torchcompat.diagnosis.raised import errors_of  # read where something failed alone

    errors = errors_of(error)
    return Attempt(
        stage,
        exception=errors[0].exception,
        message=errors[0].message,
        chain=tuple(each.line for each in errors),
        loads=tuple(loads),
        seconds=dict(seconds or {}),
    )


def environment(say: Say) -> dict[str, Any]:  # noqa: ARG001 - a task's first argument
    """Describe this process's torch: version, build, CUDA, architectures, variables, devices."""
    import torch

    flags = getattr(torch._C, "_cuda_getArchFlags", str)  # noqa: SLF001 - get_arch_list needs a GPU
    count = range(torch.cuda.device_count())
    return {
        "torch": torch.__version__.partition("+")[0],
        # A TorchVersion would make the process that reads the answer import torch.
        "torch_build": str(torch.__version__),
        "cuda": torch.version.cuda,
        "gpu_archs": (flags() or "").split(),
        "load_variables": _load_variables(),
        "devices": [torch.cuda.get_device_name(index) for index in count],
    }


def _load_variables() -> list[str]:
    """Return the environment variables about weights_only that torch's own source names."""
    from torch import serialization

    source = Path(serialization.__file__).read_text("utf-8")
    return sorted(set(re.findall(r"\bTORCH_\w*WEIGHTS_ONLY\w*", source)))


def classify(found: Attempt, policy: Policy, shimmed: bool) -> Outcome:
    """Return the verdict on an attempt; knows nothing but what the attempt says."""
    if found.exception is None:
        worked = Outcome.SHIMMED if shimmed else Outcome.PASS
        return Outcome.DEGRADED if found.lost else worked
    if found.infra:
        return Outcome.INFRA
    # A refusal that the library swallowed is no verdict: the last load's is.
    refused = bool(found.loads) and found.loads[-1].outcome == "refused"
    wrapped = any(is_refusal(words) or _OURS in words for words in found.chain)
    return Outcome.REFUSED if policy is not Policy.STOCK and (refused or wrapped) else Outcome.FAIL


_OURS = PolicyRefusedError.__name__


def record_of(check: Check, result: Result, memory: int | None = None) -> Record:
    """Turn what came back from a child, which was given so much memory, into a record."""
    row = check.file.checkpoint
    base = Record(
        checkpoint=row.id,
        edition=check.file.edition.value,
        sha256=check.file.sha256,
        library=check.library.name,
        policy=check.policy.value,
        shims=check.shims,
        device="cpu" if check.device == "auto" else check.device,
        use=check.use,
        experiment=any(use.experiment for use in row.uses if use.name == check.use),
        outcome=Outcome.NOT_RUN,
    )
    if isinstance(result, Returned):
        return _excused(_from_attempt(base, check, result.value), memory)
    return _excused(_from_death(base, result), memory)


def _from_attempt(base: Record, check: Check, found: Attempt) -> Record:
    read = _read(found, check.file)
    return base.changed(
        outcome=classify(found, check.policy, bool(check.shims)),
        device=found.device,
        stage=found.stage,
        exception=found.exception,
        message=found.message or "; ".join(found.lost) or None,
        chain=found.chain[1:],
        globals=read.globals if read else (),
        allowed_by_library=read.allowed_by_library if read else (),
        overridden=tuple(load.site for load in found.loads if load.overridden),
        seconds={name: round(value, 6) for name, value in found.seconds.items()},
        fingerprint=found.fingerprint,
        benchmark=found.benchmark,
    )


def _read(found: Attempt, file: CheckpointFile) -> Load | None:
    """Return the read of the file itself; the last, as a library may allow more and read again."""
    reads = [load for load in found.loads if load.sha256 == file.sha256]
    return reads[-1] if reads else None


def _excused(found: Record, memory: int | None) -> Record:
    """Return a failure for want of memory or disk as the machine's, which it is."""
    if found.outcome not in (Outcome.FAIL, Outcome.CRASH):
        return found
    # An error says itself why; what was printed on the way, only of a process that died, is that.
    printed = None if found.exception else found.output
    said = (found.exception, found.message, *found.chain, printed)
    words = "\n".join(each for each in said if each)
    if machine.is_full(words):
        return found.changed(outcome=Outcome.INFRA)
    fault = machine.fault(words, found.device)
    if fault:
        return found.changed(outcome=Outcome.INFRA, message=fault)
    if memory is None or not machine.ran_out(words):
        return found
    limit = f"a check may take {machine.in_words(memory)} of memory here, and this one wants more"
    return found.changed(outcome=Outcome.INFRA, message=f"{limit}: {found.cause}")


def _from_death(base: Record, result: Died | TimedOut) -> Record:
    stage = Stage(result.stage) if result.stage else Stage.IMPORT
    if isinstance(result, TimedOut):
        message = f"not done after {result.seconds:.0f} s, and killed"
        outcome = Outcome.TIMEOUT
    elif result.starved:
        message = "the machine ran out of memory, and the kernel killed the process"
        outcome = Outcome.INFRA
    else:
        message = f"the process died: {result.reason}"
        outcome = Outcome.CRASH
    return base.changed(outcome=outcome, stage=stage, message=message, output=result.output)


class Attempts:
    """
    Checks of one library in this environment, each in a child of its own.

    A process that has imported torch and the library is kept for each set of shims that the import
    needs. A check that fails without shims is tried again with one of those that apply, and with
    one more, as long as that gets it further. A checkpoint's forward pass is timed once: a policy
    is about loading, and what was loaded is the same. Loading is timed for each but ``stock``.
    """

    def __init__(
        self,
        library: Library,
        versions: Mapping[str, str],
        chosen: str,
        timeout: float,
        memory: int | None = None,
    ) -> None:
        self._library = library
        self._shims = shim.that_apply(library.name, versions, chosen)
        self._timeout = timeout
        self._memory = memory
        self._nurseries: dict[tuple[str, ...], Nursery] = {}
        self._timed: set[str] = set()
        self._reads: dict[tuple[str, ...], Load | None] = {}
        self._readings = Readings()

    def record(self, check: Check) -> Record:
        """Attempt a check and return its record."""
        checkpoint = check.file.checkpoint.id
        found = self._least_shimmed(dataclasses.replace(check, timed=checkpoint not in self._timed))
        if found.benchmark:
            self._timed.add(checkpoint)
        return found.changed(loading=self._loading(check, found))

    def _loading(self, check: Check, found: Record) -> dict[str, Any] | None:
        """Measure what ``torch.load`` alone takes, where the library read the file by it."""
        read = self._reads.get(found.shims)
        # Of stock there would be the watching to time, and a plain load is beside the others.
        ruled = check.policy is not Policy.STOCK and check.use == FORWARD
        if not (check.loading and ruled and found.outcome.works and read):
            return None
        early, late = shim.early_and_late(found.shims)
        asked = Asked(
            *(check.file.path, check.policy, check.rules),
            *(read.weights_only, read.allowed_by_library, late),
        )
        run = partial(self._nursery(early).run, timeout=self._timeout)
        return self._readings.of(asked, check.file.sha256, run)

    def _least_shimmed(self, check: Check) -> Record:
        best = self._attempt(check, ())
        while _may_need_shim(best):
            further = self._further(check, best)
            if further is None:
                break
            best = further
        return best

    def _further(self, check: Check, best: Record) -> Record | None:
        """Return an attempt that got further by one more shim; where none does alone, by all."""
        left = [name for name in self._shims if name not in best.shims]
        for name in left:
            found = self._attempt(check, self._ordered({*best.shims, name}))
            if _reach(found) > _reach(best):
                return found
        found = self._attempt(check, self._shims) if len(left) > 1 else best
        return self._least(check, found) if _reach(found) > _reach(best) else None

    def _least(self, check: Check, found: Record) -> Record:
        """Leave out the shims of an attempt, one by one, without which it gets as far."""
        for name in found.shims:
            without = self._attempt(check, self._ordered({*found.shims} - {name}))
            if _reach(without) >= _reach(found):
                found = without
        return found

    def _ordered(self, names: set[str]) -> tuple[str, ...]:
        return tuple(name for name in self._shims if name in names)

    def environment(self) -> dict[str, Any]:
        """Describe torch as the first process of the library sees it; unknown where it died."""
        result = self._nursery(()).run(environment, timeout=self._timeout)
        unknown: dict[str, Any] = {
            "torch": None,
            "torch_build": None,
            "cuda": None,
            "gpu_archs": [],
            "load_variables": [],
            "devices": [],
        }
        return result.value if isinstance(result, Returned) else unknown

    def _nursery(self, names: tuple[str, ...]) -> Nursery:
        if names not in self._nurseries:
            preparation = partial(prepare, self._library, names)
            self._nurseries[names] = Nursery(preparation, memory=self._memory)
        return self._nurseries[names]

    def _attempt(self, check: Check, names: tuple[str, ...]) -> Record:
        check = dataclasses.replace(check, shims=names)
        early, _ = shim.early_and_late(names)
        result = self._nursery(early).run(attempt, check, timeout=self._timeout)
        read = _read(result.value, check.file) if isinstance(result, Returned) else None
        self._reads[names] = read
        return record_of(check, result, self._memory)

    def close(self) -> None:
        """End the kept processes."""
        for nursery in self._nurseries.values():
            nursery.close()


def _may_need_shim(record: Record) -> bool:
    """Whether a shim could help: what the default of ``torch.load`` refuses, none can."""
    stopped = record.outcome in (Outcome.FAIL, Outcome.CRASH)
    return stopped and not is_refusal(record.message or "")


def _reach(record: Record) -> tuple[int, bool]:
    """Order records by how far they got: through all stages, then by the stage that failed."""
    stage = list(Stage).index(record.stage) if record.stage else 0
    if record.outcome.works or record.outcome is Outcome.DEGRADED:
        stage = len(Stage) + record.outcome.works
    return (stage, record.outcome is Outcome.REFUSED)
