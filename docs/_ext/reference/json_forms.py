"""What machines read: each form in the words of what makes it, with an example that it made."""

from __future__ import annotations

import inspect
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pytest_torchcompat.audit import audit
from pytest_torchcompat.audit.findings import Report
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.commands import doctor as doctor_command
from pytest_torchcompat.commands import explain, shims
from pytest_torchcompat.diagnosis import Error, Failure
from pytest_torchcompat.doctor import Facts, environment_line, findings
from pytest_torchcompat.doctor.finding import Finding
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.plugin import failures
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.policies.rules import Load
from pytest_torchcompat.record import Record
from pytest_torchcompat.scan import Scan, scan_file
from pytest_torchcompat.shim import SHIMS
from reference.markdown import blocks, docstring, fenced, heading, prose, sentence
from tests.bench import __main__ as bench_main
from tests.bench.figures import figure

ROW = "rvc/hubert-base"
FILE = "assets/hubert_base.pt"
WORDS = (
    "_pickle.UnpicklingError: Weights only load failed. WeightsUnpickler error: Unsupported global:"
    " GLOBAL fairseq.data.dictionary.Dictionary was not an allowed global by default."
)


class Form(NamedTuple):
    """A form: its title, what documents it, and what makes an example of it."""

    title: str
    anchor: str
    documented: tuple[Any, ...]
    example: Callable[[], Any]


def report() -> str:
    """Return the lines of a report."""
    return _shown(REPORT)


def commands() -> str:
    """Return what the commands write with ``--json``."""
    return _shown(COMMANDS)


def bench() -> str:
    """Return what the benchmarks write."""
    return _shown(BENCH)


def _shown(forms: tuple[Form, ...]) -> str:
    return blocks(*map(_form, forms))


def _form(form: Form) -> str:
    example = json.dumps(form.example(), indent=2, ensure_ascii=False)
    return blocks(
        heading(2, form.title, f"json-{form.anchor}"),
        *map(_described, form.documented),
        fenced(example, "json"),
    )


def _described(documented: Any) -> str:
    """Return what a docstring says of the form, without that it is returned."""
    first, _, more = (inspect.getdoc(documented) or "").partition("\n\n")
    if not first.startswith("Return "):
        return prose(documented)
    return docstring(more or sentence(first.removeprefix("Return ")))


def keys_of(example: Any) -> Iterator[str]:
    """Yield the keys that an example has, those of versions and of other names left out."""
    if isinstance(example, list):
        for each in example[:1]:
            yield from keys_of(each)
    elif isinstance(example, dict):
        for name, value in example.items():
            yield name
            if name not in NAMES:
                yield from keys_of(value)


# What has no keys of ours: each maps names of others.
NAMES = frozenset(
    {
        "versions",
        "builds",
        "variables",
        "stock",
        "seconds",
        "settings",
        "modules",
        "suites",
        "machine",
    }
)


def _environment() -> dict[str, Any]:
    line = environment_line()
    return {
        **line,
        "python": "3.11.9",
        "platform": "Linux-6.8-x86_64",
        "versions": {"torch": "2.15.0"},
        "builds": {},
        "variables": {},
        "findings": [],
    }


def _check() -> dict[str, Any]:
    row = catalogue().get(ROW)
    return Record(
        checkpoint=ROW,
        edition="replica",
        policy=Policy.STRICT.value,
        outcome=Outcome.REFUSED,
        library=row.library,
        stage=Stage.LOAD,
        exception="UnpicklingError",
        message=WORDS.partition(": ")[2],
        globals=row.globals,
        seconds={"import": 2.81, "load": 0.031},
    ).to_dict()


def _load() -> dict[str, Any]:
    name = "fairseq.data.dictionary.Dictionary"
    site = ("fairseq/checkpoint_utils.py:315", "infer/voice.py:99", FILE)
    load = Load(Policy.ALLOWLISTED, *site, globals=(name,), overridden=True, weights_only=False)
    return {**load.to_dict(), "test": "tests/test_voice.py::test_voice"}


def _failure() -> dict[str, Any]:
    errors = (Error("UnpicklingError", WORDS.partition(": ")[2]),)
    failure = Failure(errors, "load", {"torch": "2.15.0"}, complete=True)
    return failures._line(failure, None)  # noqa: SLF001 - what makes the line


def _scan() -> list[dict[str, Any]]:
    replica = catalogue().get(ROW).replica
    if replica is None:
        return []
    with replica.path.open("rb") as file:
        return [scan_file(file, FILE).to_dict()]


def _audit() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "voice.py")
        path.write_text('import torch\n\nmodel = torch.load("voice.pth")\n', "utf-8")
        found = json.dumps(audit([path], []).to_dict())
        return dict(json.loads(found.replace(path.as_posix(), path.name)))


def _explain() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "traceback.txt")
        path.write_text(f"Traceback (most recent call last):\n{WORDS}\n", "utf-8")
        found = {path.name: explain._explained(str(path), {"torch": "2.6.0"})}  # noqa: SLF001
        return explain._data(found)  # noqa: SLF001 - what makes the JSON


def _doctor() -> dict[str, Any]:
    versions = {"torch": "2.8.0", "torchcodec": "0.12.0", "pip": "26.1"}
    known = [
        {"name": name, "version": version, "in": "site-packages"}
        for name, version in versions.items()
    ]
    data = {
        "python": "3.11.9",
        "implementation": "CPython",
        "platform": "Linux-6.8-x86_64",
        "machine": "x86_64",
        "system": "linux",
        "distributions": known,
        "builds": {},
        "variables": {},
    }
    return doctor_command.whole(Facts(data), findings(Facts(data))[:2])


def _shims() -> list[dict[str, Any]]:
    return [shims._described(SHIMS[0], {"python": "3.11.9"})]  # noqa: SLF001 - what makes the JSON


def _bench_file() -> dict[str, Any]:
    found = bench_main._nothing(bench_main._options([]))  # noqa: SLF001 - what makes the JSON
    suite = {"seconds": 4.1, "load": [0.2, 0.9], "reason": "", "broken": False}
    return {
        **found,
        "started": "2026-11-20T10:31:00+00:00",
        "platform": "Linux-6.8-x86_64",
        "machine": {"id": "b07c", "cpu": "an example", "cores": 2},
        "versions": {"python": "3.11.9"},
        "settings": {"pairs": 25},
        "suites": {"start-up": suite},
    }


def _bench() -> dict[str, Any]:
    name = "what the plugin adds to pytest --co"
    return figure("start-up", name, [5.1, 4.9], "ms", peer="pytest", theirs=[310, 320])


REPORT = (
    Form("environment", "report-environment", (environment_line,), _environment),
    Form("check", "report-check", (Record, Record.to_dict), _check),
    Form("load", "report-load", (Load,), _load),
    Form("failure", "report-failure", (failures._line,), _failure),  # noqa: SLF001
)
COMMANDS = (
    Form("torchcompat scan --json", "scan", (Scan.to_dict,), _scan),
    Form("torchcompat audit --json", "audit", (Report.to_dict,), _audit),
    Form("torchcompat explain --json", "explain", (explain._data,), _explain),  # noqa: SLF001
    Form("torchcompat doctor --json", "doctor", (doctor_command.whole, Finding.to_dict), _doctor),
    Form("torchcompat shims --json", "shims", (shims._described,), _shims),  # noqa: SLF001
)
BENCH = (
    Form("The file", "bench", (bench_main._nothing,), _bench_file),  # noqa: SLF001
    Form("A figure", "bench-figure", (figure,), _bench),
)
