"""A recommendation in plain words, a sentence a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matrix.recommend.advice import Advice, Also, Barred, Needed, Unsaid, Way
from matrix.recommend.answer import Answer, Evidence, Gpu
from matrix.recommend.moves import BESIDE, UPGRADE, Move, Place
from matrix.recommend.spans import newest_release
from matrix.recommend.tried import ALLOWLISTED, PATCHED, STOCK, STRICT, Cause, Subject
from pytest_torchcompat.display import escaped
from pytest_torchcompat.outcome import Outcome

INDENT = "    "
HOUR, DAY = 1, 24
TRUST = "only for a file that you trust"


def lines(answer: Answer) -> Iterator[str]:
    """Yield an answer in lines for a terminal."""
    for line in _lines(answer):
        yield escaped(line)


def _lines(answer: Answer) -> Iterator[str]:
    if answer.gpu:
        yield from _of_gpu(answer.gpu)
    several = len(answer.sets) > 1
    for advice in answer.sets:
        if several:
            yield f"{advice.name}:"
        yield from (f"{INDENT if several else ''}{line}" for line in _of_set(answer, advice))
    yield from _of_evidence(answer.evidence)


def _of_gpu(gpu: Gpu) -> Iterator[str]:
    named = gpu.name if gpu.name == gpu.architecture else f"{gpu.name} ({gpu.architecture})"
    others = _listed(gpu.not_built)
    if gpu.built:
        torch = bounded(gpu.specifiers, gpu.built)
        rest = f"; torch {others} {_is(gpu.not_built)} not" if others else ""
        yield f"{named}: torch {torch} is built for it{rest}."
    elif others:
        yield f"{named}: no torch of this run is built for it ({others})."
    if gpu.unknown:
        yield f"{named}: of torch {_listed(gpu.unknown)} no cell says for which GPUs it is built."


def _of_set(answer: Answer, advice: Advice) -> Iterator[str]:
    for way in advice.ways:
        yield from _of_way(advice.name if len(answer.sets) == 1 else "it", way)
    if not advice.ways:
        yield from _of_nothing(answer, advice)
    if advice.left_out:
        yield from _of_left_out(advice.left_out, advice.left_out_move)
    for barred in advice.barred:
        yield from _of_barred(barred)
    for unsaid in advice.unsaid:
        yield _of_unsaid(unsaid)
    for sentence in advice.contradictions:
        yield f"The cells contradict each other: {sentence}; ask with --python."
    for sentence in advice.flaky:
        yield f"Not stable: the tries disagree on {sentence}."
    if advice.move:
        yield from _of_move(advice.move)
    elif not advice.unaided and not answer.paired:
        yield f"No other set of this run {'works unaided' if advice.ways else 'works'} there."


def _of_way(name: str, way: Way) -> Iterator[str]:
    torch = bounded(way.specifiers, way.torch)
    yield f"torch {torch}: {name} {_how(way)}. Python {_listed(way.pythons)}."
    for shim in way.shims:
        yield f"{INDENT}Shim {shim.name}{_only_for(shim)}: `torchcompat shims {shim.name}`"
    if way.executes and way.policy == STOCK:
        yield f"{INDENT}There stock executes what the file's pickle names: {TRUST}."
    others = [_also(also, way) for also in way.also if _is_told(also.policy, way)]
    if others:
        yield f"{INDENT}It works as well under {', or '.join(others)}."


def _only_for(shim: Needed) -> str:
    return f", for {_subjects(shim.subjects)} alone" if shim.subjects else ""


def _how(way: Way) -> str:
    count = len(way.shims)
    shims = "" if not count else " and a shim" if count == 1 else f" and {count} shims"
    if way.policy == STOCK:
        return f"works with stock{shims}" if shims else "works unaided (stock)"
    if way.policy == STRICT:
        return f"works with strict{shims}, and nothing to allow"
    if way.policy == ALLOWLISTED:
        return f"needs the allow-list{_classes(way)}{shims}"
    return f"needs patched{shims}; patched executes the file: {TRUST}"


def _classes(way: Way) -> str:
    if not way.classes:
        return ""
    least, most = way.classes
    if least == most:
        return f" ({most} class{'' if most == 1 else 'es'})"
    return f" ({least} to {most} classes, by the file)"


def _is_told(policy: str, way: Way) -> bool:
    # What is no safer than the way itself is told only where it spares a list of classes.
    if way.policy == STOCK:
        return way.executes and policy in (STRICT, ALLOWLISTED)
    return way.policy == ALLOWLISTED and policy == PATCHED


def _also(also: Also, way: Way) -> str:
    all_of_them = len(also.torch) == len(way.torch)
    where = "" if all_of_them else f" on torch {bounded(also.specifiers, also.torch, brief=True)}"
    if also.policy == ALLOWLISTED:
        return f"allowlisted{_classes(way)}{where}"
    trust = f", which executes the file: {TRUST}" if also.policy == PATCHED else ""
    return f"{also.policy}{where}{trust}"


def _of_nothing(answer: Answer, advice: Advice) -> Iterator[str]:
    where = " on a torch that is built for this GPU" if answer.gpu else ""
    under = f" under {answer.question.policy}" if answer.question.policy else ""
    if advice.barred or (answer.gpu and not answer.gpu.built):
        yield f"Nothing in this run makes {advice.name} work{where}{under}."
    else:
        yield f"No cell of this run says that {advice.name} works{where}{under}."
    if advice.other_policies:
        yield f"It works there under {_listed(advice.other_policies)}: ask without --policy."


def _of_left_out(left_out: Barred, move: Move | None) -> Iterator[str]:
    subjects, torches = _subjects(left_out.subjects), _listed(left_out.torch)
    yield f"Under no policy does it open {subjects} on torch {torches}:"
    yield from _of_cause(left_out.cause)
    if move:
        does = "does" if move.unaided else "does with shims"
        yield f"{INDENT}{_places(move)} {does}, under {move.places[0].policy}."


def _of_barred(barred: Barred) -> Iterator[str]:
    failing = f" ({_subjects(barred.subjects)})" if barred.subjects else ""
    yield f"Not on torch {_listed(barred.torch)}{failing}:"
    yield from _of_cause(barred.cause)


def _of_cause(cause: Cause) -> Iterator[str]:
    checks = "1 check" if cause.checks == 1 else f"{cause.checks} checks"
    known = f"{cause.id}, " if cause.id else ""
    yield f"{INDENT}{cause.says} ({known}{checks})"
    if cause.remedy:
        yield f"{INDENT}Remedy: {cause.remedy}"
        yield from (f"{INDENT}{INDENT}{line}" for line in cause.code.splitlines())


def _of_unsaid(unsaid: Unsaid) -> str:
    reason = f": {unsaid.says}" if unsaid.says else ""
    torch = _listed(unsaid.torch)
    if not unsaid.outcome:
        return f"Not swept with torch {torch}."
    if unsaid.outcome == Outcome.UNAVAILABLE.value:
        return f"No environment with torch {torch}{reason}"
    under = f" under {_listed(unsaid.policies)}" if unsaid.policies else ""
    return f"Unknown on torch {torch}{under}, {unsaid.outcome}{reason}"


def _of_move(move: Move) -> Iterator[str]:
    verb = {UPGRADE: "Upgrading to", BESIDE: "The same version,"}.get(move.kind, "Going back to")
    how, comma = _moved(move), "," if move.kind == BESIDE else ""
    if move.torch:
        torch = bounded(move.torch_specifiers, move.torch, brief=True)
        yield f"{verb} {_places(move)}{comma} {how} on torch {torch}."
    else:
        yield f"{verb} {_places(move)}{comma} {how}, each on torch of its own:"
    yield from (_more(place) for place in move.places if _is_more(place, move))
    yield f"{INDENT}{_whether_all(move)}"
    if any(place.executes for place in move.places):
        yield f"{INDENT}There it executes what the file's pickle names: {TRUST}."


def _moved(move: Move) -> str:
    shims = sorted({name for place in move.places for name in place.shims})
    kind = "shim" if len(shims) == 1 else "shims"
    aid = f" with the {kind} {_listed(shims)}" if shims else ""
    if move.policies == (STOCK,):
        return f"works{aid} under stock" if aid else "works unaided (stock)"
    return f"works{aid} under {move.places[0].policy}"


def _is_more(place: Place, move: Move) -> bool:
    ends = (move.places[0], move.places[-1])
    return set(place.torch) > set(move.torch) and (place in ends or not move.torch)


def _more(place: Place) -> str:
    torch = bounded(place.specifiers, place.torch, brief=True)
    return f"{INDENT}{place.name} does on torch {torch}."


def _places(move: Move) -> str:
    """Name the versions of which every set works, then the single sets that do."""
    covered = set(move.versions)
    named = [place.name for place in move.places if place.version not in covered]
    if covered:
        named.insert(0, f"{move.library} {bounded(move.specifiers, move.versions)}")
    return " or ".join(named)


def _whether_all(move: Move) -> str:
    parts = [f"Not so {_listed(move.failing)}."] if move.failing else []
    parts += [f"Of {_listed(move.unsaid)} nothing is known there."] if move.unsaid else []
    every = "Every later one" if move.kind == UPGRADE else "Every such one"
    return " ".join(parts) or f"{every} that was swept does."


def bounded(specifiers: Sequence[str], versions: Sequence[str], *, brief: bool = False) -> str:
    """Write specifiers so that an open end says how far was looked."""
    looked = f"{'up to ' if len(versions) > 1 else ''}{newest_release(versions)}"
    note = f" ({looked})" if brief else f" ({looked}, the newest swept)"
    return " or ".join(
        f"{each}{note}" if each.startswith(">=") and "<=" not in each else each
        for each in specifiers
    )


def _of_evidence(evidence: Evidence) -> Iterator[str]:
    editions = " and ".join(
        f"{count} of the {name} edition" for name, count in sorted(evidence.editions.items())
    )
    which = next(iter(evidence.editions), "") if len(evidence.editions) == 1 else ""
    edition = f"{which} edition" if which else editions or "no check has run"
    whole = ", complete" if evidence.complete else ""
    counts = f"{_count(evidence.cells, 'cell')} with {_count(evidence.checks, 'check')}"
    yield f"Evidence: {counts} of run {evidence.run}, {edition}, {_age(evidence.age_hours)}{whole}."
    if evidence.elsewhere:
        yield f"{INDENT}Its other versions: {_count(evidence.elsewhere, 'cell')}."
    if evidence.devices and all(device == "cpu" for device in evidence.devices):
        yield f"{INDENT}The checks ran on a CPU; of GPUs only what torch is built for was read."
    if not evidence.complete:
        done, all_cells = evidence.finished_cells, evidence.planned_cells
        yield f"{INDENT}The run is not complete: {done} of {all_cells} cells have a verdict."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _age(hours: float) -> str:
    if hours < HOUR:
        return "less than an hour old"
    if hours < 2 * DAY:
        return f"{_count(int(hours), 'hour')} old"
    return f"{int(hours / DAY)} days old"


def _subjects(subjects: Sequence[Subject]) -> str:
    """Name checkpoints, with what is done with them where that is more than running the model."""
    names = (name if use == "forward" else f"{name} ({use})" for name, use in subjects)
    return ", ".join(names)


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
