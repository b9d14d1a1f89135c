"""What is found of torch itself: its build, the devices, and how it loads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from pytest_torchcompat.diagnosis import Advice
from pytest_torchcompat.doctor.facts import Facts
from pytest_torchcompat.doctor.finding import (
    BROKEN,
    WARNING,
    Finding,
    helped,
    named,
    ok,
    pinned,
)
from pytest_torchcompat.gpus import covers, specifier_for
from pytest_torchcompat.policies import FORCE, FORCE_NOT, Policy

_TRUE = ("1", "y", "yes", "true")
# The release that refuses by default, and knows FORCE_NOT.
_REFUSING = Version("2.6")
# Read in the sources: 2.6 to 2.10 compare a variable's case, 2.5 and those from 2.13 on do not.
_CASE_LAST, _NO_CASE_AGAIN = Version("2.11"), Version("2.13")
# Each with the release that is free of it, as the advisories of pytorch have it.
CVES = (("CVE-2025-32434", "2.6.0"), ("CVE-2026-24747", "2.10.0"))

_STOCK = (
    ("2.6", "weights_only=True unless a call says False: refuses what is not on torch's own list"),
    ("0", "weights_only=False unless a call says True: executes what a file names"),
)
_STRICT = (
    ("2.6", "weights_only=True for all; legacy .tar files and TorchScript are refused"),
    ("0", "weights_only=True for all; legacy .tar files and TorchScript are loaded all the same"),
)
_ALLOWLISTED = (
    (
        "2.10",
        "strict and what a file names; no subclass of dict but OrderedDict and Counter is filled",
    ),
    ("2.6", "strict and what a file names, classes that have moved included"),
    ("2.4", "strict and what a file names, but no class that has moved: aliases are of 2.6"),
    ("0", "not possible: torch has an allow-list from 2.4 on"),
)
_PATCHED = (("0", "weights_only=False for trusted files: executes what they name"),)
# What each does, from the newest band of torch to the oldest.
BEHAVIOUR: Mapping[Policy, tuple[tuple[str, str], ...]] = {
    Policy.STOCK: _STOCK,
    Policy.STRICT: _STRICT,
    Policy.ALLOWLISTED: _ALLOWLISTED,
    Policy.PATCHED: _PATCHED,
}


@dataclass(frozen=True)
class Device:
    """A GPU: its name, its architecture, and whether it is in this machine."""

    name: str
    architecture: str
    present: bool = False

    @property
    def subject(self) -> str:
        """How it is told of."""
        owner = "your GPU" if self.present else "GPU"
        kind = "" if self.name == self.architecture else f" ({self.architecture})"
        return f"{owner} {self.name}{kind}"


def of_torch(facts: Facts, asked: Sequence[Device]) -> Iterator[Finding]:
    """Yield what is found of torch; a torch that fails at import is told with the other modules."""
    there = facts.torch is not None and ("torch" in facts.modules or not facts.imported)
    if not there:
        yield from _not_there(facts)
    elif not facts.imported or _works(facts):
        yield ok(named(facts, "torch"), _described(facts))
        yield from _of_devices(facts, [*_present(facts), *asked])
    if facts.imported and not (there and _works(facts)):
        yield from (ok(each.subject, "not known: there is no torch to ask") for each in asked)
    if there and facts.torch:
        yield from _of_loading(facts, facts.torch)


def _of_loading(facts: Facts, torch: Version) -> Iterator[Finding]:
    yield from _of_cves(torch)
    yield from policies(torch)
    yield from _of_variables(facts, torch)


def _not_there(facts: Facts) -> Iterator[Finding]:
    """Yield that there is no torch: nothing is broken by that, unless half of one is left."""
    again = Advice("run", "Install it again.", "python -m pip install --force-reinstall torch")
    if facts.torch is not None:
        says = "has metadata, and there is no module to import"
        yield Finding(BROKEN, named(facts, "torch"), says, None, (again,))
    elif _works(facts):
        says = "what is imported by that name is something else: it has no version"
        place = facts.of_torch("file")
        first = (Advice("advice", f"Take it away: {place}"),) if place else ()
        yield Finding(BROKEN, "torch", says, None, (*first, again))
    elif "torch" not in facts.modules:
        says = "not installed: there is nothing to look into"
        yield helped(Finding(WARNING, "torch", says, "torch-missing"), facts)


def _works(facts: Facts) -> bool:
    module = facts.modules.get("torch")
    return module is not None and module.status == "ok"


def _described(facts: Facts) -> str:
    """Return for what torch was built, as far as it was asked."""
    build = facts.builds.get("torch", {})
    cuda, hip = build.get("cuda"), build.get("hip")
    if not cuda and not hip:
        return "built for the CPU alone"
    parts = [f"built for {f'CUDA {cuda}' if cuda else f'ROCm {hip}'}"]
    archs = facts.of_torch("archs")
    parts += [shortened(archs)] if archs else []
    cudnn = facts.of_torch("cudnn")
    parts += [f"cuDNN {_cudnn(cudnn)}"] if cudnn and cuda else []
    return ", ".join(parts)


def shortened(archs: Iterable[str]) -> str:
    """Return architectures with what they have in common said once: ``sm_75 80 86``."""
    said: list[str] = []
    before = ""
    for arch in archs:
        kind, _, number = arch.partition("_")
        said.append(number if number and kind == before else arch)
        before = kind
    return " ".join(said)


def _cudnn(number: int) -> str:
    # 8902 is 8.9.2; from 9 on there are two digits more: 91002 is 9.10.2.
    major, rest = divmod(number, 10_000) if number >= 90_000 else divmod(number, 1000)  # noqa: PLR2004 - the first of the new numbers
    return f"{major}.{rest // 100}.{rest % 100}"


def _present(facts: Facts) -> list[Device]:
    """Return the devices of this machine, as torch or the driver tells of them."""
    found = facts.of_torch("devices") or facts.data.get("devices", ())
    numbers = [(each["name"], each["capability"].replace(".", "")) for each in found]
    # A driver may have no number for a device.
    known = [(name, number) for name, number in numbers if number.isdigit()]
    return [Device(name, f"sm_{number}", present=True) for name, number in known]


def _of_devices(facts: Facts, devices: Iterable[Device]) -> Iterator[Finding]:
    archs = facts.of_torch("archs")
    build = facts.builds.get("torch", {})
    for device in dict.fromkeys(devices):
        amd = device.architecture.startswith("gfx")
        if build.get("hip") and device.present:
            continue  # torch tells of it as if it were one of CUDA
        if bool(build.get("hip")) != amd and (build.get("hip") or amd):
            yield _of_the_other_maker(device, facts)
        elif not build.get("cuda") and not amd:
            level = WARNING if device.present else BROKEN
            says = "is not used: this torch is built for the CPU alone"
            yield helped(Finding(level, device.subject, says, "cuda-not-compiled"), facts)
        elif archs:
            yield _on_device(facts, device, archs)
        else:
            yield ok(device.subject, "not known: nothing tells for what this torch was compiled")


def _of_the_other_maker(device: Device, facts: Facts) -> Finding:
    says = f"is not used: this torch is {_described(facts)}"
    if not device.architecture.startswith("gfx"):
        return Finding(BROKEN, device.subject, says, None, (_torch_for(device.architecture),))
    return Finding(BROKEN, device.subject, says, None, (_FOR_ROCM,))


def _on_device(facts: Facts, device: Device, archs: list[str]) -> Finding:
    if covers(archs, device.architecture):
        if device.present and facts.of_torch("available") is False:
            return _out_of_reach(facts, device)
        return ok(device.subject, "this torch has code for it")
    says = f"this torch has no code for it: it is built for {shortened(archs)}"
    remedy = _torch_for(device.architecture)
    return Finding(BROKEN, device.subject, says, "cuda-no-kernel-image", (remedy,))


def _torch_for(architecture: str) -> Advice:
    if architecture.startswith("gfx"):
        return _FOR_ROCM
    specifier = specifier_for(architecture)
    if specifier is None:
        says = "No torch on PyPI from 2.5 on is known to have code for it: compile torch for it."
        return Advice("advice", says)
    return pinned("Install a torch that has, as PyPI's wheels for Linux go.", f"torch{specifier}")


def _out_of_reach(facts: Facts, device: Device) -> Finding:
    hidden = facts.data.get("variables", {}).get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        return ok(device.subject, f"hidden from torch by CUDA_VISIBLE_DEVICES={hidden}")
    says = "this torch has code for it, and cannot reach it: is the driver recent enough?"
    return Finding(WARNING, device.subject, says, None, (_DRIVER,))


_FOR_ROCM = Advice(
    "advice",
    "Install a torch that is built for ROCm and for it: PyPI has none, pytorch.org tells where.",
)
_DRIVER = Advice(
    "run",
    "See which CUDA the driver supports; it has to be that of torch or later.",
    "nvidia-smi",
)


def _of_cves(torch: Version) -> Iterator[Finding]:
    holding = [(cve, fixed) for cve, fixed in CVES if torch < Version(fixed)]
    if not holding:
        yield ok("weights_only", "no known open CVE")
        return
    told = " and ".join(f"{cve} (fixed in {fixed})" for cve, fixed in holding)
    says = f"no protection from a file that is meant to harm: {told}"
    remedy = pinned("Install a torch that is free of it.", f"torch>={CVES[-1][1]}")
    signature = "cve-2025-32434" if holding[0] == CVES[0] else None
    yield Finding(WARNING, "weights_only", says, signature, (remedy,))


def policies(torch: Version) -> Iterator[Finding]:
    """Yield how each policy behaves on a release of torch, a line each."""
    for policy, bands in BEHAVIOUR.items():
        says = next(says for lowest, says in bands if torch.release >= Version(lowest).release)
        yield ok(f"policy {policy.value}", says)


def _of_variables(facts: Facts, torch: Version) -> Iterator[Finding]:
    variables = facts.data.get("variables", {})
    values = {name: variables[name] for name in (FORCE, FORCE_NOT) if name in variables}
    heeded = {name: _heeded(name, text, torch) for name, text in values.items()}
    if len(heeded) > 1 and all(heeded.values()):
        says = "both are set: every torch.load raises"
        yield helped(Finding(BROKEN, f"{FORCE}, {FORCE_NOT}", says, "force-env-both"), facts)
        return
    for name, text in values.items():
        yield _of_variable(facts, f"{name}={text}", name, heeded[name])


def _heeded(name: str, text: str, torch: Version) -> bool | None:
    """Whether torch heeds a variable; ``None`` where its source was not read."""
    if name == FORCE_NOT and torch < _REFUSING:
        return False
    if text in _TRUE or text.lower() not in _TRUE:
        return text in _TRUE
    if _CASE_LAST <= torch < _NO_CASE_AGAIN:
        return None
    return not _REFUSING <= torch < _CASE_LAST


def _of_variable(facts: Facts, subject: str, name: str, heeded: bool | None) -> Finding:
    unset = Advice("run", "Take it out of the environment.", f"unset {name}")
    if heeded is None:
        says = "whether this torch heeds that spelling is not known; 1 is heeded by all"
    elif not heeded:
        says = "this torch does not heed it"
    elif name == FORCE:
        says = "every torch.load has weights_only=True, also where the call says False"
    else:
        says = "torch.load executes what a file names, unless the call says weights_only=True"
        return helped(Finding(WARNING, subject, says, "force-no-warning"), facts)
    return Finding(WARNING, subject, says, None, (unset,))
