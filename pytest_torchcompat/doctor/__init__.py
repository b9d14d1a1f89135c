"""What an environment is, what is broken in it and what helps."""

from __future__ import annotations

from typing import Any

from pytest_torchcompat.doctor.facts import Facts, ask, here
from pytest_torchcompat.doctor.finding import LEVELS, OK, Finding
from pytest_torchcompat.doctor.findings import counted, findings

__all__ = ["LEVELS", "Facts", "Finding", "ask", "counted", "environment_line", "findings"]


def environment_line() -> dict[str, Any]:
    """
    Return this environment as the first line of a report, with nothing imported.

    ``kind`` is environment. ``python`` is its version, ``platform`` the system, ``versions`` those
    of the distributions that matter to torch, ``builds`` what their own version.py says of CUDA and
    ROCm, ``variables`` the environment variables that matter to torch. ``findings`` are those that
    need no import and are not as they should be.
    """
    facts = here()
    return {
        "kind": "environment",
        "python": facts.data["python"],
        "platform": facts.data["platform"],
        "versions": {name: text for name, text in facts.versions.items() if name != "python"},
        "builds": {name: dict(build) for name, build in facts.builds.items()},
        "variables": facts.data["variables"],
        "findings": [each.to_dict() for each in findings(facts) if each.level != OK],
    }
