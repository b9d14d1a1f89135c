"""The adapter of coqui TTS, against a stand-in for the library."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.libraries.coqui import Coqui

ROW = catalogue().get("coqui/xtts-v2")


class Config:
    def load_json(self, path):
        self.path = path


class Xtts:
    """Saves over what it reads, as coqui-tts 0.28 does."""

    def __init__(self, config):
        self.config = config

    def load_checkpoint(self, config, *, checkpoint_dir, checkpoint_path):
        self.read = torch.load(checkpoint_path, weights_only=True)
        self.folder = checkpoint_dir
        torch.save({"converted": True}, checkpoint_path)


@pytest.fixture
def library(monkeypatch):
    for name in ("TTS", "TTS.tts", "TTS.tts.configs", "TTS.tts.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name, held in (("configs.xtts_config", Config), ("models.xtts", Xtts)):
        module = ModuleType(f"TTS.tts.{name}")
        setattr(module, "XttsConfig" if held is Config else "Xtts", held)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return Coqui()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "best_model.pth"
    torch.save({"model": {}}, path)
    return path


def test_xtts_is_loaded_by_its_path_with_the_configuration_beside_it(library, path):
    model = library.load(ROW, path)
    assert model.read == {"model": {}}
    assert model.folder == str(path.parent)
    assert model.config.path == str(path.with_name("config.json"))


def test_a_library_that_saves_over_what_it_read_leaves_the_file_as_it_was(library, path):
    before, save = path.read_bytes(), torch.save
    library.load(ROW, path)
    assert path.read_bytes() == before
    assert torch.save is save


def test_saving_works_again_after_a_load_that_failed(library, path):
    save = torch.save
    with pytest.raises(FileNotFoundError):
        library.load(ROW, path.with_name("missing.pth"))
    assert torch.save is save
