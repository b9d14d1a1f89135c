"""What a bisect is asked, and which questions have no answer whatever an index says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from matrix import axes
from matrix.axes import POLICIES
from matrix.plan import Selection
from pytest_torchcompat.errors import TorchcompatError, unknown_name
from pytest_torchcompat.policies import Policy

TORCH = "torch"


@dataclass(frozen=True)
class Question:
    """
    Whose versions are gone through, between which two, with what held.

    ``subject`` and ``library`` are ``NAME`` or ``NAME==VERSION``, the second for a subject of
    torch; ``over`` is the companion of the subject that is gone through in its place. ``python``
    empty is the one that the sweep would choose. ``rows`` are the libraries of
    the sweep of a ``project``, where it is not our own.
    """

    subject: str
    torch: str = ""
    library: str = ""
    over: str = ""
    nightly: bool = False
    policy: str = Policy.STOCK.value
    edition: str = "auto"
    checkpoint: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    python: str = ""
    rows: tuple[axes.Library, ...] = ()
    project: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The package whose versions are gone through."""
        return self.over or self.subject.partition("==")[0]

    @property
    def goes_over_torch(self) -> bool:
        """Whether torch itself is gone through."""
        return self.name == TORCH

    @property
    def opened_by(self) -> str:
        """The library of every cell, with its version where that stays."""
        return (self.library or TORCH) if self.goes_over_torch else self.subject

    @property
    def row(self) -> axes.Library:
        """The row of that library; raises ``UnknownNameError``."""
        return axes.library(self.opened_by.partition("==")[0], self.rows)

    @property
    def selection(self) -> Selection:
        """What of the sweep its cells are from, which says what has to be asked outside."""
        torch = axes.NIGHTLY if self.nightly else self.torch or axes.TORCH_FLOOR
        return Selection((torch,), (self.row.name,), (), (self.policy,))


def check(question: Question) -> None:
    """Raise ``TorchcompatError`` for a question that nothing can answer."""
    if question.policy not in POLICIES:
        kind = "policy"
        raise unknown_name(kind, question.policy, POLICIES)
    wrong = next(_of_torch(question) if question.goes_over_torch else _of_library(question), "")
    if wrong:
        raise TorchcompatError(wrong)


def _of_torch(question: Question) -> Iterator[str]:
    row = question.row  # raises for an unknown name
    if question.subject != TORCH or question.torch:
        yield (
            "a bisect of torch goes over its versions, so that none can stay: bound them with "
            "--from and --to"
        )
    if row.paired and question.library != row.name and question.library:
        yield f"{row.name} follows torch: name it without a version, --library {row.name}"


def _of_library(question: Question) -> Iterator[str]:
    paired, subject, over = question.row.paired, question.subject, question.over
    name, _, version = subject.partition("==")
    if name == TORCH:
        held = question.library or "NAME==VERSION"
        yield f"a companion is a library's: `bisect {held} --over {over} --torch VERSION`"
    if question.library or question.nightly:
        yield f"--library and --nightly go over torch: `bisect torch --library {subject}`"
    if paired:
        yield f"{name} follows torch, so go over torch: `bisect torch --library {name}`"
    if not question.torch:
        yield f"the torch that stays has to be named: `bisect {subject} --torch VERSION`"
    if over and not version:
        yield f"the {name} that stays has to be named: `bisect {name}==VERSION --over {over}`"
    if version and not over:
        yield (
            f"a bisect of {name} goes over its versions, so that {version} can't stay: leave it "
            "out, or name with --over whose versions to go over"
        )
