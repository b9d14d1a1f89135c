"""What is found by importing each module: what fails, and what changes torch for all others."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_torchcompat.diagnosis import Advice, Diagnosis, diagnose
from pytest_torchcompat.diagnosis.failure import CRASH, TIMEOUT, Error
from pytest_torchcompat.display import first_line
from pytest_torchcompat.doctor.facts import Facts, Module
from pytest_torchcompat.doctor.finding import BROKEN, WARNING, Finding, helped, named, ok

_OWN = "torch.serialization"
# numpy tells of it at length, and the import may go on without what needs it.
_OLD_NUMPY = "A module that was compiled using NumPy 1.x"
_DOCTOR = "torchcompat doctor"
_LINE = 160  # characters of a message that is told as it is


def of_imports(facts: Facts) -> Iterator[Finding]:
    """Yield what importing the modules has shown."""
    for module in facts.modules.values():
        if module.errors and not _as_torch_does(facts, module):
            yield failed(facts, module)
        elif _OLD_NUMPY in str(module.found.get("output")):
            yield _for_old_numpy(facts, module)
    yield from _replacing(facts)
    working = [each.name for each in facts.modules.values() if each.status == "ok"]
    # The three have lines of their own.
    others = [name for name in working if name not in ("torch", "torchaudio", "torchcodec")]
    if others:
        yield ok("imported", ", ".join(named(facts, name) for name in others))


def failed(facts: Facts, module: Module) -> Finding:
    """Return why an import failed, as far as others have met it."""
    found = diagnose(facts.failure(module.errors))
    says = f"{_how(module.errors[0])}{_beside(facts, module)}"
    if found is None:
        return Finding(BROKEN, named(facts, module.name), says, None, (_see(module.name),))
    return _diagnosed(facts, module, found, says)


def _diagnosed(facts: Facts, module: Module, found: Diagnosis, says: str) -> Finding:
    subject = named(facts, module.name)
    cause = f"import fails: {found.cause}{_beside(facts, module)}"
    # Of a death or a limit the cause tells less than how it came.
    told = says if module.errors[0].exception in (CRASH, TIMEOUT) else cause
    # Whoever reads this has asked the doctor, and was not shown what was printed.
    remedies = [each for each in found.remedies if each.code != _DOCTOR]
    if told == says or not remedies:
        remedies.insert(0, _see(module.name))
    return Finding(BROKEN, subject, told, found.id, tuple(remedies))


def _how(error: Error) -> str:
    first = (first_line(error.message) or "without a message")[:_LINE]
    if error.exception == CRASH:
        return f"import fails: {first}"
    if error.exception == TIMEOUT:
        return f"import hangs: {first}"
    return f"import fails: {error.name}: {first}"


def _beside(facts: Facts, module: Module) -> str:
    """Return which modules fail as torch does, or were not tried as it gave no answer."""
    if module.name != "torch":
        return ""
    same = [each.name for each in facts.modules.values() if _as_torch_does(facts, each)]
    skipped = [each.name for each in facts.modules.values() if each.status == "skipped"]
    told = [f"so does {', '.join(same)}"] if same else []
    told += [f"not tried as they import it: {', '.join(skipped)}"] if skipped else []
    return "".join(f"; {each}" for each in told)


def _as_torch_does(facts: Facts, module: Module) -> bool:
    """Whether a module fails by importing torch, which fails."""
    torch = facts.modules.get("torch")
    if torch is None or module is torch or torch.status != "raised" or not module.errors:
        return False
    return torch.errors[0] in module.errors


def _see(name: str) -> Advice:
    return Advice("run", "See all that it says.", f'python -X faulthandler -c "import {name}"')


def _for_old_numpy(facts: Facts, module: Module) -> Finding:
    says = "imports something that was compiled for numpy 1, and works in part at best"
    found = diagnose(facts.failure([Error("ImportError", str(module.found["output"]))]))
    if found is None:
        return helped(Finding(BROKEN, named(facts, module.name), says, "numpy-abi"), facts)
    return Finding(BROKEN, named(facts, module.name), says, found.id, found.remedies)


def _replacing(facts: Facts) -> Iterator[Finding]:
    """Yield the modules after whose import ``torch.load`` is not torch's own any more."""
    for module in facts.modules.values():
        load = module.found.get("load")
        if not load or load in (_OWN, "None"):
            continue
        subject = named(facts, module.name)
        says = f"importing it replaces torch.load for the whole process (by {load}.load)"
        if load.partition(".")[0] == "ultralytics":
            says = "importing it replaces torch.load for the whole process"
            yield helped(Finding(WARNING, subject, says, "ultralytics-patches-load"), facts)
        else:
            yield Finding(WARNING, subject, says, None, (_OWN_PROCESS,))


_OWN_PROCESS = Advice(
    "advice",
    "Keep it out of processes that load checkpoints of other libraries, or import it late.",
)
