"""Each command, option and session that README.md and docs/ name is there."""

from __future__ import annotations

import argparse
import ast
import re

import pytest
from guide import PAGES, ROOT, blocks, name_of

from matrix.__main__ import _parser as matrix_parser
from pytest_torchcompat.commands import cli
from pytest_torchcompat.plugin.options import HELP

EACH = pytest.mark.parametrize("page", PAGES, ids=map(name_of, PAGES))
COMMAND = re.compile(r"(?<![\w-])(torchcompat|python -m matrix) ([a-z]+)((?: [^\n`|;&#]*)?)")
SESSION = re.compile(r"nox -s ([a-z_]+)")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")


def code_of(page):
    """Return what the page has in blocks and between single backquotes, a line each."""
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page.read_text(encoding="utf-8"))
    lines = [line for block in blocks(page) for line in block.text.splitlines()]
    return "\n".join([*spans, *lines])


def options_by_command(parser):
    (subparsers,) = (
        each for each in parser._actions if isinstance(each, argparse._SubParsersAction)
    )
    return {name: set(each._option_string_actions) for name, each in subparsers.choices.items()}


KNOWN = {
    "torchcompat": options_by_command(cli._parser([])),
    "python -m matrix": options_by_command(matrix_parser()),
}


@EACH
def test_each_command_exists_and_has_the_options_that_are_shown_with_it(page):
    for program, command, words in COMMAND.findall(code_of(page)):
        assert command in KNOWN[program], f"{program} {command}"
        ours = words.partition("#")[0]
        excess = set(OPTION.findall(ours)) - KNOWN[program][command]
        assert not excess, f"{program} {command}{words}"


@EACH
def test_each_option_of_pytest_that_is_ours_exists(page):
    named = re.findall(r"--torchcompat-([a-z]+)", code_of(page))
    assert set(named) <= set(HELP)


@EACH
def test_each_session_exists(page):
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    sessions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(SESSION.findall(code_of(page))) <= sessions
