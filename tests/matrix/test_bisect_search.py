from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.bisect.search import SAMPLES, Boundary, Verdict, about, boundaries, narrow, search

WORKS, FAILS = Verdict.WORKS, Verdict.FAILS
UNAVAILABLE, UNDECIDED = Verdict.UNAVAILABLE, Verdict.UNDECIDED
SHORT = {"w": WORKS, "f": FAILS, "u": UNAVAILABLE, "?": UNDECIDED}
PLACES = st.sampled_from(list(Verdict))


def asked(world):
    """Search a world of verdicts and return what was asked, in order."""
    known = {}
    search(len(world), known, lambda number: world[number])
    return known


def spelled(text):
    return [SHORT[letter] for letter in text]


@st.composite
def monotone(draw):
    """Draw verdicts that change once, from either side, some of them hidden."""
    count = draw(st.integers(2, 300))
    edge = draw(st.integers(1, count - 1))
    old, new = draw(st.sampled_from([(WORKS, FAILS), (FAILS, WORKS)]))
    world = [old] * edge + [new] * (count - edge)
    for number in draw(st.sets(st.integers(0, count - 1), max_size=count)):
        world[number] = draw(st.sampled_from([UNAVAILABLE, UNDECIDED]))
    return world


def linear(world):
    """Return what asking everything would find."""
    return boundaries(dict(enumerate(world)))


@given(monotone())
def test_one_change_is_found_as_asking_everything_would_find_it(world):
    assert boundaries(asked(world)) == linear(world)


def _skipped(known):
    return sum(not verdict.decided for verdict in known.values())


@given(monotone())
def test_the_answer_takes_as_many_probes_as_halving_does_and_those_that_say_nothing(world):
    known = asked(world)
    if len(linear(world)) == 1:
        most = math.ceil(math.log2(len(world))) + 2 + _skipped(known)
        assert len(known) <= most + 2  # those that confirm it


@given(st.integers(2, 5000), st.data())
def test_without_its_confirmation_it_takes_no_more_than_halving_and_the_ends(count, data):
    edge = data.draw(st.integers(1, count - 1))
    known = {0: FAILS, count - 1: WORKS}
    narrow(known, lambda number: WORKS if number >= edge else FAILS)
    assert boundaries(known) == [Boundary(edge - 1, edge)]
    assert len(known) <= math.ceil(math.log2(count)) + 2


@given(st.lists(PLACES, min_size=2, max_size=120))
def test_an_answer_is_never_one_where_a_probe_contradicts_it(world):
    known = asked(world)
    assert all(known[number] is world[number] for number in known)
    found = boundaries(known)
    # What is between the two of each was asked, and had nothing to say.
    assert not any(known[number].decided for each in found for number in each.between)
    if len(found) == 1:
        before, after = world[found[0].before], world[found[0].after]
        for number, verdict in known.items():
            if verdict.decided:
                assert verdict is (before if number <= found[0].before else after)


@given(st.lists(PLACES, min_size=2, max_size=120))
def test_nothing_is_asked_twice(world):
    asks = []

    def probe(number):
        asks.append(number)
        return world[number]

    search(len(world), {}, probe)
    assert len(asks) == len(set(asks))


@given(st.lists(PLACES, min_size=2, max_size=120), st.sets(st.integers(0, 119)))
def test_what_is_known_already_is_taken_as_it_is(world, numbers):
    before = {number: world[number] for number in numbers if number < len(world)}
    known = dict(before)
    asks = []

    def probe(number):
        asks.append(number)
        return world[number]

    search(len(world), known, probe)
    assert not set(asks) & set(before)


def test_a_hole_is_found_by_sampling_between_ends_that_agree():
    world = spelled("f" * 20 + "w" * 20 + "f" * 20)
    known = asked(world)
    assert list(known)[: 2 + SAMPLES] == [0, 59, 9, 19, 29, 39, 49]
    assert boundaries(known) == [Boundary(19, 20), Boundary(39, 40)]


@pytest.mark.parametrize("letter", "wf")
def test_ends_that_agree_with_all_samples_have_no_boundary(letter):
    known = asked(spelled(letter * 60))
    assert boundaries(known) == []
    assert sorted(known) == [0, 9, 19, 29, 39, 49, 59]


def test_a_change_back_is_met_by_what_confirms_the_answer():
    # Halving asks 50, 25, 12 and so on; the widest gap is what it never went to.
    world = spelled("f" * 12 + "w" * 50 + "f" * 20 + "w" * 18)
    found = [Boundary(11, 12), Boundary(61, 62), Boundary(81, 82)]
    assert boundaries(asked(world)) == found


def test_of_several_changes_the_newest_is_narrowed_first():
    known = {0: FAILS, 50: WORKS, 99: FAILS}
    asks = []

    def probe(number):
        asks.append(number)
        return WORKS if 30 <= number < 70 else FAILS

    narrow(known, probe)
    assert boundaries(known) == [Boundary(29, 30), Boundary(69, 70)]
    assert [number > 50 for number in asks] == sorted(number > 50 for number in asks)[::-1]


def test_an_end_that_is_unavailable_moves_inwards():
    known = asked(spelled("uuffww?u"))
    assert boundaries(known) == [Boundary(3, 4)]
    assert list(known)[:3] == [0, 1, 2]


def test_what_is_between_and_unavailable_stays_between():
    known = asked(spelled("ffuuuww"))
    assert boundaries(known) == [Boundary(1, 5)]
    assert [known[number] for number in boundaries(known)[0].between] == [UNAVAILABLE] * 3


@pytest.mark.parametrize("world", ["uu", "?u?", "uwu", "ufu"])
def test_fewer_than_two_verdicts_have_no_boundary(world):
    known = asked(spelled(world))
    assert boundaries(known) == []
    assert len(known) == len(world)


def test_a_search_that_is_stopped_keeps_what_it_found():
    known = {}

    def probe(number):
        if len(known) == 3:
            raise KeyboardInterrupt
        return FAILS if number < 40 else WORKS

    with pytest.raises(KeyboardInterrupt):
        search(100, known, probe)
    assert known == {0: FAILS, 99: WORKS, 50: WORKS}


@given(st.integers(2, 3000), st.data())
def test_the_number_that_is_said_beforehand_is_never_too_small(count, data):
    edge = data.draw(st.integers(1, count - 1))
    world = [FAILS] * edge + [WORKS] * (count - edge)
    assert len(asked(world)) <= about(count)


def test_about_eleven_probes_and_two_that_confirm_find_one_of_four_hundred():
    assert about(412) == 13
    assert about(2) == 2
