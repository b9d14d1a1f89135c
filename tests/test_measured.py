"""What nox -s coverage makes of coverage's report."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("tomllib", reason="the sweep needs Python 3.11")
import measured


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "package" / "within").mkdir(parents=True)
    for name in ("first.py", "second.py", "within/third.py"):
        (tmp_path / "package" / name).touch()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.coverage.run]\ninclude = ["package/first.py", "package/within/*"]\n'
    )
    monkeypatch.setattr(measured, "asked_for", lambda: ASKED_FOR(tmp_path))
    return tmp_path


ASKED_FOR = measured.asked_for


def judged(root, **files):
    report = root / "coverage.json"
    told = {
        f"package/{name.replace('_', '/')}.py": {
            "summary": {"covered_branches": taken, "num_branches": there}
        }
        for name, (taken, there) in files.items()
    }
    report.write_text(json.dumps({"files": told}))
    return measured.main(report)


def test_a_module_that_no_test_imports_is_told_and_fails(root, capsys):
    assert judged(root, first=(10, 10)) == 1
    assert "package/within/third.py: no test imports it\n" in capsys.readouterr().out


def test_the_weakest_modules_are_named_although_the_sum_is_high(root, capsys):
    assert judged(root, first=(99, 100), within_third=(1, 2)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "package/within/third.py: 50.0 % of its branches are taken",
        "package/first.py: 99.0 % of its branches are taken",
        "98.0 % of the branches of the pure parts are taken; 95 % have to be",
    ]


def test_a_sum_that_is_too_low_fails(root):
    assert judged(root, first=(94, 100), within_third=(0, 0)) == 1
