"""Stacks through the real uv, against an index on localhost."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile

import pytest
from packaging.requirements import Requirement

from matrix import __main__ as command
from matrix.compare import merge
from matrix.plan import Plan, Selection
from matrix.processes import Finished, Processes
from matrix.runner import resumable
from matrix.stacks import (
    NO_WHEEL,
    SAID,
    Stack,
    StackError,
    read_stacks,
    resolve,
    resolved_beside,
    results_of,
    to_resolve,
    together,
    versions,
)
from matrix.stacks_data import STACKS
from matrix.store import RunFolder, write_json

FROZEN = "2025-01-01T00:00:00+00:00"


def stack(*requirements, name="a-stack", said="conflicts"):
    return Stack(name, said, "3.11", requirements, "a document", "a test")


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("uv-cache-of-stacks")


@pytest.fixture
def packages(index, uv_cache, monkeypatch):
    """Let uv ask the index on localhost."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    for name in ("UV_FIND_LINKS", "UV_EXCLUDE_NEWER", "UV_TORCH_BACKEND", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    return index


def test_a_stack_that_agrees_has_the_versions_that_it_resolves_to(packages):
    packages.wheel("gradio", "5.0", requires=["typer>=0.12"])
    packages.wheel("typer", "0.12")
    packages.wheel("typer", "0.13", data_upload_time="2025-01-01T00:00:01Z")
    found = resolve(stack("gradio==5.*"), Processes(), FROZEN)
    assert (found["outcome"], found["reason"]) == ("pass", None)
    assert found["resolved"] == {"gradio": "5.0", "typer": "0.12"}
    assert found["seconds"] > 0


def test_what_a_resolver_prints_beside_requirements_is_passed_over():
    printed = "# by uv\nwarning: your settings are old\nnumpy==1.26.4 \\\n    --hash=sha256:ab\n"
    assert versions(printed + "a @ file:///a.whl\n") == {
        "numpy": "1.26.4",
        "a": "file:///a.whl",
    }


def test_a_stack_that_conflicts_is_unavailable_in_the_resolvers_words(packages):
    packages.wheel("gradio", "5.0", requires=["typer>=0.12"])
    packages.wheel("spacy", "3.7.4", requires=["typer<0.10"])
    packages.wheel("typer", "0.12")
    found = resolve(stack("gradio", "spacy"), Processes(), FROZEN)
    assert (found["outcome"], found["resolved"]) == ("unavailable", {})
    words = " ".join(found["reason"].split())
    assert "all versions of spacy depend on typer<0.10" in words
    assert found["said"] == "conflicts"


def test_nothing_is_built_and_the_reason_says_so(packages):
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            archive.addfile(tarfile.TarInfo("oldlib-1.0/setup.py"), io.BytesIO())
        packages.file("oldlib", "oldlib-1.0.tar.gz", buffer.getvalue())
    found = resolve(stack("oldlib"), Processes(), FROZEN)
    assert found["outcome"] == "unavailable"
    assert found["reason"].startswith(NO_WHEEL)


def test_an_index_that_does_not_answer_is_infra(packages, free_port, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{free_port}/")
    found = resolve(stack("a-name-that-no-cache-has"), Processes(), FROZEN)
    assert found["outcome"] == "infra"
    assert "error sending request" in found["reason"]


class Resolver(Processes):
    """A resolver with one answer, which notes how often it is asked."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = list(answers)
        self.asked = 0

    def run(self, _, **__):
        """Give the next answer."""
        self.asked += 1
        return self.answers.pop(0)


def test_a_resolver_that_finds_no_end_is_a_timeout():
    found = resolve(stack("one"), Resolver(Finished(None)), FROZEN)
    assert found["outcome"] == "timeout"
    assert found["reason"] == "the resolver found no end in 300 s"


def test_a_resolver_that_is_killed_is_the_machines_fault():
    found = resolve(stack("one"), Resolver(Finished(-9)), FROZEN)
    assert found["outcome"] == "infra"
    assert found["reason"] == "the resolver was not done: signal 9 ended it"


def test_a_result_is_kept_and_a_fault_of_the_machine_tried_again(tmp_path):
    folder = RunFolder(tmp_path)
    stacks = (stack("one", name="a"), stack("two", name="b"))
    assert [each["outcome"] for each in results_of(stacks, folder)] == ["not-run", "not-run"]
    first = Resolver(Finished(0, "one==1.0\n"), Finished(2, "error: dns error"))
    with resolved_beside(stacks, folder, first, FROZEN):
        pass
    assert to_resolve(stacks, folder) == [stacks[1]]
    again = Resolver(Finished(0, "two==2.0\n"))
    with resolved_beside(stacks, folder, again, FROZEN):
        pass
    assert again.asked == 1
    assert [each["resolved"] for each in results_of(stacks, folder)] == [
        {"one": "1.0"},
        {"two": "2.0"},
    ]
    kept = json.loads((tmp_path / "stacks" / "a.json").read_text())
    assert kept == results_of(stacks, folder)[0]


def test_what_goes_on_beside_takes_the_resolver_down_with_it(tmp_path):
    processes = Processes()
    with pytest.raises(KeyboardInterrupt), resolved_beside((), RunFolder(tmp_path), processes, ""):
        raise KeyboardInterrupt
    assert processes.stopped


FILE = """
[stacks.mine]
said = "agrees"
said_by = "my wiki"
why = "it is what I run"
python = "3.12"
requirements = ["numpy<2", "torch==2.5.1"]

[stacks.bare]
said = "conflicts"
python = "3.11"
requirements = ["numpy"]
"""


@pytest.fixture
def written(tmp_path):
    """Write a file of stacks."""

    def write(text=FILE, name="mine.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_user_adds_stacks_by_a_file(written):
    assert read_stacks(written()) == (
        Stack(
            "mine",
            "agrees",
            "3.12",
            ("numpy<2", "torch==2.5.1"),
            "my wiki",
            "it is what I run",
        ),
        Stack("bare", "conflicts", "3.11", ("numpy",), "mine.toml", ""),
    )


RIGHT = {"said": '"agrees"', "python": '"3.12"', "requirements": '["numpy"]'}


def table(**changed):
    fields = {**RIGHT, **changed}
    return "[stacks.mine]\n" + "".join(f"{k} = {v}\n" for k, v in fields.items() if v)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stacks = ", "cannot be read as TOML: "),
        ("", ": a table [stacks.ID] is due"),
        ("stacks = 3", ": a table [stacks.ID] is due"),
        ("[stack.mine]", "'stack' is not a known key. Choose one of: stacks."),
        ("[stacks]\nmine = 3", ", [stacks.mine]: it must be a table, and is 3"),
        ('[stacks."a/b"]', ", [stacks.a/b]: an id is due of letters, digits, '.', '-' and '_'"),
        (table(said=""), ", [stacks.mine]: said: the key is missing"),
        (table(python=""), ", [stacks.mine]: python: the key is missing"),
        (table(requirements=""), ", [stacks.mine]: requirements: the key is missing"),
        (table(sayd="3"), ", [stacks.mine]: 'sayd' is not a known key."),
        (
            table(said='"maybe"'),
            ": said: 'conflicts' or 'agrees' or 'unclear' is due, not 'maybe'",
        ),
        (table(python="3.12"), ': python: a version such as "3.11" is due, not 3.12'),
        (table(requirements="[]"), ": requirements: a list is due, not []"),
        (table(requirements='"numpy"'), ": requirements: a list is due, not 'numpy'"),
        (
            table(requirements='["numpy =="]'),
            ": requirements: a requirement such as \"numpy<2\" is due, not 'numpy =='",
        ),
        (table(requirements="[3]"), ": requirements: text is due, not 3"),
        (table(why='" "'), ": why: text is due, not ' '"),
    ],
)
def test_a_file_that_is_wrong_names_the_file_and_the_key(written, text, sentence):
    path = written(text)
    with pytest.raises(StackError) as raised:
        read_stacks(path)
    assert str(raised.value).startswith(str(path))
    assert sentence in str(raised.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StackError, match="cannot be read as TOML"):
        read_stacks(tmp_path / "none.toml")


def test_an_id_that_is_taken_is_refused(written):
    first, second = written(), written(table(), "other.toml")
    with pytest.raises(StackError, match=r"other.toml, \[stacks.mine\]: another stack has this id"):
        together(STACKS, [first, second])


def test_the_shipped_stacks_are_whole():
    assert len({each.id for each in STACKS}) == len(STACKS)
    for each in STACKS:
        assert each.said in SAID
        assert each.said_by
        assert each.why
        assert [Requirement(requirement) for requirement in each.requirements]


def test_a_plan_remembers_its_stacks(planned_cell, make_plan_of):
    plan = dataclasses.replace(make_plan_of(planned_cell()), stacks=STACKS)
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_the_document_of_a_run_has_its_stacks(tmp_path, planned_cell, make_plan_of):
    plan = dataclasses.replace(make_plan_of(planned_cell()), stacks=(stack("one"),))
    folder = RunFolder(tmp_path)
    with resolved_beside(plan.stacks, folder, Resolver(Finished(0, "one==1.0\n")), FROZEN):
        pass
    assert merge(plan, folder, {})["stacks"] == results_of(plan.stacks, folder)


@pytest.fixture
def cells_planned(planned_cell, make_plan_of, monkeypatch):
    """Plan one cell whatever is asked for, and ask nothing outside."""
    plan = make_plan_of(planned_cell("a-cell"))
    monkeypatch.setattr(command, "world", lambda *_: (None, "", ()))

    def make(heading, selection, _):
        return dataclasses.replace(
            plan,
            selection=selection,
            run=heading.run,
            edition=heading.edition,
            stacks=heading.stacks,
        )

    monkeypatch.setattr(command, "make_plan", make)


def listed(capsys, *words):
    assert command.main(["plan", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    return [line.split()[0] for line in lines if line[50:].strip().startswith("stack ")]


@pytest.mark.usefixtures("cells_planned")
def test_the_plan_lists_the_stacks_unless_it_is_narrowed_to_cells(written, capsys):
    shipped = [each.id for each in STACKS]
    path = str(written())
    assert listed(capsys) == shipped
    assert listed(capsys, "--torch", "2.5.1") == shipped
    assert listed(capsys, "--stacks", path) == [*shipped, "mine", "bare"]
    assert listed(capsys, "--library", "fairseq") == []
    assert listed(capsys, "--library", "fairseq", "--stacks", path) == ["mine", "bare"]


@pytest.mark.usefixtures("cells_planned")
def test_a_run_goes_on_with_the_stacks_that_it_was_begun_with(written, tmp_path):
    def opened(*words):
        words = ["run", "--runs", str(tmp_path / "runs"), *words]
        return command._open_run(command._parser().parse_args(words))

    path = str(written())
    plan, folder = opened("--stacks", path)
    assert [each.id for each in plan.stacks[-2:]] == ["mine", "bare"]
    assert opened() == (plan, folder)
    assert opened("--stacks", path) == (plan, folder)
    other = opened("--stacks", str(written(table(), "other.toml")))
    assert other[1] != folder


def test_a_run_with_a_stack_left_is_gone_on_with(tmp_path, planned_cell, make_plan_of):
    plan = dataclasses.replace(make_plan_of(planned_cell("one")), stacks=(stack("one"),))
    folder = RunFolder(tmp_path / "a-run")
    write_json(folder.plan, plan.to_dict())
    write_json(folder.cell("one").result, {"outcome": None})
    assert resumable(tmp_path, Selection(), "replica") == (plan, folder)
    assert command._stopped(plan, folder, tmp_path).endswith(" goes on with the stacks.")
    with resolved_beside(plan.stacks, folder, Resolver(Finished(0, "one==1.0\n")), FROZEN):
        pass
    assert resumable(tmp_path, Selection(), "replica") is None
