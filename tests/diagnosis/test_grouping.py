from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_torchcompat.diagnosis import Error, Failure
from pytest_torchcompat.diagnosis.failure import CRASH, RESOLVER, TIMEOUT
from pytest_torchcompat.diagnosis.grouping import LONGEST, group_of, normalised

WORDS = st.lists(st.from_regex(r"[g-su-z]{3,9}", fullmatch=True), min_size=1, max_size=12)
PIECES = (
    *(*"'\"`/\\:., \n{}[]<>=~-_+*1evCN", "\\\\", ", ", "==", ">=", "0x", "22", "0.1", "rc", "dev"),
    *("tmp", "tmpab12cd34", "deadbeef0", "a" * 17, "https://", "a.pt", "x.json", "PATH", "URL"),
    *("ADDRESS", "2026-11-20", "T10:31", "café", "\u202e", "…", "word", "home", "site-packages"),
)
PLACES = (
    "/home/someone/a/model_v2.pt",
    "/tmp/tmpx1y2z3w4/site-packages/torch/serialization.py",
    "/opt",
    "~/models/last.ckpt",
    r"C:\Users\someone\model.pt",
    r"D:\model.pt",
    r"\\server\share\model.pt",
    "C:/models/model.pt",
    "weights/run3/last.pt",
    "model.pt",
    "settings.yaml",
)
QUOTED = (r"C:\\Users\\Some One\\model.pt", "/home/some one/model.pt", "my model (2).ckpt", "./a b")
NUMBERS = (
    *("0", "7", "12345", "1.5", "1e-05", "v3"),
    *("2.8.0", "2.16.0.dev20261119", "2.5.1+cu124", "0.7.*"),
)
ASKED = ("==2.5.1", ">=2.6", ">=2.6,<2.9", "==0.7.*", "~=1.4", "!=2.0.1", "<3", ">=1, <2")
HASHES = ("7b1c2d3", "deadbeef" * 4 + "1", "f54b40fd" * 8, "123e4567-e89b-12d3-a456-426614174000")
HOSTILE = (
    *(*"/\\a0-\n'{", "a/", "'/", "'/a", "{a, ", "a, ", "0.", "N, ", "a.", "1rc", ">=", "C:", "tmp"),
    *("0x", "aaaaaaaa-", "1+", "v1.*", "a.pt", ">=1,", ">=1, ", "https://", "~/"),
    "Weights only load failed.",
)


def same(template: str, values) -> bool:
    """Whether a message is of one group whatever stands in it."""
    return len({normalised(template.format(value)) for value in values}) == 1


@given(st.text(max_size=400) | st.lists(st.sampled_from(PIECES), max_size=80).map("".join))
@example("'/a\nb' {b, a}")
@example("word " * 100)
@example("x" * 500)
@example("Weights only load failed. a WeightsUnpickler error: " * 2)
def test_a_group_is_its_own_group(text):
    assert normalised(normalised(text)) == normalised(text)


@given(st.text(max_size=2000))
def test_a_group_is_one_short_line(text):
    assert len(normalised(text)) <= LONGEST
    assert len(normalised(text).splitlines()) <= 1


@pytest.mark.parametrize(
    "template", ["cannot read {}", "'{}' is gone", "<module from '{}'>", "{}: no"]
)
def test_paths_do_not_matter(template):
    assert same(template, PLACES)


@pytest.mark.parametrize("quote", ["'", '"', "`"])
def test_quoted_paths_and_names_of_files_do_not_matter_with_spaces_in_them(quote):
    assert same(f"cannot read {quote}{{}}{quote} at all", (*PLACES, *QUOTED))


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("needs {} bytes", NUMBERS),
        ("torch {} is too old", NUMBERS),
        ("torch{} conflicts", ASKED),
        ("object at {}", ("0x7f3a", "0x00007FFE12345678")),
        ("file {} is broken", HASHES),
        ("in {} of it", ("tmpab12cd34", "tmp_x1_y2z3")),
        ("see {} for more", ("https://a.example/b?c=1", "http://127.0.0.1:8080/simple")),
        ("shape [{}] is wrong", ("1, 84", "1, 84, 8400", "3")),
        ("at {} it ended", ("2026-11-20T10:31:04+00:00", "2026-11-20 10:31", "2026-11-20")),
        ("too {} long", (" ", "\n  ", "\t")),
    ],
)
def test_what_is_about_one_machine_or_version_does_not_matter(template, values):
    assert same(template, values)


@given(st.integers(min_value=0), st.integers(min_value=0), st.floats(0, 1e300))
def test_numbers_do_not_matter(one, other, real):
    assert same("got {} where another was expected", (one, other, real))


@given(WORDS.flatmap(lambda words: st.tuples(st.just(words), st.permutations(words))))
def test_the_order_of_a_set_does_not_matter(both):
    messages = ["unexpected keys {" + ", ".join(map(repr, words)) + "}" for words in both]
    assert normalised(messages[0]) == normalised(messages[1])


@given(WORDS, WORDS)
def test_messages_of_different_words_stay_apart(one, other):
    found = {normalised(" ".join(one)), normalised(" ".join(other))}
    assert len(found) == (1 if one == other else 2)


@pytest.mark.parametrize(
    "messages",
    [
        ("Can't get attribute 'C3k2'", "Can't get attribute 'C2f'"),
        ("expected float16", "expected float32"),
        ("libcudart.so.12: cannot open", "libavutil.so.12: cannot open"),
        ("no module named 'a.b'", "no module named 'a.c'"),
        ("facebook/hubert is gone", "facebook/wav2vec is gone"),
        ("kernel for sm_120", "kernel for sm_90"),
        ("unexpected key 'a'", "unexpected key 'b'"),
    ],
)
def test_what_tells_causes_apart_stays(messages):
    assert len(set(map(normalised, messages))) == len(messages)


def test_long_messages_that_differ_at_their_end_stay_apart():
    preamble = "this file can still be loaded, to do so there are two options " * 10
    assert normalised(preamble + "GLOBAL one") != normalised(preamble + "GLOBAL other")


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_message_is_read_in_linear_time(unit):
    # What is quadratic ends here within the day, and what is exponential never.
    for before, after in itertools.product(("", "'"), ("", "!")):
        normalised(before + unit * 50_000 + after)


def test_a_group_names_its_stage_and_exception_without_its_module():
    failure = Failure((Error("_pickle.UnpicklingError", "pickle data was cut at 12"),), "load")
    assert group_of(failure) == "load: UnpicklingError: pickle data was cut at N"


def test_a_failure_of_unknown_stage_is_named_without_one():
    assert group_of(Failure((Error("OSError", "x"),))) == "OSError: x"


def test_a_failure_without_words_is_named_by_its_stage():
    assert group_of(Failure((), "import")) == "import"


def test_crashes_are_one_by_how_they_died_and_by_their_last_line():
    said = ("the process died: SIGSEGV\nreading a\n\nterminate called", "the process died: SIGSEGV")
    names = [
        group_of(Failure((Error(CRASH, f"{said[0]}\n"),), "forward")),
        group_of(Failure((Error(CRASH, said[0].replace("reading a", "reading b")),), "forward")),
        group_of(Failure((Error(CRASH, said[1]),), "forward")),
    ]
    assert names[0] == names[1] == "forward: the process died: SIGSEGV terminate called"
    assert names[2] == "forward: the process died: SIGSEGV"


def test_a_timeout_is_named_by_its_words():
    failure = Failure((Error(TIMEOUT, "not done after 60 s, and killed"),), "load")
    assert group_of(failure) == "load: not done after N s, and killed"


def test_a_refusal_is_named_by_its_reason_alone():
    message = "Weights only load failed. {}WeightsUnpickler error: Unsupported operand 149{}"
    before = ("", "There are two options. ", "In PyTorch 2.6, we changed the default. \n\t")
    after = ("", ". Please use `safe_globals`")
    names = {normalised(message.format(*words)) for words in itertools.product(before, after)}
    assert names == {"Weights only load failed. Unsupported operand N"}


def test_the_words_of_a_resolver_are_one_for_all_versions():
    words = "Because pyannote-audio{0} depends on torchcodec{1}, pyannote-audio{0} can't be used."
    pairs = [("==4.0.2", "==0.7.*"), (">=4.0.7", ">=0.8,<0.10")]
    names = {group_of(Failure((Error(RESOLVER, words.format(*p)),), "resolve")) for p in pairs}
    assert len(names) == 1
