"""Another project's sweep: what its pyproject.toml may say, its plan, its cells, its commands."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
import tomllib
from sweep_program import NoIndex, ThisEnvironment

from matrix import __main__ as command
from matrix import outside
from matrix.adapters import require_adapters
from matrix.axes import Library
from matrix.environments import Environment
from matrix.keys import Keys
from matrix.processes import Processes
from matrix.project import ProjectError, catalogue_of, is_same, require_same
from matrix.project_table import read_project
from matrix.runner import Sweep
from matrix.staging import Staged
from matrix.store import RunFolder
from matrix.verdicts import NoEnvironment
from matrix.wheels import FolderWheels
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import CatalogueError, TorchcompatError

STUB = Path(__file__).parent / "stub_checks"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
FROZEN = "2026-11-20T10:31:00+00:00"
ROW = """
[tool.torchcompat.checkpoints."mine/voice"]
library = "my-app"
path = "voice.pt"
"""
PLUGIN = """
import os
from pathlib import Path

Path(os.environ.get("TOLD", os.devnull)).write_text("imported")

class MyApp:
    name = distribution = "my-app"

def pytest_torchcompat_libraries():
    return [MyApp()]
"""
# The stub's checks do what a checkpoint's id says: this one passes.
SWEPT = """
[project]
name = "my-app"
version = "0.3"
requires-python = ">=3.10"

[tool.torchcompat.checkpoints.works]
library = "my-app"
path = "voice.pt"
tolerance = 0.5

[tool.torchcompat.matrix]
torch = ["2.5.1", "newest", "nightly"]
policies = ["stock", "patched"]
plugins = ["adapter.py"]
trust = ["voice.pt"]

[tool.torchcompat.matrix.libraries.my-app]
path = "."
companions = ["soundfile"]

[tool.torchcompat.matrix.libraries.torchaudio]
checkpoints = ["torchaudio/wav"]
"""


NOTE = (
    "libraries.my-app: no plugin registers the adapter 'my-app' where the sweep is planned; a cell"
    " in which none does either is infra."
)
UNKNOWN = (
    "libraries.my-app: whether a plugin registers the adapter 'my-app' is not known where the sweep"
    " is planned: "
)


@pytest.fixture
def written(tmp_path):
    """Write a project, and return its folder."""

    def write(text=SWEPT, plugin=PLUGIN):
        folder = tmp_path / "app"
        folder.mkdir(exist_ok=True)
        (folder / "pyproject.toml").write_text(text)
        (folder / "adapter.py").write_text(plugin)
        (folder / "voice.pt").write_bytes(b"a voice")
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / "adapter.py").write_text("x = 1")
        return folder

    return write


def matrix(text="", library=""):
    table = '[tool.torchcompat.matrix]\ntorch = ["2.5.1"]\n'
    return f"{table}{text}\n[tool.torchcompat.matrix.libraries.fairseq]\n{library}\n"


M, F = "[tool.torchcompat.matrix]", "[tool.torchcompat.matrix.libraries.fairseq]"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            matrix("torches = []"),
            f"{M}: 'torches' is not a known key. Choose one of: torch, policies, plugins, trust,"
            " libraries.",
        ),
        (matrix("policies = 'stock'"), f"{M}: policies: a list is due, not 'stock'"),
        (matrix("policies = []"), f"{M}: policies: it names none; leave the key out, or name one"),
        (
            matrix('policies = ["stok"]'),
            f"{M}: policies: 'stok' is not a known policy. Choose one of: stock, patched,"
            " allowlisted, strict. Did you mean 'stock'?",
        ),
        (f'{M}\ntorch = ["new"]', f"{M}: torch: 'new' is no version"),
        (f"{M}\ntorch = [2.5]", f"{M}: torch: text is due, not 2.5"),
        (f"{M}\nlibraries = []", f"{M}: libraries: a table is due, not []"),
        (
            f"{M}\nlibraries = {{}}",
            f"{M}: libraries: it names no library; add [tool.torchcompat.matrix.libraries.NAME]",
        ),
        (f"{M}\nlibraries.fairseq = 1", f"{F}: it must be a table, and is 1"),
        (
            f'{M}\nlibraries."a b" = {{}}',
            "[tool.torchcompat.matrix.libraries.a b]: 'a b' is no name of a package",
        ),
        (
            f'{M}\ntorch = ["2.5.1"]',
            f"{M}: it names no library, and no row of [tool.torchcompat.checkpoints] is one's that"
            " is swept here; add [tool.torchcompat.matrix.libraries.NAME]",
        ),
        (
            matrix(library='version = ["0.12.2"]'),
            f"{F}: 'version' is not a known key. Choose one of: versions, path, adapter,"
            " checkpoints, companions, excludes, pairs, pythons. Did you mean 'versions'?",
        ),
        (matrix(library='versions = ["x"]'), f"{F}: versions: 'x' is no version"),
        (
            f'{M}\nlibraries.torchaudio.versions = ["2.5.1"]',
            "[tool.torchcompat.matrix.libraries.torchaudio]: versions: the version of torchaudio"
            " follows torch's, so that none can be named; leave it out",
        ),
        (
            matrix(library='checkpoints = ["mine/*"]'),
            f"{F}: checkpoints: 'mine/*' is not a known checkpoint. Choose one of: ",
        ),
        (
            matrix(library='pythons = ["311"]'),
            f"{F}: pythons: a Python such as 3.11 is due, not '311'",
        ),
        (
            matrix(library='companions = ["a b"]'),
            f"{F}: companions: 'a b' is no requirement, such as soundfile>=0.12",
        ),
        (
            matrix(library='pairs = ["numpy"]'),
            f"{F}: pairs: 'numpy' is not a known package that goes with torch. Choose one of: ",
        ),
        (
            matrix(library='path = "."\nversions = ["1"]'),
            f"{F}: what is in a folder has one version; leave them out",
        ),
        (
            matrix(library='path = "lost"'),
            f"{F}: path: {{folder}}/lost holds no project; name a folder that has a pyproject.toml",
        ),
        (
            matrix(library='path = "."') + '[project]\nname = "my-app"',
            f"{F}: path: the project in {{folder}} is called my-app; give the table that name",
        ),
        (
            matrix('plugins = ["lost.py"]'),
            f"{M}: plugins: {{folder}}/lost.py is not there; name a file of the project",
        ),
        (
            matrix('plugins = ["adapter.py", "./adapter.py", "sub/adapter.py"]'),
            f"{M}: plugins: 2 are called adapter; give each another name",
        ),
        (f"project = 3\n{matrix()}", "[project]: it must be a table, and is 3"),
        (matrix(library='pairs = [["a"]]'), f"{F}: pairs: text is due, not ['a']"),
        (matrix('plugins = ["a\\u0000.py"]'), f"{M}: plugins: text is due, not 'a\\x00.py'"),
        (matrix(library='path = "a\\u0000"'), f"{F}: path: text is due, not 'a\\x00'"),
        (
            matrix('plugins = ["my app"]'),
            f"{M}: plugins: a module, my_app.torchcompat, or a file that ends in .py is due, not"
            " 'my app'",
        ),
    ],
)
def test_what_can_not_be_swept_is_a_sentence_with_its_key(written, capsys, text, sentence):
    folder = written(text)
    assert command.main(["plan", "--project", str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {folder}/pyproject.toml, {sentence.format(folder=folder)}")
    assert not (folder / "torchcompat-runs").exists()


def test_a_plugin_that_is_no_python_is_told(written):
    folder = written(plugin="def")
    with pytest.raises(ProjectError, match=r"adapter\.py is no Python that can be read: invalid"):
        read_project(folder)


def test_a_folder_without_a_pyproject_is_told(tmp_path, capsys):
    assert command.main(["run", "--project", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path} has no pyproject.toml; --project takes the folder of a project that"
        " has one\n"
    )


def test_a_project_without_the_table_is_told(written):
    folder = written(ROW)
    with pytest.raises(ProjectError) as caught:
        read_project(folder)
    assert str(caught.value) == (
        f"{folder}/pyproject.toml has no {M}, which says what of this project is swept; add one"
        ' with torch = ["2.5.1", "newest"], or any other key of it'
    )


def test_an_id_that_is_ours_is_told(written):
    text = ROW.replace("mine/voice", "rvc/rmvpe") + matrix()
    with pytest.raises(CatalogueError, match="this id is in the catalogue already"):
        read_project(written(text))


def test_a_project_that_names_no_library_sweeps_ours_for_its_own_rows(written):
    text = ROW.replace("my-app", "fairseq") + f'{M}\ntorch = ["2.5.1"]'
    [row] = read_project(written(text)).libraries
    assert (row.name, row.checkpoints) == ("fairseq", ("mine/voice",))


def test_a_library_opens_the_projects_own_rows_where_it_has_some_and_ours_where_not(written):
    text = ROW.replace("my-app", "fairseq") + f"{M}\nlibraries = {{fairseq = {{}}, rvc = {{}}}}"
    own, ours = read_project(written(text)).libraries
    assert own.checkpoints == ("mine/voice",)
    assert "rvc/rmvpe" in ours.checkpoints


def test_a_row_that_no_library_opens_is_told_on_the_page(written):
    project = read_project(written(ROW + matrix()))
    assert project.planned_with == (
        "This is the sweep of app: its axes and rows are those of its pyproject.toml.",
        "mine/voice: no library of this sweep opens it; its row says my-app.",
    )


def test_what_we_know_of_a_library_is_kept_beside_what_a_project_asks(written):
    text = matrix(
        library='companions = ["soundfile"]\npythons = ["3.10"]\nexcludes = ["sacrebleu"]'
    )
    [row] = read_project(written(text)).libraries
    assert [each.requirement for each in row.companions] == ["numpy<2", "soundfile"]
    assert [each.requirement for each in row.excludes] == ["sacrebleu"]
    assert (row.pythons, row.only_pythons, row.pairs) == (("3.10",), True, ("torchaudio",))


@pytest.mark.parametrize("plugin", [PLUGIN.replace("my-app", "other"), "x = 1"])
def test_an_adapter_that_no_plugin_registers_here_is_a_note_of_the_plan(written, plugin):
    assert require_adapters(read_project(written(plugin=plugin))) == (NOTE,)


@pytest.mark.usefixtures("indexes")
def test_a_plan_has_the_note_of_an_adapter_that_only_a_cell_may_have(written, capsys):
    assert NOTE in planned(capsys, written(plugin="x = 1"))["notes"]


def test_an_adapter_that_nobody_could_register_is_told(written):
    folder = written(SWEPT.replace('plugins = ["adapter.py"]', ""))
    with pytest.raises(ProjectError) as caught:
        require_adapters(read_project(folder))
    said = str(caught.value)
    where = f"{folder}/pyproject.toml, [tool.torchcompat.matrix.libraries.my-app]: "
    assert said.startswith(f"{where}'my-app' is not a known adapter. Choose one of: fairseq,")
    assert said.endswith(
        "Name one with adapter, or in plugins a file whose pytest_torchcompat_libraries registers"
        " it"
    )


@pytest.mark.parametrize(
    ("plugin", "why"),
    [
        (
            "import what_a_cell_installs",
            "ModuleNotFoundError: No module named 'what_a_cell_installs'",
        ),
        ("open(__file__ + '.gone')", "FileNotFoundError: [Errno 2] No such file or directory: '"),
        ("raise SystemExit(3)", "the plugins ended their process with 3"),
    ],
)
def test_an_adapter_of_a_plugin_that_fails_here_is_left_to_the_cells_and_said(written, plugin, why):
    [note] = require_adapters(read_project(written(plugin=plugin)))
    assert note.startswith(UNKNOWN + why)
    assert note.endswith("; a cell in which none does is infra.")
    assert tempfile.gettempdir() not in note


def test_an_adapter_of_a_module_that_cells_install_is_left_to_them_and_said(written):
    text = SWEPT.replace("adapter.py", "my_app.torchcompat")
    [note] = require_adapters(read_project(written(text)))
    assert note == (
        f"{UNKNOWN}my_app.torchcompat is what cells install; a cell in which none does is infra."
    )


def test_the_project_of_the_guide_names_its_packages_as_setuptools_would_refuse_it_otherwise():
    guide = (command.PROJECT / "docs/how-to/own-sweep.md").read_text(encoding="utf-8")
    found = tomllib.loads(guide.partition("```toml\n")[2].partition("```")[0])
    assert found["tool"]["setuptools"]["packages"] == ["my_app"]


def test_a_plugin_that_is_asked_gets_none_of_the_environments_secrets(written, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    asks = 'class MyApp:\n    name = os.environ.get("GITHUB_TOKEN", "my-app")'
    plugin = f"import os\n{asks}\ndef pytest_torchcompat_libraries(): return [MyApp()]"
    assert require_adapters(read_project(written(plugin=plugin))) == ()


def test_nothing_of_a_project_is_imported_where_it_is_planned(written, tmp_path, monkeypatch):
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    project = read_project(written())
    assert not (tmp_path / "told").exists()
    require_adapters(project)
    assert not {"adapter", "project_adapter"} & set(sys.modules)


@pytest.fixture
def indexes(index, monkeypatch, free_port):
    """Plan from an index on localhost, PyTorch's own being out of reach."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    dead = f"http://127.0.0.1:{free_port}/{{backend}}/"
    monkeypatch.setattr(outside.torch_backend, "__defaults__", (dead,))
    monkeypatch.setattr(outside.nightlies, "__defaults__", (dead,))
    for version in ("2.5.1", "2.6.0", "2.7.0"):
        for name in ("torch", "torchaudio"):
            index.wheel(name, version, tag=f"cp{PYTHON.replace('.', '')}-none-any")
    index.wheel("ultralytics", "8.1.0")
    index.wheel("ultralytics", "8.3.200")
    return index


def planned(capsys, folder, *words):
    assert command.main(["plan", "--json", "--project", str(folder), *words]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("indexes")
def test_a_plan_has_the_axes_of_the_project(written, capsys):
    plan = planned(capsys, written())
    assert [cell["id"] for cell in plan["cells"]] == [
        f"py{PYTHON}-torch{torch}-{library}"
        for torch in ("2.5.1", "2.7.0")
        for library in ("my-app0.3", f"torchaudio{torch}")
    ]
    first = plan["cells"][0]
    assert [check["policy"] for check in first["checks"]] == ["stock", "patched"]
    assert first["requirements"] == ["torch==2.5.1", "my-app @ .", "soundfile"]
    assert plan["notes"] == [
        "This is the sweep of my-app: its axes and rows are those of its pyproject.toml.",
        outside.NO_TORCH_INDEX,
        outside.NO_NIGHTLY,
    ]
    assert plan["stacks"] == []
    assert not Path(plan["project"]["folder"]).is_absolute()


@pytest.mark.usefixtures("indexes")
def test_a_torch_that_the_words_name_stands_for_the_axis(written, capsys):
    plan = planned(capsys, written(), "--torch", "2.6", "--policy", "strict")
    assert plan["torch"] == ["2.6.0"]
    assert {check["policy"] for cell in plan["cells"] for check in cell["checks"]} == {
        "strict",
        "stock",  # of the WAV file, which no policy touches
    } - {"stock"}


@pytest.mark.usefixtures("indexes")
def test_a_version_that_is_not_swept_has_what_its_nearest_needs(written, capsys):
    library = 'ultralytics.versions = ["8.1.0", "8.3.200", "newest"]'
    plan = planned(capsys, written(f'{M}\ntorch = ["2.5.1"]\nlibraries.{library}'))
    assert [cell["version"] for cell in plan["cells"]] == ["8.1.0", "8.3.200"]
    assert all("opencv-python-headless" in cell["requirements"] for cell in plan["cells"])


@pytest.mark.usefixtures("indexes")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            f'{M}\ntorch = ["2.99"]\nlibraries.torchaudio = {{}}',
            f"{M}: torch: '2.99' is not a known torch version. Choose one of: 2.5.1, 2.6.0, 2.7.0.",
        ),
        (
            f'{M}\ntorch = ["2.6"]\nlibraries.ultralytics.versions = ["8.9"]',
            f"{M}: libraries.ultralytics: versions: '8.9' is not a known version of ultralytics."
            " Choose one of: 8.1.0, 8.3.200.",
        ),
        (
            f'{M}\ntorch = ["2.6"]\nlibraries.ultralytics.pythons = ["3.99"]',
            f"{M}: libraries.ultralytics: pythons: '3.99' is not a known Python that torch has"
            f" wheels for. Choose one of: {PYTHON}.",
        ),
    ],
)
def test_a_version_or_python_that_does_not_exist_is_told_with_its_key(
    written, capsys, text, sentence
):
    folder = written(text)
    assert command.main(["plan", "--project", str(folder)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {folder}/pyproject.toml, {sentence}")


def test_a_version_that_does_not_exist_is_told_with_the_ones_around_it(written, capsys, indexes):
    for minor in range(4, 13):
        indexes.wheel("ultralytics", f"8.{minor}.0")
    folder = written(f'{M}\ntorch = ["2.6"]\nlibraries.ultralytics.versions = ["8.1.999"]')
    assert command.main(["plan", "--project", str(folder)]) == 2
    newest = ", ".join(f"8.{minor}.0" for minor in range(7, 13))
    said = f"Choose one of: 8.1.0, 8.3.200, {newest}."
    assert said in capsys.readouterr().err


def test_a_project_does_not_go_to_a_cluster(written, capsys):
    words = ["run", "--executor", "dask", "--scheduler", "tcp://a:1", "--project", str(written())]
    assert command.main(words) == 2
    said = "error: a project's sweep runs on this machine; leave --executor and --scheduler out\n"
    assert capsys.readouterr().err == said


def test_a_plan_of_a_project_wants_the_project_as_it_was(written):
    project = read_project(written())
    require_same(project.entry, project)
    with pytest.raises(ProjectError, match="of the project my-app; name its folder with --project"):
        require_same(project.entry, None)
    changed = read_project(written(SWEPT.replace('"patched"', '"strict"')))
    assert not is_same(project.entry, changed)
    with pytest.raises(ProjectError, match=r"not of what .*\.toml asks for now; plan it"):
        require_same(project.entry, changed)


def test_a_page_knows_the_rows_where_the_project_is_not(written):
    entry = json.loads(json.dumps(read_project(written()).entry))
    assert catalogue_of(entry).get("works").tolerance == 0.5
    assert "works" not in catalogue_of({})


@pytest.mark.usefixtures("indexes")
def test_a_plan_says_of_a_library_that_no_checkpoint_is_opened_by_it(written, capsys):
    without = SWEPT.replace('library = "my-app"', 'library = "torch"')
    said = (
        "my-app: no checkpoint is opened by it, so it has no cell; add a row with library ="
        ' "my-app".'
    )
    assert said in planned(capsys, written(without))["notes"]
    assert said not in planned(capsys, written())["notes"]


# Its wheel


class Built:
    """Processes in which uv builds a wheel of what a test says."""

    def __init__(self, files, name="my_app-0.3-py3-none-any.whl", returncode=0, output=""):
        self.files, self.name, self.count = files, name, 0
        self.returncode, self.output = returncode, output

    def run(self, command, **_):
        """Write the wheel where uv is told to."""
        self.count += 1
        target = Path(command[command.index("--out-dir") + 1])
        target.mkdir(parents=True, exist_ok=True)
        if self.returncode == 0:
            with zipfile.ZipFile(target / self.name, "w") as wheel:
                for name, text in self.files.items():
                    wheel.writestr(name, text)
        return dataclasses.make_dataclass("Done", ["returncode", "output"])(
            self.returncode, self.output
        )


@pytest.fixture
def folder_cell(planned_cell):
    requirements = ("torch==2.5.1", "my-app @ .")
    cell = planned_cell(library="my-app", version="0.3", requirements=requirements)
    return dataclasses.replace(cell, adapter="torch")


def wheels_of(tmp_path, built):
    row = Library("my-app", folder=str(tmp_path / "app"))
    return FolderWheels(tmp_path / "work", FROZEN, [row], built)


def test_a_cell_requires_the_wheel_that_was_built_of_the_folder(tmp_path, folder_cell):
    built = Built({"my_app.py": "x = 1"})
    wheels = wheels_of(tmp_path, built)
    found = wheels.required(folder_cell)
    [wheel] = (tmp_path / "work/wheels/project").glob("*/my_app-0.3-py3-none-any.whl")
    assert found.requirements == ("torch==2.5.1", f"my-app @ {wheel.as_uri()}")
    assert wheels.required(dataclasses.replace(found, python="3.12")).requirements[1] == (
        f"my-app @ {wheel.as_uri()}"
    )
    assert built.count == 1


def test_a_wheel_for_one_python_is_built_for_each(tmp_path, folder_cell):
    built = Built({"my_app.py": ""}, "my_app-0.3-cp311-cp311-linux_x86_64.whl")
    wheels = wheels_of(tmp_path, built)
    wheels.required(folder_cell)
    wheels.required(dataclasses.replace(folder_cell, python="3.12"))
    assert built.count == 2


def test_a_folder_that_can_not_be_built_says_why_and_is_not_tried_again(tmp_path, folder_cell):
    built = Built({}, returncode=1, output="error: no backend")
    wheels = wheels_of(tmp_path, built)
    for _ in range(2):
        assert wheels.required(folder_cell) == NoEnvironment("unavailable", "no backend")
    assert (wheels.code(folder_cell), built.count) == ("", 1)


def test_a_fault_of_the_machine_is_not_remembered(tmp_path, folder_cell):
    built = Built({"my_app.py": ""}, returncode=1, output="error: Connection reset by peer")
    wheels = wheels_of(tmp_path, built)
    assert wheels.required(folder_cell).outcome == "infra"
    built.returncode = 0
    assert "my-app @ file:" in wheels.required(folder_cell).requirements[1]
    assert built.count == 2


def test_another_cell_is_as_it_was(tmp_path, planned_cell):
    cell = planned_cell()
    assert wheels_of(tmp_path, Built({})).required(cell) is cell


# What its results depend on


@pytest.fixture
def parts(tmp_path, written, folder_cell):
    """Return the parts of a cell's key, of a project that is written anew."""

    def found(text, plugin, files):
        project = read_project(written(text, plugin))
        wheels = wheels_of(tmp_path, Built(files))
        staged = Staged(project, tmp_path / "plugins")
        cell = dataclasses.replace(folder_cell, lock=("torch==2.5.1", "my-app @ file:///a.whl"))
        known = (Path(command.PROJECT), project.catalogue, {"works": {"sha256": "a"}}, ())
        return Keys(*known, project.libraries, lambda cell: staged.code(cell, wheels)).parts(cell)

    return found


def keys_of(project):
    known = (Path(command.PROJECT), project.catalogue)
    return Keys(*known, libraries=project.libraries, own=lambda _: "")


FILES = {"my_app.py": "x = 1", "my_app-0.3.dist-info/METADATA": "a"}


@pytest.mark.parametrize(
    ("text", "plugin", "files", "differing"),
    [
        (SWEPT, PLUGIN, FILES, set()),
        (SWEPT, PLUGIN, {**FILES, "my_app-0.3.dist-info/METADATA": "b"}, set()),
        (SWEPT, PLUGIN, {**FILES, "my_app.py": "x = 2"}, {"project's code"}),
        (SWEPT, PLUGIN + "\n", FILES, {"project's code"}),
        (SWEPT.replace('trust = ["voice.pt"]', ""), PLUGIN, FILES, {"project's code"}),
        (SWEPT.replace("0.5", "0.4"), PLUGIN, FILES, {"checkpoints"}),
    ],
)
def test_a_cell_runs_anew_where_the_project_is_another(parts, text, plugin, files, differing):
    before, after = parts(SWEPT, PLUGIN, FILES), parts(text, plugin, files)
    assert {name for name in before if before[name] != after[name]} == differing
    assert {"project's code", "code", "files", "lock"} <= set(before)


def test_a_cell_runs_anew_where_another_adapter_opens_its_checkpoints(
    tmp_path, written, folder_cell
):
    staged = Staged(read_project(written()), tmp_path / "plugins")
    mine, other = (dataclasses.replace(folder_cell, adapter=name) for name in ("mine", "other"))
    assert staged.code(mine, None) != staged.code(other, None)


def test_a_plugin_may_be_of_another_encoding(tmp_path, folder_cell, written):
    folder = written()
    (folder / "adapter.py").write_bytes(b"# -*- coding: latin-1 -*-\nx = '\xe9'")
    assert Staged(read_project(folder), tmp_path / "plugins").code(folder_cell, None)


@pytest.mark.parametrize(
    ("library", "line"),
    [
        ("my-app", "helper @ {url}"),
        ("my-app", "helper[x] @ {url}#sha256=0"),
        ("ultralytics", "ultralytics @ {url}"),  # Of no folder: named as a companion.
    ],
)
def test_a_cell_runs_anew_where_another_wheel_of_a_file_has_other_code(
    tmp_path, planned_cell, written, library, line
):
    wheel = tmp_path / "the wheel.whl"
    project = read_project(written(f"{SWEPT}\n[tool.torchcompat.matrix.libraries.ultralytics]"))
    lock = ("torch==2.5.1", line.format(url=wheel.as_uri()))
    cell = dataclasses.replace(planned_cell(library=library), lock=lock)
    keys = keys_of(project)
    found = []
    for content in (b"a", b"a", b"bc"):
        wheel.write_bytes(content)
        found.append(keys.parts(cell)["lock"])
    assert (found[0] == found[1], found[1] == found[2]) == (True, False)


def test_what_a_folder_holds_that_is_no_library_of_the_sweep_is_never_taken_for_the_same(
    tmp_path, folder_cell, written
):
    project = read_project(written())
    cell = dataclasses.replace(folder_cell, lock=(f"helper @ {tmp_path.as_uri()}",))
    keys = keys_of(project)
    assert keys.parts(cell)["lock"] != keys.parts(cell)["lock"]


# Its cells


def test_a_cells_process_is_given_the_plugins_and_what_is_trusted(tmp_path, written):
    folder = written()
    staged = Staged(read_project(folder), tmp_path / "plugins")
    staged.lay_out()
    assert staged.words == ["-p", "project_adapter", f"--torchcompat-trust={folder}/voice.pt"]
    assert staged.variables == {"PYTHONPATH": str(tmp_path / "plugins")}
    assert (tmp_path / "plugins" / "project_adapter.py").read_text() == PLUGIN


class Here(ThisEnvironment):
    """Give each cell this Python, with none of what a project's own environment has."""

    def create(self, cell):
        """Return it."""
        return Environment(Path(sys.executable))


REAL_PLUGIN = """
from pathlib import Path

class MyApp:
    name = distribution = "my-app"

    def import_(self):
        pass

    def load(self, checkpoint, path):
        assert (checkpoint.id, checkpoint.tolerance) == ("works", 0.5)
        return path.read_bytes()

    def forward(self, checkpoint, model, device):
        return None

def pytest_torchcompat_libraries(config):
    return [MyApp()]
"""


def test_a_real_cell_opens_a_row_of_the_project_with_its_adapter(tmp_path, written, planned_cell):
    pytest.importorskip("torch")
    project = read_project(written(plugin=REAL_PLUGIN))
    staged = Staged(project, tmp_path / "plugins")
    staged.lay_out()
    cell = planned_cell(library="my-app", version="0.3", checks=[("works", "stock")])
    path = str(project.folder / "voice.pt")
    files = {"works": {"path": path, "edition": "local", "sha256": "a" * 64}}
    run = RunFolder(tmp_path / "run")
    sweep = Sweep(run, Here(), Processes(), command.CHECKS, files=files, staged=staged)
    [record] = sweep.timed(Here().create(cell), cell, run.cell(cell.id), {})
    assert (record.outcome, record.library, record.edition) == ("pass", "my-app", "local")


def test_an_adapter_that_a_cell_does_not_find_is_told(tmp_path, written, planned_cell):
    pytest.importorskip("torch")
    staged = Staged(read_project(written(plugin="x = 1")), tmp_path / "plugins")
    staged.lay_out()
    cell = planned_cell(library="my-app", version="0.3", checks=[("works", "stock")])
    run = RunFolder(tmp_path / "run")
    sweep = Sweep(run, Here(), Processes(), command.CHECKS, staged=staged)
    files = {"works": {"problem": "none"}}
    result = dataclasses.replace(sweep, files=files).run_cell(cell)
    assert result.outcome == "infra"
    said = "The hook pytest_torchcompat_libraries of a plugin registers others."
    assert said in " ".join(result.reason.split())


# All of it


@pytest.fixture
def swept(written, indexes, monkeypatch, tmp_path):
    """Sweep a project with stub checks, in this Python."""
    monkeypatch.setattr(command, "UvEnvironments", Here)
    monkeypatch.setattr(command, "Resolver", NoIndex)
    monkeypatch.setattr(command, "CHECKS", STUB)
    monkeypatch.setattr(command, "WORK", tmp_path / "ours" / ".matrix")
    monkeypatch.setattr(command, "RUNS", tmp_path / "ours" / "runs")
    monkeypatch.setattr(FolderWheels, "code", lambda *_: "")
    text = SWEPT.split("[tool.torchcompat.matrix.libraries.torchaudio]", maxsplit=1)[0]
    # A stub's process knows no option of ours.
    folder = written(text.replace('trust = ["voice.pt"]', ""))
    (folder / "adapter.py").write_text("def pytest_torchcompat_libraries(): return []")
    monkeypatch.setattr(command, "require_adapters", lambda _: ())

    def sweep(*words):
        code = command.main(
            ["run", "--project", str(folder), "--speed-minutes", "0", "--force", *words]
        )
        newest = max((folder / "torchcompat-runs").glob("*/matrix.json"))
        return code, json.loads(newest.read_text()), newest.parent

    return sweep


def test_a_run_lies_in_the_project_and_its_page_repeats_the_project(swept, written, capsys):
    code, matrix, run = swept()
    assert code == 0
    assert [cell["outcome"] for cell in matrix["cells"]] == ["pass", "pass"]
    assert matrix["project"]["name"] == "my-app"
    summary = (run / "summary.md").read_text()
    assert matrix["complete"]
    assert (run.parent.parent / ".matrix").is_dir()
    assert "voice.pt" in {name for row in matrix["checkpoints"] for name in row["files"]}
    assert "This is the sweep of my-app" in (run / "index.html").read_text() + summary
    capsys.readouterr()
    project = str(run.parent.parent)
    words = ["--project", project]
    assert command.main(["recommend", "--library", "my-app", *words]) == 0
    assert "stock" in capsys.readouterr().out
    assert command.main(["history", *words]) == 0
    assert "my-app" in capsys.readouterr().out
    assert command.main(["render", str(run)]) == 0  # The project itself is not needed.


def test_no_folder_that_a_sweep_adds_to_a_project_is_taken_for_a_package_of_it(swept):
    _, _, run = swept()
    # setuptools finds packages by name: one more beside the only one and the wheel can't be built.
    folders = {each.name for each in run.parents[1].iterdir() if each.is_dir()}
    assert {name for name in folders if name.isidentifier()} == {"sub"}


def test_a_second_run_carries_over_what_is_still_good(swept, capsys):
    swept()
    capsys.readouterr()
    code, _, run = swept()
    assert code == 0
    assert "2 cells carried over, the oldest from" in capsys.readouterr().out
    (run.parent.parent / "adapter.py").write_text("def pytest_torchcompat_libraries(): return [1]")
    swept()
    assert "carried over" not in capsys.readouterr().out
    assert command.main(["diff", "--project", str(run.parent.parent)]) == 0


def test_a_command_of_a_project_names_it(tmp_path):
    from matrix import commands

    matrix = {"project": {"name": "my-app", "folder": "../my app"}}
    folder = commands.project_in(matrix)
    assert commands.one_cell("one", "auto", "stock", folder) == (
        "nox -s cell -- one --policy stock --project '../my app'"
    )
    assert commands.go_on({}, "auto", project=folder) == ("nox -s matrix -- --project '../my app'")
    assert commands.project_in({}) == ""


def test_the_project_that_the_guide_shows_is_one(written):
    guide = (Path(command.PROJECT) / "docs" / "how-to" / "own-sweep.md").read_text("utf-8")
    text, plugin = (
        re.search(rf"```{language}\n(.*?)```", guide, re.DOTALL)[1]
        for language in ("toml", "python")
    )
    folder = written(text, plugin)
    (folder / "torchcompat_adapter.py").write_text(plugin)
    project = read_project(folder)
    require_adapters(project)
    own, ours = project.libraries
    assert (own.opened_by, own.checkpoints) == ("my-app", ("my/voice",))
    assert (ours.asked, project.torch[-1]) == (("8.3.162", "newest"), "nightly")


def test_the_rows_of_a_project_are_no_rows_of_ours():
    assert "works" not in catalogue()
    assert issubclass(ProjectError, TorchcompatError)
