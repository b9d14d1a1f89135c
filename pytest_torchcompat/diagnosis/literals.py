"""Words without which a pattern cannot match: looking for them is far cheaper than the pattern."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

_parser: Any = None
# Python has no public way to ask what a pattern is made of. Where this one is gone each pattern is
# tried on each message, to the same end.
with contextlib.suppress(ImportError):
    _parser = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_SHORTEST = 3  # a shorter word is in every message
_MOST = 4  # then the pattern is as fast


def literals(pattern: str) -> tuple[tuple[str, ...], ...]:
    """Return words: of each tuple, one is in whatever a pattern matches. The rarest come first."""
    if _parser is None:
        return ()
    parsed = _parser.parse(pattern)
    if parsed.state.flags & re.IGNORECASE:
        return ()
    return tuple(_ranked(_of_sequence(parsed))[:_MOST])


def _ranked(candidates: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the alternatives of which even the shortest word says something, the best first."""
    told = {each for each in candidates if each and min(map(len, each)) >= _SHORTEST}
    return sorted(told, key=lambda each: (-min(map(len, each)), len(each), each))


def _of_sequence(parsed: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield for each part that has to match the words of which it has one."""
    run = ""
    for code, argument in parsed:
        if str(code) == "LITERAL":
            run += chr(argument)
            continue
        yield (run,)
        run = ""
        yield from _of_part(str(code), argument)
    yield (run,)


def _of_part(code: str, argument: Any) -> Iterator[tuple[str, ...]]:
    if code in _REPEATS and argument[0] > 0:
        yield from _of_sequence(argument[2])
    elif code == "ATOMIC_GROUP":
        yield from _of_sequence(argument)
    elif code == "SUBPATTERN" and not argument[1] & re.IGNORECASE:
        yield from _of_sequence(argument[3])
    elif code == "ASSERT" and argument[0] > 0:  # what follows, and not what precedes
        yield from _of_sequence(argument[1])
    elif code == "BRANCH":
        yield from _of_branches(argument[1])


def _of_branches(branches: Iterable[Iterable[tuple[Any, Any]]]) -> Iterator[tuple[str, ...]]:
    """Yield a word of each branch, then the next of each; nothing where one branch has none."""
    told = [_ranked(_of_sequence(branch)) for branch in branches]
    if all(told):
        for number in range(max(map(len, told))):
            of_each = (ranked[min(number, len(ranked) - 1)] for ranked in told)
            yield tuple(word for words in of_each for word in words)
