"""The commands of the nightly workflow, run as they stand there, one job in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_github import REPOSITORY, TOKEN, serving

from matrix.store import write_text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NIGHTS = ("2026-11-20T01:23:00+00:00", "2026-11-21T01:23:00+00:00")


@pytest.fixture
def job(tmp_path):
    """Run a step of the workflow in the folder of a job, with nox standing for the stubs."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text(encoding="utf-8"))
    program = f'exec "{sys.executable}" "{HERE / "nightly_program.py"}" "$@"'
    write_text(tmp_path / "bin" / "nox", f"#!/bin/sh\n{program}\n")
    (tmp_path / "bin" / "nox").chmod(0o755)
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    def step(folder, named, step, **variables):
        command = next(
            each["run"] for each in workflow["jobs"][named]["steps"] if each.get("name") == step
        )
        folder.mkdir(exist_ok=True)
        # As GitHub runs it: what fails ends the step.
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            check=False,
            env={**os.environ, **path, **variables},
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return step


def output(path, name):
    """Return an output that a step wrote."""
    lines = [line.partition("=") for line in path.read_text().splitlines()]
    return next(value for key, _, value in lines if key == name)


def night(tmp_path, job, number, **variables):
    """Go through the jobs of a night, which have nothing but artifacts in common."""
    home = tmp_path / f"night{number}"
    plan, merge = home / "plan", home / "merge"
    home.mkdir()
    if number:  # The cache.
        shutil.copytree(tmp_path / f"night{number - 1}" / "merge" / "runs", plan / "runs")
    known = {"STUB_NIGHT": NIGHTS[number], "GITHUB_OUTPUT": str(home / "output"), **variables}
    job(plan, "plan", "Plan", **known)
    jobs = json.loads(output(home / "output", "jobs"))["include"]
    shutil.copytree(plan, merge)
    said = []
    for index, each in enumerate(jobs):
        cells = home / f"cells{index}"
        shutil.copytree(plan, cells)
        said.append(job(cells, "cells", "Run the cells", SHARD=each["shard"], **known))
        shutil.copytree(cells / "runs" / each["run"], merge / "parts" / f"part-{index}")
    page = {"GITHUB_STEP_SUMMARY": str(home / "summary.md")}
    job(merge, "merge", "Merge", **known, **page)
    job(merge, "merge", "Site", **known)
    said.append(job(merge, "notices", "Notices", RUN=jobs[0]["run"], **known))
    return jobs, said


def test_a_night_goes_from_its_plan_to_its_site_and_the_next_one_goes_on_from_it(tmp_path, job):
    with serving() as github:
        token = {
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_API_URL": github.url,
        }
        first, _ = night(tmp_path, job, 0, **token)
        second, said = night(tmp_path, job, 1, **token)
    assert [each["shard"] for each in first] == ["library:1/2", "library:2/2"]
    assert [each["torch"] for each in first] == [["2.5.1", "2.6.0"]] * 2
    assert [each["run"] for each in (first[0], second[0])] == ["2026-11-20T0123", "2026-11-21T0123"]
    assert all("carried over, the oldest from 2026-11-20T0123" in each for each in said[:2])
    assert said[2] == "Nothing to do: each issue says what the run says.\n"
    public = tmp_path / "night1" / "merge" / "public"
    matrix = json.loads((public / "matrix.json").read_text())
    assert (matrix["complete"], len(matrix["cells"])) == (True, 4)
    assert json.loads((public / "changes.json").read_text())["old"]["run"] == "2026-11-20T0123"
    assert len(list((public / "history").glob("*.jsonl"))) == 2
    summary = (tmp_path / "night1" / "summary.md").read_text()
    assert summary.startswith("## Matrix run 2026-11-21T0123")
