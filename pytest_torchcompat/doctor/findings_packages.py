"""What is found of the packages around torch by their versions alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_torchcompat import pairing
from pytest_torchcompat.diagnosis import Advice
from pytest_torchcompat.diagnosis.matching import holds
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

_OF_AUDIO = "torchaudio"
_OF_CODEC = "torchcodec"
# What a package leads to that asks for another torch than there is.
_ASKING = {"torchaudio": "ta-abi", "torchvision": "torchvision-nms"}
# The last minor of torch with wheels for a Python.
_LAST_TORCH = {"3.9": "2.8", "3.10": "2.14"}
# Distributions that bring one and the same package, and the failure that it ends in.
_SAME_PACKAGE = (
    ("coqpit", "coqpit-config", "coqpit", "tts-coqpit"),
    ("tts", "coqui-tts", "TTS", None),
    ("opencv-python", "opencv-python-headless", "cv2", None),
)


@dataclass(frozen=True)
class Foreseen:
    """A failure that versions lead to: all ``requirements`` hold, the first is of what fails."""

    requirements: tuple[str, ...]
    signature: str
    says: str
    remedies: tuple[Advice, ...] = ()  # those of the signature where there is none


_LEFT_TO_TORCH = "its checkpoints are refused: {} leaves weights_only to torch"
_BY_LIGHTNING = _LEFT_TO_TORCH.format("lightning {lightning}")
# However well they import.
_FAILING = (
    Foreseen(("pyannote-audio<4.0.3", "lightning<2.4", "torch>=2.6"), "wo-pyannote", _BY_LIGHTNING),
    Foreseen(
        ("pyannote-audio<4.0.3", "lightning>=2.6", "torch>=2.6"), "wo-pyannote", _BY_LIGHTNING
    ),
    Foreseen(("ultralytics<8.2.64", "torch>=2.6"), "wo-yolo", _LEFT_TO_TORCH.format("it")),
    Foreseen(
        ("fairseq", "torch>=2.6"),
        "wo-fairseq-dictionary",
        "its checkpoints that hold a Dictionary are refused: it leaves weights_only to torch",
    ),
    Foreseen(
        ("fairseq", "numpy>=1.24"),
        "numpy-alias",
        "numpy {numpy} has no np.int and np.float, which it uses in places",
        (
            Advice(
                "shim", "Put them back before it is imported.", "torchcompat shims numpy-aliases"
            ),
            pinned("Or install the last numpy that has them.", "numpy<1.24"),
        ),
    ),
    Foreseen(
        ("omegaconf>=2.0,<2.1", "pip>=24.1"),
        "pip-omegaconf-metadata",
        "pip {pip} does not install it again: its metadata is not valid",
    ),
)
# What an import shows, where nothing is imported.
_AT_IMPORT = (
    Foreseen(
        ("fairseq", "python>=3.11"),
        "fairseq-py311-dataclass",
        "import fails on Python 3.11 and later",
    ),
    Foreseen(
        ("torch<2.3", "numpy>=2"), "numpy-abi", "is compiled for numpy 1, and numpy is {numpy}"
    ),
)


def of_packages(facts: Facts) -> Iterator[Finding]:
    """Yield what the versions say."""
    yield from _of_audio(facts)
    yield from _of_codec(facts)
    yield from _of_ffmpeg(facts)
    yield from _of_numpy(facts)
    yield from _of_requirements(facts)
    yield from _failing(facts)
    yield from _sharing(facts)
    yield from _of_installation(facts)


def _fails(facts: Facts, name: str) -> bool:
    module = facts.modules.get(name)
    return module is not None and module.status != "ok"


def _of_audio(facts: Facts) -> Iterator[Finding]:
    if _OF_AUDIO not in facts.versions or facts.torch is None:
        return
    subject = named(facts, _OF_AUDIO)
    specifier = pairing.torchaudio_specifier(str(facts.torch))
    cuda = facts.builds.get("torch", {}).get("cuda")
    own = facts.build(_OF_AUDIO)
    if not SpecifierSet(specifier).contains(Version(facts.versions[_OF_AUDIO]).public):
        says = f"not made for torch {facts.torch}, which goes with torchaudio{specifier}"
        yield helped(Finding(WARNING, subject, says, "ta-abi"), facts)
    elif not facts.imported and cuda and _of_cuda(own) and own != _tag(cuda):
        says = f"built for another CUDA than torch (+{_tag(cuda)}); import fails"
        groups = {"t": cuda, "a": _cuda_of(own)}
        yield helped(Finding(BROKEN, subject, says, "ta-cuda-mismatch"), facts, groups)
    elif not _fails(facts, _OF_AUDIO):
        yield ok(subject, f"goes with torch {facts.torch}")


def _of_cuda(build: str) -> bool:
    return build.startswith("cu") and build[2:].isdigit()


def _tag(cuda: str) -> str:
    return f"cu{cuda.replace('.', '')}"


def _cuda_of(build: str) -> str:
    return f"{build[2:-1]}.{build[-1]}"


def _of_codec(facts: Facts) -> Iterator[Finding]:
    if facts.torch is None:
        return
    audio = facts.versions.get(_OF_AUDIO)
    if _OF_CODEC not in facts.versions:
        if audio and holds(("torchaudio>=2.9",), facts.versions) and not _fails(facts, _OF_AUDIO):
            says = f"not installed: load and save of torchaudio {audio} raise without it"
            yield helped(Finding(WARNING, _OF_CODEC, says, "ta-torchcodec-required"), facts)
        return
    specifier = pairing.torchcodec_specifier(str(facts.torch))
    subject = named(facts, _OF_CODEC)
    if SpecifierSet(specifier).contains(Version(facts.versions[_OF_CODEC]).public):
        if not _fails(facts, _OF_CODEC):
            yield ok(subject, f"goes with torch {facts.torch}")
    else:
        says = f"not made for torch {facts.torch}, which goes with torchcodec{specifier}"
        yield helped(Finding(WARNING, subject, says, "torchcodec-load"), facts)


def _of_ffmpeg(facts: Facts) -> Iterator[Finding]:
    """Yield whether there is an FFmpeg that torchcodec can load; it brings none of its own."""
    needed = [name for name in (_OF_CODEC, _OF_AUDIO) if _reads_by_ffmpeg(facts, name)]
    if "ffmpeg" not in facts.data or not needed:
        return
    found = facts.data["ffmpeg"]
    if found["libraries"]:
        yield ok("FFmpeg", f"{found['program'] or ''} {', '.join(found['libraries'])}".strip())
    else:
        own = " (the program ffmpeg has none)" if found["program"] else ""
        says = f"no shared libraries of it are found{own}: {needed[0]} decodes by them"
        yield helped(Finding(WARNING, "FFmpeg", says, "torchcodec-load"), facts)


def _reads_by_ffmpeg(facts: Facts, name: str) -> bool:
    version = facts.versions.get(name)
    return version is not None and (name == _OF_CODEC or Version(version) >= Version("2.9"))


def _of_numpy(facts: Facts) -> Iterator[Finding]:
    if facts.torch is not None and "numpy" not in facts.versions:
        says = "not installed: what goes from torch to numpy and back raises"
        yield helped(Finding(WARNING, "numpy", says, "numpy-not-available"), facts)


def _of_requirements(facts: Facts) -> Iterator[Finding]:
    """Yield what packages ask for and do not have, as ``pip check`` does."""
    for asker, texts in sorted(facts.data.get("requires", {}).items()):
        name = canonicalize_name(asker)
        # Its pairing is told already.
        if name == _OF_AUDIO or name not in facts.versions:
            continue
        for asked in _unmet(texts, facts):
            yield _unmet_finding(facts, name, asked)


def _unmet_finding(facts: Facts, name: str, asked: Requirement) -> Finding:
    there = facts.versions[canonicalize_name(asked.name)]
    wanted = f"{asked.name}{asked.specifier}"
    says, subject = f"asks for {wanted}, and {asked.name} is {there}", named(facts, name)
    if name in _ASKING and asked.name == "torch":
        return helped(Finding(WARNING, subject, says, _ASKING[name]), facts)
    return Finding(WARNING, subject, says, None, (pinned("Install what it asks for.", wanted),))


def _unmet(texts: Iterable[str], facts: Facts) -> Iterator[Requirement]:
    for text in texts:
        try:
            asked = Requirement(text)
        except InvalidRequirement:
            continue
        there = facts.versions.get(canonicalize_name(asked.name))
        if there and _holds(asked, facts) and not _contains(asked, there):
            yield asked


def _contains(asked: Requirement, version: str) -> bool:
    return asked.specifier.contains(Version(version), prereleases=True)


def _holds(asked: Requirement, facts: Facts) -> bool:
    """Whether a requirement is one of the environment that is looked at, without extras."""
    python = facts.versions["python"]
    about = {
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "implementation_name": str(facts.data.get("implementation", "")).lower(),
        "platform_python_implementation": str(facts.data.get("implementation", "")),
        "platform_machine": str(facts.data.get("machine", "")),
        "sys_platform": str(facts.data.get("system", "")),
        "extra": "",
    }
    return asked.marker is None or asked.marker.evaluate(about)


def _failing(facts: Facts) -> Iterator[Finding]:
    at_import = () if facts.imported else _AT_IMPORT
    levels = [(each, WARNING) for each in _FAILING] + [(each, BROKEN) for each in at_import]
    for each, level in levels:
        if holds(each.requirements, facts.versions) is True:
            subject = named(facts, canonicalize_name(Requirement(each.requirements[0]).name))
            says = each.says.format_map(facts.versions)
            found = Finding(level, subject, says, each.signature, each.remedies)
            yield found if each.remedies else helped(found, facts)


def _sharing(facts: Facts) -> Iterator[Finding]:
    for one, other, package, signature in _SAME_PACKAGE:
        if {one, other} <= set(facts.versions):
            says = f"both bring the package {package}: which files are there hangs on their order"
            subject = f"{one}, {other}"
            if signature:
                yield helped(Finding(WARNING, subject, says, signature), facts)
            else:
                yield Finding(WARNING, subject, says, None, (_leave_one(one, other),))


def _leave_one(one: str, other: str) -> Advice:
    commands = f'python -m pip uninstall {one} {other}\npython -m pip install "{other}"'
    return Advice("run", f"Take out both, and install one of them again ({other}, say).", commands)


def _of_installation(facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with how packages were installed."""
    python = pairing.minor(facts.versions["python"])
    if python in _LAST_TORCH:
        yield ok(f"Python {python}", f"torch has wheels for it up to {_LAST_TORCH[python]}")
    if "pip" not in facts.versions:
        yield ok("pip", "not here: write uv pip for python -m pip, or run python -m ensurepip")
    yield from _of_metadata(facts)


def _of_metadata(facts: Facts) -> Iterator[Finding]:
    versions: dict[str, set[str]] = defaultdict(set)
    nameless = 0
    for each in facts.data["distributions"]:
        if each["name"]:
            versions[canonicalize_name(each["name"])].add(str(each["version"]))
        else:
            nameless += 1
    for name, found in sorted(versions.items()):
        if len(found) > 1:
            yield _twice(name, found)
    if nameless:
        says = f"metadata without a name: {nameless}, as installations leave that broke off"
        yield Finding(WARNING, "site-packages", says, None, (_REINSTALL,))


def _twice(name: str, versions: Iterable[str]) -> Finding:
    says = f"installed more than once: {', '.join(sorted(versions))}"
    commands = f'python -m pip uninstall {name}\npython -m pip install --force-reinstall "{name}"'
    advice = Advice("run", "Take it out until none is left, and install it again.", commands)
    return Finding(WARNING, name, says, None, (advice,))


_REINSTALL = Advice("run", "Make the environment anew.", "python -m venv --clear .venv")
