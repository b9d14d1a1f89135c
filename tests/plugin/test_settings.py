"""Options and ini keys: each setting is shown with its source, a bad one gets a sentence."""

from __future__ import annotations

import pytest

from pytest_torchcompat import shim

a_list = pytest.mark.skipif(
    int(pytest.__version__.partition(".")[0]) > 9,
    reason="from pytest 10 on, it refuses a list in the place of a text itself",
)


@pytest.fixture
def project(pytester):
    pytester.makepyfile("def test_plain(): pass")
    return pytester


def test_the_header_shows_each_setting_and_where_it_came_from(project):
    project.makeini("[pytest]\ntorchcompat_policy = strict\ntorchcompat_allow = argparse.Namespace")
    result = project.runpytest_inprocess("--torchcompat-edition=replica")
    result.stdout.fnmatch_lines(
        "torchcompat: policy=strict (ini), edition=replica (command line), "
        "allow=argparse.Namespace (ini), torch *"
    )


def test_the_header_shows_the_defaults(project):
    result = project.runpytest_inprocess()
    result.stdout.fnmatch_lines(
        "torchcompat: policy=allowlisted (default), edition=auto (default), *"
    )


def test_a_path_below_the_home_folder_may_be_written_with_a_tilde(project, monkeypatch):
    monkeypatch.setenv("HOME", str(project.path / "home"))
    result = project.runpytest_inprocess("--torchcompat-cache=~/cache")
    result.stdout.fnmatch_lines(f"*cache={project.path / 'home' / 'cache'} (command line)*")


def test_the_command_line_wins_over_the_ini_file(project):
    project.makeini("[pytest]\ntorchcompat_policy = strict")
    result = project.runpytest_inprocess("--torchcompat-policy=stock,strict", "--co")
    result.stdout.fnmatch_lines("torchcompat: policy=stock,strict (command line), *")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            "--torchcompat-policy=stict",
            "ERROR: 'stict' is not a known torchcompat policy. Choose one of: "
            "stock, patched, allowlisted, strict. Did you mean 'strict'?",
        ),
        (
            "--torchcompat-policy=",
            "ERROR: '' is not a known torchcompat policy. Choose one of: "
            "stock, patched, allowlisted, strict.",
        ),
        (
            "--torchcompat-report=/dev/null/report.jsonl",
            "ERROR: --torchcompat-report can't be written: [Errno 17] File exists: '/dev/null'. "
            "Name another file",
        ),
        (
            "--torchcompat-edition=replicas",
            "ERROR: 'replicas' is not a known torchcompat edition. Choose one of: "
            "auto, reference, replica. Did you mean 'replica'?",
        ),
        (
            "--torchcompat-device=cuda:x",
            "ERROR: 'cuda:x' is not a known torchcompat device. Choose one of: "
            "auto, cpu, cuda, cuda:0. Did you mean 'cuda:0'?",
        ),
        (
            "--torchcompat-shims=dataclass-default",
            "ERROR: 'dataclass-default' is not a known shim. Choose one of: "
            f"{', '.join(each.name for each in shim.SHIMS)}. Did you mean 'dataclass-defaults'?",
        ),
    ],
)
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_a_bad_setting_is_one_sentence_with_the_near_miss(project, option, sentence, workers):
    result = project.runpytest_inprocess(option, *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in [line.strip() for line in result.errlines]


@a_list
@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('torchcompat_policy = ["strict", "stock"]', "policy=strict,stock (ini), *"),
        (
            'torchcompat_shims = ["isin-numbers", "numpy-aliases"]',
            "*, shims=isin-numbers,numpy-aliases (ini), *",
        ),
        ('torchcompat_device = ["cpu"]', "*, device=cpu (ini), *"),
    ],
)
def test_a_list_in_the_ini_file_is_read_as_the_names_that_it_holds(project, written, shown):
    project.makepyprojecttoml(f"[tool.pytest.ini_options]\n{written}")
    result = project.runpytest_inprocess("--co")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(f"torchcompat: {shown}")


@a_list
@pytest.mark.parametrize("written", ["['replica', 'auto']", "[1]"])
def test_a_list_where_one_text_is_due_is_told(project, written):
    project.makepyprojecttoml(f"[tool.pytest.ini_options]\ntorchcompat_edition = {written}")
    result = project.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    sentence = f"torchcompat_edition in the ini file takes one text in quotes, not {written}"
    assert f"ERROR: {sentence}" in [line.strip() for line in result.errlines]


def test_a_setting_among_the_rows_is_told_before_any_test_runs(project):
    project.makepyprojecttoml('[tool.torchcompat]\npolicy = "strict"')
    result = project.runpytest_inprocess("--co")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = (line for line in result.errlines if line.startswith("ERROR"))
    assert "'policy' is not a known key" in line
    assert line.endswith("torchcompat_policy, belong into [tool.pytest.ini_options].")


def test_rows_written_below_one_table_are_no_settings(project):
    project.makepyprojecttoml("[tool.torchcompat]\ncheckpoints = {}")
    assert project.runpytest_inprocess().ret == pytest.ExitCode.OK


@pytest.mark.parametrize("shown", ["--help", "--version"])
def test_help_and_version_are_shown_with_a_broken_configuration(project, shown):
    project.makeini("[pytest]\ntorchcompat_policy = nonsense")
    assert project.runpytest_inprocess(shown).ret == pytest.ExitCode.OK


def test_the_markers_are_documented_and_strict_markers_stay_green(project):
    project.makepyfile(
        """
        import pytest

        @pytest.mark.torchcompat_policy("strict")
        def test_marked(): pass
        """
    )
    assert project.runpytest_inprocess("--strict-markers", "-p", "no:xdist").ret == 0
    shown = project.runpytest_inprocess("--markers").stdout
    shown.fnmatch_lines("@pytest.mark.torchcompat_checkpoint(id_or_path, [*]more, library=*): *")
    shown.fnmatch_lines("@pytest.mark.torchcompat_policy(name, [*]more): *")
