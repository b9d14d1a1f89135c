from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pytest_torchcompat import __version__
from pytest_torchcompat.audit import RULES
from pytest_torchcompat.commands.cli import main

BARE = "import torch\nstate = torch.load(f)\n"
SAFE = "import torch\nstate = torch.load(f, weights_only=True)\n"
NOTE = "import torch\nstate = torch.load(f, weights_only=w)\n"
REMEDY = (
    "Pass weights_only=True. "
    "What a file needs besides tensors is told by: torchcompat allowlist FILE"
)


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")

    return write


def test_a_finding_is_its_place_its_code_its_sentence_and_the_next_step(write, capsys):
    write("run.py", BARE)

    assert main(["audit", "run.py"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "run.py:2:9  TC001  torch.load without weights_only executes the file's pickle up to "
        "torch 2.5 and refuses other than plain tensors from 2.6 on.",
        f"  next: {REMEDY}",
        "",
        "1 site in 1 file of 1 read: 1 as torch's version has it.",
        "1 finding, 0 notes.",
    ]


def test_files_are_apart_and_each_rules_next_step_is_told_once(write, capsys):
    write("a.py", f"{BARE}torch.load(f)\ntorch.load(f, weights_only=False)\n")
    write("b.py", BARE)

    main(["audit", "."])
    first, second, summary = capsys.readouterr().out.split("\n\n")
    assert [line.split()[0] for line in first.splitlines()] == [
        *("a.py:2:9", "a.py:3:1", "a.py:4:1", "next:", "next:"),
    ]
    assert f"  next: TC001: {REMEDY}" in first
    assert second.startswith("b.py:2:9  TC001")
    assert summary.startswith("4 sites in 2 files of 2 read: 3 as torch's version has it, 1 exec")


def test_no_findings_are_exit_0(write, capsys):
    write("run.py", SAFE)

    assert main(["audit", "."]) == 0
    assert capsys.readouterr().out == (
        "1 site in 1 file of 1 read: 1 weights-only.\n0 findings, 0 notes.\n"
    )


def test_a_note_is_told_and_is_no_failure(write, capsys):
    write("run.py", NOTE)

    assert main(["audit", "run.py"]) == 0
    assert "TC004  note: torch.load with a weights_only that" in capsys.readouterr().out


def test_silenced_findings_are_counted(write, capsys):
    write("run.py", "import torch\ntorch.load(f)  # torchcompat: ignore[TC001]\n")

    assert main(["audit", "run.py"]) == 0
    assert capsys.readouterr().out.endswith("0 findings, 0 notes, 1 silenced.\n")


def test_excluded_files_are_not_read(write, capsys):
    write("run.py", SAFE)
    write("old.py", BARE)

    assert main(["audit", ".", "--exclude", "old.py"]) == 0
    assert "of 1 read" in capsys.readouterr().out


def test_a_path_that_is_not_there_is_exit_2(write, capsys):
    assert main(["audit", "none\x1b.py"]) == 2
    assert capsys.readouterr().err == (
        "torchcompat: There is no none\\x1b.py. Name files and folders that exist.\n"
    )


def test_nothing_to_read_is_exit_2(write, capsys):
    write("a.txt", BARE)

    assert main(["audit", "."]) == 2
    assert capsys.readouterr().err == (
        "torchcompat: There is no Python file to read. Name one, or drop --exclude.\n"
    )


def test_json_and_sarif_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["audit", ".", "--json", "--sarif"])

    assert caught.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_json_lists_every_site_and_every_finding(write, capsys):
    write("run.py", BARE + SAFE)

    assert main(["audit", "run.py", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert {key: data[key] for key in ("schema", "files", "silenced")} == {
        "schema": 1,
        "files": 1,
        "silenced": 0,
    }
    assert [site["verdict"] for site in data["sites"]] == ["by-version", "ok"]
    place = {"path": "run.py", "line": 2, "column": 9, "end_line": 2, "end_column": 22}
    assert data["sites"][0] == {
        **place,
        "call": "torch.load",
        "weights_only": "absent",
        "verdict": "by-version",
        "stock": {"<=2.5": "executes", ">=2.6": "weights-only"},
    }
    (finding,) = data["findings"]
    assert {key: finding[key] for key in ("code", "name", "level", "remedy", *place)} == {
        "code": "TC001",
        "name": "default-weights-only",
        "level": "warning",
        "remedy": REMEDY,
        **place,
    }


def test_sarif_names_the_rules_and_the_places(write, capsys):
    write("my code/run ä.py", BARE)

    assert main(["audit", ".", "--sarif"]) == 1
    log = json.loads(capsys.readouterr().out)
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    (result,) = run["results"]
    assert log["version"] == "2.1.0"
    assert (driver["name"], driver["version"]) == ("torchcompat audit", __version__)
    assert [rule["id"] for rule in driver["rules"]] == [rule.code for rule in RULES]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "TC001"
    assert result["level"] == "warning"
    assert result["message"]["text"].endswith(REMEDY)
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "my%20code/run%20%C3%A4.py"},
                "region": {"startLine": 2, "startColumn": 9, "endLine": 2, "endColumn": 22},
            }
        }
    ]


def test_sarif_of_a_notebook_names_the_cell(write, capsys):
    cell = {"cell_type": "code", "source": BARE}
    write("a.ipynb", json.dumps({"cells": [cell]}))

    main(["audit", "a.ipynb", "--sarif"])
    (result,) = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    assert result["locations"] == [
        {
            "physicalLocation": {"artifactLocation": {"uri": "a.ipynb"}},
            "logicalLocations": [{"name": "cell 1, line 2"}],
        }
    ]


def test_sarif_of_an_absolute_path_is_a_file_uri(write, tmp_path, capsys):
    write("run.py", BARE)

    main(["audit", str(tmp_path), "--sarif"])
    (result,) = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == (tmp_path / "run.py").as_uri()


def test_names_of_files_are_escaped(write, capsys):
    write("a\x1b[2J\n.py", BARE)

    main(["audit", "."])
    assert capsys.readouterr().out.startswith("a\\x1b[2J\\n.py:2:9  TC001")


def test_what_a_file_says_of_itself_is_escaped(write, capsys):
    write("a.py", "import torch\ntorch.serialization.add_safe_globals(['\x9b2J'])\n")

    main(["audit", "a.py"])
    assert "\x9b" not in capsys.readouterr().out


def test_auditing_imports_no_torch(tmp_path):
    (tmp_path / "run.py").write_text(BARE)
    script = (
        "import sys; from pytest_torchcompat.commands.cli import main; main(sys.argv[1:]);"
        "assert not {'torch', 'huggingface_hub'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", script, "audit", str(tmp_path)]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_help_says_what_the_exit_codes_are_and_how_to_silence(capsys):
    with pytest.raises(SystemExit):
        main(["audit", "--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert (
        "Exit code: 0, or 1 with an error or a warning, 2 where there is nothing to read." in text
    )
    assert "'# torchcompat: ignore[TC001]'" in text
