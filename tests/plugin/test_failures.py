"""A test that fails in a known way says so: below its traceback, at the end, in the report."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

REFUSED = (
    "Weights only load failed. \\x1b[1mdo those steps only if you trust it\\x1b[0m. \\n"
    "\\tWeightsUnpickler error: Unsupported global: GLOBAL decimal.Decimal was not an allowed "
    "global by default. Please use `torch.serialization.add_safe_globals([decimal.Decimal])` or "
    "the `torch.serialization.safe_globals([decimal.Decimal])` context manager to allowlist this "
    "global if you trust this class/function."
)
LIBRARY = f"""
import pickle

def refuse():
    raise pickle.UnpicklingError("{REFUSED}")

def refuse_behind():
    try:
        refuse()
    except pickle.UnpicklingError as error:
        raise RuntimeError("no model") from error
"""
FAILING = """
from library import refuse

def test_refused():
    refuse()
"""
SAYS = [
    "*- torchcompat -*",
    "known: wo-global-2.7",
    "The file names decimal.Decimal, *",
    "- *",
    "    *add_safe_globals*",
    "https://*",
]


@pytest.fixture
def suite(pytester):
    """A suite beside a torch of a known version, which is but its metadata."""

    def make(body, torch="2.8.0"):
        folder = pytester.mkdir(f"torch-{torch}.dist-info")
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {torch}\n")
        pytester.makepyfile(library=LIBRARY, test_it=body)
        pytester.syspathinsert()
        return pytester

    return make


def run(pytester, *arguments):
    plugins = ("-p", "no:cacheprovider", "-p", "no:hydra_pytest")
    return pytester.runpytest_subprocess(*plugins, *arguments)


def report(pytester):
    text = (pytester.path / "report.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_known_failure_is_explained_below_its_traceback(suite):
    result = run(suite(FAILING))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * Weights only load failed.*", *SAYS])


def test_the_explanation_stands_before_what_the_test_printed(suite):
    result = run(suite(FAILING.replace("    refuse", "    print('loud')\n    refuse")))
    result.stdout.fnmatch_lines(["*- torchcompat -*", "*- Captured stdout call -*", "loud"])


def test_a_failure_that_nobody_knows_is_shown_as_pytest_shows_it(suite):
    result = run(suite("def test_wrong():\n    assert 1 == 2"))
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*- torchcompat -*")
    result.stdout.no_fnmatch_line("*known failures*")


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_a_failure_in_a_fixture_is_explained(suite, when):
    steps = "refuse()\n    yield" if when == "setup" else "yield\n    refuse()"
    body = f"""
import pytest
from library import refuse

@pytest.fixture
def model():
    {steps}

def test_model(model):
    pass
"""
    result = run(suite(body))
    result.stdout.fnmatch_lines([f"*ERROR at {when} of test_model*", *SAYS])
    result.stdout.fnmatch_lines(["*= known failures =*", "1 x wo-global-2.7: *"])


def test_a_cause_behind_the_error_is_recognised(suite):
    result = run(suite(FAILING.replace("refuse", "refuse_behind")))
    result.stdout.fnmatch_lines(["E * RuntimeError: no model", *SAYS])


def test_a_module_that_fails_at_its_import_is_explained(suite):
    result = run(suite("from library import refuse\nrefuse()"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ERROR collecting test_it.py*", *SAYS])
    result.stdout.fnmatch_lines(["*= known failures =*", "1 x wo-global-2.7: *", "    test_it.py"])


def test_the_summary_tells_each_known_failure_once_with_its_tests(suite):
    body = """
import pytest
from library import refuse

@pytest.mark.parametrize("number", range(5))
def test_refused(number):
    refuse()
"""
    result = run(suite(body))
    result.stdout.fnmatch_lines(
        [
            "*= known failures =*",
            "5 x wo-global-2.7: The file names decimal.Decimal, * Allow what the file names*",
            "    test_it.py::test_refused[[]0], test_it.py::test_refused[[]1], "
            "test_it.py::test_refused[[]2] and 2 more",
            "*= short test summary info =*",
        ]
    )
    assert str(result.stdout).count("x wo-global-2.7:") == 1


def test_a_failure_is_diagnosed_beside_the_versions_installed_and_the_stage(suite):
    pytester = suite("from library import refuse\nrefuse()", torch="2.3.1")
    pytester.makeconftest("""
from pytest_torchcompat.diagnosis import Diagnosis
from pytest_torchcompat.plugin import failures

def diagnose(failure):
    return Diagnosis("seen", f"{failure.stage} beside {failure.versions['torch']}", (), "link")

failures.diagnose = diagnose
""")
    run(pytester).stdout.fnmatch_lines(["known: seen", "import beside 2.3.1", "link"])


def test_an_expected_failure_is_none(suite):
    marked = FAILING.replace("def test", "import pytest\n@pytest.mark.xfail\ndef test")
    result = run(suite(marked))
    result.assert_outcomes(xfailed=1)
    result.stdout.no_fnmatch_line("*known failures*")


def test_the_report_begins_with_the_environment_and_tells_each_failure(suite):
    body = FAILING + "\ndef test_wrong():\n    assert 1 == 2\n\ndef test_right():\n    pass\n"
    pytester = suite(body)
    run(pytester, "--torchcompat-report=report.jsonl")
    environment, known, unknown = report(pytester)
    assert environment["kind"] == "environment"
    assert {name: known[name] for name in ("kind", "test", "exception", "stage")} == {
        "kind": "failure",
        "test": "test_it.py::test_refused",
        "exception": "_pickle.UnpicklingError",
        "stage": None,
    }
    assert known["diagnosis"]["id"] == "wo-global-2.7"
    assert known["chain"] == []
    assert "\x1b" not in known["message"]
    assert (unknown["exception"], unknown["diagnosis"]) == ("AssertionError", None)
    assert unknown["group"].startswith("AssertionError: assert N == N")


def test_readers_of_records_pass_over_what_is_no_check(suite):
    from pytest_torchcompat.record import read_records

    pytester = suite(FAILING)
    run(pytester, "--torchcompat-report=report.jsonl")
    assert read_records(pytester.path / "report.jsonl") == []


def test_workers_of_xdist_hand_on_what_they_know(suite):
    pytest.importorskip("xdist")
    pytester = suite(FAILING + "\ndef test_right():\n    pass\n")
    pytester.makepyfile(test_broken="from library import refuse\nrefuse()")
    arguments = ("-n2", "--continue-on-collection-errors", "--torchcompat-report=report.jsonl")
    result = run(pytester, *arguments)
    assert result.parseoutcomes().items() >= {"failed": 1, "passed": 1}.items()
    result.stdout.fnmatch_lines(SAYS)
    result.stdout.fnmatch_lines(["*= known failures =*", "2 x wo-global-2.7: *"])
    told = {line["test"]: line["kind"] for line in report(pytester)[1:]}
    assert told == {"test_broken.py": "failure", "test_it.py::test_refused": "failure"}


def test_without_the_plugin_nothing_is_told(suite):
    result = run(suite(FAILING), "-p", "no:torchcompat")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*wo-global-2.7*")


HOSTILE = {
    "str_raises": """
class Odd(Exception):
    def __str__(self):
        raise ValueError("no words")
def test_odd():
    raise Odd
""",
    "cyclic": """
def test_odd():
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    one.__cause__ = other
    raise one
""",
    "huge": """
def test_odd():
    raise ValueError("\\x1b[31m" * 1_000_000)
""",
    "attribute_raises": """
class Odd(Exception):
    @property
    def exceptions(self):
        raise ValueError("no members")
def test_odd():
    raise Odd("odd")
""",
    "deep": """
def test_odd():
    error = None
    for number in range(300):
        outer = ValueError(str(number))
        outer.__cause__ = error
        error = outer
    raise error
""",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_an_odd_exception_leaves_pytests_report_as_it_is(suite, body):
    pytester = suite(body)
    result = run(pytester, "--torchcompat-report=report.jsonl", "--tb=short")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    _, failure = report(pytester)
    assert len(json.dumps(failure)) < 100_000


def test_a_version_that_is_none_leaves_pytests_report_as_it_is(suite):
    result = run(suite(FAILING, torch="mine"))
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 brought exception groups")
def test_a_member_of_an_exception_group_is_recognised(suite):
    body = """
from library import refuse

def test_group():
    try:
        refuse()
    except Exception as error:
        raise ExceptionGroup("several", [KeyError("x"), error]) from None
"""
    run(suite(body)).stdout.fnmatch_lines(SAYS)


PROGRAM = """
import sys, pytest
pytest.main(["-q", "-p", "no:cacheprovider", "-p", "pytest_torchcompat.plugin"])
found = [name for name in sys.modules if name.startswith("pytest_torchcompat.diagnosis")]
sys.exit(f"imported {bool(found)}")
"""


@pytest.mark.parametrize("fails", [False, True])
def test_the_signatures_are_read_where_a_test_failed_alone(tmp_path, fails):
    (tmp_path / "test_it.py").write_text(f"def test_it(): assert not {fails}")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == f"imported {fails}"


CHECKED = """
import pytest

@pytest.mark.torchcompat_checkpoint("rvc/hubert-base")
def test_load(torchcompat_load):
    torchcompat_load()
"""
ARGUMENTS = (
    "--torchcompat-edition=replica",
    "--torchcompat-policy=strict",
    "--torchcompat-report=report.jsonl",
)


def test_a_check_has_its_diagnosis_and_its_failure_is_told_once(pytester):
    pytest.importorskip("torch")
    pytester.makepyfile(CHECKED)
    result = run(pytester, *ARGUMENTS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- torchcompat -*", "known: wo-*", "*Dictionary*"])
    result.stdout.fnmatch_lines(
        ["rvc/hubert-base (replica) under strict: refused at load: *", "    known: wo-*"]
    )
    environment, load, check = report(pytester)
    assert environment["kind"] == "environment"
    assert load["diagnosis"] == check["diagnosis"]
    names = "fairseq.data.dictionary"
    codes = [remedy["code"] for remedy in check["diagnosis"]["remedies"]]
    assert any(names in code for code in codes)


def test_a_checks_diagnosis_explains_a_test_that_fails_with_other_words(pytester):
    pytester.makeconftest(f"""
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.plugin.summary import note
from pytest_torchcompat.record import Record
import pytest

@pytest.fixture
def record(request):
    found = Record(
        "a/b", "replica", "stock", Outcome.FAIL, stage=Stage.LOAD,
        exception="_pickle.UnpicklingError", message="{REFUSED}".replace("\\x1b", ""),
    )
    note(request.node, found.to_dict())
    return found
""")
    pytester.makepyfile("""
import pytest

def test_check(record):
    pytest.fail(record.sentence, pytrace=False)
""")
    result = run(pytester, "--torchcompat-report=report.jsonl")
    result.stdout.fnmatch_lines(["a/b (replica) under stock: fail at load: *", *SAYS])
    result.stdout.fnmatch_lines(["*= known failures =*", "1 x wo-global-2.7: *"])
    assert [line["kind"] for line in report(pytester)] == ["environment", "check"]


APP = """
import torch

class Model:
    def __init__(self, path, safe=True):
        try:
            self.weights = torch.load(path, weights_only=safe)
        except Exception:
            pass

    def run(self):
        return self._step()

    def _step(self):
        return self.weights
"""
CAUGHT = """
import pytest
from app import Model

@pytest.fixture(scope="module")
def model():
    return Model("odd.pt")

def test_own():
    Model("odd.pt").run()

def test_of_a_fixture(model):
    model.run()

def test_of_a_fixture_again(model):
    model.run()

def test_without():
    raise ValueError("of its own")
"""
BEFORE = [
    "Before this a load failed and its error was caught, which may be why:",
    "app.py:6   odd.pt",
    "    UnpicklingError: Weights only load failed.*",
    "known: wo-argparse-namespace",
    "*",
    "    torch.serialization.add_safe_globals*",
]


@pytest.fixture
def swallowing(pytester, in_forks):
    # Not imported: pytester takes it out again after the test, and torch bears no second import.
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs torch")

    def make(body):
        pytester.makepyfile(app=APP, test_it=body)
        program = (
            "import argparse, torch\n"
            "torch.save({'args': argparse.Namespace(layers=2)}, 'odd.pt')\n"
            "torch.save({'weight': torch.zeros(2)}, 'plain.pt')\n"
        )
        assert pytester.runpython(pytester.makepyfile(making=program)).ret == 0
        return pytester

    return make


def test_a_failure_after_a_load_whose_error_was_caught_tells_the_load(swallowing):
    pytester = swallowing(CAUGHT)
    report_to = "--torchcompat-report=report.jsonl"
    result = run(pytester, "--torchcompat-policy=strict,allowlisted", report_to)
    result.assert_outcomes(failed=8)
    for name in ("test_own", "test_of_a_fixture", "test_of_a_fixture_again"):
        for policy in ("strict", "allowlisted"):
            result.stdout.fnmatch_lines([f"*_ {name}[[]{policy}] _*", *BEFORE])
    result.stdout.fnmatch_lines(
        ["*= failures after a caught load =*", "6 x may be wo-argparse-namespace: The file *"]
    )
    result.stdout.no_fnmatch_line("*= known failures =*")
    failures = [line for line in report(pytester) if line["kind"] == "failure"]
    assert [line["diagnosis"] for line in failures] == [None] * 8
    loads = [line["caught"] for line in failures if line["caught"]]
    told = [(load["file"], load["diagnosis"]["id"]) for load in loads]
    assert told == [("odd.pt", "wo-argparse-namespace")] * 6


def test_a_remedy_names_the_file_and_what_the_policy_overrides_comes_last(swallowing):
    body = "import torch\ndef test_it():\n    torch.load('odd.pt')\n"
    lines = str(run(swallowing(body), "--torchcompat-policy=strict").stdout).splitlines()
    start = lines.index("known: wo-argparse-namespace")
    said = [line for line in lines[start:] if line.startswith(("- ", "    torchcompat"))][:4]
    assert said[0].startswith("- Allow what the file names")
    assert "    torchcompat convert odd.pt OUT.safetensors" in said
    assert said[-1].startswith("- Where you trust whoever made the file, load it unchecked")


def test_a_load_as_the_module_is_imported_concerns_all_its_tests(swallowing):
    body = "from app import Model\nMODEL = Model('odd.pt')\ndef test_it():\n    MODEL.run()\n"
    result = run(swallowing(body), "--torchcompat-policy=strict")
    result.stdout.fnmatch_lines(["*_ test_it _*", *BEFORE])


UNRELATED = """
import io, pickle, shutil
import pytest
import torch
from app import Model

def load_that_succeeds():
    Model("plain.pt")

def load_that_is_tried_again():
    shutil.copy("odd.pt", "again.pt")
    Model("again.pt")
    shutil.copy("plain.pt", "again.pt")
    Model("again.pt")

def cache_that_is_filled():
    Model("missing.pt")
    Model("plain.pt")

def other_file_object():
    Model("odd.pt")
    with open("plain.pt", "rb") as file:
        Model(io.BytesIO(file.read()))

def refusal_that_a_block_waits_for():
    with pytest.raises(pickle.UnpicklingError):
        torch.load("odd.pt")

def refusal_that_a_call_waits_for():
    pytest.raises(pickle.UnpicklingError, torch.load, "odd.pt")

def assertion():
    Model("odd.pt")
    assert 1 + 1 == 3

def word_of_the_test():
    Model("odd.pt")
    pytest.fail("of its own")

STEPS = [
    load_that_succeeds, load_that_is_tried_again, cache_that_is_filled, other_file_object,
    refusal_that_a_block_waits_for, refusal_that_a_call_waits_for, assertion, word_of_the_test,
]

@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_it(step):
    step()
    raise ValueError("of its own")
"""


def test_a_failure_is_not_laid_on_a_load_that_was_made_good_or_waited_for(swallowing):
    pytester = swallowing(UNRELATED)
    run(pytester, "--torchcompat-policy=strict", "--torchcompat-report=report.jsonl")
    failures = [line for line in report(pytester) if line["kind"] == "failure"]
    assert len(failures) == 8
    assert [line["test"] for line in failures if line["caught"]] == []


def test_a_failure_is_not_laid_on_a_load_under_another_policy(swallowing):
    body = "from app import Model\nMODEL = Model('odd.pt')\ndef test_it():\n    MODEL.run()\n"
    result = run(swallowing(body), "--torchcompat-policy=strict,allowlisted")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*_ test_it[[]strict] _*", *BEFORE])
    result.stdout.fnmatch_lines(["1 x may be wo-argparse-namespace: *"])


def test_an_assertion_is_not_laid_on_what_a_fixture_of_all_tests_loaded(swallowing):
    fixture = "@pytest.fixture(autouse=True, scope='session')\ndef warm():\n    Model('odd.pt')\n"
    body = f"import pytest\nfrom app import Model\n{fixture}def test_it():\n    assert 0\n"
    result = run(swallowing(body), "--torchcompat-policy=strict")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("Before this*")
    result.stdout.no_fnmatch_line("*= failures after a caught load =*")


def test_a_load_of_a_fixture_concerns_the_test_that_set_it_up_without_naming_it(swallowing):
    fixture = "@pytest.fixture(scope='module')\ndef model():\n    return Model('odd.pt')\n"
    tests = (
        "def test_it(request):\n    request.getfixturevalue('model').run()\n"
        "def test_next():\n    raise ValueError('of its own')\n"
    )
    body = f"import pytest\nfrom app import Model\n{fixture}{tests}"
    result = run(swallowing(body), "--torchcompat-policy=strict")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*_ test_it _*", *BEFORE, "*_ test_next _*"])
    result.stdout.fnmatch_lines(["1 x may be wo-argparse-namespace: *", "    test_it.py::test_it"])


def test_an_error_that_was_caught_is_told_where_nobody_knows_it(swallowing):
    body = "from app import Model\ndef test_it():\n    Model(3).run()\n"
    result = run(swallowing(body), "--torchcompat-policy=strict")
    result.stdout.fnmatch_lines([BEFORE[0], "app.py:6   <int>", "    AttributeError: *"])
