"""The adapter of coqui TTS, against a stand-in for the library."""

from __future__ import annotations

import dataclasses
import json
import sys
from types import ModuleType

import pytest
import torch

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import MismatchError, MissingFileError, UnknownNameError
from pytest_torchcompat.libraries.coqui import CHUNK, WAV, Coqui

ROW = catalogue().get("coqui/xtts-v2")
GPT = "gpt_layers"


@dataclasses.dataclass
class Arguments:
    gpt_layers: int = 30
    tokenizer_file: str = ""


@dataclasses.dataclass
class Audio:
    sample_rate: int = 22050


@dataclasses.dataclass
class Config:
    languages: list = dataclasses.field(default_factory=list)
    model_args: Arguments = dataclasses.field(default_factory=Arguments)
    audio: Audio = dataclasses.field(default_factory=Audio)

    def load_json(self, path):
        self.path = path


class Xtts:
    """Saves over what it reads, as coqui-tts 0.28 does, and notes how it is used."""

    device = "cpu"

    def __init__(self, config):
        self.config = config

    def load_checkpoint(self, config, *, checkpoint_dir, checkpoint_path):
        self.read = torch.load(checkpoint_path, weights_only=True)
        self.folder = checkpoint_dir
        torch.save({"converted": True}, checkpoint_path)

    def to(self, device):
        self.device = device
        return self

    def get_gpt_cond_latents(self, noise, rate):
        return noise[:, : rate // 10]

    def get_speaker_embedding(self, noise, rate):
        return noise[:, -rate // 10 :]

    def get_conditioning_latents(self, audio_path):
        self.read = audio_path
        return torch.ones(1, 32, 64), torch.zeros(1, 512, 1)

    def inference(self, text, language, latents, speaker, **options):
        self.options = options
        return {"wav": (latents + speaker)[0].numpy()}

    def inference_stream(self, text, language, latents, speaker, **options):
        self.options = options
        yield from (latents[0], speaker[0])


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
    configured(path, {"model_args": {GPT: 2}})
    path.with_name("vocab.json").write_text("{}")
    return path


def configured(path, said):
    path.with_name("config.json").write_text(said if isinstance(said, str) else json.dumps(said))


def used(library, name):
    model = Xtts(Config())
    return library.use(name, ROW, model, "cpu"), model


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


@pytest.mark.parametrize(
    ("installed", "named"),
    [(["TTS"], "TTS"), (["coqui-tts"], "coqui-tts"), (["TTS", "coqui-tts"], "coqui-tts")],
)
def test_the_older_tts_serves_where_it_alone_is_installed(tmp_path, monkeypatch, installed, named):
    for each in installed:
        folder = tmp_path / f"{each.replace('-', '_')}-0.22.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {each}\nVersion: 0.22.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Coqui().distribution == named


def test_it_is_coqui_tts_that_is_asked_for_where_neither_is_installed():
    assert Coqui().distribution == "coqui-tts"


def test_every_further_use_of_the_row_is_known_to_the_adapter(library):
    assert {use.name for use in ROW.uses} == {"clone", "inference", "stream"}
    for use in ROW.uses:
        run, _ = used(library, use.name)
        assert torch.equal(run(), run())


def test_a_use_that_is_not_known_names_those_that_are(library):
    with pytest.raises(UnknownNameError, match=r"clone, inference, stream.*Did you mean 'stream'"):
        used(library, "steam")


def test_cloning_reads_a_wav_file_and_gives_both_of_what_it_hears(library):
    run, model = used(library, "clone")
    assert run().shape == (32 * 64 + 512,)
    assert model.read == [str(WAV)]
    assert WAV.is_file()


def test_speaking_opens_no_file_and_leaves_nothing_to_chance(library):
    run, model = used(library, "inference")
    run()
    assert model.options == {"do_sample": False}
    assert not hasattr(model, "read")


def test_streaming_joins_its_pieces_and_leaves_nothing_to_chance(library):
    run, model = used(library, "stream")
    assert run().shape == (2 * (22050 // 10),)
    assert model.options == {"stream_chunk_size": CHUNK, "top_k": 1}


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"gpt_layer": 2}, "'gpt_layer'"),
        ({"model_args": {"gpt_layer": 2}}, "'model_args.gpt_layer'"),
        ({"audio": {"rate": 1}, "top": 1}, "'top', 'audio.rate'"),
    ],
)
def test_a_key_that_xtts_would_pass_over_is_refused_by_its_file_and_name(library, path, said, key):
    configured(path, said)
    with pytest.raises(MismatchError) as caught:
        library.load(ROW, path)
    assert str(caught.value) == (
        f"{path.with_name('config.json')} has keys that XTTS does not know and would pass over: "
        f"{key}. Correct or remove them."
    )


def test_a_key_of_fine_tuning_or_of_another_version_is_no_unknown_one(library, path):
    training = {"vocoder": "", "dvae_checkpoint": "dvae.pth", GPT: 2}
    configured(path, {"model_dir": None, "speakers": [], "model_args": training})
    assert library.load(ROW, path).read == {"model": {}}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{", "config.json is not JSON in UTF-8 (Expecting property name"),
        ("[]", "config.json holds no configuration of XTTS but a list. Fetch it again."),
    ],
)
def test_a_configuration_that_is_none_is_named(library, path, said, words):
    configured(path, said)
    with pytest.raises(MismatchError) as caught:
        library.load(ROW, path)
    assert f"{path.parent}/{words}" in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "vocab.json"])
def test_a_folder_that_lacks_what_xtts_reads_is_named_with_it(library, path, name):
    path.with_name(name).unlink()
    with pytest.raises(MissingFileError) as caught:
        library.load(ROW, path)
    assert str(caught.value) == (
        f"XTTS reads {name} beside {path}, where it is not. Put the one there that came with it."
    )


def test_a_vocabulary_that_the_configuration_names_may_lie_elsewhere(library, path, monkeypatch):
    elsewhere = path.with_name("vocab.json").rename(path.with_name("tokens.json"))
    monkeypatch.setattr(Config, "load_json", lambda self, _: named(self, elsewhere))
    assert library.load(ROW, path).read == {"model": {}}


def named(config, vocabulary):
    config.model_args.tokenizer_file = str(vocabulary)
