from __future__ import annotations

from pytest_torchcompat.diagnosis import Error, Failure, diagnose
from pytest_torchcompat.diagnosis.matching import matches
from pytest_torchcompat.diagnosis.signature import CASE, GENERAL, LIBRARY, Signature, advice

ALLOWED = (
    "Weights only load failed. Unsupported global: GLOBAL {0} was not an allowed global by default."
    " Please use `torch.serialization.add_safe_globals([{0}])` or the"
    " `torch.serialization.safe_globals([{0}])` context manager"
)
REFUSED = Error("_pickle.UnpicklingError", ALLOWED.format("decimal.Decimal"))
OLD_NUMPY = Error("AttributeError", "module 'numpy' has no attribute 'NaN'")


def signature(name, **fields):
    values = {"pattern": "odd", "cause": "", "remedies": (advice("wait"),), "link": "", **fields}
    return Signature(id=name, exceptions=("OddError",), **values)


def best(failure, *known):
    return next(matches(failure, known)).signature.id


def test_the_signature_that_knows_most_wins_wherever_in_the_chain_it_matches():
    general, case = signature("general", knows=GENERAL), signature("case", knows=CASE, pattern="x")
    failure = Failure((Error("OddError", "odd"), Error("OddError", "x")))
    assert best(failure, general, case) == "case"


def test_of_two_that_know_equally_much_the_one_about_what_was_raised_last_wins():
    first, cause = signature("first"), signature("cause", pattern="even")
    failure = Failure((Error("OddError", "odd"), Error("OddError", "even")))
    assert best(failure, cause, first) == "first"


def test_all_that_fit_come_in_that_order_whatever_order_they_are_known_in():
    known = [signature("b"), signature("a"), signature("general", knows=GENERAL)]
    known += [signature("case", knows=CASE, pattern="even"), signature("cause", pattern="even")]
    failure = Failure((Error("OddError", "odd"), Error("OddError", "even")))
    for each in (known, known[::-1]):
        found = [match.signature.id for match in matches(failure, each)]
        assert found == ["case", "a", "b", "cause", "general"]


def test_what_knows_less_is_not_searched_once_the_best_is_found():
    case, library, general = (signature(str(n), knows=n) for n in (CASE, LIBRARY, GENERAL))
    for other in (library, general):
        vars(other)["regex"] = None  # a search would raise
    failure = Failure((Error("OddError", "odd"), Error("OddError", "odd too")))
    assert best(failure, general, library, case) == case.id


def test_an_exception_is_known_by_its_name_with_and_without_its_module():
    for name in ("OddError", "my.module.OddError"):
        assert list(matches(Failure((Error(name, "odd"),)), (signature("it"),)))


def test_a_version_that_rules_a_signature_out_does_and_one_that_is_unknown_does_not():
    newer = signature("newer", applies=("torch>=2.10",))
    nightly = "2.10.0.dev20261119+cpu"
    for versions, count in (({"torch": "2.8.0"}, 0), ({"torch": nightly}, 1), ({}, 1)):
        failure = Failure((Error("OddError", "odd"),), versions=versions)
        assert len(list(matches(failure, (newer,)))) == count


def test_the_code_of_an_allow_list_has_every_name_of_the_file():
    found = diagnose(Failure((REFUSED,), globals=("decimal.Decimal", "fractions.Fraction")))
    assert "add_safe_globals([Decimal, Fraction])" in found.remedies[0].code


def test_where_the_file_is_not_known_the_remedy_says_that_it_may_name_more():
    found = diagnose(Failure((REFUSED,)))
    assert "add_safe_globals([Decimal])" in found.remedies[0].code
    assert found.remedies[0].says.endswith(
        "The message names the first alone: `torchcompat allowlist FILE` prints all."
    )


def test_a_remedy_that_hangs_on_an_unknown_version_comes_with_its_condition():
    found = diagnose(Failure((OLD_NUMPY,)))
    assert "numpy>=2.4" in {remedy.when for remedy in found.remedies}


def test_a_remedy_for_a_library_that_is_not_installed_is_left_out():
    gone = Error("AttributeError", "module 'torchaudio' has no attribute 'AudioMetaData'")
    versions = {"python": "3.12.1", "torch": "2.10.0", "torchaudio": "2.10.0"}
    told = {
        complete: {
            r.when for r in diagnose(Failure((gone,), "", versions, complete=complete)).remedies
        }
        for complete in (False, True)
    }
    assert told[True] == {""}
    assert told[True] < told[False]


def test_what_nobody_has_met_before_has_no_diagnosis():
    assert diagnose(Failure((Error("ValueError", "it is odd"),))) is None
    assert diagnose(Failure(())) is None
