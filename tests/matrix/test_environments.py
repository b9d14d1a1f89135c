"""Environments with the real uv, tiny wheels and an index on localhost."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from package_index import serving

from matrix.environments import Environment, UvEnvironments, installed
from matrix.processes import Finished, Processes
from matrix.releases import IndexReleases
from matrix.resolution import Settings
from matrix.verdicts import BuildError, NoEnvironment
from pytest_torchcompat.outcome import Outcome

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
FROZEN = "2025-01-01T00:00:00+00:00"

# A build backend in the tree itself: no package is needed to build with it.
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import os, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "{module}-{version}-py3-none-any.whl"
    info = "{module}-{version}.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("{module}.py", "built = True")
        metadata = "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
        wheel.writestr(info + "/METADATA", metadata)
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "{module}.py,,\\n")
    return name

def build_sdist(folder, config_settings=None):
    raise NotImplementedError
"""
TELLING = "import os\nwith open(os.environ['TOLD'], 'a') as f: f.write(str(os.environ))\n"
BROKEN = 'import sys\nprint("this compiler is too new", file=sys.stderr)\nsys.exit(1)\n'


def source(folder, name, version, backend=BACKEND):
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    text = backend
    for key, value in {"module": name.replace("-", "_"), "name": name, "version": version}.items():
        text = text.replace(f"{{{key}}}", value)
    (folder / "backend.py").write_text(text)
    (folder / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


def add_sdist(index, tmp_path, name, version, backend=BACKEND):
    folder = source(tmp_path / f"{name}-{version}", name, version, backend)
    path = tmp_path / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    index.file(name, path.name, path.read_bytes())


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def environments(tmp_path, index, uv_cache, monkeypatch):
    """Environments of a project whose plugin is a module of one line."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    for name in ("UV_FIND_LINKS", "UV_EXCLUDE_NEWER", "UV_TORCH_BACKEND", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    project = source(tmp_path / "project", "the-plugin", "0.1.0")
    settings = Settings(tmp_path / "work", project, FROZEN)
    made = UvEnvironments(settings, Processes(), IndexReleases(index.url))
    made.prepare()
    return made


@pytest.fixture
def cell(planned_cell):
    def make(*requirements, **values):
        made = planned_cell("a-cell", requirements=requirements, **values)
        return made.__class__(**{**vars(made), "python": values.get("python", PYTHON)})

    return make


def test_a_cell_has_what_it_requires_and_the_plugin(environments, index, cell, tmp_path):
    index.wheel("torch", "2.5.1", requires=["helper"])
    index.wheel("helper", "1.0")
    made = environments.create(cell("torch==2.5.1"))
    assert made.distributions == {"helper": "1.0", "the-plugin": "0.1.0", "torch": "2.5.1"}
    assert made.python == tmp_path / "work" / "envs" / "a-cell" / "bin" / "python"
    code = "import torch, helper, the_plugin; print(torch.version, the_plugin.built)"
    printed = subprocess.run([made.python, "-c", code], check=True, capture_output=True, text=True)
    assert printed.stdout == "2.5.1 True\n"


def test_an_environment_is_made_anew_and_deleted(environments, index, cell):
    index.wheel("torch", "2.5.1")
    made = environments.create(cell("torch==2.5.1"))
    stray = made.python.parent / "stray"
    stray.touch()
    environments.create(cell("torch==2.5.1"))
    assert not stray.exists()
    environments.delete(cell())
    assert not made.python.parent.parent.exists()


def test_an_excluded_package_is_left_out(environments, index, cell):
    index.wheel("ultralytics", "8.1.0", requires=["opencv-python", "headless"])
    index.wheel("opencv-python", "5.0")
    index.wheel("headless", "5.0")
    made = environments.create(cell("ultralytics", excludes=["opencv-python"]))
    assert "opencv-python" not in made.distributions
    assert made.distributions["headless"] == "5.0"


def test_what_is_newer_than_the_date_of_the_run_is_not_installed(environments, index, cell):
    index.wheel("numpy", "1.26.4")
    index.wheel("numpy", "2.0.0", data_upload_time="2025-01-01T00:00:01Z")
    made = environments.create(cell("numpy"))
    assert made.distributions["numpy"] == "1.26.4"


def test_byte_code_outlives_its_environment_and_not_its_links(environments, index, cell, tmp_path):
    index.wheel("torch", "2.5.1")
    made = environments.create(cell("torch==2.5.1"))
    variables = {"PYTHONPYCACHEPREFIX": str(made.byte_code)}
    subprocess.run([made.python, "-c", "import colorsys"], check=True, env=variables)
    environments.delete(cell())
    assert not made.byte_code.exists()
    assert list((tmp_path / "work" / "byte-code").rglob("*.pyc"))
    again = environments.create(cell("torch==2.5.1"))
    assert list(again.byte_code.rglob("colorsys.*.pyc"))


def test_an_environment_that_a_killed_sweep_left_is_deleted(environments, tmp_path):
    left = tmp_path / "work" / "envs" / "a-cell" / "bin"
    left.mkdir(parents=True)
    environments.prepare()
    assert not left.exists()


def no_version(index):
    index.wheel("torch", "2.5.1")
    return "torch==2.99.0"


def no_project(index):
    return "nowhere==1.0"


def no_wheel_for_this_python(index):
    index.wheel("torch", "2.5.1", tag="cp27-cp27m-any")
    return "torch==2.5.1"


def a_conflict(index):
    index.wheel("torch", "2.5.1", requires=["numpy<2"])
    index.wheel("numpy", "2.0.0")
    return "torch==2.5.1"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (no_version, "there is no version of torch==2.99.0"),
        (no_project, "nowhere was not found in the package registry"),
        (no_wheel_for_this_python, "torch==2.5.1 has no wheels with a matching Python"),
        (a_conflict, "only numpy==2.0.0 is available"),
    ],
)
def test_what_cannot_be_resolved_is_unavailable_in_the_resolvers_words(
    environments, index, cell, broken, words
):
    made = environments.create(cell(broken(index)))
    assert made.outcome is Outcome.UNAVAILABLE
    assert words in " ".join(made.reason.split())


def test_a_python_that_nobody_has_is_unavailable(environments, cell):
    made = environments.create(cell(python="3.99"))
    assert made.outcome is Outcome.UNAVAILABLE
    assert made.reason.startswith("no interpreter for Python 3.99: ")


def test_a_full_disk_is_no_missing_interpreter(environments, cell, monkeypatch):
    full = Finished(
        2, "error: Failed to create virtual environment\n  cause: No space left on device"
    )
    monkeypatch.setattr(environments.processes, "run", lambda _, **__: full)
    assert environments.create(cell()).outcome is Outcome.INFRA


def test_a_build_that_fails_is_unavailable(environments, index, cell, tmp_path):
    add_sdist(index, tmp_path, "oldlib", "1.0", BROKEN)
    made = environments.create(cell("oldlib==1.0"))
    assert made.outcome is Outcome.UNAVAILABLE
    assert "this compiler is too new" in made.reason


def test_an_index_that_does_not_answer_is_infra(environments, cell, free_port, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{free_port}/")
    made = environments.create(cell("torch==2.5.1"))
    assert made.outcome is Outcome.INFRA
    assert "error sending request" in made.reason


def test_a_library_without_wheels_is_built_once_a_python(environments, index, cell, tmp_path):
    add_sdist(index, tmp_path, "fairseq", "0.12.2")
    wanted = cell("fairseq==0.12.2", library="fairseq", version="0.12.2")
    assert environments.create(wanted).distributions["fairseq"] == "0.12.2"
    built = tmp_path / "work" / "wheels" / f"py{PYTHON}" / "fairseq-0.12.2-py3-none-any.whl"
    before = built.stat().st_mtime_ns
    (index.folder / "files" / "fairseq-0.12.2.tar.gz").unlink()
    assert isinstance(environments.create(wanted), Environment)
    assert built.stat().st_mtime_ns == before


def test_a_source_that_cannot_be_built_is_unavailable(environments, index, cell, tmp_path):
    add_sdist(index, tmp_path, "fairseq", "0.12.2", BROKEN)
    made = environments.create(cell("fairseq", library="fairseq", version="0.12.2"))
    assert made.outcome is Outcome.UNAVAILABLE
    assert "this compiler is too new" in made.reason


def test_a_source_that_cannot_be_downloaded_is_infra(environments, cell):
    made = environments.create(cell("fairseq", library="fairseq", version="0.12.2"))
    assert made == NoEnvironment(Outcome.INFRA, made.reason)
    assert "has no project 'fairseq'" in made.reason


COUNTED = BACKEND.replace(
    "def build_wheel(folder, config_settings=None, metadata_directory=None):\n",
    "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
    "    print('built', file=open({count!r}, 'a'))\n",
)


def git(folder, *words):
    author = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    command = ["git", "-C", folder, *author, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """Make a git repository of a library that notes each time that it is built."""
    counted = COUNTED.replace("{count!r}", repr(str(tmp_path / "builds")))
    folder = source(tmp_path / "fairseq", "fairseq", "0.12.2", counted)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "all")
    return folder


def test_a_library_of_a_repository_is_built_once_at_the_pinned_commit(
    environments, cell, repository, tmp_path
):
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "backend.py").write_text(BROKEN)
    git(repository, "commit", "-q", "-a", "-m", "newer")
    required = f"fairseq @ git+{repository.as_uri()}@{commit}"
    wanted = cell(required, library="fairseq", version=f"0.12.2+g{commit[:7]}")
    for _ in range(2):
        made = environments.create(wanted)
        assert made.distributions["fairseq"] == commit
    assert (tmp_path / "builds").read_text() == "built\n"


def test_a_repository_is_built_against_the_torch_of_its_cell(
    environments, index, cell, repository, tmp_path
):
    for version in ("2.5.1", "2.6.0"):
        index.wheel("torch", version)
    (repository / "pyproject.toml").write_text(PYPROJECT.replace("[]", '["torch"]'))
    backend = (repository / "backend.py").read_text()
    (repository / "backend.py").write_text(backend.replace("'built'", "TORCH"))
    with (repository / "backend.py").open("a") as file:
        file.write("\nfrom torch import version as TORCH\n")
    git(repository, "commit", "-q", "-a", "-m", "needs torch to be built")
    required = f"fairseq @ git+{repository.as_uri()}@{git(repository, 'rev-parse', 'HEAD')}"
    wanted = cell("torch==2.5.1", required, library="fairseq", version="0.12.2+g0000000")
    made = environments.create(dataclasses.replace(wanted, constraints=("torch==2.5.1",)))
    assert isinstance(made, Environment)
    assert (tmp_path / "builds").read_text() == "2.5.1\n"


def test_a_commit_that_is_gone_is_unavailable(environments, cell, repository):
    required = f"fairseq @ git+{repository.as_uri()}@{'0' * 40}"
    made = environments.create(cell(required, library="fairseq", version="0.12.2+g0000000"))
    assert made.outcome is Outcome.UNAVAILABLE
    assert "Git operation failed" in made.reason


def test_a_repository_that_does_not_answer_is_infra(environments, cell, free_port):
    required = f"fairseq @ git+http://127.0.0.1:{free_port}/fairseq@{'0' * 40}"
    made = environments.create(cell(required, library="fairseq", version="0.12.2+g0000000"))
    assert made.outcome is Outcome.INFRA
    assert made.reason.startswith("Failed to download and build `fairseq @")


class Overlapping(Processes):
    """Processes that note, as each installation ends, how many there were at a time until then."""

    def __init__(self):
        super().__init__()
        self.running = 0
        self.most = 0
        self.peaks = []

    def run(self, command, **_):
        """End after everybody else had a chance to start."""
        if "install" not in command:
            return Finished(0)
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(1000):
            os.sched_yield()
        self.running -= 1
        self.peaks.append(self.most)
        return Finished(0)


def test_the_first_cell_of_a_torch_downloads_alone_and_the_others_side_by_side(environments, cell):
    environments.processes = Overlapping()
    with ThreadPoolExecutor(3) as pool:
        created = list(pool.map(environments.create, [cell() for _ in range(6)]))
    assert all(isinstance(each, Environment) for each in created)
    assert environments.processes.peaks[0] == 1
    assert environments.processes.most > 1


def test_a_plugin_that_cannot_be_built_stops_the_sweep(environments):
    (environments.settings.project / "backend.py").write_text(BROKEN)
    with pytest.raises(BuildError, match=r"own wheel was not built, and each cell needs it: "):
        environments.prepare()


def test_a_frozen_list_becomes_names_and_versions():
    frozen = "torch==2.5.1+cpu\npytest-torchcompat @ file:///a/pytest_torchcompat-0.1.0-py3-none-any.whl\n"
    assert installed(frozen) == {"torch": "2.5.1+cpu", "pytest-torchcompat": "0.1.0"}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Plant tokens, and return the file to which a build tells its environment."""
    for name in ("GITHUB_TOKEN", "HF_TOKEN", "UV_PUBLISH_TOKEN"):
        monkeypatch.setenv(name, "a hidden word")
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    return tmp_path / "told"


@pytest.mark.parametrize(
    "needs",
    [
        pytest.param({"library": "fairseq", "version": "0.12.2"}, id="before it is installed"),
        pytest.param({}, id="while it is installed"),
    ],
)
def test_what_builds_a_source_does_not_see_the_tokens_of_the_sweep(
    environments, index, cell, told, needs
):
    add_sdist(index, told.parent, "fairseq", "0.12.2", TELLING + BACKEND)
    made = environments.create(cell("fairseq==0.12.2", **needs))
    assert made.distributions["fairseq"] == "0.12.2"
    assert "a hidden word" not in told.read_text()
    assert "TOLD" in told.read_text()


def test_uv_still_logs_in_to_an_index(environments, cell, tmp_path, monkeypatch):
    with serving(tmp_path / "asking", login="reader:hidden") as asking:
        asking.wheel("torch", "2.5.4")
        monkeypatch.setenv("UV_INDEX", f"asking={asking.url}")
        required = cell("torch==2.5.4", torch="2.5.4")
        refused = environments.create(required)
        monkeypatch.setenv("UV_INDEX_ASKING_USERNAME", "reader")
        monkeypatch.setenv("UV_INDEX_ASKING_PASSWORD", "hidden")
        made = environments.create(required)
    assert not isinstance(refused, Environment)
    assert made.distributions["torch"] == "2.5.4"


def test_a_cells_processes_get_an_environment_of_their_own(tmp_path):
    user = {
        "PATH": "/usr/bin",
        "HOME": "/home/user",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "/somewhere",
        "PYTEST_ADDOPTS": "--verbose",
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
        "CUDA_VISIBLE_DEVICES": "1",
        "XDG_CACHE_HOME": "/home/user/cache",
    }
    made = Environment(Path("/env/bin/python"), {}, Path("/kept"))
    variables = made.variables(tmp_path / "home", user)
    gone = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTEST_ADDOPTS")
    assert not [name for name in variables if name in gone or name.startswith("TORCH_FORCE")]
    assert variables["CUDA_VISIBLE_DEVICES"] == "1"
    assert variables["PATH"] == "/env/bin:/usr/bin"
    assert variables["PYTHONPYCACHEPREFIX"] == "/kept"
    for name in ("HOME", "XDG_CACHE_HOME", "YOLO_CONFIG_DIR", "MPLCONFIGDIR", "TORCH_HOME"):
        assert Path(variables[name]).is_relative_to(tmp_path / "home")
        assert Path(variables[name]).is_dir()
    # Reference files are the user's own, and large.
    assert variables["HF_HOME"] == "/home/user/cache/huggingface"
    assert variables["YOLO_OFFLINE"] == "true"
    assert variables["PYANNOTE_METRICS_ENABLED"] == "false"
    assert variables["OMP_NUM_THREADS"] == "1"
    assert variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] == "1"


def test_what_was_fetched_is_marked_in_uvs_cache(environments, index, cell, uv_cache):
    index.wheel("torch", "2.5.9")
    environments.create(cell("torch==2.5.9", torch="2.5.9"))
    for name in ("torch2.5.9", "ultralytics8.1.0"):
        assert (uv_cache / "torchcompat-fetched" / f"py{PYTHON}-{name}").exists()


def test_the_first_cell_of_a_library_installs_alone_too(environments, cell):
    environments.processes = Overlapping()
    cells = [cell(library="ultralytics", version="9"), cell(library="coqui-tts", version="9")]
    environments.create(cell(library="torch", version="2.5.1"))
    environments.processes.most = 0
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(environments.create, cells))
    assert environments.processes.most == 1
