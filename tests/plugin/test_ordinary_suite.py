"""``pytest --torchcompat-policy=...`` on a suite that knows nothing of this plugin."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("in_forks")

APP = """
from torch import load

def plain():
    return load("plain.pt")

def unsafe():
    return load("unsafe.pt", weights_only=False)
"""
TESTS = """
import argparse
import pytest
import torch
from app import plain, unsafe

@pytest.fixture(scope="session")
def model():
    return torch.load("plain.pt")

def test_plain(model):
    plain()

def test_unsafe():
    assert unsafe()["args"].layers == 2

class TestMethod:
    def test_plain(self, model):
        pass
"""
MAKE = """
import argparse, torch
torch.save({"weight": torch.zeros(2)}, "plain.pt")
torch.save({"args": argparse.Namespace(layers=2)}, "unsafe.pt")
"""


@pytest.fixture
def suite(pytester):
    pytester.makepyfile(make=MAKE, app=APP, test_app=TESTS)
    assert pytester.runpython("make.py").ret == 0
    return pytester


def run(suite, *arguments):
    return suite.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def test_without_a_policy_the_suite_is_left_alone(suite):
    result = run(suite)
    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("*torch.load under*")


def test_strict_holds_for_every_load_and_each_call_site_is_told(suite):
    result = run(suite, "--torchcompat-policy=strict")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*= torch.load under strict =*",
            "test_app.py:8   plain.pt   ok",
            "app.py:4   plain.pt   ok",
            "app.py:7   unsafe.pt",
            "    its explicit weights_only=False was overridden",
            "    refused: argparse.Namespace      next: torchcompat allowlist unsafe.pt",
            "3 sites: 2 pass strict, 1 refused. None of them was loaded with weights_only=False.",
        ],
        consecutive=True,
    )


def test_a_file_that_can_run_code_is_to_be_scanned_and_not_allowed(pytester):
    pytester.makepyfile(
        make="""
        import os, torch
        class Shell:
            def __reduce__(self):
                return os.system, ("true",)
        torch.save(Shell(), "evil.pt")
        """,
        test_app="""
        import torch
        def test_evil():
            torch.load("evil.pt")
        """,
    )
    assert pytester.runpython("make.py").ret == 0
    result = run(pytester, "--torchcompat-policy=strict")
    result.stdout.fnmatch_lines(["    refused: *.system      next: torchcompat scan evil.pt"])


def test_each_policy_of_a_list_runs_the_tests_anew_session_fixtures_too(suite):
    result = run(
        suite, "--torchcompat-policy=strict,allowlisted", "--torchcompat-allow=argparse.Namespace"
    )
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(
        ["*= torch.load under allowlisted =*", "test_app.py:8   plain.pt   ok"]
    )
    result.stdout.fnmatch_lines(
        [
            "*= torch.load under strict =*",
            "    refused: argparse.Namespace      passes under allowlisted",
        ]
    )


def test_a_file_that_another_site_loads_under_allowlisted_passes_it_at_each(suite):
    suite.makepyfile(
        test_app="""
        import torch
        from app import unsafe

        def test_fallback():
            try:
                torch.load("unsafe.pt", weights_only=True)
            except Exception:
                unsafe()
        """
    )
    result = run(
        suite, "--torchcompat-policy=strict,allowlisted", "--torchcompat-allow=argparse.Namespace"
    )
    result.assert_outcomes(passed=1, failed=1)
    hint = "    refused: argparse.Namespace      passes under allowlisted"
    assert str(result.stdout).splitlines().count(hint) == 2


def test_patched_refuses_what_nobody_trusts_and_runs_what_the_user_names(suite):
    result = run(suite, "--torchcompat-policy=patched", "--torchcompat-trust=unsafe.pt")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines("*patched would execute the pickle in plain.pt, which is neither *")


def test_loads_at_import_of_a_module_are_held_and_told(suite):
    suite.makepyfile(test_app="import torch\nMODEL = torch.load('unsafe.pt', weights_only=False)")
    result = run(suite, "--torchcompat-policy=strict")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("test_app.py:2   unsafe.pt")


def test_the_default_policy_named_in_the_ini_file_is_asked_for(suite):
    suite.makeini("[pytest]\ntorchcompat_policy = allowlisted")
    result = run(suite)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines("*= torch.load under allowlisted =*")


def test_loads_of_a_conftest_in_a_folder_are_held_too(suite):
    suite.mkdir("sub").joinpath("conftest.py").write_text(
        "import torch\nMODEL = torch.load('unsafe.pt', weights_only=False)"
    )
    suite.path.joinpath("sub", "test_sub.py").write_text("def test_sub(): pass")
    result = run(suite, "--torchcompat-policy=strict")
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines("sub/conftest.py:2   unsafe.pt")


def test_what_cannot_run_once_a_policy_is_said_to_have_run_under_the_first(suite):
    suite.makepyfile(
        test_app="""
        import unittest, torch

        MODEL = torch.load("plain.pt")

        class TestModel(unittest.TestCase):
            def test_plain(self):
                torch.load("plain.pt")
        """
    )
    result = run(suite, "--torchcompat-policy=allowlisted,strict")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "1 unittest or doctest tests can't be run once a policy: they ran under allowlisted. "
            "To have them under another, name it alone.",
            "1 loads were made as modules were imported, under allowlisted. "
            "To have them under another, name it alone.",
        ]
    )


def test_under_xdist_loads_at_import_are_told_too(suite):
    suite.makepyfile(test_app="import torch\nM = torch.load('plain.pt')\ndef test_a(): pass")
    result = run(suite, "--torchcompat-policy=strict", "-n1")
    result.stdout.fnmatch_lines("test_app.py:2   plain.pt   ok")


def test_one_policy_leaves_the_names_of_tests_alone(suite):
    result = run(suite, "--torchcompat-policy=strict", "--co", "-q")
    result.stdout.fnmatch_lines("test_app.py::test_plain")


def lines_of(suite):
    path = suite.path / "report.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_the_report_holds_a_line_for_each_load(suite, workers):
    result = run(
        suite, "--torchcompat-policy=strict", "--torchcompat-report=report.jsonl", *workers
    )
    result.assert_outcomes(passed=2, failed=1)
    environment, *loads = lines_of(suite)
    assert environment["kind"] == "environment"
    assert {line["kind"] for line in loads} == {"load"}
    refused = [line for line in loads if line["outcome"] == "refused"]
    assert len(refused) == 1
    assert refused[0]["file"] == "unsafe.pt"
    assert refused[0]["globals"] == ["argparse.Namespace"]
    assert refused[0]["test"] == "test_app.py::test_unsafe"
    result.stdout.fnmatch_lines("*1 refused. None of them was loaded with weights_only=False.")


def test_a_conftest_hears_each_line(suite):
    suite.makeconftest(
        "def pytest_torchcompat_record(record): print('HEARD', record['kind'], record['file'])"
    )
    result = run(suite, "--torchcompat-policy=strict", "-s")
    result.stdout.fnmatch_lines("*HEARD load unsafe.pt*")


def test_disabled_by_name_nothing_is_left_of_it(suite):
    result = run(suite, "-p", "no:torchcompat")
    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("torchcompat: *")
