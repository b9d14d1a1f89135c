"""OmegaConf's integers that a file stores as floats: converted, and a true float refused."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
from dataclasses import make_dataclass

import pytest

from pytest_torchcompat import shim
from pytest_torchcompat.shim.omegaconf_integers import CONVERTING, OmegaconfIntegers

REAL = pytest.mark.skipif(
    importlib.util.find_spec("omegaconf") is None, reason="omegaconf is not installed here"
)
# omegaconf 2.1 imports what typing has deprecated since.
OLD = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def stand_in(method):
    """Return an omegaconf whose integer node converts by a method of this name, and refuses."""

    class ValidationError(ValueError):
        pass

    def convert(self, value):
        if type(value) is not int:
            message = f"Value {value!r} could not be converted to Integer"
            raise ValidationError(message)
        return value

    modules = {name: types.ModuleType(f"omegaconf.{name}") for name in ("nodes", "errors")}
    modules["nodes"].IntegerNode = type("IntegerNode", (), {method: convert})
    modules["errors"].ValidationError = ValidationError
    return modules


@pytest.fixture(params=CONVERTING)
def node(request, monkeypatch):
    """The stand-in's integer node, with the name of its method."""
    modules = stand_in(request.param)
    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, f"omegaconf.{name}", module)
    kind = modules["nodes"].IntegerNode
    kind.convert = lambda self, value: getattr(self, request.param)(value)
    return kind


@pytest.fixture
def fairseq(monkeypatch):
    """The module of fairseq that reads checkpoints."""
    module = types.ModuleType("fairseq.checkpoint_utils")
    module.load_checkpoint_to_cpu = lambda path, arg_overrides=None: {"cfg": arg_overrides}
    monkeypatch.setitem(sys.modules, "fairseq.checkpoint_utils", module)
    return module


def test_a_whole_float_becomes_an_integer_under_the_shim_only(node):
    with OmegaconfIntegers().applied():
        value = node().convert(16000.0)
        assert (value, type(value)) == (16000, int)
        assert node().convert(7) == 7
    with pytest.raises(ValueError, match=r"16000\.0 could not be converted to Integer"):
        node().convert(16000.0)


@pytest.mark.parametrize("value", [1.5, float("inf"), float("nan")])
def test_a_true_float_stays_an_error(node, value):
    with OmegaconfIntegers().applied():
        with pytest.raises(ValueError, match=r"^(1\.5|inf|nan) stands where the "):
            node().convert(value)


@pytest.mark.parametrize("value", ["words", None, True])
def test_what_is_no_float_is_refused_as_before(node, value):
    with OmegaconfIntegers().applied():
        with pytest.raises(ValueError, match="could not be converted to Integer"):
            node().convert(value)


def test_the_error_names_the_file_that_fairseq_read_last(node, fairseq):
    with OmegaconfIntegers().applied():
        fairseq.load_checkpoint_to_cpu("models/first.pt")
        assert fairseq.load_checkpoint_to_cpu("models/hubert.pt", 1) == {"cfg": 1}
        with pytest.raises(ValueError, match=r"^hubert\.pt: 1\.5 stands where .*, and is no whole"):
            node().convert(1.5)


def test_all_is_put_back_exactly_also_after_an_error(node, fairseq):
    before, reading = dict(vars(node)), fairseq.load_checkpoint_to_cpu
    with contextlib.suppress(ZeroDivisionError), OmegaconfIntegers().applied():
        assert dict(vars(node)) != before
        assert fairseq.load_checkpoint_to_cpu is not reading
        1 / 0  # noqa: B018 - the error is the point
    assert dict(vars(node)) == before
    assert fairseq.load_checkpoint_to_cpu is reading


def test_it_belongs_to_fairseq_and_to_where_omegaconf_is():
    assert "omegaconf-integers" in shim.that_apply("fairseq", {"omegaconf": "2.0.6"})
    assert "omegaconf-integers" not in shim.that_apply("fairseq", {"torch": "2.15.0"})
    assert "omegaconf-integers" not in shim.that_apply("ultralytics", {"omegaconf": "2.0.6"})


# With its types as they are: omegaconf 2.0 reads none from a string.
Config = make_dataclass("Config", [("layers", int, 1), ("rate", float, 1.0)])


def merged(**values):
    from omegaconf import OmegaConf

    return OmegaConf.merge(OmegaConf.structured(Config), values)


@REAL
@OLD
def test_the_real_omegaconf_merges_whole_floats_and_keeps_true_ones_of_float_keys():
    from omegaconf.nodes import IntegerNode

    before = dict(vars(IntegerNode))
    with OmegaconfIntegers().applied():
        found = merged(layers=2.0, rate=0.5)
        assert (found.layers, type(found.layers), found.rate) == (2, int, 0.5)
    assert dict(vars(IntegerNode)) == before


@REAL
@OLD
def test_the_real_omegaconf_refuses_without_the_shim_and_names_the_key_of_a_true_float():
    from omegaconf.errors import ValidationError

    with pytest.raises(ValidationError, match="could not be converted to Integer"):
        merged(layers=2.0)
    with OmegaconfIntegers().applied():
        with pytest.raises(ValidationError, match=r"(?s)^1\.5 stands .*full_key: layers"):
            merged(layers=1.5)
