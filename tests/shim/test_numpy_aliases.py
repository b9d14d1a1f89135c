"""NumPy's removed names: back where they are missing, and gone again."""
# ruff: noqa: NPY001, NPY003, NPY201 - the removed names are the point

from __future__ import annotations

import sys
import types
import warnings

import numpy as np
import pytest

from pytest_torchcompat.shim.numpy_aliases import NumpyAliases

NUMPY_2 = pytest.mark.skipif(np.__version__.startswith("1."), reason="NumPy 2.0 removed them")
NUMPY_1 = {"inf": float("inf"), "nan": float("nan"), "prod": sum, "asmatrix": list}


@pytest.fixture
def old_numpy(monkeypatch):
    """A NumPy of 1.26: without the builtins' names, and with most others."""
    module = types.ModuleType("numpy")
    vars(module).update(NUMPY_1, NaN=NUMPY_1["nan"], product=NUMPY_1["prod"])
    monkeypatch.setitem(sys.modules, "numpy", module)
    return module


def test_numpy_is_put_back_exactly_also_after_an_error():
    before = dict(vars(np))
    with pytest.raises(ZeroDivisionError), NumpyAliases().applied():
        np.int(1) / 0
    assert dict(vars(np)) == before


def test_the_names_of_builtins_are_these(old_numpy):
    with NumpyAliases().applied():
        found = [getattr(old_numpy, name) for name in ("bool", "int", "float", "long", "unicode")]
    assert found == [bool, int, float, int, str]


def test_a_name_that_is_there_stays_what_it_is(old_numpy):
    with NumpyAliases().applied():
        assert old_numpy.product is sum
        assert old_numpy.mat is list
    assert not hasattr(old_numpy, "mat")


@NUMPY_2
def test_types_that_numpy_2_has_under_an_old_name_are_its_own():
    own = np.bool, np.long
    with NumpyAliases().applied():
        assert (np.bool, np.long) == own


@NUMPY_2
def test_names_stand_for_what_the_release_notes_say():
    with NumpyAliases().applied():
        assert np.isnan(np.NaN)
        assert (np.Inf, np.infty, np.NINF, np.PZERO) == (np.inf, np.inf, -np.inf, 0)
        assert (np.float_, np.complex_, np.string_) == (np.float64, np.complex128, np.bytes_)
        assert (np.product, np.sometrue, np.alltrue) == (np.prod, np.any, np.all)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy 2.0 to 2.3 have these two, and warn
            assert np.trapz([1, 2, 3]) == 4
            assert np.in1d([[1, 2], [3, 4]], [4, 1], invert=True).tolist() == [0, 1, 1, 0]


@NUMPY_2
def test_applied_twice_the_inner_takes_nothing_away():
    with NumpyAliases().applied():
        with NumpyAliases().applied():
            pass
        assert np.float is float
    assert not hasattr(np, "float_")


@pytest.mark.parametrize(
    ("version", "applies"), [("1.23.5", False), ("1.24.0", True), ("1.26.4", True), ("2.4.6", True)]
)
def test_it_applies_from_numpy_1_24_on(version, applies):
    assert NumpyAliases().applies({"numpy": version}) is applies
    assert NumpyAliases().applies({"torch": version}) is False
