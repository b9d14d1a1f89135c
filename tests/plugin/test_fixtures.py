"""Tests that name a checkpoint: markers, fixtures, and the records that they leave."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("in_forks")

REPLICA = ("-p", "no:cacheprovider", "--torchcompat-edition=replica")


def run(pytester, body, *arguments):
    pytester.makepyfile("import pytest\n" + body)
    report = "--torchcompat-report=report.jsonl"
    return pytester.runpytest_subprocess(*REPLICA, report, *arguments)


def checks(pytester):
    path = pytester.path / "report.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["policy"]: line for line in lines if line["kind"] == "check"}


LOAD = """
@pytest.mark.torchcompat_checkpoint("rvc/hubert-base")
def test_load(torchcompat_load, torchcompat_policy):
    if torchcompat_policy == "strict":
        with pytest.raises(Exception, match="Weights only load failed"):
            torchcompat_load()
    else:
        assert torchcompat_load()["task_state"]
"""


@pytest.fixture
def dictionary(pytester):
    """A package with the one class that the replica needs; the real one is swept elsewhere."""
    folder = pytester.path / "fairseq" / "data"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "../__init__.py"):
        (folder / name).touch()
    (folder / "dictionary.py").write_text("class Dictionary: pass")
    pytester.syspathinsert()


def test_a_checkpoint_is_loaded_under_each_policy_and_recorded(pytester, dictionary, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    result = run(pytester, LOAD, "--torchcompat-policy=patched,allowlisted,strict")
    result.assert_outcomes(passed=3)
    found = checks(pytester)
    assert {name: line["outcome"] for name, line in found.items()} == {
        "patched": "pass",
        "allowlisted": "pass",
        "strict": "refused",
    }
    assert found["strict"]["globals"] == ["fairseq.data.dictionary.Dictionary"]
    assert {line["edition"] for line in found.values()} == {"replica"}
    result.stdout.fnmatch_lines(
        "rvc/hubert-base (replica) under strict: refused at load: "
        "torch refuses fairseq.data.dictionary.Dictionary unless allowed"
    )


def test_the_default_is_allowlisted_for_tests_that_ask_for_a_checkpoint(
    pytester, dictionary, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    run(pytester, LOAD).assert_outcomes(passed=1)
    assert list(checks(pytester)) == ["allowlisted"]


def test_a_marker_names_the_policies_of_its_test(pytester):
    body = """
@pytest.mark.torchcompat_policy("strict", "stock")
def test_policy(torchcompat_policy):
    print("ran under", torchcompat_policy)
"""
    result = run(pytester, body, "-s", "--torchcompat-policy=patched")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*ran under strict*", "*ran under stock*"])


def test_several_checkpoints_run_the_test_once_for_each(pytester):
    body = """
@pytest.mark.torchcompat_checkpoint("rvc/hubert-base", "ultralytics/yolov8n")
def test_file(torchcompat_checkpoint):
    assert torchcompat_checkpoint.path.exists()
"""
    run(pytester, body).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        (
            'torchcompat_checkpoint("rvc/hubert-bse")',
            "*@pytest.mark.torchcompat_checkpoint: 'rvc/hubert-bse' is not a known checkpoint. "
            "Did you mean 'rvc/hubert-base'? Choose one of: *",
        ),
        (
            "torchcompat_checkpoint(7)",
            "*@pytest.mark.torchcompat_checkpoint takes one or more names in quotes, and *",
        ),
        (
            'torchcompat_policy(name="strict")',
            "*@pytest.mark.torchcompat_policy takes one or more names in quotes, and nothing else*",
        ),
        (
            'torchcompat_policy("stict")',
            "*@pytest.mark.torchcompat_policy: 'stict' is not a known torchcompat policy.*",
        ),
        ("filterwarnings('ignore')", "*torchcompat_checkpoint needs to know which one: *"),
    ],
)
def test_a_wrong_marker_is_an_error_of_its_test_alone(pytester, marker, sentence):
    body = f"""
@pytest.mark.{marker}
def test_wrong(torchcompat_load):
    pass

def test_right():
    pass
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(sentence)


def test_a_model_of_a_library_that_is_missing_skips_with_what_to_install(pytester):
    body = """
@pytest.mark.torchcompat_checkpoint("ultralytics/yolov8n")
def test_model(torchcompat_model):
    pass
"""
    result = run(pytester, body, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*ultralytics is not installed; python -m pip install ultralytics*")


OWN = """
import torch
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Replica
from pathlib import Path

class Library:
    name, distribution = "mine", "pytest"  # a distribution that is surely installed
    def import_(self): pass
    def load(self, checkpoint, path):
        model = torch.nn.Linear(2, 2)
        model.load_state_dict(torch.load(path))
        return model
    def forward(self, checkpoint, model, device):
        return lambda: model(torch.ones(1, 2))

def pytest_torchcompat_libraries(config):
    return [Library()]

def pytest_torchcompat_checkpoints(config):
    path = Path(__file__).with_name("voice.pt")
    torch.save(torch.nn.Linear(2, 2).state_dict(), path)
    from pytest_torchcompat.scan import scan_path
    replica = Replica(str(path), scan_path(path).sha256, "torch")
    return [Checkpoint(id="mine/voice", library="mine", why="ours", replica=replica)]
"""
FORWARD = """
@pytest.mark.torchcompat_checkpoint("mine/voice")
@pytest.mark.torchcompat_policy("strict")
def test_speed(torchcompat_model, torchcompat_forward):
    figures = torchcompat_forward(torchcompat_model)
    assert 0 < figures["min"] <= figures["median"] <= figures["max"]
"""


@pytest.fixture
def own(pytester):
    """A project with a library and a checkpoint of its own, added through the hooks."""
    pytester.makeconftest(OWN)
    return pytester


@pytest.mark.parametrize(
    ("arguments", "table"),
    [
        ((), True),
        (("-p", "no:benchmark"), False),
        (("--benchmark-disable",), False),
        (("-n2",), False),
    ],
    ids=["with pytest-benchmark", "without", "disabled", "xdist"],
)
def test_a_forward_pass_is_timed_and_recorded(own, monkeypatch, arguments, table):
    monkeypatch.setenv("PYTHONPATH", str(own.path))
    result = run(own, FORWARD, *arguments, "-W", "ignore::UserWarning")
    result.assert_outcomes(passed=1)
    record = checks(own)["strict"]
    assert record["outcome"] == "pass"
    assert record["stage"] == "forward"
    assert record["benchmark"]["device"] in ("cpu", "cuda")
    assert record["benchmark"]["rounds"] > 2
    assert ("test_speed" in result.stdout.str() and "Median" in result.stdout.str()) is table
    result.stdout.re_match_lines(
        [r"    forward, batch 1, float32, on cpu: \S+ [mun]?s \(.* to .*\); perf_counter, 1 thread"]
    )


def test_a_second_forward_pass_in_one_test_is_timed_as_well(own, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(own.path))
    body = FORWARD + "    torchcompat_forward(torchcompat_model)\n"
    run(own, body).assert_outcomes(passed=1)
    assert checks(own)["strict"]["outcome"] == "pass"


SHIM = (
    OWN
    + """
import contextlib
from pytest_torchcompat import shim

class Flag:
    name, restores, retired_when, at_import = "flag", "a flag", "never", False
    libraries = ("mine",)
    raised = False
    def __init__(self): self.lost = []
    def applies(self, versions): return True
    @contextlib.contextmanager
    def applied(self):
        Flag.raised = True
        self.lost[:] = LOST
        try:
            yield
        finally:
            Flag.raised = False

LOST = []
shim.SHIMS = (Flag(),)
load = Library.load
def needs_flag(self, checkpoint, path):
    if NEEDED and not Flag.raised:
        raise KeyError("flag")
    return load(self, checkpoint, path)
Library.load = needs_flag
NEEDED = True
"""
)


@pytest.mark.parametrize(
    ("line", "outcome", "shims"),
    [
        ("NEEDED = False", "pass", []),
        ("NEEDED = True", "shimmed", ["flag"]),
        ("LOST.append('a layer')", "degraded", ["flag"]),
    ],
)
def test_a_model_that_does_not_load_unaided_is_loaded_with_the_shims(
    pytester, monkeypatch, line, outcome, shims
):
    pytester.makeconftest(SHIM + line)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    run(pytester, FORWARD, "-W", "ignore::UserWarning").assert_outcomes(passed=1)
    record = checks(pytester)["strict"]
    assert (record["outcome"], record["shims"]) == (outcome, shims)
    assert record["message"] == ("a layer" if outcome == "degraded" else None)


OTHER = """
class Other(Flag):
    name = "other"
    @contextlib.contextmanager
    def applied(self):
        yield

class Both(Flag):
    name, raised = "both", False
    @contextlib.contextmanager
    def applied(self):
        Both.raised = True
        try:
            yield
        finally:
            Both.raised = False

shim.SHIMS = (Other(), Flag(), Both())
"""
WITH_BOTH = """
def needs_both(self, checkpoint, path):
    if not (Flag.raised and Both.raised):
        raise KeyError("both")
    return load(self, checkpoint, path)
Library.load = needs_both
"""


@pytest.mark.parametrize(
    ("lines", "shims"), [("", ["flag"]), (WITH_BOTH, ["other", "flag", "both"])]
)
def test_of_several_shims_the_one_that_helps_alone_is_named_else_all(
    pytester, monkeypatch, lines, shims
):
    pytester.makeconftest(SHIM + OTHER + lines)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    run(pytester, FORWARD, "-W", "ignore::UserWarning").assert_outcomes(passed=1)
    record = checks(pytester)["strict"]
    assert (record["outcome"], record["shims"]) == ("shimmed", shims)


@pytest.mark.parametrize(
    ("raised", "outcome", "tries"),
    [
        ("KeyError('unaided' if len(TRIES) == 1 else 'aided')", "fail", 5),
        ("PolicyRefusedError('unaided')", "refused", 1),
    ],
    ids=["fails with each as without", "refused"],
)
def test_a_load_that_no_shim_helps_fails_as_it_does_without(
    pytester, monkeypatch, raised, outcome, tries
):
    fails = f"""
from pytest_torchcompat.policies.refusals import PolicyRefusedError
TRIES = []
def fails(self, checkpoint, path):
    TRIES.append(Flag.raised or Both.raised)
    raise {raised}
Library.load = fails

def pytest_sessionfinish():
    assert len(TRIES) == {tries}
    assert not (Flag.raised or Both.raised)
"""
    pytester.makeconftest(SHIM + OTHER + fails)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    result = run(pytester, FORWARD, "-W", "ignore::UserWarning")
    result.assert_outcomes(errors=1)
    result.stderr.no_fnmatch_line("*AssertionError*")
    record = checks(pytester)["strict"]
    assert (record["outcome"], record["shims"]) == (outcome, [])
    assert "unaided" in record["message"]


def test_a_shim_that_cannot_be_applied_before_the_import_is_an_import_that_failed(
    pytester, monkeypatch
):
    lines = """
class Early(Flag):
    name, at_import = "early", True
    @contextlib.contextmanager
    def applied(self):
        raise ImportError("no module of that name")
        yield

shim.SHIMS = (Early(),)
"""
    pytester.makeconftest(SHIM + lines)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    run(pytester, FORWARD, "-W", "ignore::UserWarning").assert_outcomes(errors=1)
    record = checks(pytester)["strict"]
    assert (record["outcome"], record["stage"]) == ("fail", "import")
    assert record["message"] == "no module of that name"


@pytest.mark.parametrize("end", ["sys.exit(1)", "pytest.fail('Timeout')"])
def test_a_load_that_did_not_come_back_is_no_pass(own, monkeypatch, end):
    body = f"""
import sys

@pytest.mark.torchcompat_checkpoint("mine/voice")
def test_load(torchcompat_load):
    torchcompat_load(lambda path: {end})
"""
    monkeypatch.setenv("PYTHONPATH", str(own.path))
    run(own, body).assert_outcomes(failed=1)
    assert checks(own)["allowlisted"]["outcome"] == "fail"


def test_a_refusal_that_a_loader_wraps_is_still_a_refusal(pytester):
    body = """
import torch

def loader(path):
    try:
        return torch.load(path)
    except Exception as error:
        raise RuntimeError("no model") from error

@pytest.mark.torchcompat_checkpoint("rvc/hubert-base")
@pytest.mark.torchcompat_policy("strict")
def test_load(torchcompat_load):
    torchcompat_load(loader)
"""
    run(pytester, body).assert_outcomes(failed=1)
    assert checks(pytester)["strict"]["outcome"] == "refused"


def test_a_policy_that_a_test_is_parametrized_with_must_be_one(pytester):
    body = """
@pytest.mark.parametrize("torchcompat_policy", ["strikt"], indirect=True)
def test_wrong(torchcompat_policy):
    pass
"""
    result = run(pytester, body)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*'strikt' is not a known torchcompat policy.*")


def test_a_device_that_is_missing_skips_with_its_reason(own, monkeypatch):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    monkeypatch.setenv("PYTHONPATH", str(own.path))
    result = run(own, FORWARD, "--torchcompat-device=cuda", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines("*device cuda is not available: torch * sees no GPU here*")


def test_an_id_that_is_taken_is_refused(own, monkeypatch):
    own.makeconftest(OWN.replace('"mine/voice"', '"rvc/hubert-base"'))
    monkeypatch.setenv("PYTHONPATH", str(own.path))
    result = run(own, FORWARD)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines("*checkpoint 'rvc/hubert-base' is in the catalogue already; *")
