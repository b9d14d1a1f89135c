"""The adapter of pyannote.audio, against a stand-in for the library."""

from __future__ import annotations

import pickle
import sys
import wave
from importlib import import_module
from types import ModuleType, SimpleNamespace

import pytest
import torch

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import MismatchError, MissingFileError, UnknownNameError
from pytest_torchcompat.libraries.pyannote import WAV, WINDOW, Pyannote

SEGMENTATION = catalogue().get("pyannote/segmentation-3.0")
EMBEDDING = catalogue().get("pyannote/wespeaker-voxceleb-resnet34-lm")
MODELS = "pyannote.audio.models"


class Net(torch.nn.Module):
    """A model that answers with the waveform itself, as one or as scores of moments."""

    specifications = SimpleNamespace(resolution="chunk")

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)

    def on_load_checkpoint(self, loaded):
        self.described = loaded["pyannote.audio"]["specifications"]

    def forward(self, waves):
        return waves.flatten(1)


class Model:
    """Reads its class from the file, by the lines of pyannote.audio's own loader."""

    @staticmethod
    def from_pretrained(path):
        loaded = torch.load(path, weights_only=True)
        module = import_module(loaded["pyannote.audio"]["architecture"]["module"])
        kind = getattr(module, loaded["pyannote.audio"]["architecture"]["class"])
        model = kind()
        model.on_load_checkpoint(loaded)
        model.load_state_dict(loaded["state_dict"])
        return model


class Inference:
    """Reads a file, and answers with an array, or with one and the times of its rows."""

    def __init__(self, model, window, **options):
        self.model, self.window, self.options = model, window, options

    def __call__(self, path):
        with wave.open(path) as file:
            samples = torch.frombuffer(bytearray(file.readframes(8)), dtype=torch.int16)
        if self.window == "whole":
            return samples.numpy()
        return SimpleNamespace(sliding_window="10 ms", data=samples[None].numpy())


@pytest.fixture
def library(monkeypatch):
    contents = {
        "pyannote": {},
        "pyannote.audio": {"Model": Model, "Inference": Inference},
        "pyannote.audio.core": {},
        "pyannote.audio.core.task": {"Resolution": SimpleNamespace(FRAME="frame")},
        MODELS: {"__path__": [], "Net": Net},
    }
    for name, held in contents.items():
        module = ModuleType(name)
        vars(module).update(held)
        monkeypatch.setitem(sys.modules, name, module)
    return Pyannote()


def a_checkpoint(module=MODELS, kind="Net", **changes):
    state = {"linear.weight": torch.ones(1, 1), "linear.bias": torch.zeros(1)}
    described = {"architecture": {"module": module, "class": kind}, "specifications": {}}
    return {"state_dict": state, "pyannote.audio": described, **changes}


@pytest.fixture
def save(tmp_path):
    def to_file(contents):
        path = tmp_path / "voice.bin"
        torch.save(contents, path)
        return path

    return to_file


def test_a_model_is_loaded_by_its_file_alone_and_ready_to_use(library, save):
    model = library.load(EMBEDDING, save(a_checkpoint()))
    assert isinstance(model, Net)
    assert not model.training


def test_the_forward_pass_reads_no_file(library, monkeypatch):
    monkeypatch.setattr(wave, "open", None)
    run = library.forward(EMBEDDING, Net(), "cpu")
    assert run().shape == (1, 32000)
    assert torch.equal(run(), library.forward(EMBEDDING, Net(), "cpu")())


def test_a_file_is_read_as_one_where_the_model_is_of_a_whole_voice(library):
    run = library.use("read-file", EMBEDDING, Net(), "cpu")
    assert run().shape == (8,)


def test_a_window_slides_over_a_file_where_the_model_is_of_moments(library):
    model = Net()
    model.specifications = SimpleNamespace(resolution="frame")
    run = library.use("read-file", SEGMENTATION, model, "cpu")
    assert run().shape == (1, 8)


def test_the_file_that_is_read_lasts_longer_than_its_window():
    with wave.open(str(WAV)) as file:
        assert file.getnframes() / file.getframerate() > WINDOW


def test_a_use_that_the_adapter_does_not_know_is_named(library):
    with pytest.raises(UnknownNameError, match=r"'stream' is not a known use\. .*: read-file"):
        library.use("stream", EMBEDDING, Net(), "cpu")


def other_files():
    of_lightning = a_checkpoint()
    del of_lightning["pyannote.audio"]
    yield of_lightning, "KeyError: 'pyannote.audio'"
    yield a_checkpoint(kind="Gone"), f"AttributeError: module '{MODELS}' has no attribute 'Gone'"
    yield a_checkpoint("not_installed"), "ModuleNotFoundError: No module named 'not_installed'"
    yield a_checkpoint(f"{MODELS}.gone"), f"ModuleNotFoundError: No module named '{MODELS}.gone'"
    half = a_checkpoint()
    del half["pyannote.audio"]["specifications"]
    yield half, "KeyError: 'specifications'"


@pytest.mark.parametrize(
    ("contents", "said"),
    list(other_files()),
    ids=["no key", "another class", "another package", "another module", "half of it"],
)
def test_a_file_that_names_no_model_is_refused_by_file_and_key(library, save, contents, said):
    path = save(contents)
    with pytest.raises(MismatchError) as caught:
        library.load(EMBEDDING, path)
    assert str(caught.value) == (
        f"{path} describes under its key 'pyannote.audio' no model that the installed "
        f"pyannote.audio can build ({said}). Give a file that pyannote.audio saved, or install its "
        "model's class."
    )
    assert type(caught.value.__cause__).__name__ == said.partition(":")[0]


def test_weights_of_another_class_are_refused_by_file_and_keys(library, save):
    path = save(a_checkpoint(state_dict={"lstm.weight": torch.ones(1)}))
    with pytest.raises(MismatchError) as caught:
        library.load(EMBEDDING, path)
    said = str(caught.value)
    assert said.startswith(
        f"{path} holds under its key 'state_dict' other weights than those of the class that its "
        "key 'pyannote.audio' names. Give a file whose weights and class belong together. Error(s) "
        "in loading state_dict for Net:"
    )
    assert '"lstm.weight"' in said


def test_a_file_that_is_missing_is_not_looked_for_on_the_hub(library, tmp_path):
    path = tmp_path / "missing.bin"
    with pytest.raises(MissingFileError) as caught:
        library.load(EMBEDDING, path)
    assert str(caught.value) == (
        f"{path} is no file, and pyannote.audio would take the path for a model's name on the hub. "
        "Give the path of a file."
    )


def test_an_error_that_is_not_of_the_file_stays_what_it_is(library, save, monkeypatch):
    def fail(self):
        message = "module 'numpy' has no attribute 'NaN'"
        raise AttributeError(message)

    monkeypatch.setattr(Net, "__init__", fail)
    with pytest.raises(AttributeError, match=r"^module 'numpy' has no attribute 'NaN'$"):
        library.load(EMBEDDING, save(a_checkpoint()))


def test_a_loader_that_does_not_fit_its_lightning_is_not_blamed_on_the_file(
    library, save, monkeypatch
):
    def from_pretrained(path):
        return str(path, weights_only=False)

    monkeypatch.setattr(Model, "from_pretrained", from_pretrained)
    with pytest.raises(TypeError, match="weights_only"):
        library.load(EMBEDDING, save(a_checkpoint()))


def test_a_refusal_by_torch_stays_what_it_is(library, save):
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        library.load(EMBEDDING, save(a_checkpoint(extra=SimpleNamespace())))


def test_a_batch_of_waves_in_another_type_of_numbers_leaves_the_model_its_own(library):
    model = Net()
    run = library.forward(EMBEDDING, model, "cpu", batch=3, dtype="float16")
    assert (run().shape, run().dtype) == ((3, 32000), torch.float16)
    assert model.linear.weight.dtype is torch.float32
