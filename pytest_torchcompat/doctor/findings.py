"""From the facts of an environment to what is found: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_torchcompat.doctor.facts import Facts
from pytest_torchcompat.doctor.finding import BROKEN, WARNING, Finding, named, ok
from pytest_torchcompat.doctor.findings_imports import of_imports
from pytest_torchcompat.doctor.findings_packages import of_packages
from pytest_torchcompat.doctor.findings_torch import Device, of_torch
from pytest_torchcompat.gpus import architecture
from pytest_torchcompat.policies import FORCE, FORCE_NOT

_VALUE = 80  # characters of a variable that are told


def findings(facts: Facts, gpus: Iterable[str] = ()) -> list[Finding]:
    """
    Return what is found, torch first.

    ``gpus`` are names of GPUs that may be elsewhere; raises ``UnknownNameError`` for one that is
    not known.
    """
    asked = [Device(name, architecture(name)) for name in gpus]
    found = [*of_torch(facts, asked), *of_imports(facts), *of_packages(facts)]
    return [*_together(_without_echoes(facts, found)), *_set(facts)]


def _without_echoes(facts: Facts, found: Iterable[Finding]) -> list[Finding]:
    """Of what fails in a way that is known, the versions alone have nothing to add."""
    found = list(found)
    raised = {named(facts, each.name) for each in facts.modules.values() if each.status == "raised"}
    known = {each.subject for each in found if each.level == BROKEN and each.signature} & raised
    return [each for each in found if each.level != WARNING or each.subject not in known]


def _together(found: Sequence[Finding]) -> list[Finding]:
    """Put what is told of one subject where the subject comes first."""
    subjects = list(dict.fromkeys(each.subject for each in found))
    return sorted(found, key=lambda each: subjects.index(each.subject))


def _set(facts: Facts) -> Iterator[Finding]:
    """Yield the environment variables that are set and matter; torch.load's own are told before."""
    variables = facts.data.get("variables", {})
    told = [
        f"{name}={text if len(text) < _VALUE else f'{text[:_VALUE]}...'}"
        for name, text in variables.items()
        if name not in (FORCE, FORCE_NOT)
    ]
    if told:
        yield ok("set", ", ".join(told))


def counted(found: Sequence[Finding]) -> str:
    """Return how many are broken and how many warn, in words."""
    levels = [each.level for each in found]
    broken, warnings = levels.count(BROKEN), levels.count(WARNING)
    if not broken and not warnings:
        return "nothing is broken"
    return f"{broken} broken, {warnings} {'warning' if warnings == 1 else 'warnings'}"
