from __future__ import annotations

import pytest

from matrix.page import text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("carriage\r\nreturn", "carriage\nreturn"),
        ("\x1b[1mbold\x1b[0m", "bold"),
        ("nul\x00 bell\x07", "nul\\u0000 bell\\u0007"),
        ("c1\x9b", "c1\\u009b"),
        ("txt\u202eexe", "txt\\u202eexe"),
        ("\u2066isolate\u2069", "\\u2066isolate\\u2069"),
        ("hidden\u200bspace\ufeff", "hidden\\u200bspace\\ufeff"),
        ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
        ("né 日本 ✓", "né 日本 ✓"),
    ],
)
def test_what_cannot_be_seen_is_written_out(given, shown):
    assert text.inert(given) == shown


def test_keys_and_nested_values_are_made_inert_and_the_rest_is_kept():
    given = {"a\x00": [("b\x07", 1.5)], "none": None, "yes": True}
    assert text.inert(given) == {"a\\u0000": [["b\\u0007", 1.5]], "none": None, "yes": True}


def test_a_long_text_is_cut_and_says_where_the_rest_is():
    shown = text.cut("x" * (text.LIMIT + 12_345))
    assert shown.endswith("… 12,345 more characters in matrix.json")
    assert text.cut("x" * text.LIMIT) == "x" * text.LIMIT


@pytest.mark.parametrize(
    ("iso", "shown"),
    [
        ("2026-11-20T10:31:04+00:00", "20 November 2026, 10:31 UTC"),
        ("2026-11-20T10:31:04Z", "20 November 2026, 10:31 UTC"),
        ("2026-11-02T10:31:04+01:00", "2 November 2026, 10:31 UTC+01:00"),
        ("2026-11-20T10:31:04", "20 November 2026, 10:31"),
        ("the day before", "the day before"),
    ],
)
def test_a_moment_is_written_for_people(iso, shown):
    assert text.moment(iso) == shown


@pytest.mark.parametrize(
    ("started", "finished", "shown"),
    [
        ("2026-11-20T10:31:04Z", "2026-11-20T11:43:04Z", "1 h 12 min"),
        ("2026-11-20T10:31:04Z", None, ""),
        ("2026-11-20T10:31:04Z", "2026-11-20T11:43:04", ""),
        ("2026-11-20T10:31:04Z", "2026-11-18T10:31:04Z", ""),
    ],
)
def test_the_length_of_a_run_is_given_when_both_ends_are_known(started, finished, shown):
    assert text.took(started, finished) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0042, "4.2 ms"),
        (3.14, "3.1 s"),
        (59.98, "1 min 0 s"),
        (119.7, "2 min 0 s"),
        (4320, "1 h 12 min"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(value, shown):
    assert text.seconds(value) == shown


@pytest.mark.parametrize(
    ("sentence", "html"),
    [
        ("plain", "plain"),
        ("use `a < b` and `c`", "use <code>a &lt; b</code> and <code>c</code>"),
        ("it's <b>", "it&#39;s &lt;b&gt;"),
        ("one ` alone <i>", "one ` alone &lt;i&gt;"),
        ("`a` and ` more", "<code>a</code> and ` more"),
        ("`<script>`", "<code>&lt;script&gt;</code>"),
    ],
)
def test_what_stands_between_backticks_is_code(sentence, html):
    assert str(text.worded(sentence)) == html


@pytest.mark.parametrize(("number", "words"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells")])
def test_things_are_counted_in_words(number, words):
    assert text.counted(number, "cell") == words


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ("2026-11-18T01:00:00+00:00", "2 days"),
        ("2026-11-19T01:20:00+00:00", "1 day"),
        ("2026-11-19T12:00:00+00:00", "13 hours"),
        ("2026-11-20T01:50:00+01:00", "0 hours"),
        ("2026-11-21T01:00:00+00:00", "0 hours"),
        (None, ""),
        ("long ago", ""),
        ("2026-11-18", ""),
    ],
)
def test_an_age_is_in_days_or_else_in_hours(seen, words):
    assert text.age(seen, "2026-11-20T01:00:00+00:00") == words


def test_the_date_of_a_moment_is_written_without_its_time():
    assert text.day("2026-11-18T01:00:00+00:00") == "18 November 2026"
    assert text.day("long ago") == "long ago"
