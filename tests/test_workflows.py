"""The workflows, read and not run: they may only call what exists, and only what is pinned."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
# Of the same commit as the workflow that names them.
OURS = {f"uses: $/.github/actions/{name}" for name in ("site", "sweep")}
SWEEPING = ("nightly.yml", "nightly-gpu.yml", "sweep.yml")
NAMES = [path.name for path in WORKFLOWS]
# What makes a machine ready, and what a job's page shows: all else is a session.
SETTING_UP = ("python -m pip install", "sudo apt-get", "uv cache prune", "if [ -f .matrix/bench.md")
READ = {"contents": "read"}
PUBLISHES = {"pages": "write", "id-token": "write"}
# All that may do more than read, by workflow and job.
MORE = {
    ("nightly.yml", "publish"): PUBLISHES,
    ("nightly.yml", "notices"): {**READ, "issues": "write"},
    ("nightly.yml", "collect"): {},
    ("sweep.yml", "publish"): PUBLISHES,
    ("checks.yml", "passed"): {},
}
# Whoever can sign runs no code of ours, and who runs it can sign nothing.
RELEASING = {
    "build": {"contents": "read"},
    "attest": {"id-token": "write", "attestations": "write"},
    "publish": {"id-token": "write"},
}


@pytest.fixture(params=WORKFLOWS, ids=NAMES)
def workflow(request):
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


def steps(workflow):
    """Return every step of every job."""
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def sessions_called(command: str) -> list[str]:
    """Return the nox sessions that a shell command names, of another noxfile too."""
    found = []
    for line in command.splitlines():
        inner = re.search(r"\$\((.*)\)", line)
        words = shlex.split(inner[1] if inner else line, comments=True)
        if words[:1] != ["nox"]:
            continue
        if words[1] == "-f":
            del words[1:3]
        assert words[1] in ("-s", "--session", "--sessions"), f"name the sessions: {line}"
        end = words.index("--") if "--" in words else len(words)
        found += [word for word in words[2:end] if not word.startswith("-")]
    return found


def sessions_of(job) -> list[str]:
    """Return the sessions of a job; ``$SESSION`` is each that its matrix lists."""
    called = [name for step in job["steps"] for name in sessions_called(step.get("run", ""))]
    several = job.get("strategy", {}).get("matrix", {})
    return [
        each for name in called for each in (several["session"] if name == "$SESSION" else [name])
    ]


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
        ('jobs="$(nox -s plan -- --shards 8)"\necho "$jobs"', ["plan"]),
        ('nox -f "$GITHUB_ACTION_PATH/noxfile.py" -s site -- runs out', ["site"]),
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


def test_there_are_workflows_for_each_change_each_night_and_other_projects():
    assert {"checks.yml", *SWEEPING} <= set(NAMES)
    assert [path.parent.name for path in ACTIONS] == ["site", "sweep"]


@pytest.fixture(scope="module")
def defined():
    return sessions_defined((ROOT / "noxfile.py").read_text(encoding="utf-8"))


def test_every_session_that_a_workflow_calls_exists(workflow, defined):
    called = {name for job in workflow["jobs"].values() for name in sessions_of(job)}
    for action in ACTIONS:
        steps_ = yaml.safe_load(action.read_text(encoding="utf-8"))["runs"]["steps"]
        called |= set(sessions_of({"steps": steps_}))
    assert called, "a workflow that calls no session does by itself what a developer cannot repeat"
    assert called <= defined


@pytest.mark.parametrize("name", ["checks.yml", *SWEEPING])
def test_every_step_that_makes_nothing_ready_is_one_session(name):
    workflow = read(name)
    runs = [step["run"] for step in steps(workflow) if "run" in step]
    left = [each for each in runs if not each.startswith(SETTING_UP) and each != "exit 1"]
    assert [len(sessions_called(each)) for each in left] == [1] * len(left)


def test_every_action_is_pinned_by_its_hash_with_the_tag_beside_it():
    for path in (*WORKFLOWS, *ACTIONS):
        uses = re.findall(r"uses: .*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        own = {"sweep.yml": OURS}.get(path.name, set())
        called = [line for line in uses if "/sweep.yml@HASH" not in line]  # of its example
        assert [line for line in called if not PINNED.match(line) and line not in own] == []


@pytest.mark.parametrize("name", ["checks.yml", *SWEEPING])
def test_nothing_is_permitted_but_what_a_job_asks_for(name):
    workflow = read(name)
    assert workflow["permissions"] == {}
    found = {job: values["permissions"] for job, values in workflow["jobs"].items()}
    assert found == {job: MORE.get((name, job), READ) for job in found}


def test_nothing_from_outside_is_written_into_a_command(workflow):
    for action in ACTIONS:
        found = yaml.safe_load(action.read_text(encoding="utf-8"))["runs"]["steps"]
        assert not [step for step in found if "${{" in step.get("run", "")]
    assert not [step for step in steps(workflow) if "${{" in step.get("run", "")]


def test_a_checkout_leaves_no_credentials_behind(workflow):
    checkouts = [s for s in steps(workflow) if s.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_every_job_ends_in_time_and_none_runs_beside_its_like(workflow):
    assert workflow["concurrency"]["group"]
    assert all(0 < job["timeout-minutes"] <= 360 for job in workflow["jobs"].values())


def read(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))


def test_all_jobs_of_a_change_are_asked_for_by_the_last_one():
    jobs = read("checks.yml")["jobs"]
    assert set(jobs["passed"]["needs"]) == set(jobs) - {"passed"}
    assert jobs["passed"]["if"] == "${{ always() }}"


def test_the_built_wheel_is_tested_on_every_python_and_pytest_that_is_promised():
    jobs = read("checks.yml")["jobs"]
    axes = jobs["installed"]["strategy"]["matrix"]
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert axes["python"] == re.findall(r"Python :: (3\.\d+)", text)
    assert axes["pytest"] == ["8.0.*", "latest", "main"]
    assert '"pytest>=8.0"' in text


@pytest.fixture
def nightly():
    return read("nightly.yml")


def test_what_publishes_runs_no_code_of_ours(nightly):
    (step,) = nightly["jobs"]["publish"]["steps"]
    assert step["uses"].startswith("actions/deploy-pages@")
    assert not [step for step in nightly["jobs"]["collect"]["steps"] if "run" in step]


def test_only_the_main_branch_publishes_and_writes_issues(nightly):
    asked = "github.ref_name == github.event.repository.default_branch"
    assert all(asked in nightly["jobs"][name]["if"] for name in ("collect", "notices"))
    assert nightly["jobs"]["publish"]["needs"] == "collect"


def test_the_parts_of_a_night_have_folders_of_their_own_where_there_is_one_too(nightly):
    jobs = nightly["jobs"]
    uploads = [
        step["with"]["name"]
        for job in ("plan", "cells")
        for step in jobs[job]["steps"]
        if step.get("uses", "").startswith("actions/upload-artifact@")
    ]
    assert uploads == ["plan", "part-${{ strategy.job-index }}"]
    (fetched,) = [step for step in jobs["merge"]["steps"] if "pattern" in step.get("with", {})]
    assert fetched["with"] == {"pattern": "p*", "path": "parts"}


def named(job, name):
    """Return the place of a step in its job, and the step."""
    return next(each for each in enumerate(job["steps"]) if each[1].get("name") == name)


def asked(step) -> list[str]:
    """Return what a step or a job asks for before it runs."""
    return step["if"].removeprefix("${{ ").removesuffix(" }}").split(" && ")


def test_a_night_is_kept_whatever_comes_of_its_page_and_of_the_documents(nightly):
    merge = nightly["jobs"]["merge"]
    assert sessions_of(merge) == ["merge", "site"]
    for name in ("Keep the runs for the next night", "Keep every record of the run"):
        place, step = named(merge, name)
        assert asked(step) == ["!cancelled()", "steps.merge.outcome == 'success'"]
        # Behind what makes old runs small.
        assert place > named(merge, "Site")[0]


def test_the_page_is_published_without_documents_too(nightly):
    docs, collect = nightly["jobs"]["docs"], nightly["jobs"]["collect"]
    assert "needs" not in docs
    assert "docs.result" not in collect["if"]
    (fetched,) = [s for s in collect["steps"] if s.get("with", {}).get("name") == "docs"]
    assert fetched["continue-on-error"] is True
    assert fetched["with"]["path"] == "public/docs"
    links = docs["steps"][-1]
    assert links["run"] == "nox -s docs -- --external"
    assert links["continue-on-error"] is True


@pytest.mark.parametrize("name", SWEEPING)
def test_what_lies_in_a_cache_is_kept_of_a_sweep_that_ran_out_of_time_too(name):
    caches = [step for step in steps(read(name)) if "actions/cache" in step.get("uses", "")]
    assert not [step for step in caches if step["uses"].startswith("actions/cache@")]
    brought = [step for step in caches if "/restore@" in step["uses"]]
    kept = [step for step in caches if "/save@" in step["uses"]]
    assert all(step["with"]["restore-keys"] for step in brought)
    assert all("!cancelled()" in asked(step) for step in kept)
    paths = {step["with"]["path"] for step in brought} - {"public/gpu"}
    assert paths <= {step["with"]["path"] for step in kept}


def test_checkpoints_that_are_not_all_of_them_are_kept_under_a_name_of_their_own(nightly):
    cells = nightly["jobs"]["cells"]
    brought = named(cells, "Bring back checkpoints")[1]["with"]
    part, other = brought["restore-keys"].splitlines()
    assert part == f"{brought['key']}-"
    assert brought["key"].startswith(other)
    key = named(cells, "Keep checkpoints")[1]["with"]["key"]
    assert "steps.cells.outcome != 'success' && format('-part-{0}-{1}'" in key


def test_nobody_waits_for_a_machine_with_a_gpu_and_its_last_page_is_shown(nightly):
    assert not [job for job in nightly["jobs"].values() if "vars." in job["runs-on"]]
    own = read("nightly-gpu.yml")
    assert own["concurrency"]["group"] != nightly["concurrency"]["group"]
    kept = named(own["jobs"]["gpu"], "Hand the page to the next night of the others")[1]["with"]
    collect = nightly["jobs"]["collect"]
    shown = named(collect, "Bring back the last page of a GPU")[1]["with"]
    assert shown["path"] == kept["path"] == "public/gpu"
    assert kept["key"].startswith(shown["restore-keys"])
    assert named(own["jobs"]["gpu"], "Site")[1]["run"].split()[5] == kept["path"]


def test_the_page_of_a_sweep_that_ran_out_of_time_is_published_too():
    jobs = read("sweep.yml")["jobs"]
    _, site = named(jobs["sweep"], "Site")
    _, handed = named(jobs["sweep"], "Hand the page over for publishing")
    assert "timeout-minutes" not in site
    assert asked(site) == ["!cancelled()"]
    assert jobs["sweep"]["outputs"] == {"handed-over": f"${{{{ steps.{handed['id']}.outcome }}}}"}
    wanted = ["!cancelled()", "needs.sweep.outputs.handed-over == 'success'"]
    assert asked(jobs["publish"]) == wanted


def test_two_calls_of_the_sweep_have_artifacts_caches_and_turns_of_their_own():
    workflow = read("sweep.yml")
    _, record = named(workflow["jobs"]["sweep"], "Keep every record of the run")
    assert record["with"]["name"] == "${{ inputs.name }}-runs"
    assert "inputs.name" in workflow["concurrency"]["group"]
    caches = [s for s in steps(workflow) if "actions/cache" in s.get("uses", "")]
    assert all(s["with"]["key"].startswith("${{ inputs.name }}-runs-") for s in caches)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", []),
        ("--torch 2.15.0 --library mine", ["--torch", "2.15.0", "--library", "mine"]),
        ("--torch 2.15.0\n\n  --library *\n", ["--torch", "2.15.0", "--library", "*"]),
    ],
)
def test_all_lines_of_the_arguments_reach_the_sweep(tmp_path, arguments, words):
    action = next(path for path in ACTIONS if path.parent.name == "sweep")
    _, step = named(yaml.safe_load(action.read_text(encoding="utf-8"))["runs"], "Sweep")
    program = tmp_path / "nox"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    given = {"GITHUB_ACTION_PATH": "a", "GITHUB_WORKSPACE": "w", "PROJECT": "p"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    # As GitHub runs it: what fails ends the step.
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        check=True,
        env={**os.environ, **given, "PATH": path, "ARGUMENTS": arguments},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[5:] == ["--project", "w/p", *words]


def test_the_token_that_writes_issues_is_given_to_one_step(nightly):
    holders = [step["name"] for step in steps(nightly) if "github.token" in str(step.get("env"))]
    assert holders == ["Notices"]


def test_the_page_waits_for_no_figure_and_its_sweep_shares_no_machine_with_one(nightly):
    jobs = nightly["jobs"]
    assert "needs" not in jobs["bench"]
    assert [name for name, job in jobs.items() if "bench" in sessions_of(job)] == ["bench"]
    assert not [name for name, job in jobs.items() if "bench" in job.get("needs", ())]


def test_the_figures_of_a_night_are_kept_and_shown_where_a_suite_broke_off_too(nightly):
    show, keep = nightly["jobs"]["bench"]["steps"][-2:]
    assert "$GITHUB_STEP_SUMMARY" in show["run"]
    assert keep["uses"].startswith("actions/upload-artifact@")
    assert keep["with"]["include-hidden-files"] is True  # .matrix/
    assert {step["if"] for step in (show, keep)} == {"${{ !cancelled() }}"}


def test_what_has_to_pass_before_a_change_lands_is_what_plain_nox_runs_and_the_real_libraries():
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    (chosen,) = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "nox.options.sessions"
    )
    default = {each.value for each in ast.walk(chosen) if isinstance(each, ast.Constant)}
    called = sessions_called((ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert set(called) == default | {"smoke"}
