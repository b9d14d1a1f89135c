from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pytest_torchcompat import doctor
from pytest_torchcompat.commands.cli import main
from pytest_torchcompat.doctor import Facts

NOTHING = {
    "python": "3.12.1",
    "platform": "Linux",
    "distributions": [{"name": "pip", "version": "26.0"}],
    "modules": {},
}


@pytest.fixture
def environment(monkeypatch):
    """Give the command facts instead of an interpreter's; gives what it was asked about."""
    asked = []

    def given(**data):
        def ask(python=None):
            asked.append(python)
            return Facts({**NOTHING, **data})

        monkeypatch.setattr(doctor, "ask", ask)
        return asked

    return given


def raising(message):
    return {"torch": {"status": "raised", "exception": "OSError", "message": message, "chain": []}}


def test_without_torch_it_says_what_to_install_and_nothing_is_broken(environment, capsys):
    environment()

    assert main(["doctor"]) == 0
    assert capsys.readouterr().out == (
        "Python 3.12.1   Linux\n"
        "torch   warning: not installed: there is nothing to look into   (torch-missing)\n"
        "    Install it, by the interpreter that is used.\n"
        "        python -m pip install torch\n"
        "0 broken, 1 warning\n"
    )


def test_what_is_broken_makes_the_exit_code_1(environment, capsys):
    environment(modules=raising("not today"))

    assert main(["doctor"]) == 1
    assert capsys.readouterr().out == (
        "Python 3.12.1   Linux\n"
        "torch   BROKEN: import fails: OSError: not today\n"
        "    See all that it says.\n"
        '        python -X faulthandler -c "import torch"\n'
        "1 broken, 0 warnings\n"
    )


def test_as_json_there_are_the_facts_and_the_findings(environment, capsys):
    environment()

    assert main(["doctor", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["schema"] == 1
    assert written["facts"] == NOTHING
    assert written["findings"] == [
        {
            "level": "warning",
            "subject": "torch",
            "says": "not installed: there is nothing to look into",
            "signature": "torch-missing",
            "remedies": [
                {
                    "kind": "run",
                    "says": "Install it, by the interpreter that is used.",
                    "code": "python -m pip install torch",
                    "when": "",
                }
            ],
        }
    ]


def test_what_a_terminal_could_obey_is_spelled_out(environment, capsys):
    environment(modules=raising("\x1b[2Jgone\u202e"), platform="Linux\x07")

    main(["doctor"])

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"\x1b[2Jgone\u202e" in out
    assert r"Linux\x07" in out


def test_a_gpu_that_is_not_known_is_told_before_anything_is_imported(environment, capsys):
    asked = environment()

    assert main(["doctor", "--gpu", "RTX 5080", "--gpu", "RTX 5808"]) == 2
    assert capsys.readouterr().err == (
        "torchcompat: 'RTX 5808' is not a known GPU. Name it as its maker does, such as"
        " 'RTX 5080', or by its architecture, such as 'sm_120'. Did you mean 'RTX 5080'?\n"
    )
    assert asked == []


def test_another_interpreter_is_asked_where_it_is_named(environment):
    asked = environment()
    main(["doctor", "--python", "elsewhere/bin/python"])
    main(["doctor"])
    assert asked == ["elsewhere/bin/python", None]


def test_an_interpreter_that_does_not_answer_is_an_error(capsys, tmp_path):
    assert main(["doctor", "--python", str(tmp_path)]) == 2
    assert "did not answer as a Python 3.9 or later would" in capsys.readouterr().err


def test_an_empty_name_of_an_interpreter_is_an_error(capsys):
    assert main(["doctor", "--python", ""]) == 2
    assert "did not answer" in capsys.readouterr().err


def test_an_interrupt_is_told_in_a_line(monkeypatch, capsys):
    def ask(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "ask", ask)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == (
        "torchcompat doctor: stopped. What was being imported is ended\n"
    )


def test_help_imports_no_torch_and_nothing_of_the_doctor():
    program = (
        "import sys\n"
        "from pytest_torchcompat.commands.cli import main\n"
        "try: main(['doctor', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(str(sorted({'torch', 'pytest_torchcompat.doctor'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "[]"
