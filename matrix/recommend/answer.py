"""The question, and the answer to it as data."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatch
from typing import Any

from packaging.version import InvalidVersion, Version

from matrix import axes, commands
from matrix.causes import inlined
from matrix.recommend.advice import Advice, Room
from matrix.recommend.spans import ordered, spans
from matrix.recommend.tried import ORDER, Cell, Subject, Tried, counted, sets_of
from pytest_torchcompat.errors import TorchcompatError, unknown_name
from pytest_torchcompat.gpus import architecture, covers
from pytest_torchcompat.outcome import Outcome

NEAREST = 2  # versions that an error names


@dataclass(frozen=True)
class Question:
    """What is asked: a library and perhaps its version, a GPU, a checkpoint, a policy, a Python."""

    library: str
    version: str = ""
    gpu: str = ""
    checkpoint: str = ""
    policy: str = ""
    python: str = ""


@dataclass(frozen=True)
class Gpu:
    """Which torch versions of the run are built for a GPU; of ``unknown`` no cell tells."""

    name: str
    architecture: str
    built: tuple[str, ...]
    specifiers: tuple[str, ...]
    not_built: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """What an answer rests on. ``elsewhere`` are the cells of the library's other versions."""

    run: str
    cells: int
    checks: int
    elsewhere: int
    editions: Mapping[str, int]
    devices: tuple[str, ...]
    ended: str
    age_hours: float
    complete: bool
    finished_cells: int
    planned_cells: int


@dataclass(frozen=True)
class Answer:
    """The answer to a question, as plain data can hold it."""

    question: Question
    gpu: Gpu | None
    paired: bool
    sets: tuple[Advice, ...]
    evidence: Evidence

    @property
    def works(self) -> bool:
        """Whether anything in the matrix does what was asked for."""
        return any(advice.ways for advice in self.sets)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"works": self.works, **dataclasses.asdict(self)}


def asked(requirement: str) -> tuple[str, str]:
    """Return the name and the version of ``NAME`` or ``NAME==VERSION``; raises on a range."""
    name, equal, version = (part.strip() for part in requirement.partition("=="))
    if set(name) & set("<>~!=;[") or (equal and not _is_version(version)):
        message = (
            f"{requirement!r} is not one version: name the library alone, for the newest that was "
            "swept, or as NAME==VERSION"
        )
        raise TorchcompatError(message)
    return name, version


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def recommend(matrix: Mapping[str, Any], question: Question, now: datetime) -> Answer:
    """
    Return what the cells of a matrix answer.

    Raises ``UnknownNameError`` or ``TorchcompatError`` where the question names what they lack.
    """
    matrix = inlined(matrix)
    policies = _policies(question.policy)
    wanted = architecture(question.gpu) if question.gpu else ""
    cells = _of_python(matrix["cells"], question)
    seen = ordered(cell["torch"] for cell in matrix["cells"])
    every = sets_of(cells, question.library, seen)
    chosen = _chosen(every, question, commands.project_in(matrix))
    subjects = _subjects(chosen, question.checkpoint)
    gpu = _gpu(question.gpu, wanted, matrix["cells"]) if wanted else None
    room = Room(every, policies, gpu.built if gpu else None)
    advised = tuple(room.advice(each, subjects[position]) for position, each in enumerate(chosen))
    evidence = _evidence(matrix, chosen, every, subjects, now)
    return Answer(question, gpu, axes.is_paired(question.library), advised, evidence)


def _policies(name: str) -> tuple[str, ...]:
    if name and name not in ORDER:
        kind = "policy"
        raise unknown_name(kind, name, ORDER)
    return (name,) if name else ORDER


def _of_python(cells: Sequence[Cell], question: Question) -> list[Cell]:
    libraries = dict.fromkeys(cell["library"] for cell in cells)
    if question.library not in libraries:
        kind = "library of this run"
        raise unknown_name(kind, question.library, libraries)
    pythons = {cell["python"] for cell in cells if cell["library"] == question.library}
    if question.python and question.python not in pythons:
        kind = f"Python of this run's cells of {question.library}"
        raise unknown_name(kind, question.python, ordered(pythons))
    return [cell for cell in cells if question.python in ("", cell["python"])]


def _chosen(every: Sequence[Tried], question: Question, project: str) -> list[Tried]:
    if not axes.is_paired(question.library):
        newest = max((each.version for each in every), key=Version)
        wanted = Version(question.version or newest)
        found = [each for each in every if Version(each.version) == wanted]
    else:
        found = [_at_version(each, question.version) for each in every]
    if not any(each.cells for each in found):
        raise _not_swept(every, question, project)
    return found


def _at_version(tried: Tried, version: str) -> Tried:
    if not version:
        return tried
    cells = [cell for cell in tried.cells if Version(cell["version"]) == Version(version)]
    return dataclasses.replace(tried, version=version, cells=tuple(cells))


def _not_swept(every: Sequence[Tried], question: Question, project: str) -> TorchcompatError:
    name = f"{question.library}=={question.version}"
    swept = ordered(cell["version"] for each in every for cell in each.cells)
    older = [each for each in swept if Version(each) < Version(question.version)][-NEAREST:]
    newer = [each for each in swept if Version(each) > Version(question.version)][:NEAREST]
    near = ", ".join([*older, *newer])
    sweep = _sweep(name, project)
    return TorchcompatError(f"{name} is not in this run; nearest to it are {near}. {sweep}")


def _sweep(name: str, project: str) -> str:
    library, _, version = name.partition("==")
    if axes.is_paired(library):
        command = commands.go_on({"library": [library]}, "auto", project=project)
        return f"Its version follows torch's: `{command}` sweeps each"
    command = f"`{commands.go_on({'library': [name]}, 'auto', project=project)}` has it swept"
    if project:
        return command
    rows = (row for row in axes.LIBRARIES if row.name == library)
    if any(version in {each.version for each in row.versions} for row in rows):
        return command
    return f"Give it a row in matrix/axes.py, and {command}"


def _subjects(chosen: Sequence[Tried], glob: str) -> list[tuple[Subject, ...]]:
    known = dict.fromkeys(checkpoint for each in chosen for checkpoint, _ in each.subjects)
    if glob and not any(fnmatch(checkpoint, glob) for checkpoint in known):
        kind = f"checkpoint of {chosen[0].library} in this run"
        raise unknown_name(kind, glob, known)
    return [
        tuple(each for each in tried.subjects if not glob or fnmatch(each[0], glob))
        for tried in chosen
    ]


def _gpu(name: str, wanted: str, cells: Iterable[Cell]) -> Gpu:
    """Return which wheels are built for a GPU, as any cell with that torch says."""
    archs: dict[str, set[str]] = {}
    for cell in cells:
        archs.setdefault(cell["torch"], set()).update(cell["gpu_archs"])
    torches = ordered(archs)
    built = tuple(torch for torch in torches if archs[torch] and covers(archs[torch], wanted))
    unknown = tuple(torch for torch in torches if not archs[torch])
    others = tuple(torch for torch in torches if torch not in (*built, *unknown))
    return Gpu(name, wanted, built, spans(built, torches), others, unknown)


def _evidence(
    matrix: Mapping[str, Any],
    chosen: Sequence[Tried],
    every: Sequence[Tried],
    subjects: Sequence[Sequence[Subject]],
    now: datetime,
) -> Evidence:
    cells = [cell for each in chosen for cell in each.cells]
    told = [cell for cell in cells if cell["outcome"] != Outcome.NOT_RUN.value]
    wanted = {subject for each in subjects for subject in each}
    checks = [c for cell in told for c in counted(cell) if (c["checkpoint"], c["use"]) in wanted]
    ran = [check for check in checks if check["outcome"] != Outcome.NOT_RUN.value]
    ended = matrix["finished"] or matrix["started"]
    names = {cell["id"] for cell in cells}
    others = [c for each in every for c in each.cells if c["id"] not in names]
    planned = matrix["cells"]
    return Evidence(
        run=matrix["run"],
        cells=len(told),
        checks=len(ran),
        elsewhere=len([cell for cell in others if cell["outcome"] != Outcome.NOT_RUN.value]),
        editions=dict(Counter(check["edition"] for check in ran)),
        devices=tuple(sorted({check["device"] for check in ran})),
        ended=ended,
        age_hours=(now - datetime.fromisoformat(ended)).total_seconds() / 3600,
        complete=matrix["complete"],
        finished_cells=len([c for c in planned if c["outcome"] != Outcome.NOT_RUN.value]),
        planned_cells=len(planned),
    )
