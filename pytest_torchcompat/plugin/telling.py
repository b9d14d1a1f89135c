"""What is told at the end: each call site, what it loaded and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_torchcompat.plugin.caught import place_of
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.scan.dangerous import runs_code


def tell(reporter: Any, lines: Sequence[dict[str, Any]], policies: int) -> None:
    """Tell what a session's lines say, of so many policies that were chosen."""
    loads = [line for line in lines if line["kind"] == "load"]
    checks = [line for line in lines if line["kind"] == "check"]
    for policy in Policy:
        mine = sites([line for line in loads if line["policy"] == policy.value])
        about = [line for line in checks if line["policy"] == policy.value]
        if mine or about:
            reporter.section(f"torch.load under {policy.value}")
            for text in (*check_lines(about), *site_lines(mine, loads)):
                reporter.line(text)
            if mine:
                reporter.line(total(policy, mine))
    _tell_known(reporter, [line for line in lines if line["kind"] == "failure"])
    for text in once_lines(lines, policies):
        reporter.line(text)


def _tell_known(reporter: Any, failures: Sequence[dict[str, Any]]) -> None:
    known = [line for line in failures if line["diagnosis"]]
    perhaps = [line for line in failures if line["caught"] and line["caught"]["diagnosis"]]
    for title, lines in (("known failures", known), ("failures after a caught load", perhaps)):
        if lines:
            from pytest_torchcompat.plugin.failures import summary_lines

            reporter.section(title)
            for text in summary_lines(lines):
                reporter.line(text)


def sites(loads: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one line for each site and file; of several the first that did not succeed."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for load in loads:
        key = _key(load)
        if key not in found or found[key]["outcome"] == "ok":
            found[key] = load
    return list(found.values())


def _key(load: dict[str, Any]) -> tuple[str, ...]:
    return (load["caller"], load["site"], load["file"])


def check_lines(checks: Iterable[dict[str, Any]]) -> Iterable[str]:
    """Tell each checkpoint's verdict, with its edition and what is known of a failure."""
    from pytest_torchcompat.record import Record

    for check in checks:
        yield Record.from_dict(check).sentence
        yield from timing_lines(check["benchmark"] or {})
        if check["diagnosis"]:
            from pytest_torchcompat.diagnosis.text import short

            yield f"    known: {short(check['diagnosis'])}"


def timing_lines(figures: Mapping[str, Any]) -> Iterable[str]:
    """Tell what a forward pass takes, by which method, and what speaks against that."""
    if not figures:
        return
    low, high = duration(figures["low"]), duration(figures["high"])
    size = f"batch {figures.get('batch', 1)}, {figures.get('dtype', 'float32')}"
    where = f"{size}, on {figures['device']}: {duration(figures['median'])} ({low} to {high})"
    many = figures.get("batch", 1) > 1 and figures.get("throughput")
    rate = f", {_rounded(figures['throughput'])} inputs/s" if many else ""
    yield f"    forward, {where}{rate}; {figures['method']}"
    for remark in figures["remarks"]:
        yield f"    but {remark}"


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * size:  # less is 999 of the next at most, once it is rounded
            return f"{_rounded(seconds / size)} {unit}"
    return f"{_rounded(seconds / 1e-9)} ns"


_FOUR_DIGITS = 999.5  # from here on, once it is rounded


def _rounded(value: float) -> str:
    """Return three digits, or all of those before the point where they are more."""
    return f"{value:,.0f}" if value >= _FOUR_DIGITS else f"{value:.3g}"


def site_lines(mine: list[dict[str, Any]], all_loads: list[dict[str, Any]]) -> Iterable[str]:
    """Tell each site: where, which file, and on a line of its own why it was not loaded."""
    allowed = {
        load["sha256"]
        for load in all_loads
        if load["policy"] == Policy.ALLOWLISTED.value and load["outcome"] == "ok"
    }
    for load in mine:
        ok = load["outcome"] == "ok"
        what = f" = {load['checkpoint']} ({load['edition']})" if "checkpoint" in load else ""
        yield f"{place_of(load)}{what}{'   ok' if ok else ''}"
        if load["overridden"]:
            yield "    its explicit weights_only=False was overridden"
        if not ok:
            yield _reason(load, load["sha256"] in allowed)


def _reason(load: dict[str, Any], passes_allowlisted: bool) -> str:
    if load["outcome"] == "refused" and load["globals"]:
        names = ", ".join(load["globals"])
        unnamed = load["file"].startswith("<")  # a file object has no path to look at
        look = "scan" if any(map(_runs_code, load["globals"])) else "allowlist"
        command = "" if unnamed else f"next: torchcompat {look} {load['file']}"
        hint = "passes under allowlisted" if passes_allowlisted else command
        return f"    refused: {names}      {hint}".rstrip()
    lines = (load["message"] or "").strip().splitlines()
    return f"    {load['outcome']}: {load['exception']}: {lines[0] if lines else ''}".rstrip(": ")


def _runs_code(dotted: str) -> bool:
    module, _, name = dotted.rpartition(".")
    return runs_code(module, name)


def once_lines(lines: Sequence[dict[str, Any]], policies: int) -> Iterable[str]:
    """Tell what ran under the first of several policies alone, so that nobody takes it for all."""
    tests = {line["test"]: line["policy"] for line in lines if line["kind"] == "once"}
    imports = [line for line in lines if line["kind"] == "load" and "::" not in line["test"]]
    cure = "To have them under another, name it alone."
    if tests:
        ran = f"{len(tests)} unittest or doctest tests can't be run once a policy"
        yield f"{ran}: they ran under {next(iter(tests.values()))}. {cure}"
    if imports and policies > 1:
        ran = f"{len(imports)} loads were made as modules were imported"
        yield f"{ran}, under {imports[0]['policy']}. {cure}"


def total(policy: Policy, mine: list[dict[str, Any]]) -> str:
    """Count the sites, and say what the policy guarantees."""
    ok = sum(load["outcome"] == "ok" for load in mine)
    refused = sum(load["outcome"] == "refused" for load in mine)
    parts = [f"{ok} pass {policy.value}"]
    parts += [f"{refused} refused"] if refused else []
    parts += [f"{len(mine) - ok - refused} fail"] if len(mine) > ok + refused else []
    promise = " None of them was loaded with weights_only=False." if policy.enforces else ""
    noun = "site" if len(mine) == 1 else "sites"
    return f"{len(mine)} {noun}: {', '.join(parts)}.{promise}"
