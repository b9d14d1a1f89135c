"""The workflows, read and not run: they may only call what exists, and only what is pinned."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
NAMES = [path.name for path in WORKFLOWS]


@pytest.fixture(params=WORKFLOWS, ids=NAMES)
def workflow(request):
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


def steps(workflow):
    """Return every step of every job."""
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def sessions_called(command: str) -> list[str]:
    """Return the nox sessions that a shell command names."""
    found = []
    for line in command.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] != ["nox"]:
            continue
        assert words[1] in ("-s", "--session", "--sessions"), f"name the sessions: {line}"
        end = words.index("--") if "--" in words else len(words)
        found += [word for word in words[2:end] if not word.startswith("-")]
    return found


def sessions_defined(source: str) -> set[str]:
    """Return the names of the nox sessions that a noxfile defines, without running it."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {name for function in functions if (name := _session_name(function))}


def _session_name(function: ast.FunctionDef) -> str | None:
    for decorator in function.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        if ast.unparse(call) not in ("nox.session", "session"):
            continue
        keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
        given = [ast.literal_eval(word.value) for word in keywords if word.arg == "name"]
        return given[0] if given else function.name
    return None


@pytest.mark.parametrize(
    ("command", "sessions"),
    [
        ("nox -s matrix", ["matrix"]),
        ("nox -s lint typing tests", ["lint", "typing", "tests"]),
        ("nox -s matrix -- --torch 2.5.1", ["matrix"]),
        ('python -m pip install "nox[uv]"', []),
        ("echo nox\nnox --session bench # quickly", ["bench"]),
    ],
)
def test_the_sessions_of_a_command_are_found(command, sessions):
    assert sessions_called(command) == sessions


def test_the_sessions_of_a_noxfile_are_found():
    source = (
        "@nox.session\ndef a(s): ...\n"
        "@nox.session(name='b-c', default=False)\ndef b(s): ...\n"
        "@nox.parametrize('x', [1])\n@nox.session(python=False)\ndef d(s): ...\n"
        "def helper(): ...\n"
    )
    assert sessions_defined(source) == {"a", "b-c", "d"}


def test_there_are_workflows_for_each_change_and_each_night():
    assert {"checks.yml", "nightly.yml"} <= set(NAMES)


def test_every_session_that_a_workflow_calls_exists(workflow):
    defined = sessions_defined((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    called = {name for step in steps(workflow) for name in sessions_called(step.get("run", ""))}
    assert called, "a workflow that calls no session does by itself what a developer cannot repeat"
    assert called <= defined


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_every_action_is_pinned_by_its_hash_with_the_tag_beside_it(path):
    uses = re.findall(r"uses: .*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert uses
    assert [line for line in uses if not PINNED.match(line)] == []


def test_nothing_is_permitted_but_what_a_job_asks_for(workflow):
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        allowed = {"contents": "read"}
        if name == "publish":
            allowed = {"pages": "write", "id-token": "write"}
        assert job["permissions"] == allowed


def test_a_checkout_leaves_no_credentials_behind(workflow):
    checkouts = [s for s in steps(workflow) if s.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_every_job_ends_in_time_and_none_runs_beside_its_like(workflow):
    assert workflow["concurrency"]["group"]
    assert all(0 < job["timeout-minutes"] <= 360 for job in workflow["jobs"].values())


@pytest.fixture
def nightly():
    return yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text(encoding="utf-8"))


def test_what_publishes_runs_no_code_of_ours(nightly):
    (step,) = nightly["jobs"]["publish"]["steps"]
    assert step["uses"].startswith("actions/deploy-pages@")


def test_the_page_waits_for_no_figure_and_its_sweep_shares_no_machine_with_one(nightly):
    jobs = nightly["jobs"]
    assert "needs" not in jobs["bench"]
    assert jobs["publish"]["needs"] == "sweep"
    assert not [step for step in jobs["sweep"]["steps"] if "bench" in step.get("run", "")]


def test_the_figures_of_a_night_are_kept_and_shown_where_a_suite_broke_off_too(nightly):
    show, keep = nightly["jobs"]["bench"]["steps"][-2:]
    assert "$GITHUB_STEP_SUMMARY" in show["run"]
    assert keep["uses"].startswith("actions/upload-artifact@")
    assert keep["with"]["include-hidden-files"] is True  # .matrix/
    assert {step["if"] for step in (show, keep)} == {"${{ !cancelled() }}"}
