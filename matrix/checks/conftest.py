"""
Runs the checks of one cell: ``pytest matrix/checks --torchcompat-cell=request.json``.

The process itself stays light. It keeps a prepared process for each library and set of shims, and
each check runs in a child of that.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_torchcompat.attempt import Attempts, Check
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, CheckpointFile, Edition
from pytest_torchcompat.checkpoints.project import rows_of
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.libraries import Library
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.plugin.state import State, state_of
from pytest_torchcompat.plugin.summary import note
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.reaping import die_with_parent
from pytest_torchcompat.record import Record

SECONDS = 600.0  # a check with its import; the slowest import seen took 20 s on one core


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare where the request lies."""
    help_text = "The cell's request: its library and the checks to run"
    parser.addoption("--torchcompat-cell", metavar="FILE.json", default=None, help=help_text)
    parser.addoption(
        "--torchcompat-check-seconds", type=float, default=SECONDS, help="Time a check may take"
    )
    help_text = "Memory a check may take, with its library; without, all there is"
    parser.addoption("--torchcompat-check-memory", type=int, metavar="BYTES", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    """Go when the sweep goes, even if it is killed."""
    if config.getoption("torchcompat_cell"):
        die_with_parent()


def _request(config: pytest.Config) -> dict[str, Any]:
    name = config.getoption("torchcompat_cell")
    request: dict[str, Any] = json.loads(Path(name).read_text("utf-8")) if name else {"checks": []}
    return request


def pytest_torchcompat_checkpoints(config: pytest.Config) -> tuple[Checkpoint, ...]:
    """Know the rows of the project whose sweep it is."""
    project = _request(config).get("project")
    return rows_of(Path(project["file"]), project["checkpoints"]) if project else ()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each check that is asked for."""
    asked = _request(metafunc.config)["checks"]
    checks = [(each["checkpoint"], each["use"], each["policy"]) for each in asked]
    metafunc.parametrize(("checkpoint", "use", "policy"), checks, ids=map("-".join, checks))


def _distributions() -> dict[str, str]:
    found = importlib.metadata.distributions()
    named = {each.metadata["Name"]: each.version for each in found if each.metadata["Name"]}
    return dict(sorted(named.items(), key=lambda item: item[0].lower()))


@pytest.fixture(scope="session")
def attempts(request: pytest.FixtureRequest) -> Iterator[Attempts]:
    """The prepared processes of the cell's library; the environment is written down first."""
    state = state_of(request.config)
    library = _library(state, _request(request.config)["library"])
    seconds = request.config.getoption("torchcompat_check_seconds")
    memory = request.config.getoption("torchcompat_check_memory")
    distributions = _distributions()
    versions = {**distributions, "python": platform.python_version()}
    found = Attempts(library, versions, state.settings.shims, seconds, memory)
    _write_environment(request.config, found, distributions)
    yield found
    found.close()


def _library(state: State, name: str) -> Library:
    try:
        return state.libraries.get(name)
    except UnknownNameError as error:
        message = f"{error} The hook pytest_torchcompat_libraries of a plugin registers others."
        pytest.exit(message, returncode=pytest.ExitCode.USAGE_ERROR)


def _write_environment(config: pytest.Config, found: Attempts, names: dict[str, str]) -> None:
    data = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **found.environment(),
        "distributions": names,
    }
    path = Path(config.getoption("torchcompat_cell")).with_name("environment.json")
    path.write_text(json.dumps(data, indent=1), "utf-8")


@pytest.fixture
def record(
    request: pytest.FixtureRequest, attempts: Attempts, checkpoint: str, use: str, policy: str
) -> Record:
    """The check's record, written to the report however it comes out."""
    asked = _request(request.config)
    state = state_of(request.config)
    found = _check(state, asked, checkpoint, Policy(policy))
    if isinstance(found, Check):
        loading = asked.get("loading", True)
        found = attempts.record(dataclasses.replace(found, use=use, loading=loading))
    found = found.changed(use=use)
    note(request.node, found.to_dict())
    return found


def _check(state: State, asked: dict[str, Any], checkpoint: str, policy: Policy) -> Check | Record:
    row, given = state.catalogue.get(checkpoint), asked["files"][checkpoint]
    library = state.libraries.get(asked["library"])
    if "problem" in given:
        named = (row.id, state.settings.edition, policy.value)
        return Record(*named, Outcome.INFRA, library=library.name, message=given["problem"])
    file = CheckpointFile(row, Path(given["path"]), Edition(given["edition"]), given["sha256"])
    state.learn(file)
    return Check(file, policy, library, state.rules, state.settings.device)
