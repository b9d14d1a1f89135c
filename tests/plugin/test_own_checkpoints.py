"""A project's own checkpoints: by path in the marker, by its pyproject.toml, and downloaded."""

from __future__ import annotations

import hashlib
import json

import pytest
from hub import serving

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("in_forks")

import argparse  # noqa: E402 - after the skip

NAMESPACE = "argparse.Namespace"
GLOBALS = 'globals = ["argparse.Namespace"]\n'
LOAD = """
import pytest

@pytest.mark.torchcompat_checkpoint({marker})
def test_load(torchcompat_load):
    assert torchcompat_load()["args"].layers == 2
"""


@pytest.fixture
def voice(pytester):
    """A checkpoint that pickles a namespace, in the project's assets."""
    path = pytester.path / "assets" / "voice.pth"
    path.parent.mkdir()
    torch.save({"args": argparse.Namespace(layers=2)}, path)
    return path


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(pytester, body, *arguments):
    pytester.makepyfile(body)
    report = "--torchcompat-report=report.jsonl"
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", report, *arguments)


def said(pytester, body):
    """Run what ends before anything is loaded, which needs no process of its own."""
    pytester.makepyfile(body)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider")


def checks(pytester):
    text = (pytester.path / "report.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["kind"] == "check"]


# By path


@pytest.mark.parametrize("written", ['"assets/voice.pth"', 'pathlib.Path("assets/voice.pth")'])
def test_a_file_named_by_its_path_is_checked_and_recorded_as_local(pytester, voice, written):
    marker = f'{written}, globals=("{NAMESPACE}",)'
    result = run(pytester, "import pathlib\n" + LOAD.format(marker=marker))
    result.assert_outcomes(passed=1)
    (check,) = checks(pytester)
    assert (check["checkpoint"], check["edition"]) == ("assets/voice.pth", "local")
    assert (check["library"], check["sha256"]) == ("torch", sha256_of(voice))
    assert (check["outcome"], check["globals"]) == ("pass", [NAMESPACE])
    result.stdout.fnmatch_lines(
        [
            "assets/voice.pth (local) under allowlisted: pass",
            "* = assets/voice.pth (local)   ok",
        ]
    )


def test_a_path_is_below_rootdir_wherever_the_test_lies_and_can_be_absolute(pytester, voice):
    marker = f'"assets/voice.pth", {str(voice)!r}, globals=["{NAMESPACE}"]'
    pytester.mkdir("deep").joinpath("test_deep.py").write_text(LOAD.format(marker=marker))
    result = run(pytester, "", "--rootdir", pytester.path, "deep")
    result.assert_outcomes(passed=2)
    assert [check["checkpoint"] for check in checks(pytester)] == ["assets/voice.pth", str(voice)]


def test_a_model_named_by_its_path_is_opened_by_the_library_that_the_marker_names(pytester, voice):
    body = f"""
import pytest

@pytest.mark.torchcompat_checkpoint("assets/voice.pth", globals=("{NAMESPACE}",), library="torch")
def test_model(torchcompat_model):
    assert torchcompat_model["args"].layers == 2

@pytest.mark.torchcompat_checkpoint("assets/voice.pth", library="torhc")
def test_other(torchcompat_model):
    pass
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines("*'torhc' is not a known library.*Did you mean 'torch'?*")


@pytest.mark.parametrize("asked", ["torchcompat_model", "request"])
def test_a_model_that_pytest_asked_for_is_told_by_the_test_that_has_it(pytester, voice, asked):
    body = f"""
import pytest

@pytest.mark.torchcompat_checkpoint("assets/voice.pth", globals=("{NAMESPACE}",))
def test_model({asked}):
    assert {asked} if "{asked}" != "request" else request.getfixturevalue("torchcompat_model")
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=1)
    place = r"\S+\.py::test_model" if asked == "torchcompat_model" else r"\S+\.py:\d+"
    result.stdout.re_match_lines([rf"{place}   assets/voice\.pth = .*   ok"])


def test_what_one_marker_says_of_a_file_holds_for_no_other_test(pytester, voice):
    listed = LOAD.format(marker=f'"assets/voice.pth", globals=("{NAMESPACE}",)')
    body = f"""
{listed}
@pytest.mark.torchcompat_checkpoint("assets/voice.pth")
def test_unlisted(torchcompat_load):
    torchcompat_load()
"""
    run(pytester, body).assert_outcomes(passed=1, failed=1)
    found = [check["outcome"] for check in checks(pytester)]
    assert found == ["pass", "refused"]


def test_a_problem_with_a_file_is_told_once(pytester):
    result = said(pytester, LOAD.format(marker='"assets/voice.pth"'))
    assert "exception" not in result.stdout.str()


def test_a_file_that_is_missing_is_told_with_where_it_was_looked_for(pytester):
    result = said(pytester, LOAD.format(marker='"assets/voice.pth"'))
    result.assert_outcomes(errors=1)
    where = pytester.path / "assets" / "voice.pth"
    result.stdout.fnmatch_lines(
        f"*@pytest.mark.torchcompat_checkpoint: assets/voice.pth: assets/voice.pth is not there; "
        f"looked at {where}. *"
    )


@pytest.mark.parametrize(
    ("marker", "sentence"),
    [
        ('"pyannote/segmentation-3.1"', "*Did you mean 'pyannote/segmentation-3.0'?*"),
        (
            '"rvc/hubert-base", library="torch"',
            "*rvc/hubert-base is in the catalogue, which says its library already; leave library "
            "out*",
        ),
        (
            '"a.pth", globls=()',
            "*'globls' is not a known keyword. Choose one of: library, globals. Did you mean "
            "'globals'?*",
        ),
        (
            '"a.pth", policies="strict"',
            "*Choose one of: library, globals. Policies are named by "
            "@pytest.mark.torchcompat_policy*",
        ),
        (
            '"a.pth", globals="a.B"',
            '*globals is a tuple of names, such as ("argparse.Namespace",)*',
        ),
        ('"a.pth", library=torch', '*library is a name in quotes, such as "torch"*'),
        (
            "b'a.pth'",
            "*takes one or more names in quotes, and for a path library and globals*",
        ),
    ],
)
def test_what_a_marker_cannot_mean_is_a_sentence(pytester, marker, sentence):
    result = said(pytester, "import torch\n" + LOAD.format(marker=marker))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(sentence)


# By the project's file


def project(pytester, text):
    pytester.makepyprojecttoml(f'[tool.torchcompat.checkpoints."my/voice"]\n{text}')


PLAIN = """
import torch

def test_first():
    assert torch.load("assets/voice.pth")["args"].layers == 2
"""
PATH = 'path = "assets/voice.pth"\n'


def test_a_row_of_the_project_is_known_by_its_id(pytester, voice):
    project(pytester, PATH + GLOBALS)
    run(pytester, LOAD.format(marker='"my/voice"')).assert_outcomes(passed=1)
    (check,) = checks(pytester)
    assert (check["checkpoint"], check["edition"]) == ("my/voice", "local")


def test_its_allow_list_holds_for_every_load_whichever_test_comes_first(pytester, voice):
    project(pytester, PATH + GLOBALS)
    run(pytester, PLAIN, "--torchcompat-policy=allowlisted").assert_outcomes(passed=1)


def test_its_globals_are_no_licence_to_execute_a_file_that_nothing_verifies(pytester, voice):
    project(pytester, PATH + GLOBALS)
    body = LOAD.format(marker='"my/voice"')
    result = run(pytester, body, "--torchcompat-policy=patched,allowlisted")
    result.assert_outcomes(passed=1, failed=1)
    found = {check["policy"]: check["outcome"] for check in checks(pytester)}
    assert found == {"patched": "refused", "allowlisted": "pass"}
    result.stdout.fnmatch_lines("*which is neither verified nor trusted. If you trust it, name *")


@pytest.mark.parametrize("way", ["row", "trust"])
def test_patched_executes_what_the_row_verifies_or_the_user_trusts(pytester, voice, way):
    sha256 = f'sha256 = "{sha256_of(voice)}"\n'
    project(pytester, PATH + GLOBALS + (sha256 if way == "row" else ""))
    words = ["--torchcompat-trust=assets/*.pth"] if way == "trust" else []
    body = LOAD.format(marker='"my/voice"')
    run(pytester, body, "--torchcompat-policy=patched", *words).assert_outcomes(passed=1)


def test_a_missing_file_of_the_project_is_told_with_the_command_that_downloads_it(pytester):
    project(pytester, PATH + 'download = "python tools/download.py"')
    result = said(pytester, LOAD.format(marker='"my/voice"'))
    result.assert_outcomes(errors=1)
    where = pytester.path / "assets" / "voice.pth"
    result.stdout.fnmatch_lines(
        f"*my/voice: assets/voice.pth is not there; looked at {where}. "
        "Get it with: python tools/download.py*"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pth = 1", "*[[]tool.torchcompat.checkpoints.\"my/voice\"[]]: 'pth' is not a known key.*"),
        (
            '[tool.torchcompat.checkpoints."rvc/rmvpe"]\npath = "a.pth"',
            '*[[]tool.torchcompat.checkpoints."my/voice"[]]: it names no file; add path, url or *',
        ),
    ],
)
def test_a_bad_row_of_the_project_stops_the_session_with_a_sentence(pytester, text, sentence):
    project(pytester, text)
    result = said(pytester, LOAD.format(marker='"my/voice"'))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(sentence)


@pytest.mark.parametrize("policy", [[], ["--torchcompat-policy=strict"]], ids=["none", "strict"])
def test_a_bad_row_of_the_project_stops_the_workers_of_xdist_with_a_sentence(pytester, policy):
    pytest.importorskip("xdist")
    project(pytester, "path = 7")
    body = LOAD.format(marker='"my/voice"')
    result = run(pytester, body, "-n2", "-p", "no:benchmark", *policy)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines('ERROR: *."my/voice"[]]: path: text is due, not 7')
    assert "INTERNALERROR" not in result.stdout.str()


# Downloaded


@pytest.fixture
def hub(pytester, monkeypatch):
    """A hub, and a project with a row of a file on it whose sha256 nobody stated."""
    pytest.importorskip("huggingface_hub")
    with serving() as hub:
        body = pytester.path / "body.pth"
        torch.save({"args": argparse.Namespace(layers=2)}, body)
        source = hub.row("me/voices", body.read_bytes()).sources[0]
        place = f'repo = "{source.repo}", revision = "{source.revision}", file = "weights.pt"'
        project(pytester, f"hub = {{ {place} }}\n{GLOBALS}bytes = {body.stat().st_size}")
        body.unlink()
        for name, value in {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(pytester.path / "home"),
            "XDG_CACHE_HOME": str(pytester.path / "notes"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }.items():
            monkeypatch.setenv(name, value)
        yield hub


FETCHING = "torchcompat: fetching my/voice ("


def test_a_download_is_told_at_once_and_a_file_in_the_cache_is_not(pytester, hub):
    body = LOAD.format(marker='"my/voice"')
    first = run(pytester, body)
    first.assert_outcomes(passed=1)
    first.stdout.fnmatch_lines("torchcompat: fetching my/voice (*) from me/voices")
    assert FETCHING not in run(pytester, body).stdout.str()


def test_workers_of_xdist_download_without_a_word_or_a_warning(pytester, hub):
    result = run(pytester, LOAD.format(marker='"my/voice"'), "-n2", "-p", "no:benchmark")
    result.assert_outcomes(passed=1)
    assert FETCHING not in result.stdout.str() + result.stderr.str()


def test_a_hash_established_by_a_download_is_enough_to_register_and_not_to_execute(pytester, hub):
    body = LOAD.format(marker='"my/voice"')
    result = run(pytester, body, "--torchcompat-policy=allowlisted,patched")
    result.assert_outcomes(passed=1, failed=1)
    found = {check["policy"]: check["outcome"] for check in checks(pytester)}
    assert found == {"allowlisted": "pass", "patched": "refused"}
    assert {check["edition"] for check in checks(pytester)} == {"reference"}


def test_a_download_that_fails_is_infra_and_no_verdict_on_the_checkpoint(pytester, hub):
    hub.fault = "no file"
    result = run(pytester, LOAD.format(marker='"my/voice"'))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines("*infra: my/voice was not fetched: * (404)*")
    told = map(json.loads, (pytester.path / "report.jsonl").read_text().splitlines())
    assert [line["kind"] for line in told] == ["environment", "failure"]
