"""The options and ini keys: declared once, each resolved with the source it came from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from pytest_torchcompat.errors import RecordError, TorchcompatError, unknown_name
from pytest_torchcompat.policies import Policy, parse_policies

EDITIONS = ("auto", "reference", "replica")
LISTS = ("allow", "trust")
JOINED = ("policy", "shims")  # lists in one text, with commas
DEFAULTS: dict[str, Any] = {
    "policy": Policy.ALLOWLISTED.value,
    "edition": "auto",
    "shims": "auto",
    "device": "auto",
    "allow": [],
    "trust": [],
    "report": "",
    "cache": "",
}
HELP = {
    "policy": (
        "How torch.load treats pickles: stock, patched, allowlisted, strict; a comma-separated "
        "list runs the tests under each. Named here or in the ini file it holds for every "
        "torch.load of the suite, else only for tests that use a torchcompat fixture"
    ),
    "edition": "Which file a checkpoint's name means: auto, reference, replica",
    "shims": "Adaptations of removed APIs: auto, off, or a comma-separated list of names",
    "device": "Where models run: auto, cpu, cuda or cuda:N",
    "allow": "A global that allowlisted allows in every file; repeatable",
    "trust": "A glob of paths, or a sha256, of files that patched may execute; repeatable",
    "report": "Append a JSON line for each check, torch.load and failed test to this file",
    "cache": "Where reference checkpoints are kept; the Hugging Face cache by default",
}
METAVARS = {
    "policy": "LIST",
    "edition": "EDITION",
    "shims": "LIST",
    "device": "DEVICE",
    "allow": "MODULE.NAME",
    "trust": "GLOB-OR-SHA256",
    "report": "FILE.jsonl",
    "cache": "DIR",
}


class Settings(NamedTuple):
    """Every effective setting, and where each came from."""

    policies: tuple[Policy, ...]
    edition: str
    shims: str
    device: str
    allow: tuple[str, ...]
    trust: tuple[str, ...]
    report: Path | None
    cache: Path | None
    sources: dict[str, str]

    @property
    def whole_suite(self) -> bool:
        """Whether a policy was asked for, and so holds for tests without our fixtures too."""
        return self.sources["policy"] != "default"

    def describe(self) -> str:
        """Return the settings with their sources, for the header."""
        policies = ",".join(policy.value for policy in self.policies)
        shown = [f"policy={policies} ({self.sources['policy']})"]
        shown.append(f"edition={self.edition} ({self.sources['edition']})")
        for name in ("shims", "device", "allow", "trust", "report", "cache"):
            if self.sources[name] != "default":
                value = getattr(self, name)
                text = ",".join(value) if isinstance(value, tuple) else str(value)
                shown.append(f"{name}={text} ({self.sources[name]})")
        return ", ".join(shown)


SETTINGS = pytest.StashKey[Settings]()
POLICY = pytest.StashKey["Policy | None"]()  # of the test or module that runs, or ran last
PROBLEM = "torchcompat_problem"  # what a worker of pytest-xdist stopped for


def add_options(parser: pytest.Parser) -> None:
    """Declare ``--torchcompat-*`` and ``torchcompat_*``."""
    group = parser.getgroup("torchcompat", "torch.load compatibility")
    for name, text in HELP.items():
        action = "append" if name in LISTS else "store"
        group.addoption(
            f"--torchcompat-{name}",
            action=action,
            dest=f"torchcompat_{name}",
            metavar=METAVARS[name],
            default=None,
            help=text,
        )
        kind: Literal["linelist", "string"] = "linelist" if name in LISTS else "string"
        parser.addini(f"torchcompat_{name}", text, type=kind, default=None)


def is_benchmarking(config: pytest.Config) -> bool:
    """Return whether pytest-benchmark is there: by its entry point, or named as a module."""
    names = ("benchmark", "pytest_benchmark.plugin")
    return any(map(config.pluginmanager.hasplugin, names))


def resolve(config: pytest.Config) -> Settings:
    """Return the settings; raises ``pytest.UsageError`` with a sentence for a bad one."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in DEFAULTS:
        values[name], sources[name] = _sourced(config, name)
    try:
        _require_no_settings_among_rows(config.rootpath / "pyproject.toml")
        policies = parse_policies(values["policy"])
        _check(values)
        report = _writable(_path(config, values["report"]))
    except TorchcompatError as error:
        raise pytest.UsageError(str(error)) from error
    return Settings(
        policies=policies,
        edition=values["edition"],
        shims=values["shims"],
        device=values["device"],
        allow=tuple(values["allow"]),
        trust=tuple(values["trust"]),
        report=report,
        cache=_path(config, values["cache"]),
        sources=sources,
    )


def _sourced(config: pytest.Config, name: str) -> tuple[Any, str]:
    given = config.getoption(f"torchcompat_{name}")
    if given is not None:
        return given, "command line"
    ini = config.getini(f"torchcompat_{name}")
    if not ini:
        return DEFAULTS[name], "default"
    return (ini if name in LISTS else _text(name, ini)), "ini"


def _text(name: str, ini: Any) -> str:
    """Return what an ini key says; a list, as TOML can have it, is one of names at the most."""
    given = [ini] if isinstance(ini, str) else ini
    right = len(given) == 1 or name in JOINED
    if not (right and all(isinstance(each, str) for each in given)):
        message = f"torchcompat_{name} in the ini file takes one text in quotes, not {ini!r}"
        raise pytest.UsageError(message)
    return ",".join(given)


def _check(values: dict[str, Any]) -> None:
    if values["edition"] not in EDITIONS:
        raise unknown_name("torchcompat edition", values["edition"], EDITIONS)
    device = values["device"]
    number = device[5:] if device.startswith("cuda:") else "0"
    if device.partition(":")[0] not in ("auto", "cpu", "cuda") or not number.isdigit():
        raise unknown_name("torchcompat device", device, ("auto", "cpu", "cuda", "cuda:0"))
    if values["shims"] not in ("auto", "off"):
        from pytest_torchcompat import shim

        for name in values["shims"].split(","):
            shim.get(name.strip())


def _require_no_settings_among_rows(file: Path) -> None:
    """Raise where ``[tool.torchcompat]`` has settings of ours: they would hold for nothing."""
    try:
        named = b"[tool.torchcompat]" in file.read_bytes()
    except OSError:
        return
    if named:  # seldom, so that start-up does not pay for reading TOML
        from pytest_torchcompat.checkpoints.project import parsed, table_of

        table_of(file, parsed(file), "tool", "torchcompat")


def _writable(report: Path | None) -> Path | None:
    if report is not None:
        try:
            report.parent.mkdir(parents=True, exist_ok=True)
            report.open("ab").close()
        except OSError as error:
            message = f"--torchcompat-report can't be written: {error}. Name another file"
            raise RecordError(message) from error
    return report


def _path(config: pytest.Config, text: str) -> Path | None:
    if not text:
        return None
    # No shell expands it after "="; unlike Path's, this leaves the name of an unknown user alone.
    return config.invocation_params.dir / os.path.expanduser(text)  # noqa: PTH111
