"""The adapter of RVC, against a stand-in for its inference code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import MismatchError
from pytest_torchcompat.libraries.inputs import NotOfferedError
from pytest_torchcompat.libraries.rvc import FRAMES, WINDOW, Rvc

pytestmark = pytest.mark.filterwarnings("ignore:You are using `torch.load`:FutureWarning")

VOICE = catalogue().get("rvc/f0g40k-v1")
CONFIG = {
    "data": {"filter_length": 8, "hop_length": 2, "sampling_rate": 40000},
    "train": {"segment_size": 6},
    "model": {"gin_channels": 1},
}


class Voice(torch.nn.Linear):
    """Draws a breath, as RVC's synthesizer does."""

    def __init__(self, spectrum, segment, gin_channels, sr, is_half):
        super().__init__(4, 1)
        self.built_for = (spectrum, segment, gin_channels, sr, is_half)
        self.enc_p = torch.nn.Module()
        self.enc_p.emb_phone = torch.nn.Linear(4, 1)

    def infer(self, features, lengths, coarse, pitch, speaker):
        return self(features) + torch.rand(1), "the mask"


class Judge(torch.nn.Linear):
    def __init__(self, use_spectral_norm):
        super().__init__(1, 1)

    def forward(self, real, made):
        return [real[..., :3], made[..., :2]], [], [], []


class Pitch:
    def __init__(self, path, is_half, device):
        self.path, self.is_half = path, is_half
        self.mel_extractor = torch.nn.Identity()
        self.mel_extractor.forward = lambda wave, center: wave
        self.model = torch.nn.Identity()

    def mel2hidden(self, mel):
        return self.model(mel)


class Separator(torch.nn.Linear):
    output_bin = 5

    def __init__(self):
        super().__init__(1, 1)

    def forward(self, spectrogram):
        return spectrogram * 2


class Reader:
    """Opens its settings by a path of the working directory."""

    def __init__(self, agg, path, device, is_half):
        self.settings = Path("rvc/configs/v1/40k.json").read_text("utf-8")
        self.model = Separator()
        self.model.load_state_dict(torch.load(path, weights_only=True))


@pytest.fixture
def library(monkeypatch, tmp_path):
    package = tmp_path / "site" / "rvc"
    settings = package / "configs" / "v1" / "40k.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(CONFIG), "utf-8")
    names = ("", ".lib", ".lib.infer_pack", ".lib.infer_pack.models", ".lib.rmvpe")
    for name in (*names, ".modules", ".modules.uvr5", ".modules.uvr5.vr"):
        module = ModuleType(f"rvc{name}")
        module.__path__ = [str(package)]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        if name:
            above, _, short = module.__name__.rpartition(".")
            setattr(sys.modules[above], short, module)
    models = sys.modules["rvc.lib.infer_pack.models"]
    models.SynthesizerTrnMs256NSFsid = models.SynthesizerTrnMs768NSFsid = Voice
    models.MultiPeriodDiscriminator = models.MultiPeriodDiscriminatorV2 = Judge
    sys.modules["rvc.lib.rmvpe"].RMVPE = Pitch
    vr = sys.modules["rvc.modules.uvr5.vr"]
    vr.AudioPre = vr.AudioPreDeEcho = Reader
    return Rvc()


@pytest.fixture
def saved(tmp_path):
    def save(content):
        torch.save(content, tmp_path / "file.pth")
        return tmp_path / "file.pth"

    return save


def voice():
    return Voice(5, 3, 1, 40000, is_half=False).state_dict()


def test_a_generator_is_built_by_the_settings_of_the_package(library, saved):
    model = library.load(VOICE, saved({"model": voice()}))
    assert model.built_for == (5, 3, 1, 40000, False)
    assert not model.training


def test_a_voice_draws_the_same_breath_each_time_and_leaves_the_generator_as_it_was(library, saved):
    run = library.forward(VOICE, library.load(VOICE, saved({"model": voice()})), "cpu")
    state = torch.random.get_rng_state()
    first = run()
    assert first.shape == (1, FRAMES, 1)
    assert torch.equal(first, run())
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_scores_of_all_periods_are_one_row(library, saved):
    row = catalogue().get("rvc/f0d40k-v2")
    weights = Judge(use_spectral_norm=False).state_dict()
    model = library.load(row, saved({"model": weights}))
    assert library.forward(row, model, "cpu")().shape == (5,)


def test_the_pitch_estimator_reads_its_file_itself_in_full_precision(library, tmp_path):
    row = catalogue().get("rvc/rmvpe")
    model = library.load(row, tmp_path / "rmvpe.pt")
    assert (model.path, model.is_half) == (str(tmp_path / "rmvpe.pt"), False)
    assert library.forward(row, model, "cpu")().shape == (1, 32000)


@pytest.mark.parametrize("name", ["uvr5-hp2", "uvr5-deecho-normal"])
def test_a_separator_finds_its_settings_from_any_working_directory(
    library, saved, name, monkeypatch, tmp_path
):
    row = catalogue().get(f"rvc/{name}")
    path = saved(Separator().state_dict())
    monkeypatch.chdir(tmp_path)
    model = library.load(row, Path(path.name))
    assert Path.cwd() == tmp_path
    assert library.forward(row, model, "cpu")().shape == (1, 2, 5, WINDOW)


def test_weights_with_half_their_keys_are_told_with_the_file_and_the_keys(library, saved):
    weights = {name: weight for name, weight in voice().items() if "bias" not in name}
    path = saved({"model": weights})
    with pytest.raises(MismatchError) as raised:
        library.load(VOICE, path)
    assert str(raised.value).startswith(
        f"{path} does not hold the weights of rvc/f0g40k-v1. Error(s) in loading state_dict for"
        ' Voice:\n\tMissing key(s) in state_dict: "bias", "enc_p.emb_phone.bias"'
    )


def test_a_file_without_the_trainers_key_is_told_with_it(library, saved):
    path = saved(voice())
    with pytest.raises(MismatchError) as raised:
        library.load(VOICE, path)
    sentence = f"{path} has no key 'model', under which RVC's trainer saves the weights"
    assert str(raised.value) == sentence


def test_the_working_directory_comes_back_after_a_load_that_failed(library, saved):
    before = Path.cwd()
    with pytest.raises(MismatchError):
        library.load(catalogue().get("rvc/uvr5-hp2"), saved(voice()))
    assert Path.cwd() == before


def test_a_batch_of_voices_in_another_type_of_numbers(library, saved):
    model = library.load(VOICE, saved({"model": voice()}))
    run = library.forward(VOICE, model, "cpu", batch=3, dtype="bfloat16")
    assert run().shape == (3, FRAMES, 1)
    assert model.weight.dtype is torch.float32


def test_scores_and_masks_have_their_batch_as_well(library, saved):
    judge = Judge(use_spectral_norm=False)
    run = library.forward(catalogue().get("rvc/f0d40k-v2"), judge, "cpu", batch=3, dtype="float16")
    assert (run().shape, run().dtype) == ((15,), torch.float16)
    run = library.forward(catalogue().get("rvc/uvr5-hp2"), Separator(), "cpu", batch=3)
    assert run().shape == (3, 2, 5, WINDOW)


def test_half_a_pitch_estimator_is_told_that_it_is_one_and_the_whole_one_is_not(library, tmp_path):
    row = catalogue().get("rvc/rmvpe")
    model = library.load(row, tmp_path / "rmvpe.pt")
    run = library.forward(row, model, "cpu", batch=2, dtype="float16")
    assert run().shape == (2, 32000)
    assert model.is_half is False


def test_the_pitch_estimator_knows_no_brain_floats(library, tmp_path):
    row = catalogue().get("rvc/rmvpe")
    model = library.load(row, tmp_path / "rmvpe.pt")
    with pytest.raises(NotOfferedError) as raised:
        library.forward(row, model, "cpu", dtype="bfloat16")
    assert str(raised.value).startswith(
        "RVC's pitch estimator has no forward pass with dtype='bfloat16'. Leave that out, "
    )
