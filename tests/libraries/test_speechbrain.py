"""The adapter of speechbrain, against a stand-in for the library."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import MismatchError, MissingFileError, UnknownNameError
from pytest_torchcompat.libraries.inputs import NotOfferedError, require_taken
from pytest_torchcompat.libraries.speechbrain import FILES, Speechbrain

ROW = catalogue().get("speechbrain/spkrec-ecapa-voxceleb")


class EncoderClassifier(torch.nn.Module):
    """Reads a folder, or what the hub's cache has of a repository, by speechbrain's rules."""

    device = "cpu"

    def __init__(self, overrides):
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)
        self.hparams = SimpleNamespace(**overrides)

    @classmethod
    def from_hparams(cls, source, *, overrides, savedir):
        sys.path.append(savedir)
        if not Path(source).is_dir():
            source = cls.hub(source)
        assert (Path(source) / "hyperparams.yaml").read_text() == "of the model"
        model = cls(overrides)
        path = Path(overrides["pretrained_path"], "embedding_model.ckpt")
        model.load_state_dict(torch.load(path, weights_only=True))
        return model

    @staticmethod
    def hub(repository):
        constants = sys.modules["huggingface_hub.constants"]
        assert constants.HF_HUB_OFFLINE
        found = Path(constants.HF_HUB_CACHE, "models--" + repository.replace("/", "--"))
        return found / "snapshots" / (found / "refs" / "main").read_text()

    def encode_batch(self, waves):
        return self.linear(waves.mean(1, keepdim=True)[:, None])


def installed(monkeypatch, place):
    constants = SimpleNamespace(HF_HUB_CACHE="own", HF_HUB_OFFLINE=False)
    contents = {
        "speechbrain": {"__path__": []},
        place: {"EncoderClassifier": EncoderClassifier},
        "huggingface_hub": {},
        "huggingface_hub.constants": vars(constants),
    }
    for name, held in contents.items():
        module = ModuleType(name)
        vars(module).update(held)
        monkeypatch.setitem(sys.modules, name, module)
    return Speechbrain()


@pytest.fixture
def library(monkeypatch):
    monkeypatch.setitem(sys.modules, "speechbrain.inference", ModuleType("speechbrain.inference"))
    return installed(monkeypatch, "speechbrain.inference.classifiers")


@pytest.fixture
def path(tmp_path):
    for name in FILES:
        (tmp_path / name).write_text("of the model")
    path = tmp_path / "embedding_model.ckpt"
    torch.save({"linear.weight": torch.ones(1, 1), "linear.bias": torch.zeros(1)}, path)
    return path


def test_a_model_is_read_from_its_folder_and_nothing_is_left_of_the_reading(library, path):
    before = [*sys.path]
    model = library.load(ROW, path)
    assert model.hparams.pretrained_path == str(path.parent)
    assert sys.path == before


def test_before_1_0_the_class_is_found_where_it_was(monkeypatch, path):
    library = installed(monkeypatch, "speechbrain.pretrained")
    library.import_()
    assert isinstance(library.load(ROW, path), EncoderClassifier)


def test_what_the_class_itself_lacks_is_not_taken_for_its_older_place(library, monkeypatch):
    monkeypatch.delitem(sys.modules, "speechbrain.inference.classifiers")

    def broken(name, *rest):
        if name == "speechbrain.inference.classifiers":
            raise ModuleNotFoundError(name="torchaudio")
        return own(name, *rest)

    own = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(ModuleNotFoundError) as caught:
        library.import_()
    assert caught.value.name == "torchaudio"


def test_the_voice_of_the_same_noise_is_the_same(library, path):
    run = library.forward(ROW, library.load(ROW, path), "cpu")
    assert run().shape == (1, 1, 1)
    assert torch.equal(run(), library.forward(ROW, library.load(ROW, path), "cpu")())


def test_a_batch_of_voices_is_offered_and_another_type_of_numbers_is_not(library, path):
    model = library.load(ROW, path)
    assert library.forward(ROW, model, "cpu", batch=3)().shape == (3, 1, 1)
    with pytest.raises(NotOfferedError):
        require_taken(library, {"dtype": "float16"})


def test_by_its_name_on_the_hub_it_is_the_same_model_and_no_network_is_asked(library, path):
    model = library.load(ROW, path)
    constants = sys.modules["huggingface_hub.constants"]
    found = library.use("from-hub", ROW, model, "cpu")()
    assert torch.equal(found, library.forward(ROW, model, "cpu")())
    assert (constants.HF_HUB_CACHE, constants.HF_HUB_OFFLINE) == ("own", False)


def test_a_use_that_the_adapter_does_not_know_is_named(library, path):
    with pytest.raises(UnknownNameError, match=r"'stream' is not a known use\. .*: from-hub"):
        library.use("stream", ROW, library.load(ROW, path), "cpu")


def test_what_speechbrain_would_download_is_missing(library, path):
    for name in ("hyperparams.yaml", "label_encoder.txt"):
        (path.parent / name).unlink()
    with pytest.raises(MissingFileError) as caught:
        library.load(ROW, path)
    assert str(caught.value) == (
        f"{path.parent} lacks hyperparams.yaml, label_encoder.txt, and speechbrain would download "
        "that. Put it there: what belongs to a model lies in one folder, under the names that the "
        "hub has."
    )


def test_a_file_that_speechbrain_would_not_read_is_refused(library, path):
    mine = path.with_name("mine.ckpt")
    with pytest.raises(MismatchError) as caught:
        library.load(ROW, mine)
    assert str(caught.value) == (
        f"{mine} would not be read: speechbrain takes embedding_model.ckpt of its folder. Give the "
        "file that name, in a folder with what belongs to it, and name it there."
    )


def test_weights_of_another_model_are_refused_by_file(library, path):
    torch.save({"lstm.weight": torch.ones(1)}, path)
    with pytest.raises(MismatchError) as caught:
        library.load(ROW, path)
    assert str(caught.value).startswith(
        f"{path} holds other weights than those of the model that hyperparams.yaml beside it "
        "describes. Give files that belong together. Error(s) in loading state_dict for "
        "EncoderClassifier:"
    )


def test_an_error_that_is_not_of_the_file_stays_what_it_is(library, path, monkeypatch):
    def fail(self, overrides):
        message = "no device is free"
        raise RuntimeError(message)

    monkeypatch.setattr(EncoderClassifier, "__init__", fail)
    with pytest.raises(RuntimeError, match=r"^no device is free$"):
        library.load(ROW, path)
