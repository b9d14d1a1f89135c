"""What pytest gets from the plugin: options, markers, fixtures, hooks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_torchcompat import plugin
from pytest_torchcompat.plugin import hookspecs, marks
from pytest_torchcompat.plugin.options import DEFAULTS, add_options
from reference.markdown import blocks, code, heading, prose, sentence, text

PREFIX = "torchcompat_"


def parser() -> pytest.Parser:
    """Return a parser of pytest's that knows the plugin's options alone."""
    made = pytest.Parser(_ispytest=True)
    add_options(made)
    return made


def options() -> str:
    """Return the options of the command line, each with its key of the ini file."""
    made = parser()
    [group] = (each for each in made._groups if each.name == "torchcompat")  # noqa: SLF001 - no other way
    return blocks(*(_option(each, made) for each in group.options))


def _option(option: Any, made: pytest.Parser) -> str:
    [flag] = option.names()
    attributes = option.attrs()
    key = attributes["dest"]
    kind = made._inidict[key][1]  # noqa: SLF001
    default = DEFAULTS[key.removeprefix(PREFIX)]
    shown = code(str(default)) if default else "none"
    each = "a line each" if kind == "linelist" else "one value"
    return blocks(
        heading(3, code(f"{flag}={attributes['metavar']}"), f"option-{flag.lstrip('-')}"),
        f"{text(attributes['help'])}.",
        f"Default: {shown}. In the ini file: {code(key)}, {each}.",
    )


def markers() -> str:
    """Return the markers, as ``pytest --markers`` tells them."""
    return blocks(*map(_marker, marks.DECLARATIONS))


def _marker(line: str) -> str:
    call, said = re.fullmatch(r"(.+\)): (.+)", line).groups()  # type: ignore[union-attr]
    name = call.partition("(")[0]
    return blocks(heading(3, code(f"@pytest.mark.{call}"), f"marker-{name}"), text(sentence(said)))


def fixtures() -> str:
    """Return the fixtures with their docstrings."""
    return blocks(*(_fixture(name, function) for name, function in known_fixtures()))


def known_fixtures() -> Iterator[tuple[str, Any]]:
    """Yield the fixtures that a test may ask for, by name."""
    for name, each in sorted(vars(plugin).items()):
        if name.startswith(PREFIX):
            yield name, each


def _fixture(name: str, function: Any) -> str:
    return blocks(heading(3, code(name), f"fixture-{name}"), prose(function))


def hooks() -> str:
    """Return the hooks with their signatures."""
    return blocks(*(_hook(name, each) for name, each in known_hooks()))


def known_hooks() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the hooks that others may implement, by name."""
    for name, each in vars(hookspecs).items():
        if name.startswith("pytest_torchcompat_"):
            yield name, each


def _hook(name: str, function: Callable[..., Any]) -> str:
    shown = f"{name}{inspect.signature(function)}".replace("'", "")
    return blocks(heading(3, code(shown), f"hook-{name}"), prose(function))
