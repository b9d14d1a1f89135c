"""Variables of the environment that torch does not know, or that switch its safety off."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from pytest_torchcompat.audit.names import Names, last_name
from pytest_torchcompat.audit.rules import SWITCHED_OFF, UNKNOWN_VARIABLE, VARIABLE_VALUE, Rule

_ON: Final = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_OFF: Final = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
_TRUE: Final = frozenset(("1", "y", "yes", "true"))
_FALSE: Final = frozenset(("", "0", "f", "false", "n", "no", "off"))
# A variable of the project's own has a word of its own in its name.
_WORDS: Final = frozenset(
    (
        *("ALLOW", "DEFAULT", "DISABLE", "ENABLE", "FORCE", "LOAD", "LOADING", "NO", "ONLY"),
        *("PT", "PYTORCH", "SAFE", "SET", "TORCH", "UNSAFE", "USE", "WEIGHT", "WEIGHTS"),
    )
)
_NAME: Final = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
_SETTING: Final = re.compile(
    r"\b(?P<name>[A-Z]+(?:_[A-Z]+)+)\b[\"']?(?:\s*[=:]\s*|\s+)[\"']?(?P<value>\w*)"
)
# As near as one or two letters are to the shorter of the two known names.
_NEAR = 0.9
_CALLS: Final = frozenset(("get", "getenv", "pop", "putenv", "setdefault", "setenv", "unsetenv"))
Found = tuple[Rule, ast.AST, str]


def findings(names: Names) -> Iterator[Found]:
    """Yield the findings about variables that a module reads, sets or hands to a child."""
    for node, name, value in _uses(names):
        yield from ((rule, node, message) for rule, message in _judged(name, value))


def findings_in_text(text: str) -> Iterator[tuple[Rule, int, str, str]]:
    """Yield the findings about the lines of a file that is no Python, with the line and name."""
    for number, line in enumerate(text.split("\n"), 1):
        if "WEIGHT" not in line or line.lstrip().startswith(("#", ";", "REM ", "//")):
            continue
        for match in _SETTING.finditer(line + " "):
            for rule, message in _judged(match["name"], match["value"]):
                yield rule, number, match["name"], message


def _uses(names: Names) -> Iterator[tuple[ast.AST, str, str | None]]:
    """Yield each place that names a variable, its name, and the value if it is set there."""
    for constant in names.all(ast.Constant):
        name = constant.value
        if not (isinstance(name, str) and "ONLY" in name and _NAME.fullmatch(name)):
            continue
        parent = names.parents[constant]
        if isinstance(parent, ast.Subscript) and _is_environment(names, parent.value):
            yield constant, name, _value(_set_to(names, parent))
        elif isinstance(parent, ast.Compare) and any(
            _is_environment(names, each) for each in parent.comparators
        ):
            yield constant, name, None
        elif isinstance(parent, ast.Call) and parent.args[:1] == [constant]:
            if _asks_environment(names, parent):
                yield constant, name, _of_call(parent)
        elif isinstance(parent, ast.Dict) and constant in parent.keys:
            yield constant, name, _value(parent.values[parent.keys.index(constant)])
    for keyword in names.all(ast.keyword):
        if keyword.arg and _NAME.fullmatch(keyword.arg):
            yield keyword.value, keyword.arg, _value(keyword.value)


def _is_environment(names: Names, node: ast.AST) -> bool:
    """Say whether a mapping is the environment, or a copy of it by its name."""
    return names.dotted(node) == "os.environ" or "env" in last_name(node).lower()


def _asks_environment(names: Names, call: ast.Call) -> bool:
    if last_name(call.func) not in _CALLS:
        return False
    if names.dotted(call.func) in {"os.getenv", "os.putenv", "os.unsetenv"}:
        return True
    owner = getattr(call.func, "value", None)
    return last_name(call.func) == "setenv" or (owner is not None and _is_environment(names, owner))


def _of_call(call: ast.Call) -> str | None:
    sets = last_name(call.func) in {"putenv", "setdefault", "setenv"}
    return _value(call.args[1]) if sets and len(call.args) > 1 else None


def _set_to(names: Names, target: ast.Subscript) -> ast.AST | None:
    parent = names.parents[target]
    return parent.value if isinstance(parent, ast.Assign) and target in parent.targets else None


def _value(node: ast.AST | None) -> str | None:
    value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else None


def _judged(name: str, value: str | None) -> Iterator[tuple[Rule, str]]:
    if _is_unknown(name):
        near = difflib.get_close_matches(name, (_ON, _OFF), n=1, cutoff=0)[0]
        message = f"torch reads no variable {name}: it changes nothing. Did you mean {near}?"
        yield UNKNOWN_VARIABLE, message
    elif name == _OFF and value is not None and value.lower() in _TRUE:
        message = (
            f"{_OFF} makes every torch.load of the process that does not choose execute pickles, "
            "from torch 2.6 on; torch 2.5 ignores it."
        )
        yield SWITCHED_OFF, message
    if name in {_ON, _OFF} and value and value not in _TRUE:
        yield from _of_value(name, value)


def _of_value(name: str, value: str) -> Iterator[tuple[Rule, str]]:
    if value.lower() in _TRUE:
        yield (
            VARIABLE_VALUE,
            f"{name}={value} is not read by torch 2.6 and 2.8, which know 1, y, yes, true.",
        )
    elif value.lower() not in _FALSE:
        yield VARIABLE_VALUE, f"{name}={value} is read by no torch: it knows 1, y, yes, true."


@lru_cache(maxsize=256)
def _is_unknown(name: str) -> bool:
    if name in {_ON, _OFF}:
        return False
    words = name.split("_")
    own_word = words[0] not in {"PYTORCH", "TORCH"} and not set(words) <= _WORDS
    near = difflib.get_close_matches(name, (_ON, _OFF), n=1, cutoff=_NEAR)
    return bool(near) or ("WEIGHTS_ONLY" in name and not own_word)
