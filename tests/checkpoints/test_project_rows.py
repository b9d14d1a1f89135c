"""A project's own rows, out of its pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_torchcompat.checkpoints.catalogue import (
    Catalogue,
    Checkpoint,
    HubFile,
    LocalFile,
    SideFile,
    UrlFile,
)
from pytest_torchcompat.checkpoints.project import add_project_rows, project_rows
from pytest_torchcompat.errors import CatalogueError

SHA256 = "ab" * 32
COMMIT = "0123456789abcdef0123456789abcdef01234567"
VOICE = '[tool.torchcompat.checkpoints."my/voice"]\n'


@pytest.fixture
def project(tmp_path):
    def written(text):
        file = tmp_path / "pyproject.toml"
        file.write_text(text, "utf-8")
        return file

    return written


def refusal(file) -> str:
    with pytest.raises(CatalogueError) as caught:
        project_rows(file)
    return str(caught.value)


def test_a_file_of_the_project_is_found_beside_its_pyproject(project, tmp_path):
    text = 'path = "assets/voice.pth"\ndownload = "python tools/download.py"\n'
    (row,) = project_rows(project(VOICE + text))
    assert row == Checkpoint(
        id="my/voice",
        library="torch",
        why="a checkpoint of this project, by its pyproject.toml",
        local=LocalFile(tmp_path / "assets" / "voice.pth", "python tools/download.py"),
        globals_known_by=str(tmp_path / "pyproject.toml"),
    )


def test_an_absolute_path_stays_what_it_is(project, tmp_path):
    (row,) = project_rows(project(VOICE + 'path = "/models/voice.pth"'))
    assert str(row.local.path) == "/models/voice.pth"


def test_every_key_is_read(project):
    text = f"""
    library = "fairseq"
    hub = {{ repo = "me/voices", revision = "{COMMIT}", file = "voice.pth" }}
    url = "https://example.org/voice.pth"
    sha256 = "{SHA256.upper()}"
    bytes = 12
    licence = "MIT"
    why = "our default voice"
    globals = ["argparse.Namespace"]
    pickled = true
    tolerance = 0.01
    beside = ["config.json", {{ file = "vocab.json", sha256 = "{SHA256}", bytes = 3 }}]
    """
    (row,) = project_rows(project(VOICE + text))
    assert (row.library, row.why, row.licence) == ("fairseq", "our default voice", "MIT")
    assert row.sources == (
        HubFile("me/voices", COMMIT, "voice.pth"),
        UrlFile("https://example.org/voice.pth"),
    )
    assert (row.sha256, row.bytes, row.pickled, row.tolerance) == (SHA256, 12, True, 0.01)
    assert row.globals == ("argparse.Namespace",)
    assert row.beside == (SideFile("config.json"), SideFile("vocab.json", SHA256, 3))


def test_a_file_of_the_project_can_have_a_source_as_well(project, tmp_path):
    (row,) = project_rows(project(VOICE + 'path = "v.pth"\nurl = "https://example.org/v.pth"'))
    assert row.local == LocalFile(tmp_path / "v.pth")
    assert row.sources == (UrlFile("https://example.org/v.pth"),)


def test_a_commit_and_a_sha256_that_are_not_stated_are_unknown(project):
    (row,) = project_rows(project(VOICE + 'hub = { repo = "me/voices", file = "voice.pth" }'))
    assert row.sources == (HubFile("me/voices", None, "voice.pth"),)
    assert (row.sha256, row.bytes) == (None, None)


@pytest.mark.parametrize("text", ["", "[tool.other]", "[tool.torchcompat]", "[project]"])
def test_a_project_without_the_table_has_no_rows(project, text):
    assert project_rows(project(text)) == ()


@pytest.mark.parametrize("below", ["", "tests/deep"])
def test_the_project_of_a_folder_is_the_nearest_pyproject_above_it(project, tmp_path, below):
    project(VOICE + 'path = "voice.pth"')
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    known = Catalogue([])
    add_project_rows(known, tmp_path / below)
    assert [row.id for row in known] == ["my/voice"]


def test_a_folder_without_a_project_adds_nothing(tmp_path):
    known = Catalogue([])
    add_project_rows(known, tmp_path)
    assert list(known) == []


def test_an_id_that_is_taken_is_told_with_its_file(project):
    file = project(VOICE + 'path = "voice.pth"')
    with pytest.raises(CatalogueError) as caught:
        add_project_rows(Catalogue([Checkpoint("my/voice", "torch", "a test")]), file.parent)
    assert str(caught.value) == (
        f'{file}, [tool.torchcompat.checkpoints."my/voice"]: this id is in the catalogue already;'
        " give yours another"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'pth = "voice.pth"',
            ": 'pth' is not a known key. Did you mean 'path'? Choose one of: library, path,"
            " download, url, hub, sha256, bytes, licence, why, globals, pickled, tolerance,"
            " beside.",
        ),
        ('library = "torch"', ": it names no file; add path, url or hub"),
        (
            'url = "https://example.org/v.pth"\ndownload = "make"',
            ": download says how the file of a path comes there",
        ),
        ("path = 7", ": path: text is due, not 7"),
        ('path = " "', ": path: text is due, not ' '"),
        ('url = "ftp://a/b"', ": url: it must begin with https:// or http://, and is 'ftp://a/b'"),
        (
            'url = "https://[a/b"',
            ": url: 'https://[a/b' is no URL (Invalid IPv6 URL)",
        ),
        ('sha256 = "abc"', ": sha256: 64 hex digits are due, not 'abc'"),
        ("bytes = true", ": bytes: a whole number is due, not True"),
        ("bytes = -1", ": bytes: a whole number is due, not -1"),
        ("tolerance = nan", ": tolerance: a number above 0 is due, not nan"),
        ('pickled = "no"', ": pickled: true or false is due, not 'no'"),
        ('globals = "a.B"', ": globals: a list is due, not 'a.B'"),
        ("globals = [1]", ": globals: text is due, not 1"),
        (
            'globals = ["Namespace"]',
            ": globals: a module and a name are due, such as argparse.Namespace, not 'Namespace'",
        ),
        ("beside = [1]", ": beside: a file's name or a table is due, not 1"),
        ('beside = [{ sha256 = "" }]', ": beside: sha256: text is due, not ''"),
        (
            'beside = ["../../notes.json"]',
            ": beside: a name in the checkpoint's own folder is due, not '../../notes.json'",
        ),
        (
            'beside = [{ file = ".." }]',
            ": beside: file: a name in the checkpoint's own folder is due, not '..'",
        ),
        (
            'hub = { repo = "me/my voices", file = "v.pth" }',
            ": hub: repo: a repository is due, such as me/voices, not 'me/my voices'",
        ),
        ("beside = [{ bytes = 1 }]", ": beside: file is missing"),
        ('hub = "me/voices"', ": hub: a table is due, not 'me/voices'"),
        ('hub = { repo = "me/voices" }', ": hub: file is missing"),
        (
            'hub = { repo = "me/voices", fille = "v.pth" }',
            ": hub: 'fille' is not a known key. Choose one of: repo, revision, file."
            " Did you mean 'file'?",
        ),
        (
            'hub = { repo = "me/voices", file = "v.pth", revision = "main" }',
            ": hub: revision: 'main' is not a commit. A branch or tag moves; give the commit's"
            " 40 hex digits",
        ),
    ],
)
def test_a_bad_row_is_a_sentence_with_its_file_and_key(project, text, sentence):
    file = project(VOICE + text)
    where = f'{file}, [tool.torchcompat.checkpoints."my/voice"]'
    assert refusal(file) == where + sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tool = 1", "[tool]: it must be a table, and is 1"),
        ("[tool]\ntorchcompat = []", "[tool.torchcompat]: it must be a table, and is []"),
        (
            "[[tool.torchcompat.checkpoints]]\n",
            "[tool.torchcompat.checkpoints]: it must be a table, and is [{}]",
        ),
        (
            "[tool.torchcompat.checkpoint]\n",
            "[tool.torchcompat]: 'checkpoint' is not a known key. Choose one of: checkpoints,"
            " matrix. Did you mean 'checkpoints'? Settings of the plugin, such as"
            " torchcompat_policy, belong into [tool.pytest.ini_options].",
        ),
        (
            '[tool.torchcompat.checkpoints]\nvoice = "voice.pth"',
            "[tool.torchcompat.checkpoints.\"voice\"]: it must be a table, and is 'voice.pth'",
        ),
        (
            '[tool.torchcompat.checkpoints.""]\npath = "voice.pth"',
            '[tool.torchcompat.checkpoints.""]: an id is due, such as my/voice',
        ),
    ],
)
def test_a_table_of_another_shape_is_a_sentence(project, text, sentence):
    file = project(text)
    assert refusal(file) == f"{file}, {sentence}"


@pytest.mark.parametrize("broken", [b"[tool", b"why = '\xff'"])
def test_a_file_that_is_no_toml_is_told(tmp_path, broken):
    file = tmp_path / "pyproject.toml"
    file.write_bytes(broken)
    said = refusal(file)
    assert said.startswith(f"{file} cannot be read as TOML: ")
    assert said.endswith(". Its checkpoints are not known")


def test_the_row_that_the_readme_shows_is_one(project):
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    text = re.search(r"```toml\n(.*?)```", readme, flags=re.DOTALL)[1]
    named = text.replace("# sha256 = its 64 hex digits, in quotes", f'sha256 = "{SHA256}"')
    (row,) = project_rows(project(named))
    assert (row.id, row.sha256, row.globals) == ("my/voice", SHA256, ("argparse.Namespace",))
