"""Which files are read, and that none of them stops an audit."""

from __future__ import annotations

import ast
import gc
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_torchcompat.audit import (
    allowing,
    audit,
    audit_source,
    reader,
    replaced,
    torchaudio_api,
    variables,
)
from pytest_torchcompat.audit.loads import loads
from pytest_torchcompat.audit.names import Names
from pytest_torchcompat.audit.sources import MAX_BYTES

LOAD = "import torch\ntorch.load(f)\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(files):
        for name, data in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return audit([Path()])

    return write


def paths(report):
    return [site.place.path for site in report.sites]


def test_a_folder_is_read_with_all_below_it(tree):
    report = tree({"b.py": LOAD, "a/c.py": LOAD, "a/d.txt": LOAD})

    assert paths(report) == ["b.py", str(Path("a", "c.py"))]
    assert report.files == 2


@pytest.mark.parametrize(
    "folder",
    [".git", ".venv", "venv", "node_modules", "site-packages", "build", "__pycache__", "a/.tox"],
)
def test_a_folder_that_is_not_the_projects_own_is_skipped(tree, folder):
    assert tree({f"{folder}/a.py": LOAD}).files == 0


def test_an_environment_of_any_name_is_skipped(tree):
    assert tree({"mine/pyvenv.cfg": "", "mine/lib/a.py": LOAD}).files == 0


def test_a_folder_that_is_named_is_read_wherever_it_lies(tree, tmp_path):
    tree({"site-packages/lib/a.py": LOAD})

    assert len(audit([tmp_path / "site-packages" / "lib"]).sites) == 1


@pytest.mark.parametrize("glob", ["old.py", "a/*.py", "a", "a/", "*/old.py"])
def test_excluded_files_and_folders_are_left_out(tree, glob):
    tree({"a/old.py": LOAD, "b.py": LOAD})

    assert paths(audit([Path()], exclude=[glob])) == ["b.py"]


def test_a_file_that_is_named_is_read_whatever_its_suffix(tree):
    tree({"script": LOAD})

    assert paths(audit([Path("script")])) == ["script"]


def test_a_file_that_is_reached_twice_is_read_once(tree):
    tree({"a.py": LOAD})

    assert audit([Path(), Path("a.py")]).files == 1


def test_links_in_a_circle_are_not_followed(tree, tmp_path):
    tree({"a/b.py": LOAD})
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "self.py").symlink_to(tmp_path / "a" / "self.py")

    assert audit([tmp_path]).files == 1


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        ("import torch\nprint 'x', torch.load(f)", "it is not Python that this Python reads"),
        ("torch.load(", "it is not Python that this Python reads"),
        (b"import torch\n\0torch.load(f)", "it "),
        (b"import torch # \xff\ntorch.load(f)", "its text is not in its encoding"),
        (b"# coding: none-such\nimport torch\ntorch.load(f)", "its text is not in its encoding"),
        (f"import torch\ntorch.load({'(' * 5000}", "it "),
        (f"{LOAD}x = {'-' * 50000}1", "it "),
        (LOAD + "#" * MAX_BYTES, "it is larger than 4 MiB."),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding_and_stops_nothing(tree, data, cause):
    report = tree({"a.py": data, "b.py": LOAD})

    finding = report.findings[0]
    assert (finding.rule.code, finding.place.path) == ("TC090", "a.py")
    assert finding.message.startswith(f"This file could not be read: {cause}")
    assert paths(report) == ["b.py"]


def test_the_place_of_a_syntax_error_is_told():
    (finding,) = audit_source("import torch\ntorch.load(f\nx = = 1\n").findings

    assert finding.place.line in {2, 3}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tree, tmp_path):
    os.mkfifo(tmp_path / "pipe.py")

    (finding,) = audit([tmp_path / "pipe.py"]).findings
    assert finding.message == "This file could not be read: it is not a regular file."
    assert tree({}).files == 0


def test_a_file_that_may_not_be_opened_is_a_finding(tree, monkeypatch):
    tree({"a.py": LOAD})

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    (finding,) = audit([Path("a.py")]).findings
    assert finding.message == "This file could not be read: Permission denied."


def test_a_file_about_other_things_is_not_even_parsed(tree):
    report = tree({"a.py": "print 'Python 2'", "b.py": "import torch\nprint 'Python 2'"})

    assert (report.files, report.findings) == (2, ())


def test_a_file_that_ends_its_lines_as_old_systems_do_has_its_lines_counted(tree):
    report = tree({"a.py": b"import torch\r\rtorch.load(f)\r", "b.py": LOAD.replace("\n", "\r\n")})

    assert [site.place.line for site in report.sites] == [3, 2]


def test_a_file_in_another_encoding_is_read_in_it(tree):
    text = "# coding: latin-1\nimport torch\nx = 'ä'; torch.load(f)\n"

    assert [site.place.column for site in tree({"a.py": text.encode("latin-1")}).sites] == [10]


def test_settings_are_read_for_variables_alone(tree):
    report = tree(
        {
            "Dockerfile": "FROM x\nENV TORCH_WEIGHTS_ONLY=1\n",
            ".github/workflows/ci.yml": "env:\n  TORCH_WEIGHTS_ONLY: 1\n",
            "run.sh": "export TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1  # torchcompat: ignore\n",
            "a.yaml": b"\xff\xfe: torch.load(f)",
        }
    )

    places = [(finding.rule.code, finding.place.line) for finding in report.findings]
    assert places == [("TC040", 2), ("TC040", 2)]
    assert report.silenced == 1


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": kind, "source": source} for kind, source in cells]})


def test_a_notebooks_cells_are_read_as_one_program(tree):
    report = tree(
        {
            "a.ipynb": notebook(
                ("code", "%matplotlib inline\nimport torch"),
                ("markdown", "torch.load(f)"),
                ("code", ["!pip install x\n", "if x:\n", "    %cd y\n", "torch.load(f)"]),
                ("code", "%%bash\ntorch.load"),
                ("code", "torch.load?\ntorch.load(f)  # torchcompat: ignore"),
            )
        }
    )

    assert [str(site.place) for site in report.sites] == [
        "a.ipynb[cell 3]:4:1",
        "a.ipynb[cell 5]:2:1",
    ]
    assert [finding.to_dict()["cell"] for finding in report.findings] == [3]


@pytest.mark.parametrize(
    "data", ["", "[]", "{}", '{"cells": [1]}', '{"cells": 1}', b"\xff", "[" * 9999]
)
def test_what_is_no_notebook_is_a_finding(tree, data):
    (finding,) = tree({"a.ipynb": data}).findings

    assert finding.message == "This file could not be read: it is not a notebook of format 4."


@pytest.mark.parametrize(
    ("comment", "silenced"),
    [
        ("# torchcompat: ignore", True),
        ("# torchcompat: ignore[TC001]", True),
        ("#torchcompat:ignore[TC010, TC001]", True),
        ("# why  # torchcompat: ignore[TC001]", True),
        ("# torchcompat: ignore[TC002]", False),
        ("# torchcompat: ignore[]", False),
        ("# torchcompat: ignore because", False),
    ],
)
def test_a_comment_at_the_end_of_a_line_takes_its_finding_back(comment, silenced):
    report = audit_source(f"import torch\ntorch.load(f)  {comment}\n")

    assert (len(report.findings), report.silenced) == ((0, 1) if silenced else (1, 0))
    assert len(report.sites) == 1


def test_the_comment_may_stand_on_a_calls_last_line():
    text = "import torch\ntorch.load(\n    f,\n)  # torchcompat: ignore[TC001]\n"

    assert audit_source(text).findings == ()


def test_the_findings_of_a_file_are_in_the_order_of_its_lines():
    text = "import torch\ntorch.load = x\ntorch.load(f)\ntry: torch.load(g)\nexcept: pass\n"

    assert [finding.place.line for finding in audit_source(text).findings] == [2, 3, 4, 5]


def test_the_collector_is_on_again_after_an_audit(tree):
    tree({"a.py": LOAD})

    assert gc.isenabled()


def only_reads(event, arguments):
    return event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)


def test_nothing_of_what_is_read_is_imported_or_opened_for_writing(tree, tmp_path):
    events = []
    watched = {"import", "exec", "subprocess.Popen", "os.system", "socket.connect", "open"}
    tree({"a.py": f"import none_such_module\n{LOAD}", "b.py": LOAD})
    on = [True]

    def hook(event, arguments):
        if on and event in watched:
            events.append((event, arguments))

    sys.addaudithook(hook)
    try:
        audit([tmp_path])
    finally:
        on.clear()
    beyond = [event for event in events if event[0] != "import" and not only_reads(*event)]
    assert beyond == []
    assert not any(arguments[0] == "none_such_module" for e, arguments in events if e == "import")


_PIECES = st.sampled_from(
    [
        *("import torch\n", "from torch import load\n", "torch.load(f)", "load(f)", "try:\n"),
        *("except Exception:\n", "except* E:\n", "    ", "\n", "pass", "(", ")", "[", "]", ":"),
        *("lambda load: ", "class A:\n", "def f(self, load=torch.load):\n", "self.x = ", "with "),
        *("global torch\n", "torch.load = ", "weights_only=", "**k", "*a", "match x:\n case "),
        *("'load'", "getattr(torch, ", "'TORCH_WEIGHTS_ONLY'", "os.environ[", "add_safe_globals("),
        *("torch.serialization.", "torchaudio.info", "import torchaudio\n", "if ", " else ", "x"),
        *("= ", ", ", "f'{x!r:>{y}}'", "async ", "await ", "yield ", "\\\n", "é", "\0", "\f", "\r"),
    ]
)


@settings(max_examples=300)
@given(st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=60))
def test_no_text_makes_an_audit_raise(text):
    report = audit_source(f"torch load\n{text}")
    again = audit_source(f"import torch\n{text}\ntorch.load(f)\n")

    for each in (report, again):
        json.dumps(each.to_dict())
        assert all(finding.place.line >= 1 for finding in each.findings)


@settings(max_examples=200)
@given(st.lists(_PIECES, max_size=30).map("".join))
def test_a_file_is_either_parsed_or_told_to_be_unreadable(text):
    text = f"import torch\n{text}\ntorch.load(f)\n"
    unread = any(finding.rule.code == "TC090" for finding in audit_source(text).findings)
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        assert unread
    else:
        assert not unread


@settings(max_examples=300)
@given(st.lists(_PIECES, max_size=30).map("".join))
def test_a_file_that_is_not_parsed_has_nothing_to_find(text):
    text = f"import torch\n{text}"
    try:
        names = Names(ast.parse(text))
    except (SyntaxError, ValueError):
        return

    sites = list(loads(names))
    rooms = (replaced, allowing, variables, torchaudio_api)
    found = [finding for room in rooms for finding in room.findings(names)]
    assert reader._is_about_loading(text) or not (sites or found)


@settings(max_examples=200)
@given(st.binary(max_size=80))
def test_no_bytes_make_an_audit_raise(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("bytes")
    for name in ("a.py", "a.ipynb", "a.sh"):
        (folder / name).write_bytes(data + b"\ntorch.load WEIGHTS_ONLY")

    assert audit([folder]).files == 3
