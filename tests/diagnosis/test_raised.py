"""What is taken down of an exception, however odd it is."""

from __future__ import annotations

import importlib

import pytest

from pytest_torchcompat.diagnosis import Error
from pytest_torchcompat.diagnosis.raised import LONGEST, MOST, errors_of, stage_of


class WithoutWordsError(Exception):
    def __str__(self):
        raise ValueError


class SeveralError(Exception):
    exceptions = (KeyError("one"), "no exception", OSError("two"))


def test_causes_follow_what_was_raised_last():
    last = RuntimeError("last")
    last.__cause__ = ValueError("cause")
    last.__cause__.__context__ = KeyError("first")
    assert [error.exception for error in errors_of(last)] == [
        *("RuntimeError", "ValueError", "KeyError")
    ]


def test_a_circle_of_causes_is_gone_through_once():
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    assert [error.message for error in errors_of(one)] == ["one", "other"]


class StoppingError(Exception):
    @property
    def exceptions(self):
        raise SystemExit(3)

    def __str__(self):
        raise KeyboardInterrupt


def test_an_exception_that_would_stop_the_session_as_it_is_read_does_not():
    assert errors_of(StoppingError()) == (Error(f"{__name__}.StoppingError", ""),)


def test_members_of_a_group_come_before_its_cause():
    group = SeveralError("several")
    group.__cause__ = ValueError("cause")
    assert [error.message for error in errors_of(group)] == ["several", "'one'", "two", "cause"]


def test_an_exception_without_words_has_its_name():
    assert errors_of(WithoutWordsError()) == (Error(f"{__name__}.WithoutWordsError", ""),)


def test_colours_are_left_out_and_a_huge_message_and_chain_are_cut():
    (coloured,) = errors_of(ValueError("\x1b[1mbold\x1b[0m"))
    assert coloured.message == "bold"
    (huge,) = errors_of(ValueError("x" * 1_000_000))
    assert len(huge.message) == LONGEST
    last = None
    for _ in range(2 * MOST):
        error = ValueError("x")
        error.__cause__, last = last, error
    assert len(errors_of(last)) == MOST


@pytest.mark.parametrize("body", ["raise OSError('broken')", "import none_such"])
def test_what_an_import_raised_is_of_that_stage(tmp_path, monkeypatch, body):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_module.py").write_text(body)
    with pytest.raises((OSError, ImportError)) as caught:
        importlib.import_module("broken_module")
    assert stage_of(caught.value) == "import"


def test_what_torch_load_raised_is_of_that_stage(tmp_path):
    torch = pytest.importorskip("torch")
    (tmp_path / "cut.pt").write_bytes(b"PK")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which, is torch's matter
        torch.load(tmp_path / "cut.pt", weights_only=True)
    assert stage_of(caught.value) == "load"


def test_the_stage_of_another_error_is_not_known():
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    assert stage_of(caught.value) == ""
