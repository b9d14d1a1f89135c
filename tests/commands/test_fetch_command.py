"""``torchcompat fetch``, against a hub on localhost."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import pickle
import re

import pytest
from hub import BODY, COMMIT, point_client_at, serving

from pytest_torchcompat.checkpoints.catalogue import (
    Catalogue,
    Checkpoint,
    HubFile,
    LocalFile,
    Replica,
    SideFile,
    UrlFile,
)
from pytest_torchcompat.commands import fetch as command
from pytest_torchcompat.errors import CatalogueError, UnknownNameError

NAMESPACE = pickle.dumps(argparse.Namespace(layers=2), protocol=2)
SMALL = Replica("small.pt", "bb", ("torch==2.5.1",))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.chdir(tmp_path)
    with serving() as hub:
        point_client_at(hub, tmp_path, monkeypatch)
        yield hub


@pytest.fixture
def rows(hub, monkeypatch):
    rows = [
        hub.row("some/model", licence="MIT", bytes=len(BODY) * 1000, pickled=False),
        hub.row("another/model", body=b"other", bytes=5, pickled=False),
        hub.row("only/replica", sources=(), replica=SMALL),
        hub.row("no/file", sources=()),
    ]
    know(monkeypatch, *rows)
    return rows


def know(monkeypatch, *rows):
    monkeypatch.setattr(command, "catalogue", lambda: Catalogue(rows))


def fetched(*words):
    parser = argparse.ArgumentParser(prog="torchcompat")
    command.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["fetch", *map(str, words)])
    return args.run(args)


# What is fetched


@pytest.mark.usefixtures("rows")
def test_a_named_row_is_fetched_and_said_to_be_verified(hub, capsys):
    assert fetched("some/model") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("some/model: verified, ")
    assert {line.split("/")[1] for line in hub.asked} == {"some"}


@pytest.mark.usefixtures("rows")
def test_all_fetches_each_row_that_has_a_source(capsys):
    assert fetched("--all") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["some/model", "another/model"]


@pytest.mark.usefixtures("rows")
def test_one_failure_is_told_and_the_others_go_on(capsys):
    assert fetched("no/file", "another/model") == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("torchcompat fetch: no/file was not fetched: ")
    assert captured.out.startswith("another/model: verified, ")


@pytest.mark.usefixtures("rows")
def test_a_cache_can_be_named(tmp_path, capsys):
    mine = tmp_path / "mine"
    assert fetched("some/model", "--cache", mine) == 0
    assert str(mine / "hub") in capsys.readouterr().out


@pytest.mark.usefixtures("rows")
def test_an_unknown_row_is_told_before_anything_is_fetched(hub):
    with pytest.raises(UnknownNameError, match="'some/modell' is not a known checkpoint"):
        fetched("another/model", "some/modell")
    assert hub.asked == []


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--all", "some/model")])
def test_rows_or_all_are_due_and_not_both(words, capsys):
    with pytest.raises(SystemExit):
        fetched(*words)
    assert "--all" in capsys.readouterr().err


@pytest.mark.usefixtures("rows")
def test_what_is_finished_when_the_user_stops_is_kept(monkeypatch, capsys):
    real = command.fetch

    def stop(row, *where, **how):
        if row.id == "another/model":
            raise KeyboardInterrupt
        return real(row, *where, **how)

    monkeypatch.setattr(command, "fetch", stop)
    assert fetched("--all") == 130
    captured = capsys.readouterr()
    assert captured.out.startswith("some/model: verified, ")
    assert captured.err == (
        "torchcompat fetch: stopped. What is finished is kept; the same command goes on with the"
        " rest\n"
    )


def test_what_the_row_leaves_open_is_told_with_what_to_do(hub, monkeypatch, capsys):
    know(monkeypatch, hub.row(sha256=None, pickled=False))
    assert fetched("some/model") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("some/model: fetched, not verified, ")
    sha256 = hashlib.sha256(BODY).hexdigest()
    assert second.startswith("  its row leaves open, and this file says: ")
    assert f'sha256="{sha256}"' in second
    assert second.endswith("; put it in the row")


# The shipped stand-ins


def test_replicas_are_copied_with_what_they_are_read_with_and_say_what_they_are(tmp_path, capsys):
    folder = tmp_path / "new"
    assert fetched("fairseq/wav2vec-small", "coqui/xtts-v2", "--replica", folder) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == (
        "fairseq/wav2vec-small: a replica, which stands in for the real file, "
        f"{folder / 'wav2vec-small.pt'}"
    )
    assert second == "  globals: as the row says (1)"
    names = {path.name for path in folder.iterdir()}
    assert names >= {"wav2vec-small.pt", "model.pth", "config.json", "vocab.json"}


def test_a_replica_that_is_there_already_stays_and_the_command_succeeds(tmp_path, capsys):
    assert fetched("coqui/xtts-v2", "--replica", tmp_path) == 0
    (tmp_path / "vocab.json").unlink()
    before = (tmp_path / "model.pth").stat().st_mtime_ns
    assert fetched("coqui/xtts-v2", "--replica", tmp_path) == 0
    assert (tmp_path / "vocab.json").exists()
    assert (tmp_path / "model.pth").stat().st_mtime_ns == before
    capsys.readouterr()
    assert fetched("coqui/xtts-v2", "--replica", tmp_path) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "coqui/xtts-v2: there already, with the same bytes"
    assert second.endswith(
        f"a replica, which stands in for the real file, {tmp_path / 'model.pth'}"
    )


def test_a_replica_replaces_no_file(tmp_path, capsys):
    mine = tmp_path / "wav2vec-small.pt"
    mine.write_text("mine")
    assert fetched("fairseq/wav2vec-small", "--replica", tmp_path) == 1
    assert mine.read_text() == "mine"
    assert capsys.readouterr().err == (
        f"torchcompat fetch: {mine} exists; remove it or name another folder\n"
    )


def test_a_folder_that_cannot_be_made_is_told_for_each_replica(tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    assert fetched("fairseq/wav2vec-small", "rvc/rmvpe", "--replica", mine) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"torchcompat fetch: {row}: {mine} cannot be written: File exists. Name another folder"
        for row in ("fairseq/wav2vec-small", "rvc/rmvpe")
    ]


# Licences and gates


def test_a_licence_to_accept_is_told_and_the_others_go_on(hub, monkeypatch, capsys):
    terms = {"licence": "CPML-1.0", "terms": "https://example.org/terms"}
    voice = hub.row("a/voice", pickled=False, **terms)
    know(monkeypatch, voice, hub.row("some/model", pickled=False))
    assert fetched("--all") == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("some/model: verified, ")
    assert captured.err.startswith("torchcompat fetch: a/voice was not fetched: ")
    assert "--accept-licence" in captured.err
    assert fetched("--accept-licence", "CPML-1.0", "a/voice") == 0
    assert capsys.readouterr().out.startswith("a/voice: verified, ")


def test_a_licence_that_no_row_has_is_told_with_the_near_miss(hub, monkeypatch):
    know(monkeypatch, hub.row("a/voice", licence="CPML-1.0", terms="https://example.org/terms"))
    with pytest.raises(UnknownNameError) as caught:
        fetched("a/voice", "--accept-licence", "CPML")
    assert str(caught.value) == (
        "'CPML' is not a known licence to accept. Choose one of: CPML-1.0. Did you mean 'CPML-1.0'?"
    )


@pytest.mark.usefixtures("rows")
def test_a_gate_is_told_and_is_exit_code_1(hub, capsys):
    hub.fault = "gated"
    assert fetched("some/model", "another/model") == 1
    assert capsys.readouterr().err.count("Accept its terms at") == 2


# What the file pickles


@pytest.mark.parametrize(
    "case",
    [
        (NAMESPACE, ("argparse.Namespace",), "globals: as the row says (1)"),
        (pickle.dumps({}, protocol=2), (), "globals: as the row says (0)"),
        (
            NAMESPACE,
            ("a.B", "a.A"),
            "globals: the file pickles argparse.Namespace, which its row lacks; it does not pickle"
            " a.A, a.B, which its row lists. Please report it, or correct the row if it is yours",
        ),
        (
            NAMESPACE,
            (),
            "globals: the file pickles argparse.Namespace, which its row lacks. Please report it,"
            " or correct the row if it is yours",
        ),
    ],
    ids=["equal", "none", "both differ", "one more"],
)
def test_what_the_file_pickles_is_compared_with_its_row(hub, monkeypatch, capsys, case):
    body, names, line = case
    know(monkeypatch, hub.row(body=body, bytes=len(body), globals=names))
    assert fetched("some/model") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f"  {line}"]


def test_a_file_that_cannot_be_read_as_a_checkpoint_says_so(hub, monkeypatch, capsys):
    know(monkeypatch, hub.row(body=b"<svg/>"))
    assert fetched("some/model") == 0
    assert "  globals: not read. " in capsys.readouterr().out


# --verify


@pytest.mark.usefixtures("rows")
def test_verify_reads_again_what_is_here_and_fetches_nothing(hub, capsys):
    fetched("some/model")
    hub.asked.clear()
    capsys.readouterr()
    assert fetched("--all", "--verify") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("some/model: verified, ")
    assert hub.asked == []


@pytest.mark.usefixtures("rows")
def test_verify_of_all_tells_a_file_that_was_altered(tmp_path, capsys):
    fetched("some/model")
    (blob,) = (tmp_path / "huggingface").glob("models--some--model/blobs/*")
    blob.write_bytes(bytes(len(BODY)))
    assert fetched("--all", "--verify") == 1
    assert "some/model is not what it should be: " in capsys.readouterr().err


def test_verify_of_all_tells_a_file_of_the_project_that_is_another(tmp_path, monkeypatch, capsys):
    path = tmp_path / "voice.pt"
    path.write_bytes(BODY)
    known = {"library": "torch", "why": "a test", "sha256": "0" * 64}
    know(monkeypatch, Checkpoint("my/voice", local=LocalFile(path), **known))
    assert fetched("--all", "--verify") == 1
    assert f"{path} is not the file of my/voice" in capsys.readouterr().err


@pytest.mark.usefixtures("rows")
def test_verify_tells_a_named_row_that_is_not_here(hub, capsys):
    assert fetched("some/model", "--verify") == 1
    assert capsys.readouterr().err.startswith("torchcompat fetch: some/model ")
    assert hub.asked == []


# --dry-run


@pytest.mark.usefixtures("rows")
def test_a_dry_run_prints_a_table_and_fetches_nothing(hub, capsys):
    fetched("another/model")
    hub.asked.clear()
    capsys.readouterr()
    assert fetched("some/model", "another/model", "only/replica", "no/file", "--dry-run") == 0
    some, another = (hashlib.sha256(body).hexdigest()[:8] for body in (BODY, b"other"))
    nothing = hashlib.sha256(BODY).hexdigest()[:8]
    assert capsys.readouterr().out == (
        "checkpoint     size     licence  have       sha256    from\n"
        f"some/model     10.2 MB  MIT      no         {some}  some/model/weights.pt@0123456789ab\n"
        f"another/model  5 bytes  unknown  reference  {another}"
        "  another/model/weights.pt@0123456789ab\n"
        f"only/replica   unknown  unknown  replica    {nothing}  -\n"
        f"no/file        unknown  unknown  no         {nothing}  -\n"
        "4 checkpoints, 1 here, left to fetch: 10.2 MB\n"
    )
    assert hub.asked == []


def test_a_dry_run_of_all_says_what_is_unknown_and_what_stands_in_the_way(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    gated = HubFile("a/gate", COMMIT, "v.pt", gated=True)
    mirror = HubFile("a/mirror", None, "v.pt")
    base = Checkpoint("a/url", "torch", "a test", sources=(UrlFile("https://example.org/v.pt"),))

    def row(identifier, **fields):
        return dataclasses.replace(base, id=identifier, **fields)

    know(
        monkeypatch,
        base,
        row("a/gate", sources=(gated,), licence="MIT", bytes=5_000_000),
        row(
            "a/mirror",
            sources=(gated, mirror),
            licence="MIT",
            bytes=1_000_000,
            beside=(SideFile("x"),),
        ),
        row("a/terms", licence="CPML-1.0", terms="https://example.org", sha256="ab" * 32),
        row("a/replica", sources=(), replica=SMALL),
    )
    monkeypatch.setattr(command, "cached", lambda *_: None)
    assert fetched("--all", "--dry-run") == 0
    *table, total = capsys.readouterr().out.splitlines()
    url, gate = "https://example.org/v.pt", "a/gate/v.pt@0123456789ab"
    both = f"{gate}, else a/mirror/v.pt@commit unknown"
    assert [re.split(" {2,}", line) for line in table] == [
        ["checkpoint", "size", "licence", "have", "sha256", "from"],
        ["a/url", "unknown", "unknown", "no", "unknown", url],
        ["a/gate", "5.0 MB", "MIT, gated", "no", "unknown", gate],
        ["a/mirror", "over 1.0 MB", "MIT, gated at its first source", "no", "unknown", both],
        ["a/terms", "unknown", "CPML-1.0, to be accepted", "no", "abababab", url],
    ]
    assert total == "4 checkpoints, 0 here, left to fetch: 6.0 MB and 3 of unknown size"


def test_the_table_of_the_catalogue_names_every_row_that_has_a_source(hub, monkeypatch, capsys):
    from pytest_torchcompat.checkpoints.rows import ROWS

    assert fetched("--all", "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [row.id for row in ROWS if row.sources]
    assert hub.asked == []


# The project that the command is run in

PROJECT = """
[tool.torchcompat.checkpoints."my/voice"]
path = "assets/voice.pth"
download = "python tools/download.py"
pickled = false
"""


@pytest.mark.usefixtures("rows")
def test_a_file_of_the_project_is_local_where_it_is_there(tmp_path, capsys):
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert fetched("my/voice", "--dry-run") == 0
    path = tmp_path / "assets" / "voice.pth"
    row = f"my/voice    unknown  unknown  no    unknown  {path}"
    assert row in capsys.readouterr().out
    assert fetched("my/voice") == 1
    assert "python tools/download.py" in capsys.readouterr().err
    path.parent.mkdir()
    path.write_bytes(BODY)
    assert fetched("my/voice") == 0
    assert capsys.readouterr().out == f"my/voice: local, not verified, {path}\n"
    assert fetched("my/voice", "--dry-run") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        f"my/voice    unknown  unknown  local  unknown  {path}",
        "1 checkpoint, 1 here, nothing left to fetch",
    ]


@pytest.mark.usefixtures("rows")
def test_a_bad_row_of_the_project_is_an_error_of_its_own(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.torchcompat]\nnonsense = 1")
    with pytest.raises(CatalogueError, match="'nonsense' is not a known key"):
        fetched("--all", "--dry-run")
