"""Shims: applied, undone exactly, and not applied where they don't belong."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import subprocess
import sys
import types

import pytest

import pytest_torchcompat
from pytest_torchcompat import shim
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.shim.dataclass_defaults import DataclassDefaults
from pytest_torchcompat.shim.torchaudio_cuda import TorchaudioCuda

RULE = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 brought the rule")


@dataclasses.dataclass
class Common:
    seed: int = 1


def declare():
    """Declare a configuration as fairseq does."""

    @dataclasses.dataclass
    class Config:
        common: Common = Common()  # noqa: RUF009 - the point

    return Config


@RULE
def test_a_dataclass_instance_may_be_a_default_under_the_shim_only():
    with DataclassDefaults().applied():
        assert declare()().common.seed == 1
    with pytest.raises(ValueError, match="mutable default"):
        declare()


@RULE
def test_lists_are_refused_as_before_and_the_type_is_left_as_it_was():
    with DataclassDefaults().applied():
        declare()
        assert Common.__hash__ is None
        with pytest.raises(ValueError, match="mutable default"):
            dataclasses.make_dataclass("Bad", [("names", list, [])])
    assert Common.__hash__ is None


@RULE
def test_a_subclass_that_is_no_dataclass_itself_is_left_as_it_was_too():
    class Special(Common):
        pass

    before = dict(vars(Special))
    with DataclassDefaults().applied():
        dataclasses.make_dataclass("Config", [("common", Common, Special())])
    assert dict(vars(Special)) == before


def test_dataclasses_are_put_back_exactly_also_after_an_error():
    before = dict(vars(dataclasses))
    with pytest.raises(ZeroDivisionError), DataclassDefaults().applied():
        1 / 0  # noqa: B018 - the error is the point
    assert dict(vars(dataclasses)) == before


@pytest.fixture
def guarded_torchaudio(tmp_path, monkeypatch):
    """A torch of CUDA 13.2, and a torchaudio that refuses it as the real one does."""
    torch = types.ModuleType("torch")
    torch.version = types.SimpleNamespace(cuda="13.2")
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    (tmp_path / "torchaudio.py").write_text(
        "import torch\n"
        "if torch.version.cuda not in (None, '13.0'): raise RuntimeError('different CUDA')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield torch
    sys.modules.pop("torchaudio", None)


def test_torchaudio_is_imported_past_its_guard_and_torch_is_put_back(guarded_torchaudio):
    with TorchaudioCuda().applied():
        assert "torchaudio" in sys.modules
        assert guarded_torchaudio.version.cuda == "13.2"


@pytest.mark.parametrize(
    ("torchaudio", "torch", "applies"),
    [
        ("2.11.0", "2.15.0", True),
        ("2.11.0", "2.11.0", False),
        ("2.10.0", "2.10.0", False),
        (None, "2.15.0", False),
    ],
)
def test_the_guard_is_passed_only_where_torchaudio_was_outlived(torchaudio, torch, applies):
    versions = {"torch": torch, **({"torchaudio": torchaudio} if torchaudio else {})}
    assert TorchaudioCuda().applies(versions) is applies


@RULE
def test_the_rule_on_dataclasses_is_asked_of_the_python_that_is_named():
    assert DataclassDefaults().applies({}) is True
    assert DataclassDefaults().applies({"python": "3.10.13"}) is False
    assert DataclassDefaults().applies({"python": "3.12.1"}) is True


def test_a_library_gets_the_shims_that_are_for_it_and_apply():
    versions = {"python": "3.10.13", "torch": "2.15.0", "torchaudio": "2.11.0"}
    both = ("torchaudio-cuda", "torchaudio-legacy")
    assert shim.that_apply("torchaudio", versions) == both
    assert shim.that_apply("ultralytics", versions) == ()
    assert shim.that_apply("torchaudio", versions, "off") == ()
    named = shim.that_apply("ultralytics", versions, "torchaudio-legacy, torchaudio-cuda")
    assert named == both


def test_an_unknown_shim_is_told_with_the_known():
    with pytest.raises(UnknownNameError, match="Choose one of: dataclass-defaults, numpy-aliases"):
        shim.get("nonsense")


def test_each_shim_says_what_it_is():
    names = [each.name for each in shim.SHIMS]
    assert len(set(names)) == len(names)
    for each in shim.SHIMS:
        assert each.restores
        assert each.retired_when
        assert each.libraries
        assert each.modules
        assert each.lost == []


@pytest.fixture
def stand_ins(monkeypatch):
    """Three shims in a registry, and what was done with them."""
    done = []

    class Recorded:
        lost = ()

        def __init__(self, name, applies):
            self.name = name
            self.applies = lambda _: applies

        @contextlib.contextmanager
        def applied(self):
            if self.name == "broken":
                raise ZeroDivisionError
            done.append(f"+{self.name}")
            try:
                yield
            finally:
                done.append(f"-{self.name}")

    three = Recorded("first", True), Recorded("second", True), Recorded("broken", False)
    monkeypatch.setattr(shim, "SHIMS", three)
    return done


def test_shims_are_applied_in_the_registrys_order_and_undone_in_the_other(stand_ins):
    with pytest_torchcompat.shims("second", "first", "second") as names:
        assert names == ("first", "second")
        assert stand_ins == ["+first", "+second"]
    assert stand_ins[2:] == ["-second", "-first"]


def test_without_names_all_that_apply_are_applied(stand_ins):
    with pytest_torchcompat.shims() as names:
        assert names == ("first", "second")


def test_what_a_shim_loses_outside_of_checks_is_a_warning(stand_ins):
    lossy = shim.SHIMS[0]
    with pytest_torchcompat.shims("first"):
        with pytest.warns(UserWarning, match="^shim first: the weights are random$"):
            lossy.lost += ["the weights are random"]
        with pytest.warns(UserWarning, match="^shim first: and so is the bias$"):
            lossy.lost.append("and so is the bias")
        assert len(lossy.lost) == 2
    assert lossy.lost == ()


def test_of_an_application_that_fails_nothing_is_left(stand_ins):
    with pytest.raises(ZeroDivisionError), pytest_torchcompat.shims("first", "broken"):
        pass
    assert stand_ins == ["+first", "-first"]


def test_a_misspelt_shim_is_told_before_any_is_applied(stand_ins):
    with pytest.raises(UnknownNameError, match="Did you mean 'second'"):
        with pytest_torchcompat.shims("first", "secnd"):
            pass
    assert stand_ins == []


def test_what_is_installed_names_this_python():
    found = shim.installed()
    assert found["python"].split(".")[:2] == [str(number) for number in sys.version_info[:2]]
    assert found["pytest"] == pytest.__version__


def test_asking_which_apply_imports_no_library():
    script = (
        "import sys, pytest_torchcompat\n"
        "assert 'pytest_torchcompat.shim' not in sys.modules\n"
        "from pytest_torchcompat import shim\n"
        "[each.applies(shim.installed()) for each in shim.SHIMS]\n"
        "wanted = {name for each in shim.SHIMS for name in each.modules} | {'torch', 'soundfile'}\n"
        "print(sorted(wanted & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", [each.name for each in shim.SHIMS])
def test_a_shims_file_stands_alone(name):
    module = sys.modules[type(shim.get(name)).__module__]
    tree = ast.parse(inspect.getsource(module))
    assert not any(isinstance(node, ast.Global) for node in ast.walk(tree))
    for node in ast.walk(tree):
        for imported in imported_by(node):
            assert imported != "pytest_torchcompat"
            if node in tree.body and sys.version_info >= (3, 10):
                assert imported in sys.stdlib_module_names


def imported_by(node):
    names = [node.module] if isinstance(node, ast.ImportFrom) else []
    names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
    return [name.partition(".")[0] for name in names]
