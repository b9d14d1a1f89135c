"""The files that a cell is given are what its checks are about, whoever established them."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import matrix  # noqa: E402 - after the skip

CHECKS = Path(matrix.__file__).parent / "checks"
ROW = """
[tool.torchcompat.checkpoints."my/voice"]
url = "https://example.org/voice.pth"
globals = ["argparse.Namespace"]
"""


@pytest.mark.parametrize("edition", ["reference", "local"])
def test_a_file_whose_sha256_no_row_states_is_allowlisted_and_not_executed(pytester, edition):
    pytester.makepyprojecttoml(ROW)
    file = pytester.path / "voice.pth"
    torch.save({"args": argparse.Namespace()}, file)
    given = {
        "path": str(file),
        "edition": edition,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    policies = ("patched", "allowlisted")
    request = {
        "library": "torch",
        "checks": [
            {"checkpoint": "my/voice", "use": "forward", "policy": policy} for policy in policies
        ],
        "files": {"my/voice": given},
    }
    (pytester.path / "request.json").write_text(json.dumps(request))
    pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "--rootdir", pytester.path, CHECKS),
        *("--confcutdir", CHECKS, "--torchcompat-cell=request.json"),
        "--torchcompat-report=report.jsonl",
    )
    lines = (pytester.path / "report.jsonl").read_text().splitlines()
    environment, *records = [json.loads(line) for line in lines]
    assert environment["kind"] == "environment"
    assert {(each["policy"], each["outcome"], each["edition"]) for each in records} == {
        ("patched", "refused", edition),
        ("allowlisted", "pass", edition),
    }
