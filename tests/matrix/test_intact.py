"""Whether what is installed is what its projects recorded."""

from __future__ import annotations

import pytest

from matrix.intact import broken


@pytest.fixture
def installed(tmp_path):
    """Write projects that all bring one file, each of the size that is given."""

    def write(**sizes):
        for name, size in sizes.items():
            record = tmp_path / f"{name}-1.0.dist-info" / "RECORD"
            record.parent.mkdir()
            record.write_text(f"shared/__init__.py,sha256=x,{size}\n")
        (tmp_path / "shared").mkdir()
        return tmp_path / "shared" / "__init__.py"

    return write


def test_a_file_that_two_projects_bring_is_whole_as_either_has_it(tmp_path, installed):
    installed(one=3, two=5).write_text("12345")
    assert broken(tmp_path) == {}


def test_a_file_that_is_as_nobody_has_it_is_broken(tmp_path, installed):
    installed(one=3, two=5).write_text("1")
    assert broken(tmp_path) == {"one": "shared/__init__.py", "two": "shared/__init__.py"}
