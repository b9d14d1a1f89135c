"""The adapter of torchaudio, against a stand-in for what the library had before 2.9."""

from __future__ import annotations

import sys
import wave
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.libraries.inputs import NotOfferedError
from pytest_torchcompat.libraries.torchaudio import FIELDS, LEGACY_NAMES, TONE, Torchaudio

LEGACY, WAV, RESAMPLE = (
    catalogue().get(f"torchaudio/{name}") for name in ("legacy-api", "wav", "resample")
)
PATH = WAV.replica.path


def metadata(*values):
    return SimpleNamespace(**dict(zip(FIELDS, values)))


def info(path):
    with wave.open(path) as file:
        return metadata(file.getframerate(), file.getnframes(), file.getnchannels(), 16, "PCM_S")


def load(path, frame_offset=0, num_frames=-1, normalize=True, channels_first=True):
    with wave.open(path) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").copy()
        rate = file.getframerate()
    part = torch.from_numpy(samples[frame_offset:][: None if num_frames < 0 else num_frames])[
        :, None
    ]
    part = part.float() / 32768 if normalize else part
    return (part.t() if channels_first else part), rate


@pytest.fixture
def torchaudio(monkeypatch):
    module = ModuleType("torchaudio")
    module.__path__ = []
    module.AudioMetaData, module.info, module.load, module.save = metadata, info, load, None
    module.set_audio_backend = module.get_audio_backend = lambda *_: None
    module.list_audio_backends = lambda: ["soundfile"]
    module.functional = SimpleNamespace(resample=lambda wave, old, new: wave[:, :: old // new])
    backend, common = (ModuleType(f"torchaudio.backend{end}") for end in ("", ".common"))
    backend.__path__ = []
    common.AudioMetaData = metadata
    for each in (module, backend, common):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    return module


def cannot(*_, **__):
    raise AssertionError


def test_a_file_is_read_and_its_samples_are_the_output(torchaudio):
    library = Torchaudio()
    run = library.forward(WAV, library.load(WAV, PATH), "cpu")
    assert run().shape == (1, 8000)


def test_info_is_a_use_of_its_own_that_needs_no_samples(torchaudio):
    library = Torchaudio()
    model = library.load(WAV, PATH)
    torchaudio.load = cannot
    assert [use.name for use in WAV.uses] == ["info"]
    assert library.use("info", WAV, model, "cpu")().tolist() == [16000, 8000, 1, 16]


def test_a_library_without_info_still_reads_a_file(torchaudio):
    del torchaudio.info
    library = Torchaudio()
    model = library.load(WAV, PATH)
    assert library.forward(WAV, model, "cpu")().shape == (1, 8000)
    with pytest.raises(AttributeError, match="has no attribute 'info'"):
        library.use("info", WAV, model, "cpu")()


def test_a_waveform_is_resampled_where_no_file_can_be_read(torchaudio):
    torchaudio.load = torchaudio.info = cannot
    library = Torchaudio()
    run = library.forward(RESAMPLE, library.load(RESAMPLE, PATH), "cpu")
    assert run().shape == (1, 8000)
    assert torch.equal(run(), run())


def test_the_legacy_api_is_called_and_gives_a_part_of_the_file(torchaudio):
    library = Torchaudio()
    run = library.forward(LEGACY, library.load(LEGACY, PATH), "cpu")
    assert torch.equal(run(), load(str(PATH))[0][:, 1000:5000])


@pytest.mark.parametrize("name", LEGACY_NAMES)
def test_a_name_that_is_gone_is_named(torchaudio, name):
    delattr(torchaudio, name)
    with pytest.raises(AttributeError) as raised:
        Torchaudio().load(LEGACY, PATH)
    assert str(raised.value) == f"module 'torchaudio' has no attribute '{name}'"


@pytest.mark.parametrize(
    ("name", "stand_in", "words"),
    [
        (
            "info",
            lambda _: metadata(*TONE[:-1], "PCM_F"),
            "info gives (16000, 8000, 1, 16, 'PCM_F')",
        ),
        ("list_audio_backends", list, "list_audio_backends gives []"),
        ("load", lambda path, **_: load(path), "load gives ('torch.float32', (1, 8000), 16000)"),
    ],
)
def test_a_function_that_answers_otherwise_is_told_with_what_is_due(
    torchaudio, name, stand_in, words
):
    setattr(torchaudio, name, stand_in)
    with pytest.raises(RuntimeError, match="is due") as raised:
        Torchaudio().load(LEGACY, PATH)
    assert str(raised.value).startswith(f"torchaudio.{words} for {PATH}, where ")


def test_metadata_under_its_older_place_has_the_same_five_fields(torchaudio):
    del sys.modules["torchaudio.backend.common"].AudioMetaData
    with pytest.raises(AttributeError, match="AudioMetaData"):
        Torchaudio().load(LEGACY, PATH)


@pytest.mark.parametrize("row", [WAV, LEGACY], ids=lambda row: row.id)
def test_a_file_that_cannot_be_read_is_named_where_the_library_does_not(torchaudio, row, tmp_path):
    path = tmp_path / "noise.wav"

    def fails(*_, **__):
        message = "Format not recognised"
        raise RuntimeError(message)

    torchaudio.load = torchaudio.info = fails
    with pytest.raises(RuntimeError) as raised:
        Torchaudio().load(row, path)
    sentence = f"torchaudio cannot read {path}: Format not recognised. Is it a sound file?"
    assert str(raised.value) == sentence


@pytest.mark.parametrize("row", [WAV, LEGACY], ids=lambda row: row.id)
def test_a_torchcodec_that_finds_no_ffmpeg_is_not_blamed_on_the_file(torchaudio, row):
    said = "Could not load libtorchcodec. Likely causes:\n 1. FFmpeg is not properly installed"

    def fails(*_, **__):
        raise RuntimeError(said)

    torchaudio.load = torchaudio.info = fails
    with pytest.raises(RuntimeError) as raised:
        Torchaudio().load(row, PATH)
    assert str(raised.value) == said


def test_a_use_that_is_not_known_is_told(torchaudio):
    with pytest.raises(UnknownNameError, match=r"'inof' is not a known use.*mean 'info'"):
        Torchaudio().use("inof", WAV, PATH, "cpu")


def test_a_batch_of_waveforms_is_resampled_in_another_type_of_numbers(torchaudio):
    library = Torchaudio()
    model = library.load(RESAMPLE, PATH)
    run = library.forward(RESAMPLE, model, "cpu", batch=3, dtype="bfloat16")
    assert (run().shape, run().dtype) == ((3, 8000), torch.bfloat16)
    assert model.dtype is torch.float32


def test_a_file_is_read_in_no_other_size(torchaudio):
    library = Torchaudio()
    with pytest.raises(NotOfferedError) as raised:
        library.forward(WAV, PATH, "cpu", batch=2)
    assert str(raised.value) == (
        "torchaudio/wav, which reads a file, has no forward pass with batch=2 and dtype='float32'."
        " Leave that out, or time a call of your own: torchcompat_forward(call=...) with the same"
        " words."
    )
