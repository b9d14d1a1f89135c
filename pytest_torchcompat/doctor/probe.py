"""
Tells what an environment is, as JSON; run by its path in the interpreter that is asked about.

It imports nothing but the standard library, as that interpreter need not have this package. Each
module is imported in a process of its own: one that raises, dies or hangs is a finding.

    python probe.py --to FILE [--seconds 180]
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # The modules beside this file are none of the environment's.
    _HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is not yet imported
    sys.path[:] = [each for each in sys.path if os.path.abspath(each or ".") != _HERE]  # noqa: PTH100 - as above

import argparse
import glob
import importlib
import importlib.metadata
import importlib.util
import json
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# What is imported where it is installed: torch first, then what is built on it, then the rest.
ON_TORCH = (
    "torchvision",
    "torchaudio",
    "torchcodec",
    "transformers",
    "lightning",
    "pytorch_lightning",
    "fairseq",
    "ultralytics",
    "pyannote.audio",
    "TTS",
    "speechbrain",
)
ALONE = ("numpy", "scipy", "pandas", "cv2", "numba", "omegaconf", "hydra")
MODULES = ("torch", *ON_TORCH, *ALONE)
# Their version.py says which build they are; the metadata of a wheel from PyPI does not.
BUILT = ("torch", "torchaudio", "torchvision", "torchcodec")

VARIABLES = re.compile(
    r"TORCH|PYTORCH_|CUDA_|CUDNN_|HIP_|ROCM_|NVIDIA_VISIBLE|LD_LIBRARY_PATH$|LD_PRELOAD$"
    r"|DYLD_LIBRARY_PATH$|HF_HUB_|HF_HOME$|ULTRALYTICS_|OMP_NUM_THREADS$|KMP_DUPLICATE_LIB_OK$"
    r"|PYTHONPATH$|PYTHONHOME$|PYTHONNOUSERSITE$"
)
_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASSW", re.IGNORECASE)
SECONDS = 180.0
_RUNNING: set[subprocess.Popen[bytes]] = set()  # what is being imported
TAIL = 4000  # characters that are kept of a message or an output
# What a distribution asks of these is kept.
ASKED = re.compile(
    r"(torch|torchaudio|torchvision|torchcodec|numpy|omegaconf|hydra[-_.]core|lightning"
    r"|pytorch[-_.]lightning|transformers|coqpit|coqpit[-_.]config)\b(?![-_.]\w)",
    re.IGNORECASE,
)


def gathered(seconds: float = SECONDS) -> dict[str, Any]:
    """Return all that is known of this environment; ``seconds`` is how long an import may take."""
    return {
        **without_imports(),
        "requires": dict(_requirements()),
        "ffmpeg": _ffmpeg(),
        "devices": _driver_devices(),
        "modules": _imported(seconds),
    }


def without_imports(names: Iterable[str] | None = None) -> dict[str, Any]:
    """
    Return what the environment says of itself where nothing is imported.

    ``names`` are the distributions to look for: asking for some is faster than reading all.
    """
    found = _all_distributions() if names is None else list(_named(names))
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "system": sys.platform,
        "distributions": found,
        "builds": {name: build for name in BUILT for build in [_build(name)] if build},
        "variables": variables(),
    }


def variables() -> dict[str, str]:
    """Return the environment variables that matter to torch; of secrets, only that they are set."""
    known = {name: text for name, text in sorted(os.environ.items()) if VARIABLES.match(name)}
    return {name: "(set)" if _SECRET.search(name) else text for name, text in known.items()}


def _all_distributions() -> list[dict[str, Any]]:
    return [
        {"name": _name(each), "version": each.version, "in": _folder(each)}
        for each in importlib.metadata.distributions()
        if _readable(each)
    ]


def _name(each: importlib.metadata.Distribution) -> str | None:
    metadata: Any = each.metadata  # what it gives for a name that is not there is about to change
    return str(metadata["Name"]) if "Name" in metadata else None


def _readable(each: importlib.metadata.Distribution) -> bool:
    """Whether there is metadata at all: an installation that broke off leaves an empty folder."""
    try:
        return bool(each.metadata and (not _name(each) or each.version))
    except Exception:  # noqa: BLE001 - metadata may be anything, and is then no distribution
        return False


def _folder(each: importlib.metadata.Distribution) -> str:
    return Path(str(each.locate_file(""))).name


def _named(names: Iterable[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        try:
            yield {"name": name, "version": importlib.metadata.version(name)}
        except Exception:  # noqa: BLE001, S112 - not installed, or not readable
            continue


def _requirements() -> Iterator[tuple[str, list[str]]]:
    """Yield what each distribution asks of the packages that are known to matter."""
    for each in filter(_readable, importlib.metadata.distributions()):
        asked = [text for text in each.requires or () if ASKED.match(text)]
        name = _name(each)
        if asked and name:
            yield name, asked


def _build(name: str) -> dict[str, Any] | None:
    """Read a package's version.py as text."""
    try:
        spec = importlib.util.find_spec(name)
        folder = next(iter(spec.submodule_search_locations or ())) if spec else ""
        text = (Path(folder) / "version.py").read_text("utf-8", "replace") if folder else ""
    except Exception:  # noqa: BLE001 - a package of another shape, or none
        return None
    fields = {"version": "__version__", "cuda": "cuda", "hip": "hip"}
    found = {key: _assigned(text, field) for key, field in fields.items()}
    return found if found["version"] else None


def _assigned(text: str, name: str) -> str | None:
    found = re.search(rf"^{name}\s*(?::[^=\n]+)?=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    return found[1] if found else None


def _ffmpeg() -> dict[str, Any]:
    """Return the FFmpeg program and the shared libraries of it that a loader finds."""
    from ctypes.util import find_library

    program = shutil.which("ffmpeg")
    words = _output([program, "-version"]) if program else ""
    version = re.match(r"ffmpeg version (\S+)", words)
    beside = glob.glob(f"{sys.prefix}/lib/libavutil*")  # noqa: PTH207 - a name may hold brackets
    libraries = {find_library("avutil") or "", *(Path(each).name for each in beside)}
    return {"program": version[1] if version else None, "libraries": sorted(libraries - {""})}


def _driver_devices() -> list[dict[str, str]]:
    """Return the devices that NVIDIA's driver tells of, whatever torch is."""
    program = shutil.which("nvidia-smi")
    query = ["--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
    lines = _output([program, *query]).splitlines() if program else []
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    return [dict(zip(("name", "capability", "driver"), row)) for row in rows if len(row) == 3]  # noqa: PLR2004 - the three asked for


def _output(command: list[str | None]) -> str:
    try:
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _imported(seconds: float) -> dict[str, Any]:
    """Import what is installed; where torch does not answer, what is built on it is not tried."""
    names = [name for name in MODULES if _is_there(name)]
    found = {name: _in_child(name, seconds) for name in names if name == "torch"}
    stuck = found.get("torch", {}).get("status") in ("died", "hung")
    rest = [name for name in names if name != "torch" and not (stuck and name in ON_TORCH)]
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        found.update(zip(rest, pool.map(lambda name: _in_child(name, seconds), rest)))
    return {name: found.get(name, {"status": "skipped"}) for name in names}


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name.partition(".")[0]) is not None
    except Exception:  # noqa: BLE001 - a finder of the environment's own may raise anything
        return True  # its child says why


def _in_child(name: str, seconds: float) -> dict[str, Any]:
    """Import a module in a process of its own and return what became of it."""
    with tempfile.TemporaryDirectory(prefix="torchcompat-") as folder:
        answer, output = Path(folder, "answer.json"), Path(folder, "output.txt")
        flags = ["-X", "faulthandler", str(Path(__file__).resolve())]
        with output.open("wb") as file:
            child = subprocess.Popen(
                [sys.executable, *flags, "--module", name, "--to", str(answer)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # ultralytics and matplotlib write their settings as they are imported.
                env={**os.environ, "YOLO_CONFIG_DIR": folder, "MPLCONFIGDIR": folder},
            )
            _RUNNING.add(child)
            ended = _end_of(child, seconds)
        said = {"output": _tail(output)}
        if answer.exists():
            return {**json.loads(answer.read_text("utf-8")), **said}
    return {**ended, **said}


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read().decode("utf-8", "replace")


def _end_of(child: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        return {"status": "hung", "seconds": seconds}
    finally:
        _kill(child)
    return {"status": "died", "how": how_ended(code)}


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started."""
    _RUNNING.discard(child)
    _kill_group(child)
    child.wait()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (AttributeError, OSError):
        child.kill()


def how_ended(code: int) -> str:
    """Name the signal or the exit code of a process."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _import(name: str) -> dict[str, Any]:
    """Import a module in this process and describe it."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return {"status": "absent"}
        return _raised(error)
    except BaseException as error:  # noqa: BLE001 - an import that fails is a finding
        return _raised(error)
    found = {"status": "ok", "seconds": round(time.perf_counter() - start, 2)}
    version = getattr(module, "__version__", None)
    found["version"] = str(version) if version else None
    found["file"] = _file(module)
    torch = sys.modules.get("torch")
    load = getattr(torch, "load", None)
    found["load"] = str(getattr(load, "__module__", None)) if load else None
    if name == "torch":
        found.update(_torch(module))
    return found


def _file(module: Any) -> str | None:
    """Return where a module is; one without a file of its own has a folder."""
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return str(file) if file else None


def _raised(error: BaseException) -> dict[str, Any]:
    chain = list(_chain(error))
    exception, _, message = chain[0].partition(": ")
    return {"status": "raised", "exception": exception, "message": message, "chain": chain[1:]}


def _chain(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        kind = type(error)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        yield f"{module}{kind.__name__}: {_words(error)}"
        error = error.__cause__ or error.__context__


def _words(error: BaseException) -> str:
    try:
        return str(error)[:TAIL]
    except Exception:  # noqa: BLE001 - an exception of anybody's making
        return ""


def _torch(torch: Any) -> dict[str, Any]:
    questions = {
        "build": lambda: str(torch.__version__),
        "cuda": lambda: torch.version.cuda,
        "hip": lambda: torch.version.hip,
        "cudnn": lambda: _cudnn(torch),
        "archs": lambda: _archs(torch),
        "load_variables": lambda: _load_variables(torch),
        "available": lambda: bool(torch.cuda.is_available()),
        "devices": lambda: list(_devices(torch)),
    }
    return {name: answer for name, ask in questions.items() for answer in _answers(ask)}


def _answers(ask: Any) -> list[Any]:
    try:
        return [ask()]
    except Exception:  # noqa: BLE001 - a torch that is broken in this stays unknown in this
        return []


def _cudnn(torch: Any) -> int | None:
    number = torch.backends.cudnn.version()
    return int(number) if number else None


def _archs(torch: Any) -> list[str]:
    """Return the compiled architectures; ``torch.cuda.get_arch_list`` needs a GPU for it."""
    flags = getattr(torch._C, "_cuda_getArchFlags", str)()  # noqa: SLF001 - see above
    return str(flags or "").split()


def _devices(torch: Any) -> Iterator[dict[str, str]]:
    for index in range(torch.cuda.device_count()):
        major, minor = torch.cuda.get_device_capability(index)
        yield {"name": torch.cuda.get_device_name(index), "capability": f"{major}.{minor}"}


def _load_variables(torch: Any) -> list[str]:
    """Return the environment variables about weights_only that torch's own source names."""
    source = Path(torch.serialization.__file__).read_text("utf-8")
    return sorted(set(re.findall(r"\bTORCH_\w*WEIGHTS_ONLY\w*", source)))


def _die_with_parent(number: int) -> None:
    """Ask Linux to send this process a signal when the one that started it is ended."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, number)


def _end_with_children() -> None:
    """Take what is being imported along, with all that it started, when this is interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    _die_with_parent(signal.SIGTERM)


def _interrupted(number: int, _: Any) -> None:
    for child in tuple(_RUNNING):
        _kill_group(child)
    os._exit(128 + number)


def main() -> None:
    """Write what is asked for to the file that is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", required=True)
    parser.add_argument("--module")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    args = parser.parse_args()
    path = Path(args.to).resolve()  # an import may change the folder
    if args.module:
        _die_with_parent(9)  # SIGKILL, a name that Windows does not have
    else:
        _end_with_children()
        # Whoever asks takes that folder away, whatever becomes of this process.
        tempfile.tempdir = str(path.parent)
    found = _import(args.module) if args.module else gathered(args.seconds)
    whole = path.with_suffix(".part")
    whole.write_text(json.dumps(found), "utf-8")
    whole.replace(path)
    if args.module:
        sys.stdout.flush()
        os._exit(0)  # what a broken library does on the way out is not asked


if __name__ == "__main__":
    main()
