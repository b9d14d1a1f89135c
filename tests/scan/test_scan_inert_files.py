"""Each way to hide what a checkpoint imports is seen through or refused; ordinary files pass."""

from __future__ import annotations

import io

import inert_files
import pytest
from inert_files import EITHER, FOUND, ORDINARY, REFUSE

from pytest_torchcompat.scan import Verdict, scan_file, scan_path

FILES = inert_files.files()
ALARMS = (Verdict.DANGEROUS, Verdict.REFUSED)


@pytest.mark.parametrize("name", FILES)
def test_the_answer_is_right(name):
    each = FILES[name]
    scan = scan_file(io.BytesIO(each.data), name)

    listed = each.name in scan.globals and scan.verdict is not Verdict.SAFE
    refused = scan.verdict is Verdict.REFUSED
    right = {
        FOUND: listed and not refused,
        REFUSE: refused,
        EITHER: listed or refused,
        ORDINARY: scan.verdict not in ALARMS,
    }
    assert right[each.right], scan


def test_under_any_name_the_answer_is_the_same(tmp_path):
    for name, each in inert_files.write(tmp_path).items():
        assert scan_path(tmp_path / name).verdict is scan_file(io.BytesIO(each.data)).verdict


def test_there_are_files_of_each_kind():
    counts = {
        right: sum(each.right == right for each in FILES.values())
        for right in (FOUND, REFUSE, EITHER, ORDINARY)
    }

    assert min(counts.values()) >= 12
    assert len(FILES) >= 150
