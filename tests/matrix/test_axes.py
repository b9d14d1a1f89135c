from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from matrix import axes
from pytest_torchcompat import pairing
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.libraries import Libraries

# torch, then the releases of torchaudio and torchcodec that go with it, and one that does not.
PAIRS = [
    ("2.5.1", "2.5.1", "2.6.0", "0.1.1", "0.2.0"),
    ("2.6.0", "2.6.0", "2.5.1", "0.2.1", "0.3.0"),
    ("2.7.1", "2.7.1", "2.6.0", "0.5", "0.6.0"),
    ("2.8.0", "2.8.0", "2.11.0", "0.7.0", "0.8.0"),
    ("2.9.1", "2.9.1", "2.9.0", "0.9.1", "0.10.0"),
    ("2.10.0", "2.10.0", "2.11.0", "0.10.0", "0.11.0"),
    ("2.11.0", "2.11.0", "2.10.0", "0.11.1", "0.12.0"),
    ("2.12.1", "2.11.0", "2.10.0", "0.12.0", "0.11.1"),
    ("2.15.0", "2.11.0", "2.10.0", "0.17.0", "0.11.1"),
    ("2.16.0.dev20261119", "2.11.0", "2.10.0", "0.17.0", "0.11.1"),
]


@pytest.mark.parametrize(("torch", "fits", "differs"), [pair[:3] for pair in PAIRS])
def test_torchaudio_follows_torch_up_to_its_last_minor(torch, fits, differs):
    specifier = SpecifierSet(pairing.torchaudio_specifier(torch))
    assert specifier.contains(fits)
    assert not specifier.contains(differs)


@pytest.mark.parametrize(("torch", "fits", "differs"), [(p[0], *p[3:]) for p in PAIRS])
def test_torchcodec_is_the_one_built_for_torch(torch, fits, differs):
    specifier = SpecifierSet(pairing.torchcodec_specifier(torch))
    assert specifier.contains(fits)
    assert not specifier.contains(differs)


def test_torchcodec_is_asked_for_where_torchaudio_reads_through_it():
    row = axes.library("torchaudio")
    asked = {torch: pairing.requirements(row.pairs, torch) for torch in ("2.8.0", "2.9.1")}
    assert asked == {"2.8.0": (), "2.9.1": ("torchcodec>=0.8,<0.10",)}


def test_what_goes_with_torch_is_bounded_wherever_it_is_installed():
    assert "torchcodec>=0.6,<0.8" in pairing.constraints("2.8.0")
    assert "torchaudio==2.8.0" in pairing.constraints("2.8.0")


def test_what_is_pinned_follows_no_rule():
    pinned = (("torchaudio", "2.16.0.dev1"), ("torchvision", "0.31.0.dev1"))
    pair = ("torchaudio==2.16.0.dev1", "torchvision==0.31.0.dev1")
    assert pairing.requirements(("torchaudio", "torchvision"), "2.16.0.dev1", pinned) == pair
    assert set(pair) < set(pairing.constraints("2.16.0.dev1", pinned))
    assert "torchaudio==2.11.*" in pairing.constraints("2.16.0.dev1")


def test_a_nightly_torch_lets_the_resolver_look_at_nightlies_of_torchvision():
    assert SpecifierSet(pairing.torchvision_specifier("2.16.0.dev20261119")).contains("0.30.0.dev1")
    assert pairing.torchvision_specifier("2.15.0") is None


def test_transformers_stays_below_5_where_torch_is_too_old_for_it():
    assert SpecifierSet(pairing.transformers_specifier("2.5.1")).contains("4.57.6")
    assert not SpecifierSet(pairing.transformers_specifier("2.5.1")).contains("5.0.0")
    assert pairing.transformers_specifier("2.6.0") is None
    assert pairing.transformers_specifier("2.16.0.dev20261119") is None


def test_every_library_of_the_axes_has_an_adapter_and_checkpoints():
    rows = catalogue()
    for row in axes.LIBRARIES:
        assert Libraries().get(row.opened_by)
        assert list(row.opened(rows))


def test_every_choice_has_its_reason():
    for row in axes.LIBRARIES:
        assert all(swept.why for swept in row.versions)
        more = [each for swept in row.versions for each in (*swept.companions, *swept.excludes)]
        assert all(each.why for each in more)
        assert all(each.why for each in (*row.companions, *row.excludes))
        assert bool(row.pythons) == bool(row.why_python)


def test_an_unknown_library_is_told_the_near_miss():
    with pytest.raises(UnknownNameError, match=r"mean 'torchaudio'\? Choose one of: fairseq, "):
        axes.library("torchadio")


def test_no_two_sets_of_a_library_would_be_the_same_cell():
    for row in axes.LIBRARIES:
        names = [(swept.version, swept.beside) for swept in row.versions]
        assert len(set(names)) == len(names)
