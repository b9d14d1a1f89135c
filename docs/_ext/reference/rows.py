"""What is there to use: the shims, and the checkpoints of the catalogue."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Use, in_megabytes
from pytest_torchcompat.checkpoints.rows import ROWS
from pytest_torchcompat.shim import SHIMS, Shim
from reference.markdown import blocks, code, codes, heading, listed, prose, sentence, table, text

UNKNOWN = "not established"


def shims() -> str:
    """Return the shims, in the order in which they are applied."""
    return blocks(*map(_shim, SHIMS))


def _shim(shim: Shim) -> str:
    facts = [
        ("restores", text(shim.restores)),
        ("for", codes(shim.libraries)),
        ("applies", text(when(shim))),
        (
            "applied",
            "before the library is imported" if shim.at_import else "once the library is imported",
        ),
        ("not needed any more when", text(shim.retired_when)),
    ]
    title = heading(2, code(shim.name), f"shim-{shim.name}")
    return blocks(title, prose(type(shim)), _listed(facts))


def _listed(facts: Iterable[tuple[str, str]]) -> str:
    return listed(f"{name}: {said}" for name, said in facts if said)


def when(shim: Shim) -> str:
    """Return when a shim applies, in the words of its own method."""
    return " ".join((inspect.getdoc(type(shim).applies) or "").split()).removeprefix("Apply ")


def checkpoints() -> str:
    """Return the rows of the catalogue, by the library that opens them."""
    found = sorted(ROWS, key=attrgetter("library"))
    return blocks(*(_library(name, rows) for name, rows in groupby(found, attrgetter("library"))))


def _library(name: str, rows: Iterable[Checkpoint]) -> str:
    return blocks(heading(2, text(name), f"checkpoints-of-{name}"), *map(_row, rows))


def _row(row: Checkpoint) -> str:
    title = heading(3, code(row.id), f"checkpoint-{row.id.replace('/', '-')}")
    why = text(sentence(row.why))
    uses = table(("use", "what it does"), ((code(each.name), _use(each)) for each in row.uses))
    return blocks(title, why, _listed(_facts(row)), uses if row.uses else "")


def _use(use: Use) -> str:
    said = text(sentence(use.why))
    return f"{said} It is an experiment." if use.experiment else said


def _facts(row: Checkpoint) -> Iterator[tuple[str, str]]:
    yield "from", "; ".join(code(str(each)) for each in row.sources) or "nothing to download"
    yield "sha256", code(row.sha256) if row.sha256 else UNKNOWN
    yield "size", in_megabytes(row.bytes) if row.bytes else UNKNOWN
    yield "licence", text(row.licence) if row.licence else UNKNOWN
    yield "terms to accept", f"<{row.terms}>" if row.terms else ""
    yield "globals", codes(row.globals) or ("none" if row.pickled else "it is no pickle")
    yield "replica", codes(row.replica.saved_by) if row.replica else "none"
    yield "used by", text("; ".join(row.used_by))
    yield "tolerance", f"{row.tolerance:g}"
