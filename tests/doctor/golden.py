"""
What the doctor says of five recorded environments; ``python tests/doctor/golden.py`` rewrites it.

``facts/NAME.json`` is what the probe found there, ``said/NAME.txt`` what is printed of it.
"""

from __future__ import annotations

import json
from pathlib import Path

from pytest_torchcompat.commands.doctor import said
from pytest_torchcompat.doctor import Facts, findings

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in (FOLDER / "facts").glob("*.json"))


def recorded(name):
    return Facts(json.loads((FOLDER / "facts" / f"{name}.json").read_text("utf-8")))


def text_of(name):
    facts = recorded(name)
    return "\n".join(said(facts, findings(facts, ["RTX 5080"]))) + "\n"


def golden(name):
    return FOLDER / "said" / f"{name}.txt"


if __name__ == "__main__":
    for each in NAMES:
        golden(each).write_text(text_of(each), "utf-8")
