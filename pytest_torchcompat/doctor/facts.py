"""What is known of an environment, and how an interpreter is asked for it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from pytest_torchcompat.diagnosis.failure import CRASH, TIMEOUT, Error, Failure, normalised
from pytest_torchcompat.display import escaped
from pytest_torchcompat.doctor import probe
from pytest_torchcompat.errors import TorchcompatError

# What is looked for where all that is installed is too much to read.
PACKAGES = (
    *("torch", "torchaudio", "torchvision", "torchcodec", "triton", "numpy", "omegaconf"),
    *("hydra-core", "lightning", "pytorch-lightning", "transformers", "fairseq", "ultralytics"),
    *("pyannote.audio", "TTS", "coqui-tts", "coqpit", "coqpit-config", "pip"),
    *("opencv-python", "opencv-python-headless"),
)
_WORDS = 400  # characters of a program's last words that are told
# How long an interpreter may take to start.
_START = 60.0
_GRACE = 2.0  # and to end, once it is asked to
_HELLO = "import sys; open(sys.argv[1], 'w').write('hello')"


class ProbeError(TorchcompatError):
    """An interpreter that cannot be asked."""


@dataclass(frozen=True)
class Module:
    """What became of importing a module; ``status`` is ok, raised, died, hung or skipped."""

    name: str
    status: str
    found: Mapping[str, Any]

    @property
    def errors(self) -> tuple[Error, ...]:
        """What went wrong, as a failure has it."""
        output = str(self.found.get("output") or "")
        if self.status == "raised":
            first = Error(str(self.found["exception"]), str(self.found["message"]))
            return (first, *map(Error.from_line, self.found.get("chain", ())))
        if self.status == "died":
            return (Error(CRASH, f"the process died: {self.found['how']}\n{output}"),)
        if self.status == "hung":
            words = f"not done after {self.found['seconds']:g} s, and killed\n{output}"
            return (Error(TIMEOUT, words),)
        return ()


@dataclass(frozen=True)
class Facts:
    """What the probe found; where it imported nothing, ``imported`` is false."""

    data: Mapping[str, Any]

    @property
    def imported(self) -> bool:
        """Whether modules were imported at all."""
        return "modules" in self.data

    @cached_property
    def modules(self) -> Mapping[str, Module]:
        """The modules that are there, by name."""
        found = self.data.get("modules", {})
        modules = (Module(name, each["status"], each) for name, each in found.items())
        return {each.name: each for each in modules if each.status != "absent"}

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """The versions of distributions by normalised name, and of ``python``; no other texts."""
        found = {"python": str(self.data["python"])}
        for each in self.data["distributions"]:
            if each["name"] and is_version(each["version"]):
                found.setdefault(each["name"], each["version"])
        torch = self.builds.get("torch", {}).get("version")
        if torch and is_version(torch):  # built by oneself, it has no distribution
            found.setdefault("torch", torch)
        return normalised(found)

    @property
    def builds(self) -> Mapping[str, Mapping[str, str | None]]:
        """Version, CUDA and ROCm as the version.py of a package has them."""
        builds: Mapping[str, Mapping[str, str | None]] = self.data.get("builds", {})
        return builds

    @property
    def torch(self) -> Version | None:
        """The release of torch, without its build; of a nightly, that which it leads to."""
        found = self.versions.get("torch")
        return Version(Version(found).base_version) if found else None

    def build(self, name: str) -> str:
        """Return the build of a package, such as ``cu130`` or ``cpu``; empty where none is told."""
        version = self.builds.get(name, {}).get("version") or self.versions.get(name, "0")
        return str(version).partition("+")[2]

    def of_torch(self, name: str, default: Any = None) -> Any:
        """Return what torch said of itself as it was imported."""
        module = self.modules.get("torch")
        return module.found.get(name, default) if module else default

    def failure(self, errors: Iterable[Error]) -> Failure:
        """Return errors of an import as a failure of this environment."""
        return Failure(tuple(errors), "import", self.versions, complete=True)


def is_version(text: object) -> bool:
    """Whether a text is a version as packaging knows them."""
    try:
        Version(str(text))
    except InvalidVersion:
        return False
    return True


def here(names: Iterable[str] = PACKAGES) -> Facts:
    """Return what this process's environment says of itself where nothing is imported."""
    return Facts(probe.without_imports(names))


def ask(python: str | None = None, seconds: float = probe.SECONDS) -> Facts:
    """
    Ask an interpreter what its environment is; this one by default.

    Raises:
        ProbeError: It is no Python interpreter, or gives no answer.

    """
    interpreter = sys.executable if python is None else python
    with tempfile.TemporaryDirectory(prefix="torchcompat-") as folder:
        hello, answer = Path(folder, "hello.txt"), Path(folder, "facts.json")
        # What is no Python may print without end.
        said = _run([interpreter, "-c", _HELLO, str(hello)], min(seconds, _START), folder)
        if not hello.exists():
            raise _no_interpreter(interpreter, said)
        script = [interpreter, str(Path(probe.__file__).resolve()), "--to", str(answer)]
        limit = seconds * (len(probe.MODULES) + 1)
        said = _run([*script, "--seconds", str(seconds)], limit, folder)
        return Facts(_read(answer, interpreter, said))


def _run(command: list[str], seconds: float, folder: str) -> str:
    """Run a command for what it writes elsewhere; return how it ended and its last words."""
    words = Path(folder, "words.txt")
    try:
        with words.open("wb") as errors:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
            )
            code = _code_of(child, seconds)
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.TimeoutExpired:
        return f"no answer in {seconds:g} s"
    last = words.read_text("utf-8", "replace").strip()[-_WORDS:]
    return f"{probe.how_ended(code)}{f': {last}' if last else ''}"


def _code_of(child: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return child.wait(seconds)
    except BaseException:
        child.terminate()  # which lets the probe end what it has started
        try:
            child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise


def _read(answer: Path, interpreter: str, said: str) -> Mapping[str, Any]:
    try:
        found = json.loads(answer.read_text("utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise _no_interpreter(interpreter, said)
    return found


def _no_interpreter(python: str, why: str) -> ProbeError:
    return ProbeError(
        f"{escaped(python)} did not answer as a Python 3.9 or later would ({escaped(why)})."
        " Name an interpreter that works, such as .venv/bin/python."
    )
