"""The rules of the audit, and the failures that are known."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from pytest_torchcompat.audit.rules import RULES, Rule
from pytest_torchcompat.diagnosis.signature import ALLOW, Remedy, Signature
from pytest_torchcompat.diagnosis.signatures import FAMILIES
from reference.markdown import blocks, code, codes, fenced, heading, introduction, listed, text

LANGUAGES = {"edit": "python", "run": "sh", "pin": "sh", "shim": "sh"}


def rules() -> str:
    """Return the rules of the audit."""
    return blocks(*map(_rule, RULES))


def _rule(rule: Rule) -> str:
    link = f"See <{rule.link}>." if rule.link else ""
    return blocks(
        heading(2, f"{rule.code} {text(rule.name)}", f"rule-{rule.code}"),
        f"{text(rule.summary)} Level: {rule.level.value}.",
        f"What to do: {text(rule.remedy)}",
        link,
    )


def signatures() -> str:
    """Return the failures that are known, a section for each family."""
    return blocks(*(_family(name, found) for name, found in FAMILIES.items()))


def _family(name: str, found: Iterable[Signature]) -> str:
    module = sys.modules[f"pytest_torchcompat.diagnosis.signatures.{name}"]
    title = introduction(module).rstrip(".")
    return blocks(
        heading(2, title, f"signatures-{name.replace('_', '-')}"), *map(_signature, found)
    )


def _signature(signature: Signature) -> str:
    return blocks(
        heading(3, code(signature.id), f"signature-{signature.id}"),
        text(signature.cause),
        listed(f"{name}: {said}" for name, said in _facts(signature)),
        "What helps:",
        *map(_remedy, signature.remedies),
    )


def _facts(signature: Signature) -> list[tuple[str, str]]:
    facts = [
        ("raised as", codes(signature.exceptions)),
        ("words", code(signature.pattern)),
        ("where", codes(signature.applies)),
        ("beside one of", codes(signature.among)),
        ("at", codes(signature.stages)),
        ("source", f"<{signature.link}>" if signature.link else ""),
    ]
    return [fact for fact in facts if fact[1]]


def _remedy(remedy: Remedy) -> str:
    when = f" Where {codes(remedy.when)}." if remedy.when else ""
    says = f"{text(remedy.says)}{when}"
    if remedy.kind == ALLOW:
        return f"{says} The code is made from what the file names."
    return blocks(
        says, fenced(remedy.code, LANGUAGES.get(remedy.kind, "text")) if remedy.code else ""
    )
