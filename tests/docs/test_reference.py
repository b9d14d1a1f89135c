"""The reference has everything that there is, each with its sentence; no Sphinx is needed here."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_torchcompat.audit.rules import RULES
from pytest_torchcompat.checkpoints.rows import ROWS
from pytest_torchcompat.commands import cli
from pytest_torchcompat.diagnosis.signatures import SIGNATURES
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.scan.refusals import Reason
from pytest_torchcompat.shim import SHIMS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted((DOCS / "reference").glob("*.md"))
PREFIX = "torchcompat_"
NOT_SHOWN = {"--help"}


@pytest.fixture(scope="module")
def reference():
    pytest.importorskip("tomllib", reason="the sweep needs Python 3.11")
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        yield importlib.import_module("reference")
    finally:
        sys.path.remove(str(DOCS / "_ext"))


@pytest.fixture(scope="module")
def page(reference):
    made = {each.stem: reference.expanded(each.read_text("utf-8")) for each in PAGES}
    return made.__getitem__


def module(name):
    return importlib.import_module(f"reference.{name}")


def section(text, anchor):
    """What stands under an anchor, up to the next one."""
    return text.partition(f"\n({anchor})=\n")[2].partition("\n(")[0]


def sentences(text):
    return [line for line in text.splitlines()[1:] if line and not line.startswith(("#", "|", "-"))]


def test_each_part_is_on_one_page(reference):
    used = [name for each in PAGES for name in reference.MARK.findall(each.read_text("utf-8"))]
    assert sorted(used) == sorted(reference.PARTS)


class Environment:
    """What is asked of Sphinx's."""

    found_docs = ("reference/shims", "reference/index")

    def doc2path(self, name):
        return str(DOCS / f"{name}.md")


def test_sphinx_is_handed_the_page_as_it_is_made(reference):
    source = ["# Shims\n\n<!-- reference: shims -->\n"]
    reference._read(None, "reference/shims", source)
    assert f"(shim-{SHIMS[0].name})=" in source[0]


def test_a_page_that_is_made_from_the_code_is_read_by_each_build(reference):
    assert reference._outdated(None, Environment(), set(), set(), set()) == ["reference/shims"]


def test_a_part_that_there_is_not_is_told_with_those_that_there_are(reference):
    with pytest.raises(Exception, match=r"'outcome' is not a known part .* mean 'outcomes'\?"):
        reference.expanded("# Words\n\n<!-- reference: outcome -->\n")


def test_each_page_is_in_the_list_of_pages():
    listed = (DOCS / "reference" / "index.md").read_text("utf-8").splitlines()
    assert {each.stem for each in PAGES} - set(listed) == {"index"}


def test_no_anchor_is_given_twice_on_a_page(page):
    for each in PAGES:
        anchors = re.findall(r"^\((.+)\)=$", page(each.stem), re.MULTILINE)
        ids = [re.sub("[^a-z0-9]+", "-", anchor.lower()) for anchor in anchors]
        assert len(ids) == len(set(ids)), [name for name in ids if ids.count(name) > 1]


def test_anchors_with_other_letters_than_docutils_knows_are_kept_as_well(page):
    assert '<span id="rule-TC001"></span>\n\n(rule-TC001)=\n' in page("rules")
    assert '<span id="signature-wo-global-2.5"></span>' in page("signatures")
    assert '<span id="outcome-refused"></span>' not in page("words")


def test_each_option_is_there_with_its_key_of_the_ini_file(page, pytestconfig):
    keys = [name for name in pytestconfig._parser._inidict if name.startswith(PREFIX)]
    assert keys
    for key in keys:
        flag = f"--{key.replace('_', '-')}"
        found = section(page("pytest"), f"option-{flag[2:]}")
        assert f"`{flag}=" in found
        assert f"In the ini file: `{key}`" in found
        assert len(sentences(found)) > 1


def test_each_marker_is_there_with_its_sentence(page, pytestconfig):
    lines = [line for line in pytestconfig.getini("markers") if line.startswith(PREFIX)]
    assert lines
    for line in lines:
        name = re.match(r"\w+", line)[0]
        assert sentences(section(page("pytest"), f"marker-{name}"))


def fixtures_of_the_plugin():
    for path in (ROOT / "pytest_torchcompat" / "plugin").glob("*.py"):
        found = re.findall(r"^@pytest\.fixture.*\ndef (\w+)", path.read_text("utf-8"), re.MULTILINE)
        yield from (name for name in found if not name.startswith("_"))


def test_each_fixture_is_there_with_its_docstring(page):
    ours = list(fixtures_of_the_plugin())
    assert len(ours) > 3
    for name in ours:
        assert sentences(section(page("pytest"), f"fixture-{name}")), name


def test_each_hook_is_there_with_its_docstring(page, pytestconfig):
    ours = [name for name in vars(pytestconfig.hook) if name.startswith("pytest_torchcompat_")]
    assert len(ours) > 2
    for name in ours:
        assert sentences(section(page("pytest"), f"hook-{name}")), name


def flags(parser):
    return set(re.findall(r"--[a-z][\w-]*", parser.format_help())) - NOT_SHOWN


@pytest.fixture(params=["torchcompat", "matrix"])
def command_line(request, reference):
    """A command line: its page, the prefix of its anchors, and its parser."""
    if request.param == "torchcompat":
        return "commands", "torchcompat", cli._parser([])
    return "sweep", "matrix", importlib.import_module("matrix.__main__")._parser()


def test_each_option_of_a_command_is_there(command_line, page):
    name, prefix, parser = command_line
    for command, _, each in module("command_lines").commands_of(parser):
        found = section(page(name), f"{prefix}-{command}")
        assert sentences(found)
        for flag in flags(each):
            assert re.search(rf"`{flag}\b", found), f"{command} {flag}"


def test_each_argument_of_a_command_says_what_it_is_for(command_line, reference):
    _, _, parser = command_line
    lines = module("command_lines")
    for command, _, each in lines.commands_of(parser):
        silent = [action.dest for action in lines.shown(each) if not lines.said(each, action)]
        assert not silent, f"{command}: {silent} have no help"


def test_each_command_is_there(page):
    assert all(f"(torchcompat-{name})=" in page("commands") for name in cli.COMMANDS)


def test_each_command_says_its_exit_codes(reference):
    parser = cli._parser([])
    for command, _, each in module("command_lines").commands_of(parser):
        assert "Exit code: 0" in (each.epilog or ""), command


def test_the_sweep_says_its_exit_codes(page):
    assert "Exit code: 0" in page("sweep")


def test_a_usage_does_not_depend_on_the_terminal(reference, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    narrow = module("command_lines").torchcompat()
    monkeypatch.setenv("COLUMNS", "200")
    assert module("command_lines").torchcompat() == narrow


CLOSED = [
    *(("words", f"outcome-{each.value}") for each in Outcome),
    *(("words", f"stage-{each.value}") for each in Stage),
    *(("words", f"policy-{each.value}") for each in Policy),
    *(("rules", f"rule-{each.code}") for each in RULES),
    *(("shims", f"shim-{each.name}") for each in SHIMS),
    *(("signatures", f"signature-{each.id}") for each in SIGNATURES),
    *(("checkpoints", f"checkpoint-{each.id.replace('/', '-')}") for each in ROWS),
]


def test_each_word_rule_shim_known_failure_and_checkpoint_is_there(page):
    missing = [anchor for name, anchor in CLOSED if not sentences(section(page(name), anchor))]
    assert not missing


def test_each_reason_of_a_refusal_is_there_with_what_is_next(page):
    for reason in Reason:
        assert re.search(rf"^\| `{reason.value}` \| \S.+ \| \S.+ \|$", page("words"), re.MULTILINE)


def test_a_known_failure_says_its_words_where_it_holds_and_all_that_helps(page):
    each = next(found for found in SIGNATURES if found.applies and found.remedies[0].code)
    found = section(page("signatures"), f"signature-{each.id}")
    assert f"- where: `{each.applies[0]}`" in found
    assert all(remedy.code.splitlines()[0] in found for remedy in each.remedies if remedy.code)


def test_each_public_name_is_there(page):
    import pytest_torchcompat

    for name in pytest_torchcompat.__all__:
        assert sentences(section(page("python"), f"python-{name.strip('_')}")), name


def test_each_error_is_there(reference, page):
    from pytest_torchcompat import errors

    ours = [name for name in vars(errors) if name.endswith("Error")]
    assert all(f"| `{name}` | " in page("python") for name in ours)


def test_what_a_library_offers_is_there(page):
    found = section(page("python"), "python-library")
    assert all(f"| `{name}(" in found for name in ("import_", "load", "forward"))


def test_each_key_of_a_row_is_there(page):
    from pytest_torchcompat.checkpoints import project

    keys = (*project._KEYS, "hub.repo", "beside.file")
    assert all(re.search(rf"^\| `{key}` \| \S", page("checkpoints"), re.MULTILINE) for key in keys)


def test_each_key_of_a_sweep_of_ones_own_is_there(page):
    from matrix import project_table

    own = (f"libraries.{name}" for name in project_table._LIBRARY_KEYS)
    keys = (*project_table._KEYS, *own)
    assert all(re.search(rf"^\| `{key}` \| \S", page("sweep"), re.MULTILINE) for key in keys)


def test_each_key_of_the_json_is_told_where_it_is_made(reference):
    forms = module("json_forms")
    for form in (*forms.REPORT, *forms.COMMANDS, *forms.BENCH):
        said = " ".join(inspect.getdoc(each) or "" for each in form.documented)
        untold = {key for key in forms.keys_of(form.example()) if f"``{key}``" not in said}
        assert not untold, f"{form.title}: the docstring does not say what these are"


def test_an_example_holds_nothing_of_this_machine(page):
    found = page("json")
    assert "/tmp" not in found
    assert str(Path.home()) not in found


def test_each_property_of_matrix_json_is_there_with_its_sentence(page):
    schema = json.loads((ROOT / "matrix" / "matrix.schema.json").read_text("utf-8"))
    for name, each in {"": schema, **schema["$defs"]}.items():
        anchor = f"matrix-json-{name.replace('_', '-')}".rstrip("-")
        found = section(page("matrix-json"), anchor)
        for key in each.get("properties", ()):
            said = re.search(rf"^\| `{re.escape(key)}` \| (.+) \| (.*) \|$", found, re.MULTILINE)
            assert said, f"{anchor}: {key}"
            # What has a table of its own is told above that.
            assert said[2] or "](#" in said[1], f"{anchor}: {key} has no description"


def test_each_variable_that_is_read_says_what_for(reference):
    found = {each.name for each in module("variables").reads()}
    assert {"HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES", "UV_DEFAULT_INDEX"} <= found
    assert found == set(module("variables").FOR), "variables.FOR has the sentences"


def test_words_are_no_markup_and_code_stays_code(reference):
    markdown = module("markdown")
    assert markdown.text("a*b [c] <d> {e}") == r"a\*b \[c\] \<d\> \{e\}"
    assert markdown.text("give ``x_y`` or --json=FILE") == "give `x_y` or `--json=FILE`"
    assert markdown.code("a `b`") == "`` a `b` ``"
    assert markdown.table(("a",), [("b|c",)]).endswith("| b\\|c |")
    assert markdown.fenced("```").startswith("````")


def test_a_docstring_keeps_its_paragraphs_and_its_code(reference):
    markdown = module("markdown")
    words = "One line\nand more::\n\n    a = 1\n\n    b = 2\n\nRaises:\n    OSError: It is full."
    made = "One line and more:\n\n```python\na = 1\n\nb = 2\n```\n\n- Raises OSError: It is full."
    assert markdown.docstring(words) == made


def test_making_the_reference_imports_no_torch(reference):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import reference;"
        "[reference.part(name) for name in reference.PARTS]; print('torch' in sys.modules)"
    )
    words = [sys.executable, "-c", program, str(DOCS / "_ext")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
