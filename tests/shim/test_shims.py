"""Shims: applied, undone exactly, and not applied where they don't belong."""

from __future__ import annotations

import dataclasses
import sys
import types

import pytest

from pytest_torchcompat import shims
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.shims.dataclass_defaults import DataclassDefaults
from pytest_torchcompat.shims.torchaudio_cuda import TorchaudioCuda

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


def test_sets_of_shims_are_tried_smallest_first_and_only_for_their_library():
    versions = {"torch": "2.15.0", "torchaudio": "2.11.0"}
    assert shims.combinations_that_apply("torchaudio", versions) == [("torchaudio-cuda",)]
    assert shims.combinations_that_apply("ultralytics", versions) == []
    assert shims.combinations_that_apply("torchaudio", versions, "off") == []
    named = shims.combinations_that_apply("ultralytics", versions, "torchaudio-cuda")
    assert named == [("torchaudio-cuda",)]


def test_an_unknown_shim_is_told_with_the_known():
    with pytest.raises(
        UnknownNameError, match="Choose one of: dataclass-defaults, torchaudio-cuda"
    ):
        shims.get("nonsense")


def test_each_shim_says_what_it_restores_and_when_it_retires():
    names = [shim.name for shim in shims.SHIMS]
    assert len(set(names)) == len(names)
    assert all(shim.restores and shim.retired_when and shim.libraries for shim in shims.SHIMS)
