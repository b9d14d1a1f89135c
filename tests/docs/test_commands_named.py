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
# Sessions that hand what stands behind -- to the command of the same name; matrix is run's.
SWEEPING = re.compile(r"nox -s (matrix|cell|bisect|plan|merge|site|notices|replicas) -- ")
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


def commands_in(code):
    """Return program, command and words of each command, those behind a session's -- too."""
    return COMMAND.findall(SWEEPING.sub(of_session, code))


def of_session(found):
    return f"python -m matrix {'run' if found[1] == 'matrix' else found[1]} "


KNOWN = {
    "torchcompat": options_by_command(cli._parser([])),
    "python -m matrix": options_by_command(matrix_parser()),
}


@EACH
def test_each_command_exists_and_has_the_options_that_are_shown_with_it(page):
    for program, command, words in commands_in(code_of(page)):
        assert command in KNOWN[program], f"{program} {command}"
        ours = words.partition("#")[0]
        excess = set(OPTION.findall(ours)) - KNOWN[program][command]
        assert not excess, f"{program} {command}{words}"


def test_what_stands_behind_the_dashes_of_a_session_is_read_as_its_command():
    told = "nox -s bisect -- torch --libary x --polcy stock\nnox -s matrix -- --torch 2.5.1"
    assert commands_in(told) == [
        ("python -m matrix", "bisect", " torch --libary x --polcy stock"),
        ("python -m matrix", "run", " --torch 2.5.1"),
    ]


@EACH
def test_each_option_of_pytest_that_is_ours_exists(page):
    named = re.findall(r"--torchcompat-([a-z]+)", code_of(page))
    assert set(named) <= set(HELP)


@EACH
def test_each_session_exists(page):
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    sessions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(SESSION.findall(code_of(page))) <= sessions
