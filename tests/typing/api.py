"""
What type checkers say of the public interface; checked, and never executed.

A project that adds a row, an adapter or a call of ours gets these types, and none is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pytest_torchcompat
from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.libraries import Library
from pytest_torchcompat.scan import Limits, Scan, Verdict, scan_path

if TYPE_CHECKING:  # nothing here is run
    from typing_extensions import assert_type  # noqa: TC004


class Ours:
    """An adapter as the guide shows it: it is a Library by what it has, without a base class."""

    name = "ours"
    distribution = "our-library"

    def import_(self) -> None: ...

    def load(self, checkpoint: Checkpoint, path: Path) -> Any: ...

    def forward(
        self, checkpoint: Checkpoint, model: Any, device: str
    ) -> Callable[[], Any] | None: ...


def pytest_torchcompat_checkpoints(config: pytest.Config) -> Sequence[Checkpoint]:
    return [Checkpoint(id="mine/voice", library="torch", why="our default voice")]


def pytest_torchcompat_libraries(config: pytest.Config) -> Sequence[Library]:
    return [Ours()]


def pytest_torchcompat_record(record: Mapping[str, Any]) -> None: ...


def shims() -> None:
    found = pytest_torchcompat.shims("torchaudio-legacy")
    assert_type(found, AbstractContextManager[tuple[str, ...]])
    with found as names:
        assert_type(names, tuple[str, ...])


def scanning(path: Path) -> Iterator[str]:
    scan = scan_path(path, limits=Limits())
    assert_type(scan, Scan)
    assert_type(scan.verdict, Verdict)
    yield from scan.globals


def version() -> str:
    assert_type(pytest_torchcompat.__version__, str)
    return pytest_torchcompat.__version__
