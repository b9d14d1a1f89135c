"""The shim for ``torch.isin`` on plain numbers, on torch itself."""

from __future__ import annotations

import importlib
import sys
import types

import pytest
import torch

from pytest_torchcompat.shim.isin_numbers import IsinNumbers

TOKENS = torch.tensor([1, 64, 65])


def test_numbers_are_taken_by_keyword_under_the_shim_only():
    with IsinNumbers().applied():
        found = torch.isin(elements=TOKENS, test_elements=65)
        assert found.tolist() == [False, False, True]
        assert torch.isin(elements=65, test_elements=65).item() is True
        assert torch.isin(elements=65, test_elements=64).item() is False
    with pytest.raises(TypeError):
        torch.isin(elements=TOKENS, test_elements=65)


def test_tensors_and_options_reach_torch_as_they_were():
    with IsinNumbers().applied():
        assert torch.isin(TOKENS, torch.tensor([1]), invert=True).tolist() == [False, True, True]
        with pytest.raises(TypeError):
            torch.isin(TOKENS, "65")


def test_a_number_is_put_where_the_tensor_is(monkeypatch):
    """A GPU refuses one on the CPU; here the device without memory stands in for it."""
    monkeypatch.setattr(torch, "isin", lambda *given, **_: [each.device.type for each in given])
    tokens = torch.ones(3, device="meta")
    with IsinNumbers().applied():
        assert torch.isin(elements=tokens, test_elements=65) == ["meta", "meta"]
        assert torch.isin(elements=65, test_elements=tokens) == ["meta", "meta"]
        assert torch.isin(elements=65, test_elements=64) == ["cpu", "cpu"]


def test_isin_is_put_back_exactly_also_after_an_error():
    before = dict(vars(torch))
    with pytest.raises(ZeroDivisionError), IsinNumbers().applied():
        1 / 0  # noqa: B018 - the error is the point
    assert dict(vars(torch)) == before


@pytest.fixture
def transformers(monkeypatch):
    """Stand in for the module of transformers 4.42 whose helper asks for a device."""

    class GenerationMixin:
        device = "cpu"

        def _get_logits_warper(self, generation_config, device):
            return generation_config, device

    module = types.ModuleType("transformers.generation.utils")
    module.GenerationMixin = GenerationMixin
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return GenerationMixin


def test_a_helper_that_came_to_ask_for_a_device_gets_the_models(transformers):
    before, model = dict(vars(transformers)), transformers()
    with IsinNumbers().applied():
        assert model._get_logits_warper("config") == ("config", "cpu")
        assert model._get_logits_warper("config", device="cuda") == ("config", "cuda")
        assert model._get_logits_warper("config", "cuda") == ("config", "cuda")
    assert dict(vars(transformers)) == before
    with pytest.raises(TypeError, match="device"):
        model._get_logits_warper("config")


def test_applied_before_the_library_is_imported_it_reaches_the_helper_too(tmp_path, monkeypatch):
    """As printed code is, which stands above the first import."""
    folder = tmp_path / "transformers" / "generation"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "../__init__.py"):
        (folder / name).touch()
    (folder / "utils.py").write_text(
        "class GenerationMixin:\n"
        "    device = 'cpu'\n"
        "    def _get_logits_warper(self, config, device): return config, device\n"
    )
    names = ("transformers", "transformers.generation", "transformers.generation.utils")
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)  # so that what is there now comes back
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(tmp_path))
    with IsinNumbers().applied():
        mixin = importlib.import_module(names[-1]).GenerationMixin
        assert mixin()._get_logits_warper("config") == ("config", "cpu")


def test_an_older_helper_is_called_as_it_is(transformers):
    transformers._get_logits_warper = lambda _, generation_config: generation_config
    with IsinNumbers().applied():
        assert transformers()._get_logits_warper("config") == "config"


@pytest.mark.parametrize(
    ("versions", "applies"),
    [
        ({"TTS": "0.22.0", "transformers": "4.42.4"}, True),
        ({"TTS": "0.22.0", "transformers": "4.41.0"}, True),
        ({"TTS": "0.22.0", "transformers": "4.40.2"}, False),
        ({"TTS": "0.22.0", "transformers": "4.44.0"}, False),
        ({"coqui-tts": "0.24.2", "transformers": "4.42.4"}, False),
        ({"TTS": "0.22.0"}, False),
    ],
)
def test_it_applies_to_the_old_tts_beside_three_minors_of_transformers(versions, applies):
    assert IsinNumbers().applies(versions) is applies
