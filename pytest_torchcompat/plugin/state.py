"""What a session knows: the catalogue, the libraries, and what was seen so far."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from pytest_torchcompat.checkpoints.catalogue import Catalogue, Checkpoint, CheckpointFile
from pytest_torchcompat.checkpoints.hashes import notes_folder, remembered_sha256
from pytest_torchcompat.checkpoints.project import add_project_rows
from pytest_torchcompat.errors import CatalogueError
from pytest_torchcompat.libraries import Libraries
from pytest_torchcompat.plugin.options import PROBLEM, SETTINGS, Settings
from pytest_torchcompat.policies.rules import Load, Rules


@dataclass
class State:
    """
    Made when a test first needs it, so that a plain session pays nothing for it.

    ``known`` is what the rules register for each file, by its sha256; ``files`` are the files that
    the running test asked for. Both change while a policy holds, which then sees the change.
    """

    settings: Settings
    catalogue: Catalogue
    libraries: Libraries
    known: dict[str, tuple[str, ...]]
    rules: Rules
    loads: list[Load] = field(default_factory=list)
    files: dict[str, CheckpointFile] = field(default_factory=dict)

    @contextlib.contextmanager
    def learned(self, file: CheckpointFile) -> Iterator[None]:
        """
        ``learn`` a file for the length of a test.

        Any longer, and the verdict on another test would depend on which of the two came first.
        """
        known, files = dict(self.known), dict(self.files)
        self.learn(file)
        try:
            yield
        finally:
            self.known.clear()
            self.known.update(known)
            self.files = files

    def learn(self, file: CheckpointFile) -> None:
        """Let ``allowlisted`` register for a file what its row lists, whoever established it."""
        self.files[file.sha256] = file
        self.learn_globals(file.sha256, file.checkpoint)

    def named(self, sha256: str) -> dict[str, str]:
        """Say of which checkpoint, in which edition, a test got the file with a hash."""
        file = self.files.get(sha256)
        return {"checkpoint": file.checkpoint.id, "edition": file.edition.value} if file else {}

    def learn_globals(self, sha256: str, row: Checkpoint) -> None:
        """Note that a row's globals are those of the file with a hash."""
        names = (*self.known.get(sha256, ()), *row.globals)
        self.known[sha256] = tuple(dict.fromkeys(names))


STATE = pytest.StashKey[State]()


def state_of(config: pytest.Config) -> State:
    """Return the session's state, made at the first call."""
    if STATE not in config.stash:
        config.stash[STATE] = _made(config)
    return config.stash[STATE]


def _made(config: pytest.Config) -> State:
    rows = _catalogue(config)
    adapters = config.hook.pytest_torchcompat_libraries(config=config)
    settings = config.stash[SETTINGS]
    known = dict(rows.globals_by_sha256())
    rules = Rules(
        known=known,
        verified=frozenset(known),
        allow=settings.allow,
        trust=settings.trust,
        root=config.rootpath,
    )
    libraries = Libraries(library for more in adapters for library in more)
    state = State(settings, rows, libraries, known, rules)
    _learn_local(state)
    return state


def _catalogue(config: pytest.Config) -> Catalogue:
    from pytest_torchcompat.checkpoints.rows import catalogue

    rows = catalogue()
    try:
        add_project_rows(rows, config.rootpath)
        for more in config.hook.pytest_torchcompat_checkpoints(config=config):
            _add(rows, more)
    except CatalogueError as error:
        if hasattr(config, "workeroutput"):  # a worker of pytest-xdist ends without a word
            config.workeroutput[PROBLEM] = str(error)
        raise pytest.UsageError(str(error)) from error
    return rows


def _add(rows: Catalogue, more: Iterable[Checkpoint]) -> None:
    for row in more:
        rows.add(row)


def _learn_local(state: State) -> None:
    """Know the project's own files before a test names them, whichever test comes first."""
    for row in state.catalogue:
        if row.local and row.globals and not row.sha256:
            # One that is not there, or cannot be read, is told where a test asks for it.
            with contextlib.suppress(OSError):
                notes = notes_folder(state.settings.cache)
                state.learn_globals(remembered_sha256(row.local.path, notes), row)
