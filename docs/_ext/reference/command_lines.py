"""The commands, from the parsers that read them."""

from __future__ import annotations

import argparse
import functools
import inspect
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from reference.markdown import blocks, code, codes, docstring, fenced, heading, table, text

HEAD = ("argument", "default", "what it says")
_WIDTH = "88"  # of a usage, whatever terminal this is built on


def torchcompat() -> str:
    """Return the commands of ``torchcompat``."""
    from pytest_torchcompat.commands.cli import _parser

    return _commands(_parser([]), "torchcompat")


def matrix() -> str:
    """Return the commands of ``python -m matrix``."""
    from matrix.__main__ import _parser

    return _commands(_parser(), "matrix")


def _commands(parser: argparse.ArgumentParser, prefix: str) -> str:
    found = (_command(name, about, each, prefix) for name, about, each in commands_of(parser))
    general = [action for action in shown(parser) if not _has_commands(action)]
    return blocks(_actions(parser, general), text(parser.epilog or ""), *found)


def commands_of(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield the commands of a parser: name, what it does, and its own parser."""
    for action in parser._actions:  # noqa: SLF001 - no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            about = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001
            yield from ((name, about.get(name, ""), each) for name, each in action.choices.items())


def _has_commands(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)  # noqa: SLF001


def shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return what a user can give, but for ``--help``."""
    return [
        action
        for action in parser._actions  # noqa: SLF001
        if action.help != argparse.SUPPRESS and action.dest != "help"
    ]


def _command(name: str, about: str, parser: argparse.ArgumentParser, prefix: str) -> str:
    return blocks(
        heading(2, code(name), f"{prefix}-{name}"),
        docstring(said_of(parser) or f"{about}."),
        fenced(_usage(parser)),
        _actions(parser, shown(parser)),
        text(parser.epilog or ""),
    )


def said_of(parser: argparse.ArgumentParser) -> str:
    """Return what a command does: its description, else the docstring of what it calls."""
    command = parser.get_default("command")
    while isinstance(command, functools.partial):
        command = command.func
    return parser.description or (inspect.getdoc(command) if command else "") or ""


def _usage(parser: argparse.ArgumentParser) -> str:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _WIDTH
    try:
        return parser.format_usage().removeprefix("usage: ")
    finally:
        os.environ.pop("COLUMNS")
        os.environ.update({"COLUMNS": before} if before is not None else {})


def _actions(parser: argparse.ArgumentParser, actions: Iterable[argparse.Action]) -> str:
    lines = [(_name(each), default(each), _said(parser, each)) for each in actions]
    return table(HEAD, lines) if lines else ""


def _name(action: argparse.Action) -> str:
    value = value_of(action)
    if not action.option_strings:
        return code(value or action.dest)
    return codes(f"{name} {value}".rstrip() for name in action.option_strings)


def value_of(action: argparse.Action) -> str:
    """Return what stands for the value of an argument; empty where it takes none."""
    if action.nargs == 0:
        return ""
    if action.metavar:
        return str(action.metavar)
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper() if action.option_strings else action.dest


def default(action: argparse.Action) -> str:
    """Return the default of an argument; empty where there is none to speak of."""
    value: Any = action.default
    if action.nargs == 0 or value in (None, "", False, argparse.SUPPRESS) or value == []:
        return ""
    return code(_short(value) if isinstance(value, Path) else str(value))


def _short(path: Path) -> str:
    from reference import ROOT

    return path.relative_to(ROOT).as_posix() if ROOT in path.parents else path.as_posix()


def _said(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    words = said(parser, action)
    required = "Required" if action.required and action.option_strings else ""
    others = [_name(each) for each in _instead(parser, action)]
    not_with = f"Not with {', '.join(others)}" if others else ""
    return ". ".join(filter(None, (text(words).rstrip("."), required, not_with)))


def said(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return the help of an argument, its blanks filled."""
    formatter = parser._get_formatter()  # noqa: SLF001
    return formatter._expand_help(action) if action.help else ""  # noqa: SLF001


def _instead(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[argparse.Action]:
    for group in parser._mutually_exclusive_groups:  # noqa: SLF001
        if action in group._group_actions:  # noqa: SLF001
            yield from (each for each in group._group_actions if each is not action)  # noqa: SLF001
