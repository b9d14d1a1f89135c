"""``torchcompat fetch``, against a hub on localhost."""

from __future__ import annotations

import argparse

import pytest
from hub import BODY, point_client_at, serving

from pytest_torchcompat.checkpoints.catalogue import Catalogue, Replica
from pytest_torchcompat.commands import fetch as command
from pytest_torchcompat.errors import UnknownNameError


@pytest.fixture
def hub(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    with serving() as hub:
        point_client_at(hub, tmp_path, monkeypatch)
        rows = [
            hub.row("some/model", licence="MIT", bytes=len(BODY) * 1000),
            hub.row("another/model", body=b"other"),
            hub.row("only/replica", source=None, replica=Replica("small.pt", "bb", "torch 2.5.1")),
            hub.row("no/file", source=None),
        ]
        monkeypatch.setattr(command, "catalogue", lambda: Catalogue(rows))
        yield hub


def fetched(*words):
    parser = argparse.ArgumentParser(prog="torchcompat")
    command.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["fetch", *map(str, words)])
    return args.run(args)


def test_a_named_row_is_fetched_and_said_to_be_verified(hub, capsys):
    assert fetched("some/model") == 0
    assert capsys.readouterr().out.startswith("some/model: verified, ")
    assert {line.split("/")[1] for line in hub.asked} == {"some"}


@pytest.mark.usefixtures("hub")
def test_all_fetches_each_row_that_has_a_source(capsys):
    assert fetched("--all") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["some/model", "another/model"]


@pytest.mark.usefixtures("hub")
def test_one_failure_is_told_and_the_others_go_on(capsys):
    assert fetched("no/file", "another/model") == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("torchcompat fetch: no/file was not fetched: its row names no")
    assert captured.out.startswith("another/model: verified, ")


@pytest.mark.usefixtures("hub")
def test_a_cache_can_be_named(tmp_path, capsys):
    mine = tmp_path / "mine"
    assert fetched("some/model", "--cache", mine) == 0
    assert str(mine / "hub") in capsys.readouterr().out


def test_a_dry_run_prints_a_table_and_fetches_nothing(hub, capsys):
    fetched("another/model")
    hub.asked.clear()
    capsys.readouterr()
    assert fetched("--all", "--dry-run") == 0
    table = [line.split(maxsplit=4) for line in capsys.readouterr().out.splitlines()]
    commit = "0123456789ab"
    assert table == [
        ["checkpoint", "size", "licence", "have", "from"],
        ["some/model", "10.2", "MB", "MIT", f"no         some/model/weights.pt at {commit}"],
        ["another/model", "-", "-", "reference", f"another/model/weights.pt at {commit}"],
        ["only/replica", "-", "-", "replica", "-"],
        ["no/file", "-", "-", "no", "-"],
    ]
    assert hub.asked == []


def test_an_unknown_row_is_told_before_anything_is_fetched(hub):
    with pytest.raises(UnknownNameError, match="'some/modell' is not a known checkpoint"):
        fetched("another/model", "some/modell")
    assert hub.asked == []


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--all", "some/model")])
def test_rows_or_all_are_due_and_not_both(words, capsys):
    with pytest.raises(SystemExit):
        fetched(*words)
    assert "--all" in capsys.readouterr().err
