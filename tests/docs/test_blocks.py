"""Each block of README.md and docs/ is run, or says why it cannot be."""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml
from guide import DATA, PAGES, ROOT, blocks, name_of, needed_by, run, steps
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib

TUTORIAL = ROOT / "docs" / "tutorial.md"  # followed in an environment of its own: tests/real
HERE = Path(__file__).parent
RUN = ("console", "python", "sh", "text", *DATA)

# What stands in for what a reader has: a checkpoint of theirs, finished sweeps in runs/.
STAND_INS = f"""
replica() {{ torchcompat fetch "$1" --replica .replica && mv .replica/*.* "$2" && rm -r .replica; }}
sweeps() {{ command python {HERE / "recorded_sweeps.py"} runs; }}
python() {{
    if [ "$1 $2" = "-m matrix" ]; then
        PYTHONPATH={ROOT} command python "$@" --runs runs
    else
        command python "$@"
    fi
}}
"""


def pages(*left_out):
    chosen = [page for page in PAGES if page not in left_out]
    return pytest.mark.parametrize("page", chosen, ids=map(name_of, chosen))


def lacking(requirement):
    wanted = Requirement(requirement)
    try:
        return not wanted.specifier.contains(version(wanted.name), prereleases=True)
    except PackageNotFoundError:
        return True


@pages()
def test_a_block_is_run_or_says_why_it_cannot_be(page):
    for block in blocks(page):
        known = block.language in RUN or block.notes.keys() & {"file", "usage", "not run"}
        assert known, f"{block.place}: no test runs this; a comment above says why, see guide.py"


@pages()
def test_a_reason_for_not_running_is_a_sentence(page):
    reasons = [block.notes["not run"] for block in blocks(page) if "not run" in block.notes]
    assert all(len(reason.split()) > 2 for reason in reasons), reasons


@pages()
def test_data_that_is_shown_can_be_read(page):
    readers = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}
    for block in blocks(page):
        if block.language in DATA and "not run" not in block.notes:
            assert readers[block.language](block.text), block.place


@pages(TUTORIAL)
def test_the_blocks_of_a_page_do_what_they_show(page, tmp_path):
    if not any(True for _ in steps(page)):
        pytest.skip("nothing on this page is run")
    for requirement in needed_by(page):
        if lacking(requirement):
            pytest.skip(f"the page needs {requirement}")
    scripts = str(Path(sys.executable).parent)
    environment = {
        "PATH": os.pathsep.join((scripts, os.defpath)),
        "HOME": str(tmp_path),
        "COLUMNS": "80",
        "HF_HUB_OFFLINE": "1",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
    }
    folder = tmp_path / "project"
    folder.mkdir()
    run(page, folder, environment, STAND_INS)


# The reader of blocks itself


@pytest.fixture
def page_of(tmp_path):
    def write(text):
        page = tmp_path / "page.md"
        page.write_text(text)
        return page

    return write


def test_a_comment_belongs_to_the_next_block_alone(page_of):
    page = page_of(
        "<!-- not run: it takes an hour -->\n\n```sh\nsleep 1h\n```\n\n"
        "<!-- file: a.py -->\nText.\n\n```python\n1\n```\n"
    )
    assert [block.notes for block in blocks(page)] == [{"not run": "it takes an hour"}, {}]


def test_a_block_within_a_directive_is_found_with_its_line(page_of):
    page = page_of("# A\n\n````{note}\nText.\n\n```sh\ntrue\n```\n````\n")
    assert [(block.language, block.line) for block in blocks(page)] == [("sh", 6)]


def test_a_named_code_block_has_the_language_that_it_names(page_of):
    page = page_of("```{code-block} python\n1\n```\n")
    assert [block.language for block in blocks(page)] == ["python"]
